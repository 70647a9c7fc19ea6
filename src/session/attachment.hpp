#pragma once
// Attachments (docs/protocol.md, section Attachments): AES-256-CTR under a key that is used once, SHA-256 of the
// ciphertext inside the message, and tokens by which a device tells the service that it has the file. Flat memory: any
// number of bytes at a time. Not thread-safe.
#include "crypto/aes_ctr.hpp"
#include "crypto/hash.hpp"
#include "session/identity.hpp"

namespace opaline::session {

/// For one file's bytes as they were when it was made: if they changed, take another.
using AttachmentKey = Secret<struct AttachmentKeyTag, 32>;
/// SHA-256 of the ciphertext, which is as long as the plaintext.
using AttachmentHash = ByteId<struct AttachmentHashTag, 32>;
inline constexpr std::uint64_t kMaxAttachmentBytes = 104'857'600;

[[nodiscard]] AttachmentKey generate_attachment_key(RandomSource& random);

/// The key stream, from any byte on. Encrypts and decrypts; says nothing of authenticity.
class AttachmentCipher {
 public:
  explicit AttachmentCipher(const AttachmentKey& key, std::uint64_t offset_bytes = 0)
      : stream_(key.reveal(), offset_bytes) {}
  /// The next in.size() bytes. `out` has that size (asserted) and is the same memory as `in` or apart.
  void apply(ByteView in, std::span<std::byte> out) { stream_.apply(in, out); }

 private:
  crypto::Aes256Ctr stream_;
};

/// The sender's side, from the first byte on: ciphertext and its hash.
class AttachmentSealer {
 public:
  explicit AttachmentSealer(const AttachmentKey& key) : cipher_(key) {}
  /// As AttachmentCipher::apply. Asserted: no more than kMaxAttachmentBytes in all.
  void seal(ByteView plaintext, std::span<std::byte> out);
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  /// Of all that was sealed. Ends it: nothing may follow (asserted).
  [[nodiscard]] AttachmentHash finish();

 private:
  AttachmentCipher cipher_;
  crypto::Sha256 hash_;
  std::uint64_t size_bytes_ = 0;
  bool finished_ = false;
};

/// The receiver's check, over the ciphertext from the first byte on: nothing of the plaintext is shown, or kept under
/// the name of the file, before matches() was true. After a restart, feed again what was stored.
class AttachmentCheck {
 public:
  AttachmentCheck(const AttachmentHash& expected, std::uint64_t size_bytes) : expected_(expected), left_(size_bytes) {}
  /// False if there is more than `size_bytes`: it will not match any more.
  bool update(ByteView ciphertext);
  /// What is still to come.
  [[nodiscard]] std::uint64_t left_bytes() const { return left_; }
  /// Whether it was exactly `size_bytes` bytes with the expected hash; constant time. Ends it: a second call is false.
  [[nodiscard]] bool matches();

 private:
  AttachmentHash expected_;
  std::uint64_t left_;
  crypto::Sha256 hash_;
  bool failed_ = false;
};

/// Random, one for each attachment, kept by the sender: of devices that come later it makes further tokens.
using ReleaseSecret = Secret<struct ReleaseSecretTag, 32>;
/// What one device shows to the service when it has the file. Goes inside the message to that device alone.
using ReleaseToken = Secret<struct ReleaseTokenTag, 32>;
/// What the service is given beforehand: SHA-256 of a token.
using ReleaseHash = ByteId<struct ReleaseHashTag, 32>;

[[nodiscard]] ReleaseSecret generate_release_secret(RandomSource& random);
/// HMAC-SHA256(secret, "opaline/1 release token" || account || u32 device).
[[nodiscard]] ReleaseToken release_token(const ReleaseSecret& secret, const DeviceAddress& device);
[[nodiscard]] ReleaseHash release_hash(const ReleaseToken& token);

}  // namespace opaline::session
