#include <algorithm>

#include "session/internal/link_channel.hpp"
#include "session/internal/text.hpp"

namespace opaline::session {

using internal::LinkChannel;
using internal::LinkMessage;
using internal::LinkType;

namespace {

/// What may come next.
enum class Stage : std::uint8_t {
  hello,
  nonce,      ///< the new device's, after our commitment
  comparing,  ///< the person's word
  keys,
  deciding,  ///< the caller's
};

/// What only we know until the reveal.
struct Committed {
  Bytes hello;  // whole messages
  Bytes commitment;
  Bytes reveal;
  crypto::X25519SharedSecret dh;
  crypto::MlKem768SharedSecret kem;
};

bool has_keys(const DeviceList& list, const DevicePublicKeys& keys) {
  return keys.signing == list.account_key || std::ranges::any_of(list.devices, [&](const DeviceEntry& entry) {
           return entry.keys.signing == keys.signing || entry.keys.agreement == keys.agreement;
         });
}

/// Whether anybody could open a session with these. `any` is any private key.
bool are_usable(const DevicePublicKeys& keys, const PrekeySet& set, ByteView batch,
                const crypto::X25519PrivateKey& any) {
  const auto gives_a_secret = [&](const crypto::X25519PublicKey& key) {
    return crypto::x25519_agree(any, key).has_value();
  };
  for (; !batch.empty(); batch = batch.subspan(crypto::kX25519Bytes)) {
    if (!gives_a_secret(crypto::X25519PublicKey(batch.first<crypto::kX25519Bytes>()))) return false;
  }
  return gives_a_secret(keys.agreement) && gives_a_secret(set.signed_prekey) &&
         crypto::MlKem768Encapsulator::from(set.kem_prekey).has_value();
}

}  // namespace

struct LinkPrimary::State {
  State(const LinkPrimaryInput& input, std::optional<LinkCode> scanned)
      : code(std::move(scanned)),
        exchange(input.exchange),
        mailbox(input.mailbox),
        list(input.list),
        handle(input.handle),
        now(input.now) {
    OPALINE_ASSERT(list.list().devices.size() < kMaxDevices && !mailbox.is_zero());
    OPALINE_ASSERT(!handle.empty() && handle.size() <= kMaxLinkHandleBytes && internal::is_line(as_view(handle)));
  }

  [[nodiscard]] Result<LinkStep, Error> greeted(const LinkMessage& hello, RandomSource& random);
  [[nodiscard]] Result<LinkStep, Error> challenged(const LinkMessage& nonce);
  [[nodiscard]] Result<LinkStep, Error> proposed(const LinkMessage& message, RandomSource& random);
  [[nodiscard]] Result<void, Error> check(const internal::KeysText& keys, RandomSource& random) const;
  [[nodiscard]] Bytes welcome();
  [[nodiscard]] DeviceAddress new_device() const { return {list.list().account, list.list().next_device}; }

  Stage stage = Stage::hello;
  std::optional<LinkCode> code;
  LinkExchangeId exchange;
  MailboxId mailbox;
  VerifiedDeviceList list;
  std::string handle;
  Time now;
  std::optional<Committed> committed;
  std::optional<LinkChannel> channel;
  ByteArray<32> welcome_hash{};
  DevicePublicKeys keys;  // of the proposal
  std::uint32_t capabilities = 0;
};

Result<LinkStep, Error> LinkPrimary::State::greeted(const LinkMessage& hello, RandomSource& random) {
  if (code && (code->exchange != exchange || code->hello != internal::hash_of_hello(hello.whole))) {
    return fail(Error::authentication_failed);
  }
  const crypto::X25519PublicKey peer(hello.body.first<crypto::kX25519Bytes>());
  const auto encapsulator = crypto::MlKem768Encapsulator::from(
      crypto::MlKem768EncapsulationKey(hello.body.last<crypto::MlKem768EncapsulationKey::kSize>()));
  const crypto::X25519KeyPair ours = crypto::x25519_generate(random);
  auto dh = crypto::x25519_agree(ours.private_key, peer);
  if (!dh || !encapsulator) return fail(Error::bad_key);
  crypto::MlKem768Encapsulation kem = encapsulator->encapsulate(random);
  const ByteView key = ours.public_key.view();
  const ByteView ciphertext = kem.ciphertext.view();
  LinkStep step;
  if (code) {
    Bytes answer = internal::link_message(LinkType::answer, {key, ciphertext});
    const auto transcript = internal::link_transcript(exchange, {hello.whole, answer});
    channel.emplace(transcript, *dh, kem.shared_secret, &code->secret, false);
    code.reset();
    step.send.push_back(std::move(answer));
    step.send.push_back(welcome());
    return step;
  }
  committed = Committed{
      .hello = to_bytes(hello.whole),
      .commitment = {},
      .reveal = internal::link_message(LinkType::reveal, {key, ciphertext, random.bytes<internal::kLinkNonceBytes>()}),
      .dh = std::move(*dh),
      .kem = std::move(kem.shared_secret)};
  committed->commitment = internal::link_message(
      LinkType::commitment,
      {internal::link_commitment(exchange, committed->hello,
                                 ByteView(committed->reveal).subspan(internal::kLinkHeaderBytes))});
  step.send.push_back(committed->commitment);
  stage = Stage::nonce;
  return step;
}

Result<LinkStep, Error> LinkPrimary::State::challenged(const LinkMessage& nonce) {
  const auto transcript =
      internal::link_transcript(exchange, {committed->hello, committed->commitment, nonce.whole, committed->reveal});
  channel.emplace(transcript, committed->dh, committed->kem, nullptr, false);
  LinkStep step;
  step.send.push_back(std::move(committed->reveal));
  step.event = internal::link_digits(transcript);
  committed.reset();
  stage = Stage::comparing;
  return step;
}

Bytes LinkPrimary::State::welcome() {
  const Bytes text = internal::encode_welcome({.mailbox = mailbox, .handle = as_view(handle), .list = list.bytes()});
  welcome_hash = internal::link_welcome_hash(channel->transcript(), text);
  stage = Stage::keys;
  return channel->seal(LinkType::welcome, text);
}

Result<void, Error> LinkPrimary::State::check(const internal::KeysText& said, RandomSource& random) const {
  // What it is going to be, signed with the key that it will be known by: for this account, number and exchange.
  const auto verifier = crypto::HybridVerifier::from(said.keys.signing);
  Bytes signed_text = to_bytes(welcome_hash);
  append(signed_text, said.signed_part);
  if (!verifier || !verifier->verify(internal::kLinkKeysSignature, signed_text,
                                     crypto::HybridSignature(said.signature.first<crypto::HybridSignature::kSize>()))) {
    return fail(Error::bad_signature);
  }
  OPALINE_TRY(const PrekeySet set, lift(credentials::parse_prekey_set(said.signed_prekeys)));
  OPALINE_CHECK(lift(credentials::check_one_time_batch(set, said.one_time_batch)));
  if (!credentials::prekey_set_signed_by(said.keys.signing, said.signed_prekeys)) return fail(Error::bad_signature);
  if (set.owner != new_device() || has_keys(list.list(), said.keys)) return fail(Error::wrong_device);
  if (now + kClockSkew < set.created || now > set.offered_until) return fail(Error::expired);
  const crypto::X25519KeyPair any = crypto::x25519_generate(random);
  if (!are_usable(said.keys, set, said.one_time_batch, any.private_key)) return fail(Error::bad_key);
  return {};
}

Result<LinkStep, Error> LinkPrimary::State::proposed(const LinkMessage& message, RandomSource& random) {
  OPALINE_TRY(const SecretBytes text, channel->open(message));
  OPALINE_TRY(const internal::KeysText said, internal::decode_keys(text));
  OPALINE_CHECK(check(said, random));
  keys = said.keys;
  capabilities = said.capabilities;
  stage = Stage::deciding;
  return LinkStep{.send = {},
                  .event = LinkProposal{.keys = said.keys,
                                        .capabilities = said.capabilities,
                                        .signed_prekeys = to_bytes(said.signed_prekeys),
                                        .one_time_batch = to_bytes(said.one_time_batch),
                                        .name = to_string(said.name),
                                        .wants_history = said.wants_history,
                                        .web = said.web}};
}

LinkPrimary::LinkPrimary(const LinkPrimaryInput& input) : state_(std::make_unique<State>(input, std::nullopt)) {}
LinkPrimary::LinkPrimary(const LinkPrimaryInput& input, LinkCode code)
    : state_(std::make_unique<State>(input, std::move(code))) {}
LinkPrimary::~LinkPrimary() = default;
LinkPrimary::LinkPrimary(LinkPrimary&&) noexcept = default;
LinkPrimary& LinkPrimary::operator=(LinkPrimary&&) noexcept = default;

Result<LinkStep, Error> LinkPrimary::step(ByteView bytes, RandomSource& random) {
  OPALINE_TRY(const LinkMessage message, internal::parse_link_message(bytes));
  switch (state_->stage) {
    case Stage::hello:
      if (message.type == LinkType::hello) return state_->greeted(message, random);
      break;
    case Stage::nonce:
      if (message.type == LinkType::nonce) return state_->challenged(message);
      break;
    case Stage::keys:
      if (message.type == LinkType::keys) return state_->proposed(message, random);
      break;
    case Stage::comparing:
    case Stage::deciding:
      break;
  }
  return fail(Error::out_of_turn);
}

Result<LinkStep, Error> LinkPrimary::on_message(ByteView message, RandomSource& random) {
  if (over()) return fail(Error::out_of_turn);
  auto result = step(message, random);
  if (!result) end();
  return result;
}

Result<LinkStep, Error> LinkPrimary::confirm() {
  if (over() || state_->stage != Stage::comparing) {
    end();
    return fail(Error::out_of_turn);
  }
  LinkStep step;
  step.send.push_back(state_->welcome());
  return step;
}

DeviceList LinkPrimary::next_list(Time now) const {
  OPALINE_ASSERT(!over() && state_->stage == Stage::deciding);
  DeviceList next = next_device_list(state_->list, now);
  const DeviceNumber number = next.next_device;
  next.devices.push_back({.number = number,
                          .mailbox = state_->mailbox,
                          .created = now,
                          .capabilities = state_->capabilities,
                          .keys = state_->keys});
  next.next_device = DeviceNumber{static_cast<std::uint32_t>(number) + 1};
  return next;
}

Result<LinkStep, Error> LinkPrimary::approve(const VerifiedDeviceList& list) {
  if (over() || state_->stage != Stage::deciding) {
    end();
    return fail(Error::out_of_turn);
  }
  OPALINE_ASSERT(compare_lists(state_->list, list) == ListChange::successor &&
                 list.list() == next_list(list.list().created));
  LinkStep step;
  step.send.push_back(state_->channel->seal(LinkType::done, list.bytes()));
  end();
  return step;
}

Result<LinkStep, Error> LinkPrimary::refuse(LinkRefusal reason) {
  if (over() || !state_->channel || state_->stage == Stage::comparing) {
    end();
    return fail(Error::out_of_turn);
  }
  const std::byte text[] = {static_cast<std::byte>(reason)};
  LinkStep step;
  step.send.push_back(state_->channel->seal(LinkType::refused, text));
  end();
  return step;
}

void LinkPrimary::end() {
  state_.reset();
}

bool LinkPrimary::over() const {
  return state_ == nullptr;
}

}  // namespace opaline::session
