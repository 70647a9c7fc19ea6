#include "identity/service.hpp"

#include "base/codec.hpp"
#include "identity/internal/state.hpp"
#include "identity/tables.hpp"

namespace opaline::identity {

using internal::Changes;
using internal::Effects;
using internal::LoadedAccount;
using store::RowError;

namespace {

/// How long a removed mailbox or a revocation is remembered: until no send token from before it can be valid, and a day
/// for clocks.
constexpr auto kRememberRemoval = wire::kSendTokenLifetime + std::chrono::days(1);
constexpr std::chrono::hours kReplayEvery{1};
constexpr std::uint32_t kNetworkFactor = 8;

Quota times(Quota quota, std::uint32_t factor) {
  quota.capacity *= factor;
  return quota;
}

/// Loads a vault key into a secret of its own kind.
template <class SecretKind>
bool load_key(store::KeyVault& vault, std::string_view purpose, SecretKind& out) {
  const auto key = vault.named_key(purpose);
  if (key) out = SecretKind(key->reveal());
  return key.has_value();
}

}  // namespace

Service::State::State(const Config& config_, const Ports& ports_)
    : config(config_),
      ports(ports_),
      directory(ports.rows),
      decoy_key(crypto::HybridSigner(crypto::hybrid_generate(ports.random)).public_key()),
      verifications(ports.random),
      links(ports.random),
      recoveries(ports.random),
      enrolments(ports.random),
      daily(ports.random),
      codes_per_handle(config.codes_per_handle, kMaxBuckets),
      codes_per_source(config.codes_per_source, kMaxBuckets),
      codes_per_network(times(config.codes_per_source, kNetworkFactor), kMaxBuckets),
      failed_auth(config.failed_auth, kMaxBuckets),
      lookups_per_source(config.lookups_per_source, kMaxBuckets),
      lookups_per_network(times(config.lookups_per_source, kNetworkFactor), kMaxBuckets),
      calls_per_account(config.calls_per_account, kMaxBuckets),
      calls_per_business(config.calls_per_business, kMaxBuckets),
      persona_opens(config.persona_opens, kMaxBuckets),
      persona_joins(config.persona_joins, kMaxBuckets),
      one_time_per_pair(config.one_time_per_pair, kMaxBuckets),
      one_time_per_target(config.one_time_per_target, kMaxBuckets),
      list_updates(config.list_updates, kMaxBuckets),
      link_joins(config.link_joins, kMaxBuckets),
      link_opens_per_source(config.link_opens_per_source, kMaxBuckets),
      link_opens_per_network(times(config.link_opens_per_source, kNetworkFactor), kMaxBuckets),
      replayed_at(ports.clock.monotonic()) {
  daily.turn(day_of(ports.clock.now()));
}

Service::Service(std::unique_ptr<State> state) : state_(std::move(state)) {}
Service::~Service() = default;

Result<std::unique_ptr<Service>, OpenError> Service::open(const Config& config, const Ports& ports) {
  auto state = std::make_unique<State>(config, ports);
  std::vector<internal::OpaqueIdKey> opaque_id_keys(1);
  if (!load_key(ports.vault, "send-token", state->send_token_key) ||
      !load_key(ports.vault, "renewal-token", state->renewal_key) ||
      !load_key(ports.vault, "pin-pepper", state->pin_pepper) ||
      !load_key(ports.vault, "relationships", state->relationships_key) ||
      !load_key(ports.vault, "persona-mailboxes", state->persona_mailbox_key) ||
      !load_key(ports.vault, "opaque-id-1", opaque_id_keys.front())) {
    return fail(OpenError::vault);
  }
  state->opaque_ids.emplace(std::move(opaque_id_keys));
  const auto businesses = state->directory.businesses();
  if (!businesses) return fail(OpenError::store);
  state->businesses.insert(businesses->begin(), businesses->end());
  state->sweep_after.emplace();  // a removal may have been under way
  if (!state->make_decoy() || !state->replay(ports.clock.now())) return fail(OpenError::store);
  return std::unique_ptr<Service>(new Service(std::move(state)));
}

// ---------------------------------------------------------------- storage

CallFailure Service::State::store_failure(RowError error) {
  ++counters.store_errors;
  if (error == RowError::unknown) replay_due = true;
  if (!store_failing) {
    store_failing = true;
    ports.log.event(
        LogLevel::error, "identity.store_failing",
        {{"full", std::int64_t{error == RowError::full}}, {"unknown", std::int64_t{error == RowError::unknown}}});
  }
  return {.status = calls::CALL_STATUS_UNAVAILABLE,
          .message = "The service cannot reach its storage. Try again.",
          .retry_after = seconds(5)};
}

Answer<void> Service::State::write(Changes changes) {
  if (const auto done = directory.write(std::move(changes)); !done) return fail(store_failure(done.error()));
  store_failing = false;
  return {};
}

Answer<void> Service::State::commit(Changes changes, Effects effects, Time now) {
  const auto done = directory.write(std::move(changes));
  if (done) {
    store_failing = false;
    apply(effects, now);
    return {};
  }
  if (done.error() == RowError::unknown) {
    uncertain_removals.insert(uncertain_removals.end(), effects.removed.begin(), effects.removed.end());
    for (const auto& change : effects.changed) {
      if (uncertain_changes.empty() || uncertain_changes.back() != change.first.account)
        uncertain_changes.push_back(change.first.account);
    }
  }
  return fail(store_failure(done.error()));
}

// ---------------------------------------------------------------- changes of accounts

void Service::State::erase_device(Changes& changes, Effects& effects, const AccountId& account, DeviceNumber device,
                                  const MailboxId& mailbox, Time now) {
  changes.erase_device(account, device);
  changes.put_removed(mailbox, now);
  effects.destroyed.push_back(mailbox);
  effects.removed.push_back({account, device});
}

void Service::State::erase_history(Changes& changes, const LoadedAccount& account) {
  const auto number = static_cast<std::uint32_t>(account.list.list().number);
  for (std::uint32_t list = number > kMaxListHistory ? number - kMaxListHistory : 1; list < number; ++list)
    changes.erase_list(account.id, ListNumber{list});
}

void Service::State::erase_rows(Changes& changes, Effects& effects, const LoadedAccount& account, Time now) {
  for (const std::string& handle : account.record.handles) changes.erase_handle(Handle::from_stored(handle));
  if (!account.record.closed) {
    for (const credentials::DeviceEntry& device : account.list.list().devices)
      erase_device(changes, effects, account.id, device.number, device.mailbox, now);
  }
  erase_history(changes, account);
  changes.erase_account(account.id);
}

Answer<void> Service::State::remove_account(Changes& changes, Effects& effects, const LoadedAccount& account,
                                            Time now) {
  erase_rows(changes, effects, account, now);
  return remove_personas(changes, effects, account.id, now);
}

Answer<void> Service::State::lose_handle(Changes& changes, Effects& effects, LoadedAccount account,
                                         const Handle& handle, Time now) {
  std::erase(account.record.handles, handle.text());
  if (account.record.handles.empty()) return remove_account(changes, effects, account, now);
  changes.put(account.id, account.record);
  tell_changed(account, std::nullopt, effects);
  return {};
}

void Service::State::tell_changed(const LoadedAccount& account, std::optional<DeviceNumber> except,
                                  Effects& effects) const {
  for (const credentials::DeviceEntry& device : account.list.list().devices) {
    if (device.number != except) effects.changed.push_back({{account.id, device.number}, to_reply(account)});
  }
}

void Service::State::apply(const Effects& effects, Time now) {
  for (const MailboxId& mailbox : effects.destroyed) ports.relay.destroy(mailbox, now);
  for (const auto& device : effects.removed)
    ports.relay.disconnect(device.account, device.device, wire::GoodbyeCode::removed);
  for (const auto& [device, reply] : effects.changed) {
    ports.relay.notify(device.account, device.device, calls::NOTICE_ACCOUNT_CHANGED, reply.SerializeAsString());
  }
  for (const Effects::ClosedPersona& closed : effects.closed) {
    calls::PersonaClosed notice;
    notice.set_persona(std::string(as_text(closed.persona.view())));
    for (const auto& device : closed.told)
      ports.relay.notify(device.account, device.device, calls::NOTICE_PERSONA_CLOSED, notice.SerializeAsString());
  }
  for (const AccountId& sender : effects.revoked_senders) ports.relay.revoke_sender(sender, now);
  for (const MailboxId& mailbox : effects.revoked_mailboxes) ports.relay.revoke_mailbox(mailbox, now);
  for (const auto& device : effects.shut_out)
    ports.relay.disconnect(device.account, device.device, wire::GoodbyeCode::auth_failed);
}

Result<void, RowError> Service::State::replay(Time now) {
  Changes over = directory.changes();
  OPALINE_TRY(const auto removed, directory.moments(tables::kRemoved));
  for (const auto& row : removed) {
    const auto mailbox = MailboxId::from(row.key);
    if (!mailbox) return fail(RowError::failed);
    if (now - row.at > kRememberRemoval) {
      over.erase(tables::kRemoved, row.key);
    } else {
      ports.relay.destroy(*mailbox, row.at);
    }
  }
  OPALINE_TRY(const auto revoked, directory.moments(tables::kRevoked));
  for (const auto& row : revoked) {
    Reader in(row.key);
    const auto kind = internal::Revocation(in.u8());
    const auto id = in.array<16>();
    if (!in.finished()) return fail(RowError::failed);
    if (now - row.at > kRememberRemoval) {
      over.erase(tables::kRevoked, row.key);
    } else if (kind == internal::Revocation::mailbox) {
      ports.relay.revoke_mailbox(MailboxId(id), row.at);
    } else {
      ports.relay.revoke_sender(AccountId(id), row.at);
    }
  }
  for (const credentials::DeviceAddress& device : uncertain_removals) {
    OPALINE_TRY(const auto row, directory.device(device.account, device.device));
    if (!row) ports.relay.disconnect(device.account, device.device, wire::GoodbyeCode::removed);
  }
  uncertain_removals.clear();
  for (const AccountId& id : uncertain_changes) {
    const auto account = load(id);
    if (!account) return fail(RowError::failed);
    Effects effects;
    if (*account) tell_changed(**account, std::nullopt, effects);
    apply(effects, now);
  }
  uncertain_changes.clear();
  if (!over.empty()) OPALINE_CHECK(directory.write(std::move(over)));
  replay_due = false;
  replayed_at = ports.clock.monotonic();
  return {};
}

// ---------------------------------------------------------------- quotas, tokens, housekeeping

std::array<internal::Buckets*, 16> Service::State::all_buckets() {
  return {&calls_per_business,    &persona_opens,          &persona_joins,      &codes_per_handle,
          &codes_per_source,      &codes_per_network,      &failed_auth,        &calls_per_account,
          &one_time_per_pair,     &one_time_per_target,    &list_updates,       &link_joins,
          &link_opens_per_source, &link_opens_per_network, &lookups_per_source, &lookups_per_network};
}

void Service::State::turn_day(Time now) {
  if (!daily.turn(day_of(now))) return;
  for (internal::Buckets* buckets : all_buckets()) buckets->clear();
}

Answer<void> Service::State::charge_calls(const AccountId& account, std::uint32_t cost) {
  turn_day(ports.clock.now());
  internal::Buckets& buckets = businesses.contains(account) ? calls_per_business : calls_per_account;
  const auto wait = buckets.take(daily.key("calls", account.view()), cost, ports.clock.monotonic());
  if (wait) return internal::quota("This account asks too much of the service.", *wait);
  return {};
}

Bytes Service::State::send_token(const AccountId& sender, const MailboxId& mailbox, Time now) const {
  return to_bytes(wire::make_send_token(send_token_key, sender, mailbox, now + wire::kSendTokenLifetime));
}

internal::RenewalToken Service::State::renewal_token(const AccountId& asker, std::string_view handle,
                                                     const AccountId& account, Time now) const {
  return internal::make_renewal_token(renewal_key, asker, handle, account, now + kRenewalTokenLifetime);
}

void Service::tick() {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  const Instant instant = s.ports.clock.monotonic();
  s.verifications.drop_expired(instant);
  s.links.drop_expired(instant);
  s.recoveries.drop_expired(instant);
  s.enrolments.drop_expired(instant);
  s.turn_day(now);
  for (internal::Buckets* buckets : s.all_buckets()) buckets->tidy(instant);
  if (s.replay_due || instant - s.replayed_at >= kReplayEvery) {
    if (const auto done = s.replay(now); !done) (void)s.store_failure(done.error());
  }
  (void)s.sweep(now);  // what fails is counted, and done by the next tick
}

Counters Service::counters() const {
  Counters out = state_->counters;
  out.verifications = state_->verifications.size();
  out.tickets = state_->verifications.tickets();
  out.businesses = state_->businesses.size();
  out.link_exchanges = state_->links.size();
  out.link_bytes = state_->links.bytes();
  return out;
}

}  // namespace opaline::identity
