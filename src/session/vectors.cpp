#include "session/vectors.hpp"

#include "base/codec.hpp"
#include "crypto/hkdf.hpp"
#include "session/internal/handshake_keys.hpp"
#include "session/internal/labels.hpp"
#include "session/safety_number.hpp"
#include "session/testing.hpp"
#include "session/vectors_json.hpp"

namespace opaline::session::vectors {
namespace {

using testing::kStart;
using testing::TestDevice;

constexpr std::uint64_t kAliceSeed = 1;
constexpr std::uint64_t kBobSeed = 2;

void write_device(Json& json, std::string_view name, const TestDevice& device, std::uint64_t seed) {
  const SecretBytes account_key = device.account_key.serialise();
  const SecretBytes identity = device.identity.serialise();
  const DevicePublicKeys& keys = device.identity.public_keys();
  json.open(name).number("random_seed", static_cast<std::int64_t>(seed));
  json.hex("account", device.account.view()).number("device", 1).hex("mailbox", device.mailbox.view());
  json.hex("account_private", ByteView(account_key).subspan(1));
  json.hex("account_public", device.account_key.public_key().view());
  json.hex("signing_private", ByteView(identity).subspan(1, 64)).hex("signing_public", keys.signing.view());
  json.hex("agreement_private", ByteView(identity).subspan(65)).hex("agreement_public", keys.agreement.view());
  json.hex("identity_hash", device.identity.hash().view());
  json.hex("device_list", device.list.bytes()).hex("device_list_hash", device.list.hash().view());
  const PrekeySecrets& set = device.prekeys.sets.at(PrekeySetId{1});
  const SecretBytes secrets = set.serialise();
  json.number("prekey_set_id", 1).number("prekey_set_created", unix_millis(set.created()));
  json.hex("signed_prekey_private", set.signed_prekey().reveal());
  json.hex("signed_prekey_public", set.signed_prekey_public().view());
  json.hex("kem_prekey_seed", ByteView(secrets).last<64>());
  json.hex("kem_prekey_public", set.kem().encapsulation_key().view());
  json.hex("prekey_set", device.signed_set).hex("prekey_set_hash", set.hash().view());
  json.open("one_time_prekeys", '[');
  for (std::size_t i = 0; i < device.one_time.size(); ++i) {
    const auto& key = device.prekeys.one_time.at({PrekeySetId{1}, OneTimeIndex(static_cast<std::uint16_t>(i))});
    json.open("").hex("private", key.reveal()).hex("entry", device.one_time[i]).close();
  }
  json.close().close();
}

/// One end of the conversation.
struct End {
  std::string_view name;
  TestDevice* device;
  std::optional<Session> session;

  [[nodiscard]] internal::State state() const { return std::move(*internal::deserialise_state(session->serialise())); }
};

/// The handshake's values, derived again from the initiator's private keys and what it drew.
void write_handshake(Json& json, const End& alice, const TestDevice& bob, const VerifiedBundle& bundle,
                     const std::vector<Bytes>& drawn) {
  const internal::State state = alice.state();
  const crypto::X25519PrivateKey ephemeral(ByteView(drawn[0]).first<32>());
  const crypto::X25519PrivateKey& identity_key = alice.device->identity.agreement_key();
  internal::Opening opening{.responder = bundle.owner(),
                            .responder_identity = bundle.keys().hash(),
                            .set_hash = bundle.set_hash(),
                            .set = bundle.set().id,
                            .with_one_time = true,
                            .one_time = bundle.one_time()->index,
                            .one_time_key = bundle.one_time()->key,
                            .ephemeral = crypto::x25519_public_of(ephemeral),
                            .kem_ciphertext = {}};
  constexpr std::size_t kCiphertextAt = SessionTag::kSize + 1 + 4 + 1 + 2 + 32;
  opening.kem_ciphertext = crypto::MlKem768Ciphertext(
      ByteView(state.handshake).subspan(kCiphertextAt).first<crypto::MlKem768Ciphertext::kSize>());
  const internal::OpeningSecrets secrets{
      .with_identity = *crypto::x25519_agree(ephemeral, bundle.keys().agreement),
      .with_signed_prekey = *crypto::x25519_agree(ephemeral, bundle.set().signed_prekey),
      .with_one_time = *crypto::x25519_agree(ephemeral, bundle.one_time()->key),
      .kem = bob.prekeys.sets.at(PrekeySetId{1}).kem().decapsulate(opening.kem_ciphertext)};
  const internal::IdentityStage first = internal::identity_stage(opening, secrets);
  const Bytes identity = internal::encode_identity(alice.device->local(), bundle.list());
  const auto dh = *crypto::x25519_agree(identity_key, bundle.set().signed_prekey);
  const internal::SignatureStage second = internal::signature_stage(first, identity, dh);
  const auto signature = crypto::aes256gcm_open(second.key.reveal(), ByteArray<12>{}, second.transcript,
                                                ByteView(state.handshake).last<internal::kSealedSignatureBytes>());
  OPALINE_ASSERT(signature.has_value());
  const internal::FirstKeys keys =
      internal::first_keys(second, ByteView(*signature).first<crypto::HybridSignature::kSize>());
  OPALINE_ASSERT(equal(keys.root.reveal(), state.root.reveal()) && keys.tag == state.next_tag);

  json.open("handshake").number("prekey_set_id", 1).number("one_time_index", 0).number("now", unix_millis(kStart));
  json.hex("ephemeral_private", drawn[0]).hex("ephemeral_public", opening.ephemeral.view());
  json.hex("kem_m", drawn[1]).hex("kem_ciphertext", opening.kem_ciphertext.view());
  json.hex("kem_secret", secrets.kem.reveal());
  json.hex("dh_ephemeral_identity", secrets.with_identity.reveal());
  json.hex("dh_ephemeral_signed_prekey", secrets.with_signed_prekey.reveal());
  json.hex("dh_ephemeral_one_time", secrets.with_one_time->reveal()).hex("dh_identity_signed_prekey", dh.reveal());
  json.hex("t1", first.transcript).hex("identity_key", first.key.reveal());
  json.hex("identity_chain", first.chain.reveal()).hex("identity", identity);
  json.hex("t2", second.transcript).hex("prk2", second.prk.reveal()).hex("signature_key", second.key.reveal());
  json.hex("mldsa_rnd", drawn[2]).hex("signature", *signature).hex("t3", keys.transcript);
  json.hex("root_key", keys.root.reveal()).hex("first_tag", keys.tag.view());
  json.hex("bytes", state.handshake).hex("handshake_hash", state.handshake_hash.view());
  json.hex("session_context", state.context).close();
}

/// The step with which `after`'s sending chain began; writes its values and returns it.
internal::RootStep write_step(Json& json, const internal::State& before, const internal::State& after,
                              const internal::State& receiver) {
  const internal::SendChain& chain = *after.send;
  const auto dh = *crypto::x25519_agree(chain.ratchet_private, before.peer_ratchet);
  json.open("root_step").hex("root_key_before", before.root.reveal());
  json.hex("ratchet_private", chain.ratchet_private.reveal()).hex("ratchet_public", chain.ratchet_public.view());
  json.hex("receiver_ratchet_public", before.peer_ratchet.view()).hex("dh", dh.reveal());
  std::optional<internal::KemSecret> kem;
  if (chain.answer) {
    const internal::KemOffer& offer = *receiver.send->offer;
    kem = internal::KemSecret{crypto::MlKem768Decapsulator(offer.seed).decapsulate(*chain.answer),
                              internal::kem_binding(offer.key.view(), chain.answer->view())};
    json.hex("kem_secret", kem->secret.reveal()).hex("kem_binding", kem->binding);
  }
  internal::RootStep step =
      internal::root_step(before.root, dh, kem ? &*kem : nullptr, chain.ratchet_public, before.peer_ratchet);
  OPALINE_ASSERT(equal(step.root.reveal(), after.root.reveal()) && step.next_tag == after.next_tag);
  json.hex("root_key", step.root.reveal()).hex("chain_key", step.chain.reveal());
  json.hex("ephemeral_key", step.ephemeral.reveal()).hex("next_tag", step.next_tag.view());
  if (chain.offer) json.hex("offer_seed", chain.offer->seed.reveal());
  json.close();
  return step;
}

struct Spoken {
  std::string text;
  std::string associated_data;
  Time now = kStart;
  bool ephemeral = false;
  bool held = false;                ///< does not arrive now
  std::vector<std::size_t> late{};  ///< messages held before that arrive after this one
};

/// `from` encrypts; all values of the message, which is the index-th, are written.
Bytes speak(Json& json, End& from, const End& to, const Spoken& spoken, std::size_t index) {
  const internal::State before = from.state();
  const ByteView data = as_view(spoken.associated_data);
  Recorded random(from.device->random);
  const Bytes message = spoken.ephemeral
                            ? *from.session->encrypt_ephemeral(as_view(spoken.text), data, spoken.now, random)
                            : *from.session->encrypt(as_view(spoken.text), data, spoken.now, random);
  const internal::State after = from.state();
  const internal::ParsedMessage parsed = *internal::parse_message(message);

  json.open("").text("from", from.name).text("kind", spoken.ephemeral ? "ephemeral" : "message");
  json.number("now", unix_millis(spoken.now)).hex("plaintext", as_view(spoken.text)).hex("associated_data", data);
  json.open("random", '[');
  for (const Bytes& drawn : random.drawn) json.hex("", drawn);
  json.close();
  std::optional<internal::RootStep> step;
  if (!before.send) {
    // A receiver without a session has offered nothing: any state will do.
    step = write_step(json, before, after, to.session ? to.state() : from.state());
  }
  internal::ChainKey chain = step ? step->chain.clone() : before.send->key.clone();
  internal::MessageSeed seed;
  if (spoken.ephemeral) {
    seed = internal::ephemeral_seed(after.send->ephemeral, parsed.header.number);
  } else {
    json.hex("chain_key", chain.reveal());
    internal::chain_step(chain, seed);
    OPALINE_ASSERT(equal(chain.reveal(), after.send->key.reveal()));
  }
  const internal::SealKeys keys = internal::seal_keys(seed, parsed.header.salt);
  const internal::MessageContext context(after.context, after.initiator, parsed.header_bytes, data);
  json.number("flags", parsed.header.flags).number("number", parsed.header.number);
  json.number("previous", parsed.header.previous).hex("tag", parsed.header.tag.view());
  json.hex("salt", parsed.header.salt).hex("seed", seed.reveal());
  json.hex("key", keys.reveal().first<32>()).hex("nonce", keys.reveal().last<12>());
  json.hex("context", context.view()).hex("bytes", message).open("delivered", '[');
  if (!spoken.held) json.number("", static_cast<std::int64_t>(index));
  for (const std::size_t other : spoken.late) json.number("", static_cast<std::int64_t>(other));
  json.close().close();
  return message;
}

void deliver(End& to, ByteView message, const Spoken& spoken) {
  const auto opened = to.session->decrypt(message, as_view(spoken.associated_data), spoken.now);
  OPALINE_ASSERT(opened && as_text(opened->plaintext) == spoken.text);
}

void write_conversation(Json& json, End& alice, End& bob) {
  json.open("messages", '[');
  std::vector<std::pair<Bytes, Spoken>> said;
  const auto say = [&](End& from, End& to, const Spoken& spoken) {
    const Bytes message = speak(json, from, to, spoken, said.size());
    said.emplace_back(message, spoken);
    if (to.session) {
      if (!spoken.held) deliver(to, message, spoken);
      for (const std::size_t other : spoken.late) deliver(to, said[other].first, said[other].second);
      return;
    }
    auto accepted =
        accept_session(to.device->local(), to.device->prekeys, message, as_view(spoken.associated_data), spoken.now);
    OPALINE_ASSERT(accepted.has_value());
    to.session = std::move(accepted->session);
  };
  say(alice, bob, {.text = "hello", .associated_data = {}});
  say(alice, bob, {.text = "are you there?", .associated_data = {}});
  say(bob, alice, {.text = "yes", .associated_data = "bound"});
  say(bob, alice, {.text = std::string(300, 'x'), .associated_data = {}});
  say(alice, bob, {.text = "typing", .associated_data = {}, .ephemeral = true});
  say(alice, bob, {.text = "", .associated_data = {}});
  say(alice, bob, {.text = "typing", .associated_data = {}, .ephemeral = true});
  const Time later = kStart + kKemOfferAfter;
  say(bob, alice, {.text = "an offer", .associated_data = {}, .now = later});
  say(bob, alice, {.text = "repeated", .associated_data = {}, .now = later});
  say(alice, bob, {.text = "an answer", .associated_data = {}, .now = later});
  say(bob, alice, {.text = "both have stepped", .associated_data = {}, .now = later});
  // Late in their chain, and once it is over.
  const Time after = later + std::chrono::days(1);
  say(alice, bob, {.text = "after the chain", .associated_data = {}, .now = after, .held = true});
  say(alice, bob, {.text = std::string(1000, 'y'), .associated_data = {}, .now = after, .held = true});
  say(alice, bob, {.text = "ahead", .associated_data = {}, .now = after, .late = {12}});
  say(alice, bob, {.text = std::string(5000, 'z'), .associated_data = {}, .now = after, .held = true});
  say(bob, alice, {.text = "meanwhile", .associated_data = {}, .now = after});
  say(alice, bob, {.text = "a new chain", .associated_data = {}, .now = after, .late = {14}});
  json.close();
}

/// A handshake without one-time prekey, and alice's list after she has linked a second device.
void write_rest(Json& json, TestDevice& alice, const TestDevice& bob) {
  Recorded random(alice.random);
  const Session session = std::move(*start_session(alice.local(), bob.bundle(std::nullopt), kStart, random));
  const internal::State state = std::move(*internal::deserialise_state(session.serialise()));
  json.open("handshake_without_one_time").hex("ephemeral_private", random.drawn[0]).hex("kem_m", random.drawn[1]);
  json.hex("mldsa_rnd", random.drawn[2]).hex("root_key", state.root.reveal()).hex("first_tag", state.next_tag.view());
  json.hex("bytes", state.handshake).hex("handshake_hash", state.handshake_hash.view()).close();

  const DeviceIdentity linked = DeviceIdentity::generate(alice.random);
  DeviceList next = next_device_list(alice.list, kStart + std::chrono::days(1));
  next.devices.push_back({.number = next.next_device,
                          .mailbox = alice.random.id<MailboxId>(),
                          .created = next.created,
                          .capabilities = kCapabilityMessages | kCapabilityEphemeral,
                          .keys = linked.public_keys()});
  next.next_device = DeviceNumber{3};
  const Bytes bytes = sign_device_list(next, alice.account_key, alice.random);
  json.open("alice_second_list").hex("bytes", bytes).hex("hash", verify_device_list(bytes)->hash().view());
  json.hex("linked_identity_hash", linked.hash().view()).close();
}

}  // namespace

std::string generate() {
  TestDevice alice_device(kAliceSeed);
  TestDevice bob_device(kBobSeed);
  End alice{"alice", &alice_device, {}};
  End bob{"bob", &bob_device, {}};
  Json json;
  json.open("").text("protocol", "opaline/1").text("see", "docs/protocol.md").number("start", unix_millis(kStart));
  write_device(json, "alice", alice_device, kAliceSeed);
  write_device(json, "bob", bob_device, kBobSeed);
  const auto digits = safety_number({alice_device.account, alice_device.account_key.public_key()},
                                    {bob_device.account, bob_device.account_key.public_key()});
  json.text("safety_number", as_text(digits));

  Recorded random(alice_device.random);
  const VerifiedBundle bundle = bob_device.bundle(0);
  alice.session = std::move(*start_session(alice_device.local(), bundle, kStart, random));
  write_handshake(json, alice, bob_device, bundle, random.drawn);
  write_conversation(json, alice, bob);
  write_rest(json, alice_device, bob_device);
  json.hex("alice_stored_state", alice.session->serialise()).hex("bob_stored_state", bob.session->serialise());
  return json.close().take();
}

}  // namespace opaline::session::vectors
