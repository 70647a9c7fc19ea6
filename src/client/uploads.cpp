#include "client/uploads.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/fault_point.hpp"
#include "client/uploads_current.hpp"
#include "proto/device.pb.h"
#include "session/attachment.hpp"

namespace opaline::client {

using namespace std::chrono_literals;
using endpoint::BlobId;

namespace {

constexpr auto kWorthWaiting = 20s;
constexpr auto kPulse = 200ms;
constexpr auto kRecipientsWithin = 5s;
/// Times that the service may have forgotten what was begun, in one go.
constexpr int kMaxForgotten = 3;

Bytes hashes_for(const UploadFile& file, std::span<const session::DeviceAddress> devices) {
  const session::ReleaseSecret secret(ByteView(file.attachment.release).first<32>());
  Bytes out;
  for (const auto& device : devices) append(out, session::release_hash(session::release_token(secret, device)).view());
  return out;
}

}  // namespace

Uploads::Uploads(net::EventLoop& loop, const Clock& clock, const Transfers& transfers, const Home& home,
                 UploadHost& host, BlobService& blobs)
    : loop_(loop),
      clock_(clock),
      transfers_(transfers),
      home_(home),
      host_(host),
      blobs_(blobs),
      progress_at_(clock.monotonic()),
      retry_(loop),
      pulse_(loop) {}

Uploads::~Uploads() = default;

void Uploads::look() {
  const auto all = transfers_.uploads();
  const bool any = all && std::ranges::any_of(*all, [this](const Upload& u) {
                     return !is_final(u.reason) && !not_before_.contains(u.id);
                   });
  if (any && !std::exchange(pending_, true)) progress();
  schedule();
}

bool Uploads::moving() const {
  return pending_ && clock_.monotonic() - progress_at_ < kWorthWaiting;
}

// ---- which one

void Uploads::schedule() {
  if (stopped_ || current_ || std::exchange(scheduled_, true)) return;
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    scheduled_ = false;
    step();
  });
}

void Uploads::step() {
  if (stopped_ || current_ || !host_.online()) return;
  auto all = transfers_.uploads();
  if (!all) return;
  const Instant now = clock_.monotonic();
  std::optional<Instant> next;
  pending_ = false;
  for (Upload& upload : *all) {
    if (is_final(upload.reason)) continue;
    const auto waits = not_before_.find(upload.id);
    if (waits != not_before_.end() && waits->second > now) {
      next = std::min(next.value_or(waits->second), waits->second);
      continue;
    }
    not_before_.erase(upload.id);
    pending_ = true;
    progress();
    current_ = std::make_unique<Current>(std::move(upload));
    beat();
    return advance();
  }
  if (next) retry_.arm(*next - now, [this] { schedule(); });
}

/// Whoever waits for moving() looks after each round of the loop: there is to be one now and then.
void Uploads::beat() {
  if (!pending_ || stopped_) return;
  schedule();
  pulse_.arm(kPulse, [this] { beat(); });
}

/// The connection is down: goes on when it is up again.
void Uploads::rest() {
  current_.reset();
}

void Uploads::again() {
  retry_.arm(current_->back_off.next(), [this] {
    if (current_) advance();
  });
}

void Uploads::put_off(UploadReason reason, std::uint32_t seconds) {
  Upload& upload = current_->upload;
  upload.reason = reason;
  if (save()) {
    not_before_[upload.id] = clock_.monotonic() + std::chrono::seconds(std::clamp(seconds, 1U, 86'400U));
    events.on_changed(upload);
  }
  current_.reset();
  step();
}

/// False: it was cancelled, or the store has trouble; either way there is nothing more to be done now.
bool Uploads::save() {
  const auto saved = transfers_.save(current_->upload);
  return saved && *saved;
}

// ---- one step after the other

void Uploads::advance() {
  Upload& upload = current_->upload;
  const auto next = std::ranges::find(upload.files, false, &UploadFile::up);
  if (next == upload.files.end()) {
    if (add_releases()) queue();
    return;
  }
  const auto index = static_cast<std::size_t>(next - upload.files.begin());
  if (current_->open != index) {
    current_->spool =
        OpenFile(::open((home_.directory() / "outgoing" / next->spool).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!current_->spool || current_->spool.size_bytes() != next->attachment.size_bytes)
      return put_off(UploadReason::file_missing, 1);
    current_->open = index;
    current_->starts_at(std::nullopt);
    current_->high = 0;
  }
  if (next->attachment.blob.is_zero()) return create(index);
  if (!current_->offset) return ask(index);
  put(index);
}

void Uploads::await_recipients() {
  const Instant now = clock_.monotonic();
  if (!current_->asked_for_devices) {
    current_->asked_for_devices = now;
    if (!host_.refresh(current_->upload.peer)) return rest();
  }
  if (now - *current_->asked_for_devices > kRecipientsWithin)
    return put_off(UploadReason::no_such_account, kBusySeconds);
  retry_.arm(20ms, [this] {
    if (current_) advance();
  });
}

void Uploads::create(std::size_t index) {
  if (!host_.online()) return rest();
  const UploadFile& file = current_->upload.files[index];
  auto devices = host_.recipients(current_->upload.peer);
  if (devices.empty()) return await_recipients();
  wire::v1::BlobCreateRequest request;
  request.set_size(file.attachment.size_bytes);
  for (const auto& device : devices) request.add_release_hashes(to_string(hashes_for(file, std::span(&device, 1))));
  fault_point("files.before_create");
  host_.create(as_view(request.SerializeAsString()),
               [this, alive = std::weak_ptr(alive_), at = current_.get(), index,
                devices = std::move(devices)](const Result<Bytes, Failure>& body) {
                 if (!alive.expired() && current_.get() == at) created(index, body, devices);
               });
}

void Uploads::created(std::size_t index, const Result<Bytes, Failure>& body,
                      std::vector<session::DeviceAddress> devices) {
  if (!body) {
    if (!host_.online()) return rest();
    const auto after = body.error().retry_after_seconds;
    if (body.error().error == ClientError::quota)
      return put_off(UploadReason::quota, after == 0 ? kQuotaSeconds : after);
    if (body.error().call_status == wire::v1::CALL_STATUS_FORBIDDEN ||
        body.error().call_status == wire::v1::CALL_STATUS_BAD_REQUEST)
      return put_off(UploadReason::refused, kRefusedSeconds);
    return put_off(UploadReason::unavailable, after == 0 ? kBusySeconds : after);
  }
  wire::v1::BlobCreateReply reply;
  const bool read = reply.ParseFromArray(body->data(), static_cast<int>(body->size()));
  const auto blob = read ? BlobId::from(as_view(reply.blob())) : std::nullopt;
  if (!blob || blob->is_zero() || reply.upload_token().size() != 32)
    return put_off(UploadReason::refused, kRefusedSeconds);
  fault_point("files.after_create");
  UploadFile& file = current_->upload.files[index];
  file.attachment.blob = *blob;
  file.upload_token = to_secret_bytes(as_view(reply.upload_token()));
  file.devices = std::move(devices);
  current_->upload.reason = UploadReason::none;
  current_->starts_at(0);
  if (!save()) return rest();
  fault_point("files.after_create_saved");
  progress();
  advance();
}

/// The service does not have it (any more): the same ciphertext goes to a new place.
void Uploads::forgotten(std::size_t index) {
  UploadFile& file = current_->upload.files[index];
  file.attachment.blob = {};
  file.upload_token.clear();
  file.devices.clear();
  file.up = false;
  current_->open.reset();
  if (!save()) return rest();
  if (++current_->forgotten > kMaxForgotten) return put_off(UploadReason::unavailable, kBusySeconds);
  advance();
}

// ---- the message

/// True if the service knows the release hashes of every device that the message goes to; else it is being told.
bool Uploads::add_releases() {
  if (!host_.online()) return rest(), false;
  const auto devices = host_.recipients(current_->upload.peer);
  for (std::size_t i = 0; i < current_->upload.files.size(); ++i) {
    UploadFile& file = current_->upload.files[i];
    std::vector<session::DeviceAddress> more;
    std::ranges::copy_if(devices, std::back_inserter(more),
                         [&](const auto& d) { return std::ranges::find(file.devices, d) == file.devices.end(); });
    if (more.empty()) continue;
    Bytes hashes = hashes_for(file, more);
    blobs_.add_releases(file.attachment.blob, file.upload_token, std::move(hashes),
                        when<std::monostate>([this, i, more](const Result<std::monostate, BlobFailure>& answer) {
                          if (!answer) return trouble(i, answer.error());
                          auto& known = current_->upload.files[i].devices;
                          known.insert(known.end(), more.begin(), more.end());
                          if (!save()) return rest();
                          advance();
                        }));
    return false;
  }
  return true;
}

void Uploads::queue() {
  Upload& upload = current_->upload;
  fault_point("files.before_queue");
  const auto queued = host_.queue(upload, [id = upload.id](const Database& database) -> Result<void, DatabaseError> {
    OPALINE_TRY(const bool there, Transfers::erase(database, id));
    if (!there) return fail(DatabaseError::failed);  // cancelled a moment ago: no message
    return {};
  });
  if (!queued) {
    const auto error = queued.error().error;
    if (error == ClientError::blocked) return put_off(UploadReason::blocked, 1);
    if (error == ClientError::outbox_full) return put_off(UploadReason::outbox_full, kBusySeconds);
    if (error == ClientError::bad_text || error == ClientError::bad_attachment || error == ClientError::to_self)
      return put_off(UploadReason::not_possible, 1);
    return rest();  // the store: the connection ends and comes back
  }
  fault_point("files.after_queue");
  for (const UploadFile& file : upload.files) ::unlink((home_.directory() / "outgoing" / file.spool).c_str());
  fault_point("files.after_spool_removed");
  const auto done = std::move(current_);
  progress();
  events.on_queued(done->upload, *queued);
  step();
}

}  // namespace opaline::client
