#include "endpoint/internal/engine.hpp"

#include <algorithm>

namespace opaline::endpoint::internal {
namespace {

/// How often expiry and wiping are looked at.
constexpr std::chrono::minutes kHousekeepingEvery{10};
/// How often every session is looked at for keys that are over their time.
constexpr std::chrono::hours kSessionsLookedAtEvery{24};
/// Things of each kind that one round of housekeeping forgets.
constexpr std::size_t kForgetAtOnce = 1024;
constexpr milliseconds kForgetMoreAfter{1000};
/// The longest that a service can make us wait by saying so.
constexpr std::chrono::hours kLongestWait{24};
/// Lists of one account are not fetched faster than this, whatever claims arrive about it.
constexpr std::chrono::seconds kListFetchSpacing{2};

}  // namespace

Result<std::unique_ptr<Engine>, Error> Engine::load(EndpointStore& store, RandomSource& random, const Clock& clock,
                                                    const Options& options) {
  Staging reader(store);
  const auto identity_row = reader.get(Table::device, as_view(kIdentityKey));
  const auto own_row = reader.get(Table::device, as_view(kOwnKey));
  const auto ledger_row = reader.get(Table::device, as_view(kLedgerKey));
  if (reader.failure()) return fail(Error::store_failed);
  OwnRecord own;
  if (!own_row) return fail(Error::not_registered);
  if (!decode(*own_row, own)) return fail(Error::corrupt_state);
  if (!own.registered) return fail(Error::not_registered);
  LedgerRecord ledger;
  if (!identity_row || (ledger_row && !decode(*ledger_row, ledger))) return fail(Error::corrupt_state);
  auto identity = session::DeviceIdentity::deserialise(*identity_row);
  auto list = session::load_device_list(own.signed_list);
  if (!identity || !list) return fail(Error::corrupt_state);
  std::unique_ptr<Engine> engine(
      new Engine(store, random, clock, std::move(*identity), std::move(*list), std::move(own), ledger, options));
  engine->prekeys.load();
  engine->outbox.load();
  engine->own_devices.load();
  engine->inbox.load();
  engine->healing.load();
  if (const auto failure = engine->failure()) return fail(*failure);
  return engine;
}

std::optional<Error> Engine::failure() const {
  if (core.staging.failure())
    return *core.staging.failure() == StoreError::full ? Error::store_full : Error::store_failed;
  if (core.corrupt()) return Error::corrupt_state;
  return std::nullopt;
}

void Engine::connected(const wire::Ready& ready) {
  disconnected();
  core.set_service_time(ready.server_time);
  link.connected(ready);
  prekeys.connected();
  own_devices.connected();
  inbox.connected();
}

void Engine::disconnected() {
  link.disconnected();
  requests.disconnected();
  prekeys.disconnected();
  peers.disconnected();
  outbox.disconnected();
}

void Engine::on_result(const wire::ResultRange& range) {
  // Only numbers in use: a range of any size costs no more than what is in flight.
  const std::uint64_t first = std::max<std::uint64_t>(range.first, link.first_number());
  const std::uint64_t end = std::min<std::uint64_t>(std::uint64_t{range.first} + range.count, link.end_number());
  for (std::uint64_t number = first; number < end; ++number) {
    if (const auto submit = link.answered(static_cast<std::uint32_t>(number))) outbox.answered(*submit, range.status);
  }
}

void Engine::on_devices(RequestId id, const DevicesReply& reply) {
  const auto asked = requests.answered(id);
  if (!asked || asked->kind != Requests::Open::Kind::devices) return;
  Peer& peer = peers.get(asked->account);
  peer.open_request = RequestId{0};
  peers.busy(peer);
  if (!reply.renewal_token.empty() && reply.renewal_token.size() <= kMaxRenewalTokenBytes &&
      reply.renewal_token != peer.record.renewal_token) {
    peer.record.renewal_token = reply.renewal_token;
    peers.changed(peer);
  }
  take_devices(peer, *asked, reply, std::exchange(peer.wanted_again, false));
}

void Engine::take_devices(Peer& peer, const Requests::Open& asked, const DevicesReply& reply, bool wanted_again) {
  const bool known = peer.pinned.has_value();
  const auto before = known ? peer.pinned->hash() : session::ListHash{};
  ListOutcome outcome = peers.take_list(peer, reply.signed_list, reply.history, asked.known);
  if (outcome == ListOutcome::behind && (asked.all || !asked.bundles.empty())) {
    // Beside the bundles there was no room for the lists in between: they are fetched first.
    return outbox.ask_list(peer, true);
  }
  if (outcome == ListOutcome::behind) outcome = peers.take_over_gap(peer, reply.signed_list);
  if (outcome == ListOutcome::refused && peer.pinned && peer.pinned->hash() != before) outbox.list_changed(peer);
  if (core.is_own(peer.account)) own_devices.directory_showed(reply.signed_list, asked.known);
  if (outcome == ListOutcome::invalid) peers.shown_invalid(peer);
  if (outcome == ListOutcome::refused || outcome == ListOutcome::invalid || outcome == ListOutcome::behind) {
    // What does not follow the list that we know is not used: with that one we go on as far as it goes.
    return peer_failed(peer, asked, Reason::directory_unavailable, milliseconds(0), wanted_again);
  }
  if (outcome == ListOutcome::waiting && Peers::accepted_elsewhere(peer)) return inbox.accept_candidate(peer);
  if (outcome == ListOutcome::partly) {  // the answer could not hold all lists: the next one goes on from here
    outbox.list_changed(peer);
    peers.want_list(peer);
    return;
  }
  peer.wants_list = wanted_again;
  peer.failures = 0;
  peer.waits_for = Reason::none;
  if (asked.list_alone) peer.list_not_before = core.instant() + kListFetchSpacing;
  if (outcome == ListOutcome::pinned) {
    // A first list changes nothing: nothing has gone by another one.
    if (known && peer.pinned->hash() != before) outbox.list_changed(peer);
    for (const session::DeviceEntry& listed : peer.pinned->list().devices) {
      if (core.is_own(peer.account) && listed.number == core.address.device) continue;
      take_device(peer, asked, listed, reply);
    }
    // What was said since it was asked for may be newer than the answer.
    if (!wanted_again) inbox.list_shown(peer);
  }
  inbox.list_known(peer, asked.parked_before);
}

void Engine::take_device(Peer& peer, const Requests::Open& asked, const session::DeviceEntry& listed,
                         const DevicesReply& reply) {
  PeerDevice& device = peers.device(peer, listed.number);
  // What the account key did not sign is not believed: the mailbox is the list's.
  const auto given = std::ranges::find_if(reply.devices, [&](const DevicesReply::Device& d) {
    return d.device == listed.number && d.mailbox == listed.mailbox;
  });
  if (given != reply.devices.end()) {
    device.record.token = given->token;
    device.record.token_at = core.now();
    device.dirty = true;
  } else if (device.wants_token || device.wants_bundle || asked.all) {
    device.not_before = core.instant() + back_off(++device.failures, kFirstBackOff, core.random);
    return outbox.wait_for(device, Reason::directory_unavailable);
  }
  if (!asked.all && std::ranges::find(asked.bundles, listed.number) == asked.bundles.end()) return;
  const ByteView bundle = given == reply.devices.end() ? ByteView() : ByteView(given->bundle);
  // Of many devices the answer to "all" does not hold every bundle: those that are missing are asked for by number.
  const bool left_out = asked.all && bundle.empty() && peer.pinned->list().devices.size() > kMaxBundlesAtOnce;
  if (!left_out) open_session(peer, device, bundle);
}

void Engine::open_session(Peer& peer, PeerDevice& device, ByteView bundle) {
  const session::Session* const current = sessions.sender(device);
  const bool silent = current != nullptr && current->is_established() && sessions.silent(device);
  if (current != nullptr && !silent) return;  // the peer was faster
  const auto parsed = session::decode_bundle(bundle);
  if (parsed) {
    const auto verified = session::verify_bundle(*peer.pinned, device.address.device, *parsed, core.now());
    if (verified) {
      if (auto made = session::start_session(core.local(), *verified, core.now(), core.random)) {
        device.waits_for = Reason::none;
        device.failures = 0;
        return sessions.opened(device, std::move(*made), verified->set());
      }
    }
  }
  if (silent) return sessions.keep_going(device);
  // Away for so long that its prekeys ran out, or a directory that gives what the device did not sign.
  device.not_before = core.instant() + back_off(++device.failures, kFirstBackOff, core.random);
  outbox.wait_for(device, Reason::no_prekeys);
}

void Engine::peer_failed(Peer& peer, const Requests::Open& asked, Reason reason, milliseconds at_least,
                         bool wanted_again) {
  // A list alone that did not come is asked for again when there is a reason to.
  // A text whose devices are all gone is such a reason: without the next list it would fail.
  if (asked.list_alone && peer.pinned && peer.unfanned.empty() && !inbox.waits_for(peer))
    peer.wants_list = wanted_again || (peer.strange_since && peer.list_not_before > core.instant());
  peer.not_before = core.instant() + std::max(std::min<milliseconds>(at_least, kLongestWait),
                                              back_off(++peer.failures, kFirstBackOff, core.random));
  bool waits = !peer.pinned;
  for (const DeviceNumber number : asked.bundles) {
    PeerDevice& device = peers.device(peer, number);
    if (sessions.sender(device) == nullptr) {
      waits = true;
    } else {
      sessions.keep_going(device);
    }
  }
  if (waits) outbox.wait_for(peer, reason);
  peers.busy(peer);
}

void Engine::on_prekeys_left(RequestId id, std::uint32_t one_time_left, std::optional<Time> signed_until) {
  const auto asked = requests.answered(id);
  if (!asked) return;
  if (asked->kind == Requests::Open::Kind::upload) prekeys.uploaded(asked->set);
  if (asked->kind == Requests::Open::Kind::status) prekeys.left(one_time_left, signed_until);
}

void Engine::on_devices_updated(RequestId id) {
  const auto asked = requests.answered(id);
  if (!asked || asked->kind != Requests::Open::Kind::update) return;
  Peer& own = peers.get(core.address.account);
  if (!own_devices.updated()) return;
  own.wants_list = false;
  outbox.list_changed(own);
}

void Engine::on_request_failed(RequestId id, RequestFailure failure, seconds retry_after) {
  const auto asked = requests.answered(id);
  if (!asked) return;
  if (asked->kind == Requests::Open::Kind::update) return own_devices.request_failed(failure, retry_after);
  if (asked->kind != Requests::Open::Kind::devices) return prekeys.request_failed(retry_after);
  Peer& peer = peers.get(asked->account);
  peer.open_request = RequestId{0};
  const bool again = std::exchange(peer.wanted_again, false);
  if (failure == RequestFailure::not_found || failure == RequestFailure::closed)
    return account_unknown(peer, failure, again);
  peer_failed(peer, *asked, Reason::directory_unavailable, retry_after, again);
}

void Engine::account_unknown(Peer& peer, RequestFailure failure, bool wanted_again) {
  const bool closed = failure == RequestFailure::closed;
  peer.not_before = core.instant() + kListFetchSpacing;
  peers.busy(peer);
  // Something of it has come since the question left: perhaps it is open again.
  peer.wants_list = closed && wanted_again;
  if (peer.wants_list) return;
  inbox.list_unknown(peer);
  outbox.account_gone(peer, closed ? Reason::closed : Reason::no_such_account);
  if (closed) outbox.ask_anew(peer);
}

void Engine::accept_changed_identity(Peer& peer) {
  inbox.accept_candidate(peer);
  peers.decided(peer);
  outbox.tell_contact(peer, {});
}

void Engine::tick() {
  prekeys.upkeep();
  healing.probe(link.is_connected());
  if (core.instant() < next_housekeeping_) return;
  next_housekeeping_ = core.instant() + kHousekeepingEvery;
  outbox.expire();
  inbox.expire();
  prekeys.wipe();
  if (core.forget_seen(kForgetAtOnce)) next_housekeeping_ = core.instant() + kForgetMoreAfter;
  if (core.instant() < next_look_at_sessions_) return;
  next_look_at_sessions_ = core.instant() + kSessionsLookedAtEvery;
  sessions.wipe_late();
}

Result<void, Error> Engine::commit() {
  outbox.pump();
  link.acknowledge();
  outbox.write();
  sessions.write();
  peers.write();
  core.write_expiring();
  if (core.ledger_dirty) core.staging.put(Table::device, as_view(kLedgerKey), encode(core.ledger));
  core.ledger_dirty = false;
  if (core.own_dirty) core.staging.put(Table::device, as_view(kOwnKey), encode(core.own));
  core.own_dirty = false;
  if (const auto failed = failure()) return fail(*failed);
  if (const auto done = core.staging.commit(); !done) return fail(*failure());
  return {};
}

Result<std::vector<Action>, Error> Engine::commit_round() {
  touched = false;
  prekeys.upkeep();
  own_devices.upkeep();
  OPALINE_CHECK(commit());
  if (own_devices.pay_history()) OPALINE_CHECK(commit());

  const bool idle = !outbox.busy();
  if (link.is_connected() && idle && !was_idle_) core.events.emplace_back(OutboxIdle{});
  was_idle_ = idle;
  std::vector<Action> actions = std::move(core.frames);
  for (Request& request : core.requests) actions.emplace_back(std::move(request));
  for (const Event& event : core.events) actions.emplace_back(event);
  core.drop_outputs();
  sessions.evict();
  peers.evict();
  return actions;
}

std::optional<Time> Engine::next_deadline() const {
  std::optional<Time> next;
  const auto consider = [&](std::optional<Time> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  if (!link.is_connected()) return std::nullopt;
  consider(core.now() + std::chrono::minutes(1));
  // A time that stays the same: who is never idle asks again and again, and would put off any that is counted from now.
  consider(core.now() + std::chrono::ceil<milliseconds>(next_housekeeping_ - core.instant()));
  consider(outbox.next_deadline());
  consider(prekeys.next_deadline());
  consider(healing.next_deadline());
  consider(own_devices.next_deadline());
  return next;
}

}  // namespace opaline::endpoint::internal
