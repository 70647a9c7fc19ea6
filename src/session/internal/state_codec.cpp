// The stored form of a session (docs/protocol.md, section Stored state).
#include <algorithm>

#include "base/codec.hpp"
#include "crypto/hash.hpp"
#include "session/internal/labels.hpp"
#include "session/internal/state.hpp"

namespace opaline::session::internal {
namespace {

constexpr std::uint8_t kInitiator = 1;
constexpr std::uint8_t kHasHandshake = 2;
constexpr std::uint8_t kHasSend = 4;
constexpr std::uint8_t kHasReceive = 8;
constexpr std::uint8_t kHasOffer = 1;
constexpr std::uint8_t kHasAnswer = 2;
constexpr std::size_t kSkippedKeyBytes = 4 + 4 + MessageSeed::kSize;

/// Appends to secret bytes whose space was reserved.
class SecretWriter {
 public:
  explicit SecretWriter(std::size_t reserve) { out_.reserve(reserve); }
  SecretWriter& bytes(ByteView value) {
    out_.insert(out_.end(), value.begin(), value.end());
    return *this;
  }
  SecretWriter& u8(std::uint8_t value) { return integer(value, 1); }
  SecretWriter& u16(std::uint16_t value) { return integer(value, 2); }
  SecretWriter& u32(std::uint32_t value) { return integer(value, 4); }
  SecretWriter& u64(std::uint64_t value) { return integer(value, 8); }
  SecretWriter& address(const DeviceAddress& value) {
    return bytes(value.account.view()).u32(static_cast<std::uint32_t>(value.device));
  }
  SecretWriter& skipped(const std::vector<SkippedKey>& keys) {
    u16(static_cast<std::uint16_t>(keys.size()));
    for (const SkippedKey& key : keys) u32(key.number).u32(number(key.since)).bytes(key.seed.reveal());
    return *this;
  }
  SecretBytes take() { return std::move(out_); }

 private:
  SecretWriter& integer(std::uint64_t value, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) out_.push_back(std::byte(value >> shift & 0xff));
    return *this;
  }
  SecretBytes out_;
};

std::size_t skipped_bytes(const State& state) {
  std::size_t total = state.receive ? state.receive->skipped.size() * kSkippedKeyBytes : 0;
  for (const OldChain& chain : state.old) total += 32 + chain.skipped.size() * kSkippedKeyBytes;
  return total;
}

void write_send(SecretWriter& out, const SendChain& chain) {
  out.bytes(chain.key.reveal()).bytes(chain.ephemeral.reveal()).bytes(chain.tag.view());
  out.u32(chain.next).u32(chain.next_ephemeral);
  out.bytes(chain.ratchet_private.reveal()).bytes(chain.ratchet_public.view());
  out.u8(static_cast<std::uint8_t>((chain.offer ? kHasOffer : 0) | (chain.answer ? kHasAnswer : 0)));
  if (chain.offer) out.bytes(chain.offer->seed.reveal()).bytes(chain.offer->key.view());
  if (chain.answer) out.bytes(chain.answer->view());
}

void write_receive(SecretWriter& out, const ReceiveChain& chain) {
  out.bytes(chain.key.reveal()).bytes(chain.ephemeral.reveal()).bytes(chain.tag.view());
  out.u32(chain.next).u32(chain.next_ephemeral).u8(chain.offer ? kHasOffer : 0);
  if (chain.offer) out.bytes(chain.offer->key.view());
  out.skipped(chain.skipped);
}

/// Reads a Secret or a ByteId; all zero after the end, which the Reader remembers.
template <class T>
T read(Reader& in) {
  T out;
  const ByteView view = in.bytes(T::kSize);
  if (view.size() == T::kSize) out = T(view.template first<T::kSize>());
  return out;
}

DeviceAddress read_address(Reader& in) {
  const auto account = read<AccountId>(in);
  return {account, DeviceNumber{in.u32()}};
}

/// False unless the keys are in order and below `end`.
bool read_skipped(Reader& in, std::uint32_t end, std::vector<SkippedKey>& out) {
  const std::size_t count = in.u16();
  if (count > kMaxSkippedPerSession || in.left() < count * kSkippedKeyBytes) return false;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t number = in.u32();
    if (number >= end || (!out.empty() && out.back().number >= number)) return false;
    SkippedKey& key = out.emplace_back();
    key.number = number;
    key.since = Day{in.u32()};
    key.seed = read<MessageSeed>(in);
  }
  return true;
}

bool read_send(Reader& in, SendChain& chain) {
  chain.key = read<ChainKey>(in);
  chain.ephemeral = read<EphemeralKey>(in);
  chain.tag = read<SessionTag>(in);
  chain.next = in.u32();
  chain.next_ephemeral = in.u32();
  chain.ratchet_private = read<crypto::X25519PrivateKey>(in);
  chain.ratchet_public = read<crypto::X25519PublicKey>(in);
  const std::uint8_t flags = in.u8();
  if ((flags & ~(kHasOffer | kHasAnswer)) != 0) return false;
  if ((flags & kHasOffer) != 0) {
    auto seed = read<crypto::MlKem768PrivateKey>(in);
    chain.offer = std::make_unique<KemOffer>(std::move(seed), read<crypto::MlKem768EncapsulationKey>(in), std::nullopt);
  }
  if ((flags & kHasAnswer) != 0) {
    chain.answer = std::make_unique<crypto::MlKem768Ciphertext>(read<crypto::MlKem768Ciphertext>(in));
  }
  return !chain.tag.is_zero() && chain.next <= kMaxChainMessages && chain.next_ephemeral <= kMaxChainMessages;
}

bool read_receive(Reader& in, ReceiveChain& chain) {
  chain.key = read<ChainKey>(in);
  chain.ephemeral = read<EphemeralKey>(in);
  chain.tag = read<SessionTag>(in);
  chain.next = in.u32();
  chain.next_ephemeral = in.u32();
  const std::uint8_t offer = in.u8();
  if (offer > kHasOffer) return false;
  if (offer != 0) {
    const auto key = read<crypto::MlKem768EncapsulationKey>(in);
    auto decoded = crypto::MlKem768Encapsulator::from(key);
    if (!decoded) return false;
    chain.offer = std::make_unique<PeerOffer>(key, std::move(*decoded));
  }
  if (!read_skipped(in, chain.next, chain.skipped)) return false;
  return !chain.tag.is_zero() && chain.next <= kMaxChainMessages && chain.next_ephemeral <= kMaxChainMessages;
}

bool read_old(Reader& in, std::vector<OldChain>& old) {
  const std::size_t count = in.u8();
  if (count > kMaxOldChains) return false;
  for (std::size_t i = 0; i < count; ++i) {
    OldChain& chain = old.emplace_back();
    chain.tag = read<SessionTag>(in);
    if (!read_skipped(in, kMaxChainMessages, chain.skipped) || chain.skipped.empty()) return false;
  }
  return true;
}

/// What every state that we write keeps.
bool is_consistent(const State& state) {
  std::size_t skipped = state.receive ? state.receive->skipped.size() : 0;
  for (const OldChain& chain : state.old) skipped += chain.skipped.size();
  if (skipped > kMaxSkippedPerSession || state.next_tag.is_zero() || state.us == state.peer) return false;
  if (state.since_kem > kKemOfferAfterMessages || state.sent_before > kMaxChainMessages) return false;
  if (unix_millis(state.last_kem) < 0) return false;
  const bool waits = state.initiator && !state.receive;  // for the first answer
  if (waits == state.handshake.empty() || (!state.initiator && !state.receive)) return false;
  return state.receive || state.old.empty();
}

}  // namespace

ByteArray<32> session_context(const DeviceAddress& initiator, const DeviceAddress& responder,
                              const HandshakeHash& handshake) {
  Bytes parties;
  Writer(parties)
      .bytes(initiator.account.view())
      .u32(static_cast<std::uint32_t>(initiator.device))
      .bytes(responder.account.view())
      .u32(static_cast<std::uint32_t>(responder.device));
  return crypto::sha256({as_view(kSessionContextLabel), parties, handshake.view()});
}

SecretBytes serialise_state(const State& state) {
  SecretWriter out(512 + state.handshake.size() + skipped_bytes(state) +
                   (state.send && state.send->offer ? sizeof(KemOffer) : 0) +
                   (state.send && state.send->answer ? crypto::MlKem768Ciphertext::kSize : 0) +
                   (state.receive && state.receive->offer ? crypto::MlKem768EncapsulationKey::kSize : 0));
  out.u8(kVersion).u8(static_cast<std::uint8_t>((state.initiator ? kInitiator : 0) |
                                                (state.handshake.empty() ? 0 : kHasHandshake) |
                                                (state.send ? kHasSend : 0) | (state.receive ? kHasReceive : 0)));
  out.address(state.us).address(state.peer).bytes(state.peer_identity.view()).bytes(state.handshake_hash.view());
  out.bytes(state.handshake).bytes(state.root.reveal()).bytes(state.next_tag.view());
  out.bytes(state.peer_ratchet.view()).u32(state.sent_before).u32(state.since_kem);
  out.u64(static_cast<std::uint64_t>(unix_millis(state.last_kem)));
  if (state.send) write_send(out, *state.send);
  if (state.receive) write_receive(out, *state.receive);
  out.u8(static_cast<std::uint8_t>(state.old.size()));
  for (const OldChain& chain : state.old) out.bytes(chain.tag.view()).skipped(chain.skipped);
  return out.take();
}

Result<State, Error> deserialise_state(ByteView stored) {
  if (stored.empty()) return fail(Error::bad_state);
  Reader in(stored);
  if (in.u8() != kVersion) return fail(Error::unsupported_version);
  const std::uint8_t flags = in.u8();
  if ((flags & ~(kInitiator | kHasHandshake | kHasSend | kHasReceive)) != 0) return fail(Error::bad_state);
  State state;
  state.initiator = (flags & kInitiator) != 0;
  state.us = read_address(in);
  state.peer = read_address(in);
  state.peer_identity = read<IdentityHash>(in);
  state.handshake_hash = read<HandshakeHash>(in);
  if ((flags & kHasHandshake) != 0) state.handshake = to_bytes(in.bytes(kHandshakeBytes));
  state.root = read<RootKey>(in);
  state.next_tag = read<SessionTag>(in);
  state.peer_ratchet = read<crypto::X25519PublicKey>(in);
  state.sent_before = in.u32();
  state.since_kem = in.u32();
  state.last_kem = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  if ((flags & kHasSend) != 0 && !read_send(in, state.send.emplace())) return fail(Error::bad_state);
  if ((flags & kHasReceive) != 0 && !read_receive(in, state.receive.emplace())) return fail(Error::bad_state);
  if (!read_old(in, state.old) || !in.finished() || !is_consistent(state)) return fail(Error::bad_state);
  state.context = state.initiator ? session_context(state.us, state.peer, state.handshake_hash)
                                  : session_context(state.peer, state.us, state.handshake_hash);
  return state;
}

State clone_state(const State& state) {
  auto copy = deserialise_state(serialise_state(state));
  OPALINE_ASSERT(copy.has_value());
  return std::move(*copy);
}

}  // namespace opaline::session::internal
