#include "client/downloads.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/back_off.hpp"
#include "base/fault_point.hpp"
#include "session/attachment.hpp"

namespace opaline::client {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using endpoint::Attachment;
using endpoint::BlobId;

namespace {

constexpr auto kGiveUpAfter = 20s;  // without a byte
constexpr auto kFirstBackOff = 250ms;
constexpr auto kLastBackOff = 4'000ms;
constexpr std::uint64_t kSmallestPiece = 256 << 10;  // on a slow line
constexpr unsigned kMaxNames = 10'000;

bool is_folder(const fs::path& folder) {
  struct stat info{};
  return ::stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

session::AttachmentKey key_of(const Attachment& a) {
  return session::AttachmentKey(ByteView(a.key).first<32>());
}

}  // namespace

// ---- errands

void Errands::look() {
  const auto all = transfers_.errands();
  if (!all) return;
  for (const Errand& errand : *all) {
    if (!under_way_.insert({errand.kind, errand.blob}).second) continue;
    ++running_;
    const auto done = [this, alive = std::weak_ptr(alive_), errand](const Result<std::monostate, BlobFailure>& answer) {
      if (!alive.expired()) answered(errand, answer);
    };
    fault_point("files.before_errand");
    if (errand.kind == ErrandKind::release) {
      blobs_.release(errand.blob, errand.secret, done);
    } else {
      blobs_.remove(errand.blob, errand.secret, done);
    }
  }
}

void Errands::answered(const Errand& errand, const Result<std::monostate, BlobFailure>& answer) {
  fault_point("files.after_errand");
  --running_;
  under_way_.erase({errand.kind, errand.blob});
  const bool later =
      !answer && (answer.error().error == BlobError::unreachable || answer.error().error == BlobError::unavailable ||
                  answer.error().error == BlobError::quota || answer.error().error == BlobError::nonsense);
  if (!later) (void)transfers_.done(errand);  // done twice is done once
}

// ---- downloads

struct Downloads::Current {
  explicit Current(Waiting w) : waiting(std::move(w)) {}
  Waiting waiting;
  Download download;
  OpenFile part, text;
  std::uint64_t have = 0;   ///< of the ciphertext, in `part`
  std::uint64_t asked = 0;  ///< up to here, of `under_way` requests
  std::size_t under_way = 0;
  bool fast = false;        ///< a second request under way is worth it
  std::uint64_t round = 0;  ///< answers to what was asked in an earlier one do not count
  bool resumed = false;     ///< some of it is from an earlier run
  std::uint64_t piece = kMaxPieceDownBytes;
  Instant progress_at;
  BackOff back_off{kFirstBackOff, kLastBackOff};
  std::unique_ptr<session::AttachmentCheck> check;
  std::unique_ptr<session::AttachmentCipher> cipher;
  std::uint64_t opened = 0;
};

Downloads::Downloads(net::EventLoop& loop, const Clock& clock, const Transfers& transfers, const Home& home,
                     BlobService& blobs, Errands& errands)
    : loop_(loop), clock_(clock), transfers_(transfers), home_(home), blobs_(blobs), errands_(errands), retry_(loop) {}

Downloads::~Downloads() = default;

Result<void, Failure> Downloads::want(const Attachment& attachment, const fs::path& folder) {
  auto before = transfers_.download(attachment.blob);
  if (!before) return fail(Failure{before.error(), "the local store could not be read"});
  // One that has its text already stays where that is.
  if (*before && !(*before)->temporary.empty()) return {};
  if (!is_folder(folder))
    return fail(Failure{ClientError::bad_attachment, folder.string() + " is no directory; nothing was fetched"});
  Download download{attachment, fs::absolute(folder).lexically_normal().string(), {}, {}};
  if (const auto saved = transfers_.save(download); !saved)
    return fail(Failure{saved.error(), "the local store could not be written"});
  fault_point("files.after_wanted");
  return {};
}

void Downloads::fetch(const BlobId& blob, Progress progress, Saved done) {
  waiting_.push_back({blob, std::move(progress), std::move(done)});
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) next();
  });
}

void Downloads::clear_up() {
  const auto folder = home_folder(home_, "incoming");
  if (!folder) return;
  remove_leftovers(*folder, [this](std::string_view name) {
    const auto all = transfers_.downloads();
    if (!all) return true;
    return std::ranges::any_of(
        *all, [&](const Download& d) { return name == transfers_.blind_name(d.attachment.blob) + ".part"; });
  });
}

void Downloads::next() {
  if (current_ || waiting_.empty()) return;
  current_ = std::make_unique<Current>(std::move(waiting_.front()));
  waiting_.pop_front();
  current_->progress_at = clock_.monotonic();
  start();
}

void Downloads::end(Result<fs::path, Failure> result) {
  const auto done = std::move(current_);
  done->waiting.done(std::move(result));
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) next();
  });
}

void Downloads::fail_disk(ClientError error, const fs::path& where) {
  const auto size = size_text(current_->download.attachment.size_bytes);
  end(fail(Failure{error, error == ClientError::store_full
                              ? "the disk that holds " + where.string() + " is full (the file has " + size +
                                    "); make room and save it again: it goes on where it was"
                              : where.string() + " cannot be written"}));
}

fs::path Downloads::part_file() const {
  return home_.directory() / "incoming" / (transfers_.blind_name(current_->waiting.blob) + ".part");
}

Result<void, Failure> Downloads::open_part() {
  const auto folder = home_folder(home_, "incoming");
  if (!folder) return fail(Failure{folder.error(), home_.directory().string() + " cannot be written"});
  current_->part = OpenFile(::open(part_file().c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  const bool held = current_->part && current_->part.lock();
  if (current_->part && !held)
    return fail(Failure{ClientError::locked, "another opaline process is fetching this file"});
  const auto size = held ? current_->part.size_bytes() : std::nullopt;
  if (!size) return fail(Failure{ClientError::store_failed, home_.directory().string() + " cannot be written"});
  current_->have = *size;
  if (current_->have > current_->download.attachment.size_bytes) {
    if (!current_->part.truncate()) return fail(Failure{ClientError::store_failed, "the home cannot be written"});
    current_->have = 0;
  }
  current_->resumed = current_->have > 0;
  return {};
}

void Downloads::start() {
  auto found = transfers_.download(current_->waiting.blob);
  if (!found) return end(fail(Failure{found.error(), "the local store could not be read"}));
  if (!*found) return end(fail(Failure{ClientError::locked, "another opaline process has just saved this file"}));
  current_->download = std::move(**found);
  if (const auto opened = open_part(); !opened) return end(fail(opened.error()));
  Download& d = current_->download;
  if (!d.target.empty()) {
    // It was about to get its name. If the temporary one is gone, it has it.
    struct stat info{};
    if (::lstat((fs::path(d.folder) / d.temporary).c_str(), &info) != 0 && errno == ENOENT) return is_named();
    return name_it();
  }
  if (!is_folder(d.folder))
    return end(fail(Failure{ClientError::bad_attachment, d.folder + " is no directory any more; save it elsewhere"}));
  ask_anew();
  fetch_on();
}

/// All that is on its way does not count: what follows `have` is asked for next.
void Downloads::ask_anew() {
  ++current_->round;
  current_->under_way = 0;
  current_->asked = current_->have;
  current_->fast = false;
}

void Downloads::fetch_on() {
  const std::uint64_t size = current_->download.attachment.size_bytes;
  if (current_->have == size) return open_text();
  while (current_->asked < size && current_->under_way < (current_->fast ? kMaxUnderWay : 1)) ask();
}

void Downloads::ask() {
  Current& c = *current_;
  const std::uint64_t length = std::min(c.piece, c.download.attachment.size_bytes - c.asked);
  blobs_.get(c.waiting.blob, c.asked, length,
             [this, alive = std::weak_ptr(alive_), at = current_.get(), round = c.round, length,
              asked_at = clock_.monotonic()](const Result<BlobService::Piece, BlobFailure>& answer) {
               if (alive.expired() || current_.get() != at || at->round != round) return;
               took(length, asked_at, answer);
             });
  c.asked += length;
  ++c.under_way;
}

void Downloads::took(std::uint64_t length, Instant asked_at, const Result<BlobService::Piece, BlobFailure>& answer) {
  if (!answer) return trouble(answer.error());
  const std::uint64_t size = current_->download.attachment.size_bytes;
  if (answer->whole != size) return mismatch();
  if (answer->bytes.empty())
    return trouble({BlobError::unreachable, {ClientError::protocol, "the server gives nothing of the file"}, 0});
  fault_point("files.before_part");
  if (const auto put = current_->part.write(current_->have, answer->bytes); !put)
    return fail_disk(put.error(), home_.directory());
  fault_point("files.after_part");
  current_->have += answer->bytes.size();
  current_->under_way -= 1;
  current_->progress_at = clock_.monotonic();
  current_->back_off.reset();
  current_->piece = std::min(current_->piece * 2, kMaxPieceDownBytes);
  current_->fast = current_->progress_at - asked_at < kFastAnswer;
  // The service has little memory to spare, and gave less than was asked for.
  if (answer->bytes.size() < length) ask_anew();
  current_->waiting.progress(current_->have, size);
  fetch_on();
}

void Downloads::trouble(const BlobFailure& failure) {
  switch (failure.error) {
    case BlobError::gone:
      (void)transfers_.forget(current_->download);
      ::unlink(part_file().c_str());
      return end(fail(Failure{ClientError::file_gone,
                              "no longer at the service (files are kept for 30 days, or until every device has fetched "
                              "them); ask for it to be sent again"}));
    case BlobError::quota:
    case BlobError::unavailable:
      return end(fail(failure.words));
    case BlobError::unreachable: {
      if (clock_.monotonic() - current_->progress_at > kGiveUpAfter) return end(fail(failure.words));
      current_->piece = std::max(current_->piece / 2, kSmallestPiece);
      ask_anew();
      return retry_.arm(current_->back_off.next(), [this] {
        if (current_) fetch_on();
      });
    }
    case BlobError::elsewhere:
    case BlobError::refused:
    case BlobError::nonsense:
      return end(fail(failure.words));
  }
}

// ---- check and open: one pass, so that what is opened is what was checked

void Downloads::open_text() {
  Download& d = current_->download;
  const bool first = d.temporary.empty();
  // Random-looking and always the same, so that a kill leaves at most one, which the next run takes away.
  if (first) d.temporary = ".opaline-" + transfers_.blind_name(current_->waiting.blob) + ".tmp";
  const fs::path path = fs::path(d.folder) / d.temporary;
  if (first) {
    if (const auto saved = transfers_.save(d); !saved) return fail_disk(saved.error(), home_.directory());
  }
  ::unlink(path.c_str());
  current_->text = OpenFile(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!current_->text)
    return fail_disk(errno == ENOSPC ? ClientError::store_full : ClientError::store_failed, d.folder);
  current_->check =
      std::make_unique<session::AttachmentCheck>(session::AttachmentHash(d.attachment.sha256), d.attachment.size_bytes);
  current_->cipher = std::make_unique<session::AttachmentCipher>(key_of(d.attachment));
  current_->opened = 0;
  open_piece();
}

void Downloads::open_piece() {
  Download& d = current_->download;
  if (current_->opened == d.attachment.size_bytes) {
    if (!current_->check->matches()) return mismatch();
    fault_point("files.before_text_sync");
    auto synced = current_->text.sync();
    if (synced) synced = sync_directory(d.folder);
    if (!synced) {
      ::unlink((fs::path(d.folder) / d.temporary).c_str());
      return fail_disk(synced.error(), d.folder);
    }
    fault_point("files.after_text_sync");
    return name_it();
  }
  Bytes buffer(std::min<std::uint64_t>(kFilePieceBytes, d.attachment.size_bytes - current_->opened));
  const auto got = current_->part.read(current_->opened, buffer);
  if (!got || *got != buffer.size()) return mismatch();
  // The hash takes the longest: it is made beside the rest.
  auto checked = std::async(kBeside, [&] { return current_->check->update(buffer); });
  Bytes text(buffer.size());
  current_->cipher->apply(buffer, text);
  const auto put = current_->text.write(current_->opened, text);
  if (!checked.get()) return mismatch();
  if (!put) {
    ::unlink((fs::path(d.folder) / d.temporary).c_str());
    return fail_disk(put.error(), d.folder);
  }
  current_->text.begin_sync(current_->opened, text.size());
  current_->opened += text.size();
  // A round of the loop in between: others wait for it too.
  loop_.post([this, alive = std::weak_ptr(alive_), at = current_.get()] {
    if (!alive.expired() && current_.get() == at) open_piece();
  });
}

/// What came is not what the sender described. If part of it was kept from before, that may be the damage: once more.
void Downloads::mismatch() {
  Download& d = current_->download;
  if (!d.temporary.empty()) ::unlink((fs::path(d.folder) / d.temporary).c_str());
  current_->text = OpenFile();
  const bool again = std::exchange(current_->resumed, false);
  if (again && current_->part.truncate()) {
    current_->have = 0;
    ask_anew();
    return fetch_on();
  }
  ::unlink(part_file().c_str());
  (void)transfers_.forget(d);
  end(fail(
      Failure{ClientError::file_damaged,
              "WARNING: what the service has is not the file that the sender described; nothing was kept. Ask for it "
              "to be sent again"}));
}

// ---- its name

void Downloads::name_it() {
  Download& d = current_->download;
  const std::string wanted = safe_name(d.attachment.name);
  for (unsigned number = 0; number < kMaxNames; ++number) {
    const std::string name = numbered_name(wanted, number);
    struct stat info{};
    if (::lstat((fs::path(d.folder) / name).c_str(), &info) == 0) continue;
    // Recorded first: a kill after the renaming is recognised by it, and does not lead to a second copy.
    d.target = name;
    if (const auto saved = transfers_.save(d); !saved) return fail_disk(saved.error(), home_.directory());
    fault_point("files.before_rename");
    const Placed placed = place(d.folder, d.temporary, name);
    if (placed == Placed::taken) continue;
    if (placed == Placed::failed) return fail_disk(ClientError::store_failed, d.folder);
    fault_point("files.after_rename");
    return is_named();
  }
  fail_disk(ClientError::store_failed, d.folder);
}

void Downloads::is_named() {
  const Download& d = current_->download;
  if (const auto synced = sync_directory(d.folder); !synced) return fail_disk(synced.error(), d.folder);
  if (const auto done = transfers_.finish(d); !done) return fail_disk(done.error(), home_.directory());
  fault_point("files.after_saved");
  ::unlink(part_file().c_str());
  fault_point("files.after_part_removed");
  errands_.look();
  end(fs::path(d.folder) / d.target);
}

}  // namespace opaline::client
