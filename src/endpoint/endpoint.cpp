#include "endpoint/endpoint.hpp"

#include <algorithm>

#include "base/utf8.hpp"
#include "crypto/hash.hpp"
#include "endpoint/internal/engine.hpp"

namespace opaline::endpoint {

using internal::Engine;
using internal::Peer;

struct Endpoint::State {
  EndpointStore& store;
  RandomSource& random;
  const Clock& clock;
  const Options options;
  std::unique_ptr<Engine> engine;
  session::DeviceAddress address{};
  MailboxId mailbox{};
  Counters counters{};

  /// After a failure: as the store has it. The store may fail again; then every round does until it gets better.
  void reload() {
    if (engine) counters = engine->core.counters;
    engine.reset();
    static_cast<void>(ready());
  }
  [[nodiscard]] Result<Engine*, Error> ready() {
    if (engine) return engine.get();
    auto loaded = Engine::load(store, random, clock, options);
    if (!loaded) return fail(loaded.error());
    engine = std::move(*loaded);
    engine->core.counters = counters;
    return engine.get();
  }
  [[nodiscard]] Engine* touch() {
    if (!engine) return nullptr;
    engine->touched = true;
    return engine.get();
  }
  /// For calls that read: what went wrong with the store while they did.
  [[nodiscard]] Result<Peer*, Error> known_peer(const AccountId& account) {
    OPALINE_TRY(Engine* const found, ready());
    Peer& peer = found->peers.get(account);
    if (const auto failure = found->failure()) return fail(*failure);
    if (!peer.pinned && !peer.candidate) return fail(Error::unknown_peer);
    return &peer;
  }
};

Endpoint::Endpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}
Endpoint::~Endpoint() = default;

Result<std::unique_ptr<Endpoint>, Error> Endpoint::load(EndpointStore& store, RandomSource& random, const Clock& clock,
                                                        const Options& options) {
  auto state = std::make_unique<State>(State{store, random, clock, options, nullptr});
  OPALINE_TRY(Engine* const engine, state->ready());
  state->address = engine->core.address;
  state->mailbox = engine->core.own.enrolment.mailbox;
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(state)));
}

const session::DeviceAddress& Endpoint::address() const {
  return state_->address;
}
const MailboxId& Endpoint::mailbox() const {
  return state_->mailbox;
}

Bytes Endpoint::sign_auth(ByteView auth_message) {
  const auto engine = state_->ready();
  if (!engine) return Bytes(wire::kAuthSignatureBytes);  // the service refuses it; the next round says why
  const auto signature = (*engine)->core.identity.signer().sign(wire::kAuthLabel, auth_message, (*engine)->core.random);
  return to_bytes(signature.view());
}

Result<MessageId, Error> Endpoint::send(const AccountId& peer, NewMessage message) {
  OPALINE_TRY(Engine* const engine, state_->ready());
  engine->touched = true;
  return engine->outbox.add_text(peer, std::move(message));
}

Result<MessageId, Error> Endpoint::send_text(const AccountId& peer, std::string_view utf8,
                                             std::vector<Attachment> attachments) {
  return send(peer, {.utf8 = utf8, .attachments = std::move(attachments)});
}

std::vector<session::DeviceAddress> Endpoint::recipients(const AccountId& account) {
  const auto engine = state_->ready();
  if (!engine) return {};
  std::vector<session::DeviceAddress> out;
  const Peer& peer = (*engine)->peers.get(account);
  if (!peer.pinned) return {};
  for (const auto& device : peer.pinned->list().devices) out.push_back({account, device.number});
  for (const auto& device : (*engine)->core.own_list.list().devices)
    if (device.number != address().device) out.push_back({address().account, device.number});
  return out;
}

void Endpoint::send_typing(const AccountId& peer, bool active) {
  if (Engine* const engine = state_->touch()) engine->outbox.send_typing(engine->peers.get(peer), active);
}

void Endpoint::mark_read(const AccountId& peer, std::span<const MessageId> ids) {
  Engine* const engine = state_->touch();
  if (engine == nullptr) return;
  const Peer& known = engine->peers.get(peer);
  const bool receipts = engine->core.ledger.receipts && !known.alarmed() && !known.record.blocked;
  for (const MessageId& id : ids) {
    if (receipts) engine->outbox.add_receipt(peer, wire::ReceiptKind::read, id);
    engine->outbox.tell_read(peer, id);
  }
}

void Endpoint::delete_messages(const AccountId& peer, std::span<const MessageId> ids) {
  Engine* const engine = state_->touch();
  if (engine == nullptr) return;
  engine->core.staging.history(DeleteMessages{peer, {ids.begin(), ids.end()}});
  engine->outbox.tell_of(ids,
                         [&](const wire::MessageIds& some) { return wire::Deletion{.peer = peer, .messages = some}; });
}

void Endpoint::delete_conversation(const AccountId& peer, Time through) {
  Engine* const engine = state_->touch();
  if (engine == nullptr) return;
  engine->core.staging.history(DeleteConversation{peer, through});
  engine->outbox.tell({wire::Deletion{.peer = peer, .messages = {}, .through = through}});
}

void Endpoint::set_blocked(const AccountId& account, bool blocked) {
  Engine* const engine = state_->touch();
  if (engine == nullptr || engine->core.is_own(account)) return;
  Peer& peer = engine->peers.get(account);
  peer.record.blocked = blocked;
  engine->peers.decided(peer);
  engine->outbox.tell_contact(peer, {});
}

Result<std::vector<AccountId>, Error> Endpoint::blocked() {
  OPALINE_TRY(Engine* const engine, state_->ready());
  std::vector<AccountId> out = engine->peers.blocked();
  if (const auto failure = engine->failure()) return fail(*failure);
  return out;
}

void Endpoint::share_contact(const AccountId& account, std::string_view handle) {
  Engine* const engine = state_->touch();
  if (engine == nullptr || handle.size() > wire::kMaxHandleBytes || !is_utf8(as_view(handle))) return;
  if (!engine->core.is_own(account)) engine->outbox.tell_contact(engine->peers.get(account), handle);
}

void Endpoint::share_persona(PersonaState persona) {
  Engine* const engine = state_->touch();
  if (engine == nullptr || persona.business.is_zero() || !session::AccountKey::deserialise(persona.root)) return;
  engine->outbox.tell_persona(persona.business);
  engine->core.staging.history(AddPersona{std::move(persona)});
}

void Endpoint::set_receipts(bool on) {
  if (Engine* const engine = state_->touch()) {
    engine->core.ledger.receipts = on;
    engine->core.ledger_dirty = true;
  }
}

bool Endpoint::receipts() const {
  return state_->engine && state_->engine->core.ledger.receipts;
}

void Endpoint::set_handle(std::string_view handle) {
  Engine* const engine = state_->touch();
  if (engine == nullptr || handle.size() > wire::kMaxHandleBytes || !is_utf8(as_view(handle))) return;
  if (as_text(engine->core.ledger.handle) == handle) return;
  engine->core.ledger.handle = to_bytes(handle);
  engine->core.ledger_dirty = true;
}

void Endpoint::remember_renewal_token(const AccountId& account, ByteView token) {
  Engine* const engine = state_->touch();
  if (engine == nullptr || token.size() > kMaxRenewalTokenBytes) return;
  Peer& peer = engine->peers.get(account);
  if (equal(peer.record.renewal_token, token)) return;
  peer.record.renewal_token = to_bytes(token);
  engine->peers.changed(peer);
}

void Endpoint::refresh_peer(const AccountId& account) {
  if (Engine* const engine = state_->touch()) {
    Peer& peer = engine->peers.get(account);
    engine->peers.want_list(peer);
    peer.list_not_before = {};
  }
}

Result<PeerStatus, Error> Endpoint::peer_status(const AccountId& account) {
  OPALINE_TRY(const Peer* const peer, state_->known_peer(account));
  const session::DeviceList& list = (peer->pinned ? *peer->pinned : *peer->candidate).list();
  return PeerStatus{.list_number = list.number,
                    .devices = list.devices.size(),
                    .verified = peer->record.verified,
                    .alarmed = peer->alarmed(),
                    .verify_again = peer->record.verify_again,
                    .blocked = peer->record.blocked,
                    .account_key_hash = crypto::sha256(list.account_key.view())};
}

Result<std::string, Error> Endpoint::safety_number(const AccountId& account) {
  OPALINE_TRY(const Peer* const peer, state_->known_peer(account));
  const session::DeviceList& theirs = (peer->alarmed() ? *peer->candidate : *peer->pinned).list();
  const session::DeviceList& ours = state_->engine->core.own_list.list();
  const auto digits = session::safety_number({ours.account, ours.account_key}, {theirs.account, theirs.account_key});
  return to_string(digits);
}

Result<void, Error> Endpoint::set_verified(const AccountId& account, bool verified) {
  OPALINE_TRY(Peer* const peer, state_->known_peer(account));
  state_->engine->touched = true;
  peer->record.verified = verified;
  if (verified) peer->record.verify_again = false;
  state_->engine->peers.decided(*peer);
  state_->engine->outbox.tell_contact(*peer, {});
  return {};
}

Result<void, Error> Endpoint::accept_changed_identity(const AccountId& account) {
  OPALINE_TRY(Peer* const peer, state_->known_peer(account));
  if (!peer->alarmed()) return fail(Error::no_alarm);
  state_->engine->touched = true;
  state_->engine->accept_changed_identity(*peer);
  return {};
}

std::vector<OwnDevice> Endpoint::own_devices() {
  const auto engine = state_->ready();
  return engine ? (*engine)->own_devices.all() : std::vector<OwnDevice>();
}

Result<session::VerifiedDeviceList, Error> Endpoint::own_list() {
  OPALINE_TRY(Engine* const engine, state_->ready());
  return engine->core.own_list;
}

Result<bool, Error> Endpoint::is_primary() {
  OPALINE_TRY(Engine* const engine, state_->ready());
  const bool has = engine->own_devices.has_account_key();
  if (const auto failure = engine->failure()) return fail(*failure);
  return has;
}

Result<session::AccountKey, Error> Endpoint::account_key() {
  OPALINE_TRY(Engine* const engine, state_->ready());
  return engine->own_devices.account_key();
}

void Endpoint::set_device_name(std::string_view name) {
  if (Engine* const engine = state_->touch()) engine->own_devices.set_name(name);
}

std::string Endpoint::device_name() const {
  return state_->engine ? to_string(state_->engine->core.ledger.name) : std::string();
}

Result<void, Error> Endpoint::add_device(const session::DeviceList& next, ByteView exchange,
                                         const UploadPrekeys& prekeys) {
  OPALINE_TRY(Engine* const engine, state_->ready());
  engine->touched = true;
  return engine->own_devices.add(next, exchange, prekeys);
}

Result<void, Error> Endpoint::remove_device(DeviceNumber number) {
  OPALINE_TRY(Engine* const engine, state_->ready());
  engine->touched = true;
  return engine->own_devices.remove(number);
}

Result<void, Error> Endpoint::become_primary(const session::AccountKey& key, DeviceNumber replaced) {
  OPALINE_TRY(Engine* const engine, state_->ready());
  engine->touched = true;
  return engine->own_devices.become_primary(key, replaced);
}

void Endpoint::adopt_account_key(const session::AccountKey& key) {
  if (Engine* const engine = state_->touch()) engine->own_devices.adopt(key);
}

bool Endpoint::list_change_pending() const {
  return state_->engine && state_->engine->own_devices.change_pending();
}

void Endpoint::check_own_list() {
  refresh_peer(address().account);
}

void Endpoint::ask_history(Time since) {
  if (Engine* const engine = state_->touch()) engine->own_devices.ask_history(since, {});
}

void Endpoint::connected(const wire::Ready& ready) {
  static_cast<void>(state_->ready());
  if (Engine* const engine = state_->touch()) engine->connected(ready);
}

void Endpoint::disconnected() {
  if (Engine* const engine = state_->touch()) engine->disconnected();
}

void Endpoint::on_push(std::uint8_t subscription, bool gap, const EnvelopeId& id, ByteView ciphertext) {
  Engine* const engine = state_->touch();
  if (engine == nullptr || !engine->link.is_connected()) return;
  engine->link.pushed(ciphertext.size());
  if (subscription != 0) return;  // none but our own mailbox is read yet
  if (gap) {
    engine->core.events.emplace_back(MessagesMissed{});
    engine->own_devices.missed_something();
  }
  engine->inbox.receive(id, ciphertext);
}

void Endpoint::on_drained(std::uint8_t) {
  static_cast<void>(state_->touch());
}

void Endpoint::on_result(const wire::ResultRange& range) {
  if (Engine* const engine = state_->touch()) engine->on_result(range);
}

void Endpoint::on_credit(std::uint32_t envelopes, std::uint32_t bytes) {
  if (Engine* const engine = state_->touch()) engine->link.add_credit(envelopes, bytes);
}

void Endpoint::on_devices(RequestId id, const DevicesReply& reply) {
  if (Engine* const engine = state_->touch()) engine->on_devices(id, reply);
}

void Endpoint::on_prekeys_left(RequestId id, std::uint32_t one_time_left, std::optional<Time> signed_until) {
  if (Engine* const engine = state_->touch()) engine->on_prekeys_left(id, one_time_left, signed_until);
}

void Endpoint::on_devices_updated(RequestId id) {
  if (Engine* const engine = state_->touch()) engine->on_devices_updated(id);
}

void Endpoint::on_request_failed(RequestId id, RequestFailure failure, seconds retry_after) {
  if (Engine* const engine = state_->touch()) engine->on_request_failed(id, failure, retry_after);
}

void Endpoint::on_prekeys_low(std::uint32_t one_time_left) {
  if (Engine* const engine = state_->touch()) engine->prekeys.left(one_time_left, std::nullopt);
}

void Endpoint::tick() {
  if (Engine* const engine = state_->touch()) engine->tick();
}

Result<std::vector<Action>, Error> Endpoint::commit_round() {
  OPALINE_TRY(Engine* const engine, state_->ready());
  auto actions = engine->commit_round();
  if (!actions) state_->reload();
  return actions;
}

bool Endpoint::has_work() const {
  return !state_->engine || state_->engine->touched;
}

std::optional<Time> Endpoint::next_deadline() const {
  return state_->engine ? state_->engine->next_deadline() : std::nullopt;
}

std::size_t Endpoint::waiting() const {
  return state_->engine ? state_->engine->outbox.waiting() : 0;
}

const Counters& Endpoint::counters() const {
  return state_->engine ? state_->engine->core.counters : state_->counters;
}

}  // namespace opaline::endpoint
