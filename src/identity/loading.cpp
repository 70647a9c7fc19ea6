// Accounts as they are stored, with the same reads whether they are there or not.
#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::Changes;
using internal::LoadedAccount;
using store::RowError;

namespace {

/// What no handle is called: the decoy's, and one of which there is never a row.
constexpr const char* kDecoyHandle = "nobody";
constexpr const char* kNoHandle = "no handle";
/// An id of which there is never a row.
constexpr AccountId kNobody = [] {
  ByteArray<AccountId::kSize> bytes{};
  bytes.fill(std::byte{0xff});
  return AccountId(bytes);
}();

bool is_reachable_person(const LoadedAccount& account) {
  return !account.id.is_zero() && account.record.kind == AccountKind::person && account.record.switches.people;
}

}  // namespace

Answer<std::optional<LoadedAccount>> Service::State::load(const AccountId& account) {
  OPALINE_TRY(auto record, read(directory.account(account)));
  if (!record || record->device_list.empty()) return std::nullopt;  // empty: forgotten, and so nobody's
  return take_apart(account, std::move(*record));
}

Answer<std::optional<LoadedAccount>> Service::State::take_apart(const AccountId& account,
                                                                internal::AccountRecord record) {
  auto list = credentials::load_device_list(record.device_list);
  if (!list) return fail(store_failure(RowError::failed));
  return LoadedAccount{.id = account, .record = std::move(record), .list = std::move(*list)};
}

Answer<LoadedAccount> Service::State::load_own(const Caller& caller) {
  OPALINE_TRY(auto account, load(caller.account));
  if (!account || account->record.closed || account->list.find(caller.device) == nullptr) {
    return internal::not_found("This device's account does not exist any more.");
  }
  return std::move(*account);
}

Answer<LoadedAccount> Service::State::load_person(const Caller& caller) {
  OPALINE_TRY(auto account, load_own(caller));
  if (account.record.kind != AccountKind::person)
    return internal::failure(calls::CALL_STATUS_FORBIDDEN, "Only a person's device may ask this.");
  return account;
}

Answer<LoadedAccount> Service::State::load_customer(const Caller& caller) {
  OPALINE_TRY(auto account, load_person(caller));
  if (!account.record.switches.businesses)
    return internal::failure(calls::CALL_STATUS_FORBIDDEN, "Businesses are switched off for this account.");
  return account;
}

Answer<LoadedAccount> Service::State::load_person(const AccountId& id) {
  OPALINE_TRY(auto account, load(id));
  if (!account || id.is_zero() || account->record.kind != AccountKind::person)
    return internal::not_found("There is no such account.");
  return std::move(*account);
}

Answer<std::optional<LoadedAccount>> Service::State::load_reachable(const std::optional<AccountId>& account) {
  OPALINE_TRY(auto found, load(account.value_or(AccountId())));
  if (!found || !is_reachable_person(*found)) return std::nullopt;
  return found;
}

Answer<std::optional<LoadedAccount>> Service::State::load_reachable_by_id(const AccountId& account) {
  OPALINE_TRY(auto found, load(account));
  if (found && is_reachable_person(*found)) return found;
  // Not there: a row was not found, now one is decoded. Switched off: the other way round.
  OPALINE_CHECK(load(found ? kNobody : AccountId()));
  return std::nullopt;
}

Answer<std::optional<LoadedAccount>> Service::State::load_by_id(const AccountId& account) {
  OPALINE_TRY(auto found, load(account));
  OPALINE_CHECK(load(found ? kNobody : AccountId()));
  if (!found || account.is_zero() || found->record.kind != AccountKind::person) return std::nullopt;
  return found;
}

Answer<std::optional<LoadedAccount>> Service::State::load_business_of(const LoadedAccount& persona,
                                                                      const AccountId& asked) {
  OPALINE_TRY(auto found, load(asked));
  OPALINE_CHECK(load(found ? kNobody : AccountId()));
  const bool own = found && asked == persona.record.business && found->record.kind == AccountKind::business;
  if (!own || !businesses.contains(asked)) return std::nullopt;
  return found;
}

/// Unknown, another business's, and one whose person may not use businesses: two rows are found and one is missed.
Answer<std::optional<LoadedAccount>> Service::State::load_persona_of(const AccountId& business,
                                                                     const AccountId& asked) {
  OPALINE_TRY(auto row, read(directory.account(asked)));
  OPALINE_CHECK(load(row ? kNobody : AccountId()));
  const bool own = row && row->kind == AccountKind::persona && row->business == business;
  if (own && row->closed)
    return internal::failure(calls::CALL_STATUS_CLOSED, "The person has closed this conversation.");
  std::optional<LoadedAccount> persona;
  if (row && !row->device_list.empty()) {
    OPALINE_TRY(persona, take_apart(asked, std::move(*row)));
  }
  OPALINE_TRY(const auto owner, load(own && persona ? persona->record.owner : AccountId()));
  if (!own || !owner || !owner->record.switches.businesses) return std::nullopt;
  return persona;
}

Answer<std::optional<AccountId>> Service::State::look_up(const Handle& handle) {
  OPALINE_TRY(const auto account, read(directory.account_of(handle)));
  OPALINE_CHECK(read(directory.account_of(Handle::from_stored(account ? kNoHandle : kDecoyHandle))));
  return account;
}

/// Under the id zero, which no account has: a row of the size of a real one, read where there is nothing to read.
Result<void, RowError> Service::State::make_decoy() {
  OPALINE_TRY(const auto found, directory.account(AccountId()));
  if (found) return {};
  credentials::DeviceList list{.account = ports.random.id<AccountId>(),
                               .account_key = decoy_key,
                               .number = ListNumber{1},
                               .previous = {},
                               .created = ports.clock.now(),
                               .next_device = DeviceNumber{2},
                               .devices = {}};
  credentials::DeviceEntry& device = list.devices.emplace_back();
  device.number = DeviceNumber{1};
  device.mailbox = ports.random.id<MailboxId>();
  device.created = list.created;
  device.keys.signing = decoy_key;
  internal::AccountRecord record;
  record.handles = {kDecoyHandle};
  record.device_list = credentials::encode_device_list_body(list);
  append(record.device_list, ports.random.bytes<crypto::HybridSignature::kSize>());  // nobody checks it
  Changes changes = directory.changes();
  changes.put(Handle::from_stored(kDecoyHandle), internal::HandleRecord{});
  changes.put(AccountId(), record);
  return directory.write(std::move(changes));
}

}  // namespace opaline::identity
