#include "ledger/head.hpp"

#include "base/codec.hpp"

namespace opaline::ledger {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::string_view kLabel = "opaline ledger head v1";

}  // namespace

Bytes encode(const Head& head) {
  Bytes out;
  Writer(out).u8(kVersion).u64(head.size).bytes(head.root).u64(static_cast<std::uint64_t>(unix_millis(head.time)));
  return out;
}

SignedHead sign_head(const Head& head, const crypto::HybridSigner& signer, RandomSource& random) {
  return {.head = head, .signature = signer.sign(kLabel, encode(head), random)};
}

bool verify_head(const SignedHead& head, const crypto::HybridPublicKey& key) {
  const auto verifier = crypto::HybridVerifier::from(key);
  return verifier && verifier->verify(kLabel, encode(head.head), head.signature);
}

Bytes encode(const SignedHead& head) {
  Bytes out = encode(head.head);
  append(out, head.signature.view());
  return out;
}

std::optional<SignedHead> decode_signed_head(ByteView bytes) {
  Reader in(bytes);
  SignedHead out;
  const auto version = in.u8();
  out.head.size = in.u64();
  out.head.root = in.array<32>();
  out.head.time = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  out.signature = crypto::HybridSignature(in.array<sizeof(crypto::HybridSignature)>());
  if (!in.finished() || version != kVersion) return std::nullopt;
  return out;
}

std::string fingerprint(const crypto::HybridPublicKey& key) {
  return to_hex(crypto::sha256({key.view()}));
}

}  // namespace opaline::ledger
