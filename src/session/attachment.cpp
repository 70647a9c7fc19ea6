#include "session/attachment.hpp"

#include "base/codec.hpp"
#include "crypto/compare.hpp"
#include "session/internal/labels.hpp"

namespace opaline::session {

AttachmentKey generate_attachment_key(RandomSource& random) {
  AttachmentKey key;
  random.fill(key.fill());
  return key;
}

void AttachmentSealer::seal(ByteView plaintext, std::span<std::byte> out) {
  OPALINE_ASSERT(!finished_ && plaintext.size() <= kMaxAttachmentBytes - size_bytes_);
  cipher_.apply(plaintext, out);
  hash_.update(out);
  size_bytes_ += plaintext.size();
}

AttachmentHash AttachmentSealer::finish() {
  OPALINE_ASSERT(!finished_);
  finished_ = true;
  return AttachmentHash(hash_.finish());
}

bool AttachmentCheck::update(ByteView ciphertext) {
  if (failed_ || ciphertext.size() > left_) {
    failed_ = true;
    return false;
  }
  hash_.update(ciphertext);
  left_ -= ciphertext.size();
  return true;
}

bool AttachmentCheck::matches() {
  const bool whole = !failed_ && left_ == 0;
  failed_ = true;
  return crypto::constant_time_equal(hash_.finish(), expected_.view()) && whole;
}

ReleaseSecret generate_release_secret(RandomSource& random) {
  ReleaseSecret secret;
  random.fill(secret.fill());
  return secret;
}

ReleaseToken release_token(const ReleaseSecret& secret, const DeviceAddress& device) {
  Bytes message = to_bytes(internal::kReleaseTokenLabel);
  Writer(message).bytes(device.account.view()).u32(static_cast<std::uint32_t>(device.device));
  ReleaseToken token;
  crypto::hmac_sha256_into(secret.reveal(), message, token.fill());
  return token;
}

ReleaseHash release_hash(const ReleaseToken& token) {
  return ReleaseHash(crypto::sha256(token.reveal()));
}

}  // namespace opaline::session
