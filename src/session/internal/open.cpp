// The receiving side of the ratchet. Everything is computed beside the state and moved into it only once the message
// has proved authentic, so that a message that fails leaves no trace.
#include <algorithm>

#include "session/internal/state.hpp"

namespace opaline::session::internal {
namespace {

/// Takes the keys of messages `from` to `to` - 1 off `chain` and appends them to `skipped`.
void pass_over(ChainKey& chain, std::uint32_t from, std::uint32_t to, Time now, std::vector<SkippedKey>& skipped) {
  if (to > from) skipped.reserve(skipped.size() + (to - from));
  for (; from < to; ++from) {
    SkippedKey& key = skipped.emplace_back();
    key.number = from;
    key.since = day_of(now);
    chain_step(chain, key.seed);
  }
}

void move_to_end(std::vector<SkippedKey>& from, std::vector<SkippedKey>& to) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

/// Keys kept for late messages.
std::size_t skipped_keys(const State& state) {
  std::size_t total = state.receive->skipped.size();
  for (const OldChain& chain : state.old) total += chain.skipped.size();
  return total;
}

/// Drops what is over the limits or too old, the oldest first.
void trim(State& state, Time now) {
  std::vector<SkippedKey>& current = state.receive->skipped;
  if (state.old.empty() && current.empty()) return;
  const auto expired = [today = number(day_of(now))](const SkippedKey& key) {
    return today > number(key.since) + static_cast<std::uint32_t>(kSkippedKeyLife.count());
  };
  if (state.old.size() > kMaxOldChains) {
    state.old.erase(state.old.begin(), state.old.end() - static_cast<std::ptrdiff_t>(kMaxOldChains));
  }
  const std::size_t total = skipped_keys(state);
  std::size_t excess = total > kMaxSkippedPerSession ? total - kMaxSkippedPerSession : 0;
  const auto trim_chain = [&](std::vector<SkippedKey>& keys) {
    auto keep = keys.begin();
    while (keep != keys.end() && (excess > 0 || expired(*keep))) {
      ++keep;
      if (excess > 0) --excess;
    }
    keys.erase(keys.begin(), keep);
  };
  for (OldChain& chain : state.old) trim_chain(chain.skipped);
  trim_chain(current);
  std::erase_if(state.old, [](const OldChain& chain) { return chain.skipped.empty(); });
}

void count_message(State& state) {
  if (state.since_kem < kKemOfferAfterMessages) ++state.since_kem;
}

/// A message that an earlier one overtook.
Result<Decrypted, Error> open_skipped(State& state, std::vector<SkippedKey>& skipped, const ParsedMessage& message,
                                      const MessageContext& context, Time now) {
  const auto it = std::ranges::lower_bound(skipped, message.header.number, {}, &SkippedKey::number);
  if (it == skipped.end() || it->number != message.header.number) return fail(Error::replayed);
  OPALINE_TRY(SecretBytes plaintext, open_sealed(it->seed, message.header.salt, context, message.sealed));
  skipped.erase(it);
  count_message(state);
  trim(state, now);
  return Decrypted{.plaintext = std::move(plaintext)};
}

/// A typing mark or the like: only forwards, nothing is kept for those in between.
Result<Decrypted, Error> open_ephemeral(State& state, const ParsedMessage& message, const MessageContext& context,
                                        Time now) {
  ReceiveChain& chain = *state.receive;
  if (message.header.number < chain.next_ephemeral) return fail(Error::replayed);
  const MessageSeed seed = ephemeral_seed(chain.ephemeral, message.header.number);
  OPALINE_TRY(SecretBytes plaintext, open_sealed(seed, message.header.salt, context, message.sealed));
  chain.next_ephemeral = message.header.number + 1;
  count_message(state);
  trim(state, now);
  return Decrypted{.plaintext = std::move(plaintext), .ephemeral = true};
}

/// A message of the peer's present chain.
Result<Decrypted, Error> open_in_chain(State& state, const ParsedMessage& message, const MessageContext& context,
                                       Time now) {
  ReceiveChain& chain = *state.receive;
  const Header& header = message.header;
  if (header.ratchet_key != state.peer_ratchet) return fail(Error::authentication_failed);
  if (header.has(kFlagEphemeral)) return open_ephemeral(state, message, context, now);
  if (header.number < chain.next) return open_skipped(state, chain.skipped, message, context, now);
  if (header.number - chain.next > kMaxSkippedPerChain) return fail(Error::gap_too_large);
  ChainKey key = chain.key.clone();
  std::vector<SkippedKey> passed;
  pass_over(key, chain.next, header.number, now, passed);
  MessageSeed seed;
  chain_step(key, seed);
  OPALINE_TRY(SecretBytes plaintext, open_sealed(seed, header.salt, context, message.sealed));

  chain.key = std::move(key);
  chain.next = header.number + 1;
  const std::size_t missing = passed.size();
  move_to_end(passed, chain.skipped);
  count_message(state);
  trim(state, now);
  return Decrypted{.plaintext = std::move(plaintext), .passed = missing};
}

/// The peer's step, not yet believed.
struct Step {
  RootStep root;
  bool with_kem = false;
  std::vector<SkippedKey> passed_before{};  ///< missing at the end of the chain that the peer has finished
  std::vector<SkippedKey> passed{};         ///< missing at the beginning of the new one
  MessageSeed seed{};                       ///< of the message itself
};

crypto::MlKem768SharedSecret decapsulate(const KemOffer& offer, const crypto::MlKem768Ciphertext& ciphertext) {
  if (offer.decoded) return offer.decoded->decapsulate(ciphertext);
  return crypto::MlKem768Decapsulator(offer.seed).decapsulate(ciphertext);
}

Result<Step, Error> take_step(const State& state, const ParsedMessage& message, Time now) {
  const Header& header = message.header;
  const SendChain& ours = *state.send;
  if (header.has(kFlagAnswer) && !ours.offer) return fail(Error::malformed);
  const std::uint32_t received = state.receive ? state.receive->next : 0;
  // A peer that was set back to an older state may count less than we have: then nothing is missing.
  const std::uint32_t finished = state.receive ? std::max(header.previous, received) : 0;
  const std::uint32_t first = header.has(kFlagEphemeral) ? 0 : header.number;
  if (finished - received > kMaxSkippedPerChain || first > kMaxSkippedPerChain) return fail(Error::gap_too_large);

  const auto dh = crypto::x25519_agree(ours.ratchet_private, header.ratchet_key);
  if (!dh) return fail(Error::bad_key);
  std::optional<KemSecret> kem;
  if (header.has(kFlagAnswer)) {
    const crypto::MlKem768Ciphertext ciphertext(message.answer.first<crypto::MlKem768Ciphertext::kSize>());
    kem = KemSecret{decapsulate(*ours.offer, ciphertext), kem_binding(ours.offer->key.view(), message.answer)};
  }
  Step step{.root = root_step(state.root, *dh, kem ? &*kem : nullptr, header.ratchet_key, ours.ratchet_public),
            .with_kem = kem.has_value()};
  if (state.receive) {
    ChainKey key = state.receive->key.clone();
    pass_over(key, received, finished, now, step.passed_before);
  }
  pass_over(step.root.chain, 0, first, now, step.passed);
  if (header.has(kFlagEphemeral)) {
    step.seed = ephemeral_seed(step.root.ephemeral, header.number);
  } else {
    chain_step(step.root.chain, step.seed);
  }
  return step;
}

void keep_step(State& state, Step step, std::unique_ptr<PeerOffer> offer, const Header& header, Time now) {
  if (state.receive) {
    move_to_end(step.passed_before, state.receive->skipped);
    if (!state.receive->skipped.empty()) {
      state.old.push_back({.tag = state.receive->tag, .skipped = std::move(state.receive->skipped)});
    }
  }
  const bool ephemeral = header.has(kFlagEphemeral);
  ReceiveChain& chain = state.receive.emplace();
  chain.key = std::move(step.root.chain);
  chain.ephemeral = std::move(step.root.ephemeral);
  chain.tag = header.tag;
  chain.next = ephemeral ? 0 : header.number + 1;
  chain.next_ephemeral = ephemeral ? header.number + 1 : 0;
  chain.skipped = std::move(step.passed);
  chain.offer = std::move(offer);
  state.root = std::move(step.root.root);
  state.next_tag = step.root.next_tag;
  state.peer_ratchet = header.ratchet_key;
  state.sent_before = state.send->next;
  state.send.reset();
  state.handshake = {};
  if (step.with_kem) {
    state.since_kem = 0;
    state.last_kem = now;
  }
  count_message(state);
  trim(state, now);
}

/// The first message to come of a new chain of the peer.
Result<Decrypted, Error> open_new_chain(State& state, const ParsedMessage& message, const MessageContext& context,
                                        Time now) {
  OPALINE_TRY(Step step, take_step(state, message, now));
  OPALINE_TRY(SecretBytes plaintext, open_sealed(step.seed, message.header.salt, context, message.sealed));
  // Only now: else anybody who sees the tag could end the session by leaving the encapsulation out.
  if (state.send->offer && !step.with_kem) return fail(Error::encapsulation_missing);
  std::unique_ptr<PeerOffer> offer;
  if (message.header.has(kFlagOffer)) {
    const crypto::MlKem768EncapsulationKey key(message.offer.first<crypto::MlKem768EncapsulationKey::kSize>());
    auto decoded = crypto::MlKem768Encapsulator::from(key);
    if (!decoded) return fail(Error::bad_key);
    offer = std::make_unique<PeerOffer>(key, std::move(*decoded));
  }
  const std::size_t missing = step.passed_before.size() + step.passed.size();
  const bool set_back = state.receive && message.header.previous < state.receive->next;
  keep_step(state, std::move(step), std::move(offer), message.header, now);
  return Decrypted{.plaintext = std::move(plaintext),
                   .ephemeral = message.header.has(kFlagEphemeral),
                   .stepped = true,
                   .set_back = set_back,
                   .passed = missing};
}

}  // namespace

bool wipe_late(State& state, Time now) {
  if (!state.receive) return false;
  const std::size_t before = skipped_keys(state);
  trim(state, now);
  return skipped_keys(state) != before;
}

Result<Decrypted, Error> open_message(State& state, const ParsedMessage& message, ByteView associated_data, Time now) {
  if (associated_data.size() > kMaxAssociatedDataBytes) return fail(Error::too_large);
  const MessageContext context(state.context, !state.initiator, message.header_bytes, associated_data);
  const SessionTag& tag = message.header.tag;
  if (state.receive && tag == state.receive->tag) return open_in_chain(state, message, context, now);
  if (state.send && tag == state.next_tag) return open_new_chain(state, message, context, now);
  const auto old = std::ranges::find(state.old, tag, &OldChain::tag);
  if (old == state.old.end()) return fail(Error::unknown_tag);
  if (message.header.has(kFlagEphemeral)) return fail(Error::replayed);  // too late to mean anything
  return open_skipped(state, old->skipped, message, context, now);
}

}  // namespace opaline::session::internal
