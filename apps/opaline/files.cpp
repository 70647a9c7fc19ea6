#include "apps/opaline/files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "apps/opaline/business.hpp"
#include "proto/device.pb.h"

namespace opaline::cli {

using client::ClientError;
using client::Entry;
using client::Failure;
using client::Upload;
using client::UploadReason;
using namespace std::chrono_literals;

// ---- progress

ProgressBar::ProgressBar(Output& output, bool shown)
    : output_(output), bar_(shown && !output.json() && ::isatty(STDERR_FILENO) == 1), json_(shown && output.json()) {}

void ProgressBar::show(std::string_view phase, const std::string& id, std::string_view file, std::uint64_t done,
                       std::uint64_t size) {
  if (!bar_ && !json_) return;
  const auto tenth = size == 0 ? 10 : done * 10 / size;
  const std::string what = fmt::format("{} {} {}", phase, id, file);
  if (json_) {
    const std::string told = fmt::format("{} {}", what, tenth);
    if (std::exchange(told_, told) == told) return;
    boost::json::object object{{"event", "progress"}, {"phase", phase},     {"id", id},
                               {"name", file},        {"done_bytes", done}, {"size_bytes", size}};
    return output_.line(object, "");
  }
  const Instant now = clock_.monotonic();
  if (std::exchange(told_, what) != what) {
    begun_ = now;
    begun_at_ = done;
  } else if (done < size && now - drawn_at_ < 100ms) {
    return;
  }
  drawn_at_ = now;
  const double took = std::chrono::duration<double>(now - begun_).count();
  const std::string rate =
      took > 0.2 ? client::size_text(static_cast<std::uint64_t>(static_cast<double>(done - begun_at_) / took)) + "/s"
                 : std::string();
  const std::size_t filled = size == 0 ? 20 : static_cast<std::size_t>(done * 20 / size);
  fmt::print(stderr, "\r\x1b[K  {} {}  [{}{}] {:3}%  {}", phase, printable(as_view(file)), std::string(filled, '#'),
             std::string(20 - filled, ' '), size == 0 ? 100 : done * 100 / size, rate);
  std::fflush(stderr);
  drawn_ = true;
  if (done >= size) clear();
}

void ProgressBar::clear() {
  if (!std::exchange(drawn_, false)) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
}

// ---- moving

namespace {

/// Uploads over the persona's own connection, if it runs. It may come and go.
class BusinessUploadHost final : public client::UploadHost {
 public:
  BusinessUploadHost(client::Personas& personas, const AccountId& business)
      : personas_(personas), business_(business) {}
  bool online() override { return client() != nullptr && client()->online(); }
  std::vector<session::DeviceAddress> recipients(const AccountId& peer) override {
    return client() == nullptr ? std::vector<session::DeviceAddress>() : client()->device().recipients(peer);
  }
  bool refresh(const AccountId& peer) override {
    return client() != nullptr && client()->change([&](endpoint::Endpoint& d) { d.refresh_peer(peer); }).has_value();
  }
  void create(ByteView request, client::Done<Bytes> done) override {
    if (client() == nullptr) return done(fail(away()));
    client()->call(wire::v1::METHOD_BLOB_CREATE, request, std::move(done));
  }
  Result<MessageId, Failure> queue(
      const Upload& upload, std::function<Result<void, client::DatabaseError>(const client::Database&)> also) override {
    if (client() == nullptr) return fail(away());
    client::BusinessMessage message;
    if (upload.answers)
      message = {.text = {}, .kind = wire::PartKind::interactive, .in_file = true, .answers = upload.answers};
    OPALINE_TRY(const SecretBytes part, personas_.part_of(business_, message));
    std::vector<endpoint::Attachment> attachments;
    for (const auto& file : upload.files) attachments.push_back(file.attachment);
    return client()->send_message(
        business_, {.utf8 = as_text(upload.text), .attachments = std::move(attachments), .part = part, .id = {}},
        std::move(also));
  }

 private:
  [[nodiscard]] client::Client* client() { return personas_.running(business_); }
  static Failure away() { return {ClientError::connect_failed, "not connected to the service for this business"}; }
  client::Personas& personas_;
  AccountId business_;
};

}  // namespace

Files::Files(Context& context, bool bars, const client::PersonaHome* business)
    : context_(context),
      bar_(context.output(), bars),
      transfers_(business != nullptr ? business->store() : context.store(), context.random()),
      blobs_(context.loop(), context.service()),
      errands_(transfers_, blobs_),
      downloads_(context.loop(), context.clock(), transfers_, business != nullptr ? business->home() : context.home(),
                 blobs_, errands_) {
  if (!context.has_client()) return;
  if (business != nullptr)
    host_ = std::make_unique<BusinessUploadHost>(context.personas(), business->business());
  else
    host_ = std::make_unique<client::ClientUploadHost>(context.client());
  uploads_ = std::make_unique<client::Uploads>(context.loop(), context.clock(), transfers_,
                                               business != nullptr ? business->home() : context.home(), *host_, blobs_);
  uploads_->events.on_progress = [this](const Upload& upload, std::size_t file, std::uint64_t done) {
    const auto& a = upload.files[file].attachment;
    bar_.show("uploading", upload.id.hex(), a.name, done, a.size_bytes);
  };
  uploads_->events.on_queued = [this](const Upload& upload, const MessageId& id) {
    bar_.clear();
    queued_[upload.id] = id;
    on_upload();
  };
  uploads_->events.on_changed = [this](const Upload&) {
    bar_.clear();
    on_upload();
  };
}

void Files::start() {
  downloads_.clear_up();
  errands_.look();
  if (!uploads_) return;
  uploads_->clear_up();
  uploads_->look();
}

void Files::stop() {
  bar_.clear();
  if (uploads_) uploads_->stop();
}

void Files::look() {
  if (uploads_) uploads_->look();
}

bool Files::busy() const {
  return !fetching_.empty() || !errands_.idle() || (uploads_ && uploads_->moving());
}

std::optional<MessageId> Files::queued(const client::UploadId& id) const {
  const auto found = queued_.find(id);
  if (found == queued_.end()) return std::nullopt;
  return found->second;
}

Result<void, Failure> Files::want(const Entry& entry, const std::string& folder, std::size_t only) {
  for (std::size_t i = 0; i < entry.attachments.size(); ++i) {
    if (only != 0 && only != i + 1) continue;
    endpoint::Attachment attachment = entry.attachments[i];
    // In what this device sent it is the secret of which all tokens are made: this device has the file already.
    if (entry.kind == client::EntryKind::outgoing && entry.device == DeviceNumber{}) attachment.release.clear();
    OPALINE_CHECK(downloads_.want(attachment, folder));
  }
  return {};
}

void Files::fetch_wanted() {
  const auto wanted = downloads_.unfinished();
  if (!wanted) return context_.output().error({wanted.error(), "the local store could not be read"});
  for (const client::Download& each : *wanted) {
    const auto blob = each.attachment.blob;
    if (!fetching_.insert(blob).second) continue;
    const std::string file = each.attachment.name;
    downloads_.fetch(
        blob, [this, file](std::uint64_t done, std::uint64_t size) { bar_.show("downloading", "", file, done, size); },
        [this, blob, file, size = each.attachment.size_bytes](const Result<std::filesystem::path, Failure>& saved) {
          bar_.clear();
          fetching_.erase(blob);
          if (saved) {
            boost::json::object object{
                {"event", "saved"}, {"name", file}, {"path", saved->string()}, {"size_bytes", size}};
            return context_.output().line(
                object, fmt::format("saved {} ({})", printable(as_view(saved->string())), client::size_text(size)));
          }
          ++failures_;
          Failure why = saved.error();
          why.message = fmt::format("{}: {}", file, why.message);
          context_.output().error(why);
        });
  }
}

// ---- what is said

boost::json::array files_json(const Entry& entry) {
  boost::json::array out;
  for (std::size_t i = 0; i < entry.attachments.size(); ++i) {
    const auto& a = entry.attachments[i];
    out.push_back(
        boost::json::object{{"number", i + 1}, {"name", a.name}, {"type", a.type}, {"size_bytes", a.size_bytes}});
  }
  return out;
}

std::string files_text(const Entry& entry) {
  std::string out;
  const std::string id = entry.message.hex().substr(0, kShortIdDigits);
  for (std::size_t i = 0; i < entry.attachments.size(); ++i) {
    const auto& a = entry.attachments[i];
    out += fmt::format("\n      file {}: {} ({})   opaline save {}", i + 1, printable(as_view(a.name)),
                       client::size_text(a.size_bytes), id);
    if (entry.attachments.size() > 1) out += fmt::format(" --file {}", i + 1);
  }
  return out;
}

std::string_view name(UploadReason reason) {
  switch (reason) {
    case UploadReason::none:
      return "none";
    case UploadReason::quota:
      return "quota";
    case UploadReason::unavailable:
      return "unavailable";
    case UploadReason::refused:
      return "refused";
    case UploadReason::file_missing:
      return "file_missing";
    case UploadReason::blocked:
      return "blocked";
    case UploadReason::no_such_account:
      return "no_such_account";
    case UploadReason::outbox_full:
      return "outbox_full";
    case UploadReason::not_possible:
      return "not_possible";
  }
  return "unknown";
}

namespace {

std::string_view explain(UploadReason reason) {
  switch (reason) {
    case UploadReason::none:
      return "goes on with the next command that connects (opaline receive)";
    case UploadReason::quota:
      return "your share of the service is used up for now; it is tried again";
    case UploadReason::unavailable:
      return "the service has no room for files, or too much to do; it is tried again";
    case UploadReason::refused:
      return "the service does not take it; it is tried again with each command";
    case UploadReason::file_missing:
      return "what was kept of its files in the home is gone or damaged; send it again";
    case UploadReason::blocked:
      return "you have blocked this person";
    case UploadReason::no_such_account:
      return "the directory shows no device of theirs; it is tried again";
    case UploadReason::outbox_full:
      return "too many messages are waiting to go out; it is tried again";
    case UploadReason::not_possible:
      return "no message may be like this";
  }
  return "";
}

}  // namespace

boost::json::object upload_json(const Upload& upload) {
  boost::json::array files;
  for (std::size_t i = 0; i < upload.files.size(); ++i) {
    const auto& file = upload.files[i];
    files.push_back(boost::json::object{{"number", i + 1},
                                        {"name", file.attachment.name},
                                        {"type", file.attachment.type},
                                        {"size_bytes", file.attachment.size_bytes},
                                        {"uploaded", file.up}});
  }
  boost::json::object out{{"event", "upload"},
                          {"id", upload.id.hex()},
                          {"to", upload.to},
                          {"account", upload.peer.hex()},
                          {"at", rfc3339_millis(upload.at)},
                          {"text", as_text(upload.text)},
                          {"files", std::move(files)},
                          {"state", is_final(upload.reason) ? "failed" : "uploading"}};
  if (upload.answers) out["answers"] = upload.answers->hex();
  if (upload.reason != UploadReason::none) out["reason"] = name(upload.reason);
  return out;
}

std::string upload_text(const Upload& upload) {
  std::string out =
      fmt::format("{}  to {}: {}  [{}: {}]", local_time(upload.at), printable(as_view(upload.to)),
                  printable(upload.text), is_final(upload.reason) ? "failed" : "uploading", explain(upload.reason));
  for (const auto& file : upload.files)
    out += fmt::format("\n      {} ({}){}", printable(as_view(file.attachment.name)),
                       client::size_text(file.attachment.size_bytes), file.up ? ", uploaded" : "");
  return out + fmt::format("\n      to give it up: opaline cancel {}", upload.id.hex().substr(0, kShortIdDigits));
}

void show_uploads(Context& context, const client::LocalStore& store, const std::vector<AccountId>& peers) {
  const auto all = client::Transfers(store, context.random()).uploads();
  if (!all) return context.output().error({all.error(), "the local store could not be read"});
  for (const Upload& upload : *all)
    if (peers.empty() || std::ranges::find(peers, upload.peer) != peers.end())
      context.output().line(upload_json(upload), upload_text(upload));
}

void show_all_uploads(Context& context) {
  show_uploads(context, context.store(), {});
  for (const auto& home : business_homes(context)) show_uploads(context, home->store(), {});
}

}  // namespace opaline::cli
