#pragma once
// SHA-256 and SHA-512 (FIPS 180-4), HMAC-SHA-256 (RFC 2104, RFC 4231). No allocation, nothing shared between threads;
// every intermediate state is wiped, because it may hold a key.
#include "base/secret.hpp"
#include "crypto/pieces.hpp"

namespace opaline::crypto {

inline constexpr std::size_t kSha256Bytes = 32;
inline constexpr std::size_t kSha512Bytes = 64;
using Sha256Digest = ByteArray<kSha256Bytes>;
using Sha512Digest = ByteArray<kSha512Bytes>;

/// The digest of the concatenation. The pieces' borders are not part of what is hashed: where they matter, hash lengths
/// too.
[[nodiscard]] Sha256Digest sha256(const Pieces& data);
[[nodiscard]] Sha512Digest sha512(const Pieces& data);

/// SHA-256 of what comes bit by bit. A copy goes on from the same state. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256&) = default;
  Sha256& operator=(const Sha256&) = default;
  ~Sha256() { wipe(state_, sizeof(state_)); }

  Sha256& update(ByteView data);
  /// The digest of all that came before; goes back to the empty state.
  [[nodiscard]] Sha256Digest finish();
  void finish_into(std::span<std::byte, kSha256Bytes> out);

 private:
  static constexpr std::size_t kStateBytes = 112;
  alignas(8) std::byte state_[kStateBytes];
};

/// A key made ready for many MACs: each then costs two SHA-256 blocks less. Const use is thread-safe. Wiped on
/// destruction.
class HmacSha256Key {
 public:
  /// Any length (RFC 2104 section 2: longer than 64 bytes is hashed first); short keys are as weak as they look.
  explicit HmacSha256Key(ByteView key);

  [[nodiscard]] Sha256Digest mac(const Pieces& data) const;
  /// The same into the caller's memory, which may be a Secret's. `out` may overlap the pieces.
  void mac_into(const Pieces& data, std::span<std::byte, kSha256Bytes> out) const;

 private:
  friend class HmacSha256;
  Sha256 inner_;
  Sha256 outer_;
};

/// A MAC of what comes bit by bit. Borrows the key, which must outlive it. Not thread-safe.
class HmacSha256 {
 public:
  explicit HmacSha256(const HmacSha256Key& key) : key_(key), inner_(key.inner_) {}
  HmacSha256& update(ByteView data) {
    inner_.update(data);
    return *this;
  }
  /// The MAC of all that came before; goes back to the empty state.
  void finish_into(std::span<std::byte, kSha256Bytes> out);

 private:
  const HmacSha256Key& key_;
  Sha256 inner_;
};

/// One MAC. Compare MACs with constant_time_equal.
[[nodiscard]] Sha256Digest hmac_sha256(ByteView key, const Pieces& data);
/// The same into the caller's memory, which may be a Secret's. `out` may overlap the key and the pieces.
void hmac_sha256_into(ByteView key, const Pieces& data, std::span<std::byte, kSha256Bytes> out);

}  // namespace opaline::crypto
