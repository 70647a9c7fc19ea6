#include "client/part_file.hpp"

#include "base/utf8.hpp"
#include "client/persona_opening.hpp"
#include "msp/gzip.hpp"
#include "msp/limits.hpp"
#include "session/attachment.hpp"

namespace opaline::client {
namespace {

Failure damaged() {
  return {ClientError::file_damaged, "a part of this message came damaged; it was not opened"};
}

/// One fetch: pieces into memory, in order.
class Fetch : public std::enable_shared_from_this<Fetch> {
 public:
  Fetch(BlobService& blobs, const PersonaHome& home, const MessageId& message, endpoint::Attachment attachment,
        std::function<void(Result<void, Failure>)> done)
      : blobs_(blobs), home_(home), message_(message), attachment_(std::move(attachment)), done_(std::move(done)) {}

  void go_on() {
    if (have_.size() == attachment_.size_bytes) return done_(open());
    const std::uint64_t left = attachment_.size_bytes - have_.size();
    blobs_.get(attachment_.blob, have_.size(), std::min(left, kMaxPieceDownBytes),
               [self = shared_from_this()](const Result<BlobService::Piece, BlobFailure>& piece) {
                 if (!piece) return self->done_(fail(self->why(piece.error())));
                 const bool fits = piece->whole == self->attachment_.size_bytes && !piece->bytes.empty() &&
                                   self->have_.size() + piece->bytes.size() <= self->attachment_.size_bytes;
                 if (!fits) return self->done_(fail(damaged()));
                 append(self->have_, piece->bytes);
                 self->go_on();
               });
  }

 private:
  [[nodiscard]] static Failure why(const BlobFailure& failure) {
    if (failure.error != BlobError::gone) return failure.words;
    return {ClientError::file_gone, "a part of this message is no longer at the service"};
  }

  [[nodiscard]] Result<void, Failure> open() {
    session::AttachmentCheck check(session::AttachmentHash(attachment_.sha256), attachment_.size_bytes);
    if (!check.update(have_) || !check.matches()) return fail(damaged());
    SecretBytes plain(have_.size());
    const session::AttachmentKey key(ByteView(attachment_.key).first<session::AttachmentKey::kSize>());
    session::AttachmentCipher(key).apply(have_, plain);
    if (msp::is_gzip(plain)) {
      auto opened = msp::gunzip(plain, msp::kMaxPayloadBytes);
      if (!opened) return fail(damaged());
      plain = std::move(*opened);
    }
    if (!is_utf8(plain)) return fail(damaged());
    if (const auto kept = home_.set_part_file(message_, plain); !kept) return fail(persona_store_failure(kept.error()));
    if (!attachment_.release.empty()) blobs_.release(attachment_.blob, attachment_.release, [](const auto&) {});
    return {};
  }

  BlobService& blobs_;
  const PersonaHome& home_;
  MessageId message_;
  endpoint::Attachment attachment_;
  std::function<void(Result<void, Failure>)> done_;
  Bytes have_;
};

}  // namespace

void fetch_part_file(BlobService& blobs, const PersonaHome& home, const Entry& entry,
                     std::function<void(Result<void, Failure>)> done) {
  if (entry.attachments.empty()) return done(fail(damaged()));
  endpoint::Attachment attachment = entry.attachments.back();
  const bool fits = attachment.size_bytes > 0 && attachment.size_bytes <= kMaxPartFileBytes &&
                    attachment.key.size() == session::AttachmentKey::kSize;
  if (!fits) return done(fail(damaged()));
  // In what this device sent it is the secret of all tokens, and not for the service.
  if (entry.kind == EntryKind::outgoing && entry.device == DeviceNumber{}) attachment.release.clear();
  std::make_shared<Fetch>(blobs, home, entry.message, std::move(attachment), std::move(done))->go_on();
}

}  // namespace opaline::client
