#pragma once
// AES-256 in counter mode (NIST SP 800-38A section 6.5), as a stream. It hides and does not authenticate: whoever uses
// it checks a hash or MAC of the ciphertext first.
#include <memory>

#include "base/bytes.hpp"

struct evp_cipher_ctx_st;

namespace opaline::crypto {

/// One key stream; encryption and decryption are the same. The whole 16-byte block counts, big-endian. Not thread-safe.
class Aes256Ctr {
 public:
  static constexpr std::size_t kKeyBytes = 32;
  static constexpr std::size_t kBlockBytes = 16;
  /// Begins with a counter block of zero, which is right for a key that is used once. `offset_bytes` is where in the
  /// stream to begin, so that a transfer can be resumed.
  explicit Aes256Ctr(FixedView<kKeyBytes> key, std::uint64_t offset_bytes = 0);
  Aes256Ctr(FixedView<kKeyBytes> key, FixedView<kBlockBytes> counter_block);

  /// The next in.size() bytes of the stream; `out` has the same size (asserted) and is the same memory as `in` or
  /// apart.
  void apply(ByteView in, std::span<std::byte> out);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_cipher_ctx_st, Free> context_;  // wiped by OpenSSL when freed
};

}  // namespace opaline::crypto
