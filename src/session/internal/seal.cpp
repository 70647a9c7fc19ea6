// The sending side of the ratchet.
#include "session/internal/state.hpp"

namespace opaline::session::internal {
namespace {

/// Whether our next chain is to offer a KEM key.
bool offer_is_due(const State& state, Time now) {
  return state.since_kem >= kKemOfferAfterMessages || now - state.last_kem >= kKemOfferAfter;
}

/// Our step: a new ratchet key, and an encapsulation if the peer's chain offered a key.
void begin_chain(State& state, Time now, RandomSource& random) {
  crypto::X25519KeyPair pair = crypto::x25519_generate(random);
  // The peer's key gave a secret when we received it, and whether it does depends on no key of ours.
  const auto dh = crypto::x25519_agree(pair.private_key, state.peer_ratchet);
  OPALINE_ASSERT(dh.has_value());

  std::optional<KemSecret> kem;
  std::unique_ptr<crypto::MlKem768Ciphertext> answer;
  if (state.receive && state.receive->offer) {
    const PeerOffer& offer = *state.receive->offer;
    crypto::MlKem768Encapsulation made = offer.decoded.encapsulate(random);
    kem = KemSecret{std::move(made.shared_secret), kem_binding(offer.key.view(), made.ciphertext.view())};
    answer = std::make_unique<crypto::MlKem768Ciphertext>(made.ciphertext);
    state.receive->offer.reset();
    state.since_kem = 0;
    state.last_kem = now;
  }
  RootStep step = root_step(state.root, *dh, kem ? &*kem : nullptr, pair.public_key, state.peer_ratchet);

  SendChain& chain = state.send.emplace();
  chain.key = std::move(step.chain);
  chain.ephemeral = std::move(step.ephemeral);
  chain.tag = state.next_tag;
  chain.ratchet_private = std::move(pair.private_key);
  chain.ratchet_public = pair.public_key;
  chain.answer = std::move(answer);
  if (offer_is_due(state, now)) {
    crypto::MlKem768PrivateKey seed = crypto::mlkem768_generate(random);
    crypto::MlKem768Decapsulator decoded(seed);
    const auto key = decoded.encapsulation_key();
    chain.offer = std::make_unique<KemOffer>(std::move(seed), key, std::move(decoded));
  }
  state.root = std::move(step.root);
  state.next_tag = step.next_tag;
}

Header next_header(State& state, bool ephemeral, RandomSource& random) {
  SendChain& chain = *state.send;
  Header header{.tag = chain.tag,
                .salt = random.bytes<kSaltBytes>(),
                .number = ephemeral ? chain.next_ephemeral++ : chain.next++,
                .previous = state.sent_before,
                .ratchet_key = chain.ratchet_public};
  if (chain.offer) header.flags |= kFlagOffer;
  if (chain.answer) header.flags |= kFlagAnswer;
  if (ephemeral) header.flags |= kFlagEphemeral;
  if (!state.handshake.empty()) header.flags |= kFlagHandshake;
  return header;
}

void copy_to(std::span<std::byte> out, ByteView from) {
  if (!from.empty()) std::memcpy(out.data(), from.data(), from.size());
}

}  // namespace

Result<Bytes, Error> seal_message(State& state, bool ephemeral, ByteView plaintext, ByteView associated_data, Time now,
                                  RandomSource& random) {
  if (plaintext.size() > kMaxPlaintextBytes || associated_data.size() > kMaxAssociatedDataBytes) {
    return fail(Error::too_large);
  }
  if (ephemeral && !state.handshake.empty()) return fail(Error::not_established);
  if (state.send && (ephemeral ? state.send->next_ephemeral : state.send->next) >= kMaxChainMessages) {
    return fail(Error::chain_exhausted);
  }
  // Nothing fails from here on.
  if (!state.send) begin_chain(state, now, random);
  SendChain& chain = *state.send;
  const Header header = next_header(state, ephemeral, random);
  MessageSeed seed;
  if (ephemeral) {
    seed = ephemeral_seed(chain.ephemeral, header.number);
  } else {
    chain_step(chain.key, seed);
  }
  if (state.since_kem < kKemOfferAfterMessages) ++state.since_kem;

  const std::size_t padded = padded_size(plaintext.size() + 1);
  Bytes out(state.handshake.size() + header_bytes(header.flags) + padded + kSealOverheadBytes);
  copy_to(out, state.handshake);
  const auto head = std::span(out).subspan(state.handshake.size(), header_bytes(header.flags));
  write_header(header, head.first<kMessageHeaderBytes>());
  auto kem_fields = head.subspan(kMessageHeaderBytes);
  if (chain.offer) {
    copy_to(kem_fields, chain.offer->key.view());
    kem_fields = kem_fields.subspan(crypto::MlKem768EncapsulationKey::kSize);
  }
  if (chain.answer) copy_to(kem_fields, chain.answer->view());
  const auto body = std::span(out).last(padded + kSealOverheadBytes);
  copy_to(body, plaintext);
  body[plaintext.size()] = std::byte{0x80};
  seal_in_place(seed, header.salt, MessageContext(state.context, state.initiator, head, associated_data), body);
  return out;
}

}  // namespace opaline::session::internal
