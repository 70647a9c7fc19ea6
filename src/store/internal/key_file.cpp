#include "store/internal/key_file.hpp"

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "crypto/hkdf.hpp"

namespace opaline::store::internal {
namespace {

constexpr std::string_view kMagic = "OPALVLT1";

}  // namespace

Bytes wrap(const WrapKey& key, std::uint8_t kind, std::string_view name, ByteView payload, RandomSource& random) {
  Bytes out;
  Writer(out).bytes(as_view(kMagic)).u8(kind).bytes16(as_view(name));
  const Bytes aad = out;
  const auto nonce = random.bytes<crypto::kAeadNonceBytes>();
  append(out, nonce);
  crypto::aes256gcmsiv_seal(key.reveal(), nonce, aad, payload, out);
  return out;
}

std::optional<SecretBytes> unwrap(const WrapKey& key, std::uint8_t kind, std::string_view name, ByteView file) {
  Bytes aad;
  Writer(aad).bytes(as_view(kMagic)).u8(kind).bytes16(as_view(name));
  if (file.size() < aad.size() || !equal(file.first(aad.size()), aad)) return std::nullopt;
  Reader in(file.subspan(aad.size()));
  const auto nonce = in.array<crypto::kAeadNonceBytes>();
  return crypto::aes256gcmsiv_open(key.reveal(), nonce, aad, in.rest());
}

WrapKey wrap_key_of(ByteView master) {
  WrapKey out;
  crypto::hkdf(as_view("opaline vault"), master, as_view("wrap 1"), out.fill());
  return out;
}

Bytes encode_state(const VaultState& state) {
  Bytes out;
  Writer to(out);
  to.u8(state.destroyed ? 1 : 0);
  if (state.destroyed) to.u32(number(*state.destroyed));
  for (const std::string& purpose : state.named) to.bytes16(as_view(purpose));
  return out;
}

std::optional<VaultState> decode_state(ByteView payload) {
  VaultState out;
  Reader in(payload);
  const std::uint8_t any = in.u8();
  if (any > 1) return std::nullopt;
  if (any == 1) out.destroyed = Day{in.u32()};
  while (!in.failed() && !in.finished()) out.named.insert(to_string(in.bytes16()));
  if (!in.finished()) return std::nullopt;
  return out;
}

}  // namespace opaline::store::internal
