// The bytes of an upload on their way.
#include <algorithm>

#include "base/fault_point.hpp"
#include "client/uploads_current.hpp"

namespace opaline::client {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kSmallestPiece = 64 << 10;  // on a slow line
/// Answers in a row that do not get further than before: more than any honest server gives.
constexpr int kMaxWasted = 32;

}  // namespace

void Uploads::ask(std::size_t index) {
  const UploadFile& file = current_->upload.files[index];
  blobs_.ask(file.attachment.blob, file.upload_token, file.attachment.size_bytes,
             when<BlobService::Uploaded>([this, index](const Result<BlobService::Uploaded, BlobFailure>& answer) {
               if (!answer) return trouble(index, answer.error());
               if (answer->whole) return is_up(index);
               current_->high = std::max(current_->high, answer->offset);
               current_->starts_at(answer->offset);
               is_at(index, answer->offset);
             }));
}

void Uploads::put(std::size_t index) {
  const std::uint64_t size = current_->upload.files[index].attachment.size_bytes;
  while (current_->sent < size && current_->under_way < (current_->fast ? kMaxUnderWay : 1)) {
    if (!put_piece(index)) return put_off(UploadReason::file_missing, 1);
  }
}

/// False: the ciphertext is not what it was.
bool Uploads::put_piece(std::size_t index) {
  const UploadFile& file = current_->upload.files[index];
  const std::uint64_t at = current_->sent;
  Bytes piece(std::min(current_->piece, file.attachment.size_bytes - at));
  const auto got = current_->spool.read(at, piece);
  if (!got || *got != piece.size()) return false;
  fault_point("files.before_piece");
  const std::uint64_t expected = at + piece.size();
  blobs_.put(file.attachment.blob, file.upload_token, at, std::move(piece),
             when<BlobService::Uploaded>([this, index, expected, round = current_->round, sent_at = clock_.monotonic()](
                                             const Result<BlobService::Uploaded, BlobFailure>& answer) {
               if (current_->round != round) return;
               current_->fast = clock_.monotonic() - sent_at < kFastAnswer;
               answered(index, expected, answer);
             }));
  current_->sent = expected;
  current_->under_way += 1;
  return true;
}

void Uploads::answered(std::size_t index, std::uint64_t expected,
                       const Result<BlobService::Uploaded, BlobFailure>& answer) {
  if (!answer) return trouble(index, answer.error());
  fault_point("files.after_piece");
  const std::uint64_t size = current_->upload.files[index].attachment.size_bytes;
  current_->under_way -= 1;
  current_->back_off.reset();
  current_->piece = std::min(current_->piece * 2, kMaxPieceUpBytes);
  if (answer->whole && answer->offset == size) return is_up(index);
  // Whole at another size, all there but not stored, or more than was ever sent: what it says here does not count.
  if (answer->whole || answer->offset == size || answer->offset > expected) {
    current_->starts_at(std::nullopt);
    return ++current_->wasted > kMaxWasted ? put_off(UploadReason::unavailable, kBusySeconds) : ask(index);
  }
  if (answer->offset != expected) current_->starts_at(answer->offset);
  is_at(index, answer->offset);
}

/// The service says how far it is; that may be less than it was, after a crash of its own.
void Uploads::is_at(std::size_t index, std::uint64_t offset) {
  const UploadFile& file = current_->upload.files[index];
  if (offset >= file.attachment.size_bytes) return put_off(UploadReason::refused, kBusySeconds);
  if (offset > current_->high) {
    current_->high = offset;
    current_->wasted = 0;
    progress();
    events.on_progress(current_->upload, index, offset);
  } else if (++current_->wasted > kMaxWasted) {
    return put_off(UploadReason::unavailable, kBusySeconds);
  }
  current_->offset = offset;
  put(index);
}

void Uploads::is_up(std::size_t index) {
  fault_point("files.after_last_piece");
  UploadFile& file = current_->upload.files[index];
  file.up = true;
  current_->upload.reason = UploadReason::none;
  if (!save()) return rest();
  progress();
  events.on_progress(current_->upload, index, file.attachment.size_bytes);
  advance();
}

void Uploads::trouble(std::size_t index, const BlobFailure& failure) {
  const auto after = failure.words.retry_after_seconds;
  switch (failure.error) {
    case BlobError::unreachable:
      current_->starts_at(std::nullopt);  // whether it took the pieces is not known
      current_->piece = std::max(current_->piece / 2, kSmallestPiece);
      return again();
    case BlobError::gone:
      return forgotten(index);
    case BlobError::elsewhere:
      if (failure.offset == current_->upload.files[index].attachment.size_bytes) return is_up(index);
      current_->starts_at(failure.offset);
      return is_at(index, failure.offset);
    case BlobError::quota:
      return put_off(UploadReason::quota, after == 0 ? kQuotaSeconds : after);
    case BlobError::unavailable:
      return put_off(UploadReason::unavailable, after == 0 ? kBusySeconds : after);
    case BlobError::refused:
    case BlobError::nonsense:
      return put_off(UploadReason::refused, kBusySeconds);
  }
}

}  // namespace opaline::client
