#pragma once
// A signed head: what somebody keeps to find out later that a recorded event was changed or removed.
#include <optional>
#include <string>

#include "base/time.hpp"
#include "crypto/sign.hpp"
#include "ledger/merkle.hpp"

namespace opaline::ledger {

struct Head {
  std::uint64_t size = 0;
  Hash root{};
  Time time;  ///< when it was signed
  friend bool operator==(const Head&, const Head&) = default;
};

struct SignedHead {
  Head head;
  crypto::HybridSignature signature;
  friend bool operator==(const SignedHead&, const SignedHead&) = default;
};

/// What is signed: u8 version (1) || u64 size || 32 root || u64 time (ms), under the label "opaline ledger head v1".
[[nodiscard]] Bytes encode(const Head& head);
[[nodiscard]] SignedHead sign_head(const Head& head, const crypto::HybridSigner& signer, RandomSource& random);
[[nodiscard]] bool verify_head(const SignedHead& head, const crypto::HybridPublicKey& key);

/// The encoding above || the signature: how a head is stored and exchanged.
[[nodiscard]] Bytes encode(const SignedHead& head);
[[nodiscard]] std::optional<SignedHead> decode_signed_head(ByteView bytes);

/// SHA-256 of the key: what people compare. 64 lowercase hexadecimal digits.
[[nodiscard]] std::string fingerprint(const crypto::HybridPublicKey& key);

}  // namespace opaline::ledger
