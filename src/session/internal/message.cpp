#include "session/internal/message.hpp"

#include "base/codec.hpp"

namespace opaline::session {
namespace internal {
namespace {

static_assert(kMaxMessageBytes ==
              kHandshakeBytes + header_bytes(kFlagOffer | kFlagAnswer) + kMaxPaddedBytes + kSealOverheadBytes);

void put_u32(std::span<std::byte, 4> out, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<std::byte>(value >> (24 - 8 * i) & 0xff);
}

}  // namespace

Result<ParsedMessage, Error> parse_message(ByteView message) {
  if (message.size() > kMaxMessageBytes) return fail(Error::too_large);
  ParsedMessage out;
  Reader in(message);
  if (is_handshake(message)) {
    out.handshake = in.bytes(kHandshakeBytes);
    if (in.failed()) return fail(Error::malformed);
    if (out.handshake[SessionTag::kSize] != std::byte{kVersion}) return fail(Error::unsupported_version);
  }
  const ByteView from_header = message.last(in.left());
  Header& header = out.header;
  header.tag = SessionTag(in.array<SessionTag::kSize>());
  header.salt = in.array<kSaltBytes>();
  header.flags = in.u8();
  header.number = in.u32();
  header.previous = in.u32();
  header.ratchet_key = crypto::X25519PublicKey(in.array<crypto::X25519PublicKey::kSize>());
  if (header.has(kFlagOffer)) out.offer = in.bytes(crypto::MlKem768EncapsulationKey::kSize);
  if (header.has(kFlagAnswer)) out.answer = in.bytes(crypto::MlKem768Ciphertext::kSize);
  out.sealed = in.rest();
  if (in.failed() || (header.flags & ~kKnownFlags) != 0) return fail(Error::malformed);
  if (header.has(kFlagHandshake) == out.handshake.empty() || header.tag.is_zero()) return fail(Error::malformed);
  if (header.has(kFlagHandshake) && header.has(kFlagEphemeral)) return fail(Error::malformed);
  if (header.number >= kMaxChainMessages || header.previous > kMaxChainMessages) return fail(Error::malformed);
  if (out.sealed.size() < kSealOverheadBytes || !is_padded_size(out.sealed.size() - kSealOverheadBytes)) {
    return fail(Error::malformed);
  }
  out.header_bytes = from_header.first(header_bytes(header.flags));
  return out;
}

void write_header(const Header& header, std::span<std::byte, kMessageHeaderBytes> out) {
  std::memcpy(out.data(), header.tag.view().data(), SessionTag::kSize);
  std::memcpy(out.data() + 16, header.salt.data(), kSaltBytes);
  out[32] = std::byte{header.flags};
  put_u32(out.subspan<33, 4>(), header.number);
  put_u32(out.subspan<37, 4>(), header.previous);
  std::memcpy(out.data() + 41, header.ratchet_key.view().data(), crypto::X25519PublicKey::kSize);
}

}  // namespace internal

bool is_handshake(ByteView message) {
  const auto tag = SessionTag::from(message.first(std::min(message.size(), SessionTag::kSize)));
  return tag && tag->is_zero();
}

std::optional<SessionTag> peek_tag(ByteView message) {
  const std::size_t from = is_handshake(message) ? kHandshakeBytes : 0;
  if (message.size() < from + SessionTag::kSize) return std::nullopt;
  return SessionTag::from(message.subspan(from, SessionTag::kSize));
}

bool peek_ephemeral(ByteView message) {
  const std::size_t at = (is_handshake(message) ? kHandshakeBytes : 0) + SessionTag::kSize + internal::kSaltBytes;
  return message.size() > at && (message[at] & std::byte{internal::kFlagEphemeral}) != std::byte{0};
}

bool sends_before(const HandshakeHash& one, const HandshakeHash& other) {
  return one < other;
}

}  // namespace opaline::session
