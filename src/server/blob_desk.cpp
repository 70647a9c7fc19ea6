#include "server/blob_desk.hpp"

#include "server/public_edge.hpp"

namespace opaline::server {

namespace calls = identity::calls;
using identity::CallFailure;

namespace {

/// When what waits will have gone.
constexpr seconds kBusyFor{1};
constexpr seconds kUnavailableFor{60};
constexpr std::chrono::hours kQuotaFor{1};

CallFailure failure_of(blobs::Error error) {
  switch (error) {
    case blobs::Error::quota:
      return {calls::CALL_STATUS_QUOTA,
              "This account has uploaded as much as it may today, or has too many uploads open.", kQuotaFor};
    case blobs::Error::bad_request:
    case blobs::Error::too_large:
    case blobs::Error::not_found:
      return {calls::CALL_STATUS_BAD_REQUEST, "An attachment has 1 to 104857600 bytes and 1 to 32 release hashes."};
    case blobs::Error::unavailable:
      break;
  }
  return {calls::CALL_STATUS_UNAVAILABLE, "The server has no room for attachments now.", kUnavailableFor};
}

blobs::Uploader uploader_of(identity::AccountKind kind) {
  switch (kind) {
    case identity::AccountKind::person:
      return blobs::Uploader::person;
    case identity::AccountKind::business:
      return blobs::Uploader::business;
    case identity::AccountKind::persona:
      break;
  }
  return blobs::Uploader::conversation;
}

}  // namespace

BlobDesk::BlobDesk(blobs::Service& service, net::EventLoop& io) : service_(service), io_(io, 0) {
  for (Worker& worker : workers_) {
    worker.thread = std::thread([this, &worker] { run(worker); });
  }
}

BlobDesk::~BlobDesk() {
  stop();
}

void BlobDesk::stop() {
  for (Worker& worker : workers_) {
    const std::lock_guard lock(worker.mutex);
    worker.stop = true;
    worker.changed.notify_one();
  }
  for (Worker& worker : workers_) {
    if (worker.thread.joinable()) worker.thread.join();
  }
}

void BlobDesk::run(Worker& worker) {
  for (;;) {
    Task task;
    {
      std::unique_lock lock(worker.mutex);
      worker.changed.wait(lock, [&] { return worker.stop || !worker.tasks.empty(); });
      if (worker.stop) return;
      task = std::move(worker.tasks.front());
      worker.tasks.pop_front();
    }
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    task();
  }
}

bool BlobDesk::queue(std::size_t worker, Task task) {
  Worker& to = workers_[worker % kWorkers];
  const std::lock_guard lock(to.mutex);
  if (to.stop || to.tasks.size() >= kMaxWaitingJobs) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  waiting_.fetch_add(1, std::memory_order_relaxed);
  to.tasks.push_back(std::move(task));
  to.changed.notify_one();
  return true;
}

// ---------------------------------------------------------------- HTTP

std::optional<net::HttpResponse> BlobDesk::serve(RequestId request, const net::Peer& peer, BlobRequest job) {
  const auto busy = [] { return blobs_busy("too much is waiting\n", kBusyFor); };
  const bool reads = job.action == BlobAction::get;
  const std::size_t least = reads ? std::min(job.length, kLeastAnswerBytes) : job.body.size();
  auto share = memory_.take(blob_source(peer.ip), least, reads ? job.length : least);
  if (!share) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return busy();
  }
  if (reads) job.length = share->bytes;
  const auto worker = std::to_integer<std::size_t>(job.id.array()[0]);
  const bool queued = queue(worker, [this, request, job = std::move(job), hold = std::move(share->hold)]() mutable {
    bool checkpoint = false;
    auto response = serve_blob(service_, job, checkpoint);
    job.body = {};
    if (job.action == BlobAction::get) response.held = std::move(hold);
    hold.reset();
    io_.post([this, request, response = std::move(response)]() mutable {
      edge_->on_response(request, std::move(response));
    });
    // The device sends its next piece meanwhile.
    if (checkpoint) service_.checkpoint(job.id);
  });
  if (!queued) return busy();
  return std::nullopt;
}

// ---------------------------------------------------------------- BLOB_CREATE

void BlobDesk::reply(relay::ConnectionId connection, std::uint32_t call, calls::CallStatus status,
                     const google::protobuf::MessageLite& body) {
  Bytes bytes(body.ByteSizeLong());
  body.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
  io_.post([this, connection, call, status, bytes = std::move(bytes)] {
    edge_->on_reply(connection, call, static_cast<std::uint16_t>(status), bytes);
  });
}

void BlobDesk::reply_failure(const CallJob& job, const CallFailure& failure) {
  reply(job.connection, job.call, failure.status, failure.to_message());
}

void BlobDesk::create(identity::Service& accounts, const CallJob& job) {
  const auto kind = accounts.writer({job.account, job.device, job.source});
  if (!kind) return reply_failure(job, kind.error());
  calls::BlobCreateRequest request;
  const bool parsed = request.ParseFromArray(job.body.data(), static_cast<int>(job.body.size()));
  const auto count = static_cast<std::size_t>(request.release_hashes_size());
  std::vector<blobs::BlobTokenHash> releases;
  for (const std::string& each : request.release_hashes()) {
    if (const auto hash = blobs::BlobTokenHash::from(as_view(each))) releases.push_back(*hash);
  }
  if (!parsed || releases.size() != count) return reply_failure(job, failure_of(blobs::Error::bad_request));
  CallJob answer{job.connection, job.account, job.device, job.source, job.call, job.method, {}};
  if (!queue(next_worker_++, [this, answer = std::move(answer), who = uploader_of(*kind), size = request.size(),
                              releases = std::move(releases)] { make(answer, who, size, releases); })) {
    reply_failure(job, failure_of(blobs::Error::unavailable));
  }
}

void BlobDesk::make(const CallJob& job, blobs::Uploader who, std::uint64_t size,
                    const std::vector<blobs::BlobTokenHash>& releases) {
  const auto made = service_.create(job.account, who, size, releases);
  if (!made) return reply_failure(job, failure_of(made.error()));
  calls::BlobCreateReply out;
  out.set_blob(to_string(made->id.view()));
  out.set_upload_token(to_string(made->upload.reveal()));
  out.set_days(service_.days());
  reply(job.connection, job.call, calls::CALL_STATUS_OK, out);
}

}  // namespace opaline::server
