#include <algorithm>

#include "session/internal/link_channel.hpp"
#include "session/internal/text.hpp"

namespace opaline::session {

using internal::LinkChannel;
using internal::LinkMessage;
using internal::LinkType;

bool is_device_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxDeviceNameBytes && internal::is_line(as_view(text));
}

namespace {

/// What may come next.
enum class Stage : std::uint8_t {
  start,      ///< an answer (the code was scanned) or a commitment
  reveal,     ///< what was committed to
  comparing,  ///< the person's word; a welcome may come before it and is held
  welcome,
  keys,  ///< the caller's keys
  done,
};

/// The keys of this exchange, until the channel is made.
struct LinkingKeys {
  explicit LinkingKeys(RandomSource& random)
      : agreement(crypto::x25519_generate(random)), kem(crypto::mlkem768_generate(random)) {}
  crypto::X25519KeyPair agreement;
  crypto::MlKem768Decapsulator kem;
};

/// The new list has what the old one had, and this device, and nothing else.
bool adds_only(const DeviceEntry& us, const VerifiedDeviceList& before, const VerifiedDeviceList& after) {
  if (after.list().devices.size() != before.list().devices.size() + 1) return false;
  return std::ranges::all_of(after.list().devices, [&](const DeviceEntry& entry) {
    if (entry.number != us.number) return before.find(entry.number) != nullptr && *before.find(entry.number) == entry;
    return entry.mailbox == us.mailbox && entry.keys == us.keys && entry.capabilities == us.capabilities;
  });
}

}  // namespace

struct LinkNewDevice::State {
  explicit State(RandomSource& random) : linking(LinkingKeys(random)) {
    random.fill(secret.fill());
    hello = internal::link_message(LinkType::hello,
                                   {linking->agreement.public_key.view(), linking->kem.encapsulation_key().view()});
  }

  [[nodiscard]] Result<LinkStep, Error> scanned(const LinkMessage& answer);
  [[nodiscard]] Result<LinkStep, Error> committed(const LinkMessage& message, RandomSource& random);
  [[nodiscard]] Result<LinkStep, Error> revealed(const LinkMessage& message);
  [[nodiscard]] Result<LinkStep, Error> welcomed(const LinkMessage& message);
  [[nodiscard]] Result<LinkStep, Error> listed(const LinkMessage& message);
  [[nodiscard]] Result<LinkStep, Error> refused(const LinkMessage& message);
  /// The keys are used up by it. bad_key.
  [[nodiscard]] Result<void, Error> make_channel(const internal::LinkTranscript& transcript, ByteView answer,
                                                 const LinkSecret* scanned_secret);

  Stage stage = Stage::start;
  std::optional<LinkExchangeId> exchange;
  std::optional<LinkingKeys> linking;
  LinkSecret secret;
  Bytes hello;
  Bytes commitment;  // whole messages
  Bytes nonce;
  Bytes held;  // a welcome that came before the person's word
  std::optional<LinkChannel> channel;
  ByteArray<32> welcome_hash{};
  std::optional<VerifiedDeviceList> list;
  DeviceEntry us;
};

Result<void, Error> LinkNewDevice::State::make_channel(const internal::LinkTranscript& transcript, ByteView answer,
                                                       const LinkSecret* scanned_secret) {
  const crypto::X25519PublicKey peer(answer.first<crypto::kX25519Bytes>());
  const crypto::MlKem768Ciphertext ciphertext(
      answer.subspan(crypto::kX25519Bytes).first<crypto::MlKem768Ciphertext::kSize>());
  const auto dh = crypto::x25519_agree(linking->agreement.private_key, peer);
  if (!dh) return fail(Error::bad_key);
  channel.emplace(transcript, *dh, linking->kem.decapsulate(ciphertext), scanned_secret, true);
  linking.reset();
  secret = LinkSecret();
  return {};
}

Result<LinkStep, Error> LinkNewDevice::State::scanned(const LinkMessage& answer) {
  const auto transcript = internal::link_transcript(*exchange, {hello, answer.whole});
  OPALINE_CHECK(make_channel(transcript, answer.body, &secret));
  stage = Stage::welcome;
  return LinkStep{};
}

Result<LinkStep, Error> LinkNewDevice::State::committed(const LinkMessage& message, RandomSource& random) {
  // Drawn now: whoever committed did not know it. This is what makes the digits as good as random.
  commitment = to_bytes(message.whole);
  nonce = internal::link_message(LinkType::nonce, {random.bytes<internal::kLinkNonceBytes>()});
  stage = Stage::reveal;
  return LinkStep{.send = {nonce}, .event = {}};
}

Result<LinkStep, Error> LinkNewDevice::State::revealed(const LinkMessage& message) {
  const auto expected = internal::link_commitment(*exchange, hello, message.body);
  if (!equal(expected, ByteView(commitment).subspan(internal::kLinkHeaderBytes))) {
    return fail(Error::authentication_failed);
  }
  const auto transcript = internal::link_transcript(*exchange, {hello, commitment, nonce, message.whole});
  OPALINE_CHECK(make_channel(transcript, message.body.first(internal::kLinkAnswerBytes), nullptr));
  stage = Stage::comparing;
  return LinkStep{.send = {}, .event = internal::link_digits(transcript)};
}

Result<LinkStep, Error> LinkNewDevice::State::welcomed(const LinkMessage& message) {
  OPALINE_TRY(const SecretBytes text, channel->open(message));
  OPALINE_TRY(const internal::WelcomeText welcome, internal::decode_welcome(text));
  OPALINE_TRY(VerifiedDeviceList verified, verify_device_list(welcome.list));
  const DeviceList& now = verified.list();
  const bool mailbox_taken =
      std::ranges::any_of(now.devices, [&](const DeviceEntry& entry) { return entry.mailbox == welcome.mailbox; });
  if (mailbox_taken || now.devices.size() >= kMaxDevices) return fail(Error::wrong_device);
  us.number = now.next_device;
  us.mailbox = welcome.mailbox;
  welcome_hash = internal::link_welcome_hash(channel->transcript(), text);
  list = std::move(verified);
  stage = Stage::keys;
  return LinkStep{.send = {},
                  .event = LinkWelcome{
                      .list = *list, .device = us.number, .mailbox = us.mailbox, .handle = to_string(welcome.handle)}};
}

Result<LinkStep, Error> LinkNewDevice::State::listed(const LinkMessage& message) {
  OPALINE_TRY(const SecretBytes text, channel->open(message));
  OPALINE_TRY(VerifiedDeviceList next, verify_device_list(text));
  if (compare_lists(*list, next) != ListChange::successor || !adds_only(us, *list, next)) {
    return fail(Error::wrong_device);
  }
  return LinkStep{.send = {}, .event = LinkDone{std::move(next)}};
}

Result<LinkStep, Error> LinkNewDevice::State::refused(const LinkMessage& message) {
  OPALINE_TRY(const SecretBytes text, channel->open(message));
  if (text.size() != 1) return fail(Error::malformed);
  const LinkRefusal reason{std::to_integer<std::uint8_t>(text[0])};
  switch (reason) {
    case LinkRefusal::person:
    case LinkRefusal::too_many:
    case LinkRefusal::list_changed:
    case LinkRefusal::service:
      return LinkStep{.send = {}, .event = reason};
  }
  return fail(Error::malformed);
}

LinkNewDevice::LinkNewDevice(RandomSource& random) : state_(std::make_unique<State>(random)) {}
LinkNewDevice::~LinkNewDevice() = default;
LinkNewDevice::LinkNewDevice(LinkNewDevice&&) noexcept = default;
LinkNewDevice& LinkNewDevice::operator=(LinkNewDevice&&) noexcept = default;

Bytes LinkNewDevice::hello() const {
  OPALINE_ASSERT(state_ != nullptr);
  return state_->hello;
}

void LinkNewDevice::opened(const LinkExchangeId& exchange) {
  OPALINE_ASSERT(state_ != nullptr && !state_->exchange);
  state_->exchange = exchange;
}

SecretBytes LinkNewDevice::code() const {
  if (over() || state_->stage != Stage::start) return {};
  OPALINE_ASSERT(state_->exchange.has_value());
  return encode_link_code({.exchange = *state_->exchange,
                           .secret = state_->secret.clone(),
                           .hello = internal::hash_of_hello(state_->hello)});
}

Result<LinkStep, Error> LinkNewDevice::step(ByteView bytes, RandomSource& random) {
  OPALINE_ASSERT(state_->exchange.has_value());
  OPALINE_TRY(const LinkMessage message, internal::parse_link_message(bytes));
  switch (state_->stage) {
    case Stage::start:
      if (message.type == LinkType::answer) return state_->scanned(message);
      if (message.type == LinkType::commitment) return state_->committed(message, random);
      break;
    case Stage::reveal:
      if (message.type == LinkType::reveal) return state_->revealed(message);
      break;
    case Stage::comparing:
      if (message.type != LinkType::welcome && message.type != LinkType::refused) break;
      if (!state_->held.empty()) break;
      state_->held = to_bytes(bytes);
      return LinkStep{};
    case Stage::welcome:
      if (message.type == LinkType::welcome) return state_->welcomed(message);
      if (message.type == LinkType::refused) return state_->refused(message);
      break;
    case Stage::keys:
      if (message.type == LinkType::refused) return state_->refused(message);
      break;
    case Stage::done:
      if (message.type == LinkType::done) return state_->listed(message);
      if (message.type == LinkType::refused) return state_->refused(message);
      break;
  }
  return fail(Error::out_of_turn);
}

namespace {

bool ends(const Result<LinkStep, Error>& result) {
  return !result || std::holds_alternative<LinkDone>(result->event) ||
         std::holds_alternative<LinkRefusal>(result->event);
}

}  // namespace

Result<LinkStep, Error> LinkNewDevice::on_message(ByteView message, RandomSource& random) {
  if (over()) return fail(Error::out_of_turn);
  auto result = step(message, random);
  if (ends(result)) end();
  return result;
}

Result<LinkStep, Error> LinkNewDevice::confirm() {
  if (over()) return fail(Error::out_of_turn);
  if (state_->stage != Stage::comparing) {
    end();
    return fail(Error::out_of_turn);
  }
  state_->stage = Stage::welcome;
  if (state_->held.empty()) return LinkStep{};
  const LinkMessage message = *internal::parse_link_message(state_->held);
  auto result = message.type == LinkType::welcome ? state_->welcomed(message) : state_->refused(message);
  if (ends(result)) end();
  return result;
}

Result<LinkStep, Error> LinkNewDevice::send_keys(const LinkKeys& keys, RandomSource& random) {
  if (over()) return fail(Error::out_of_turn);
  if (state_->stage != Stage::keys) {
    end();
    return fail(Error::out_of_turn);
  }
  const auto set = credentials::parse_prekey_set(keys.signed_prekeys);
  OPALINE_ASSERT(is_device_name(keys.name) && set.has_value());
  OPALINE_ASSERT((set->owner == DeviceAddress{state_->list->list().account, state_->us.number}));
  OPALINE_ASSERT(keys.one_time_batch.size() == set->one_time_count * crypto::kX25519Bytes);
  state_->us.keys = keys.identity.public_keys();
  state_->us.capabilities = keys.capabilities;
  Bytes text = internal::encode_keys({.keys = state_->us.keys,
                                      .capabilities = keys.capabilities,
                                      .wants_history = keys.wants_history,
                                      .web = keys.web,
                                      .name = as_view(keys.name),
                                      .signed_prekeys = keys.signed_prekeys,
                                      .one_time_batch = keys.one_time_batch,
                                      .signed_part = {},
                                      .signature = {}});
  Bytes signed_text = to_bytes(state_->welcome_hash);
  append(signed_text, text);
  append(text, keys.identity.signer().sign(internal::kLinkKeysSignature, signed_text, random).view());
  state_->stage = Stage::done;
  LinkStep step;
  step.send.push_back(state_->channel->seal(LinkType::keys, text));
  return step;
}

void LinkNewDevice::end() {
  state_.reset();
}

bool LinkNewDevice::over() const {
  return state_ == nullptr;
}

}  // namespace opaline::session
