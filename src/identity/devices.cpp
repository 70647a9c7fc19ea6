// The account's device list and what hangs on it (docs/device-api.md, "One's own devices").
#include <algorithm>

#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::bad_request;
using internal::Changes;
using internal::Effects;
using internal::failure;
using internal::LoadedAccount;
using internal::NewDevice;
using internal::NextList;

namespace {

std::uint32_t raw(ListNumber number) {
  return static_cast<std::uint32_t>(number);
}

/// The device's keys are its own: the account key signs lists alone, and one device cannot speak as another.
bool has_own_key(const credentials::DeviceList& list, const credentials::DeviceEntry& device) {
  if (device.keys.signing == list.account_key) return false;
  return std::ranges::none_of(list.devices, [&](const credentials::DeviceEntry& other) {
    return other.number != device.number && other.keys.signing == device.keys.signing;
  });
}

}  // namespace

Answer<NextList> Service::State::check_next_list(const LoadedAccount& account, ByteView signed_list,
                                                 const google::protobuf::RepeatedPtrField<std::string>& between) {
  const std::string kNotAList = "The device list is not well-formed or not signed by its account key.";
  auto list = credentials::verify_device_list(signed_list);
  if (!list) return bad_request(kNotAList);
  NextList out{.list = std::move(*list), .unchanged = false, .between = {}, .added = std::nullopt};
  if (credentials::compare_lists(account.list, out.list) == credentials::ListChange::unchanged) {
    out.unchanged = true;
    return out;
  }
  const credentials::VerifiedDeviceList* before = &account.list;
  out.between.reserve(static_cast<std::size_t>(between.size()));
  for (const std::string& bytes : between) {
    auto step = credentials::verify_device_list(as_view(bytes));
    if (!step) return bad_request(kNotAList);
    if (credentials::compare_lists(*before, *step) != credentials::ListChange::successor)
      return failure(calls::CALL_STATUS_CONFLICT, "These device lists do not follow the account's.");
    before = &out.between.emplace_back(std::move(*step));
  }
  switch (credentials::compare_lists(*before, out.list)) {
    case credentials::ListChange::successor:
      break;
    case credentials::ListChange::unchanged:
    case credentials::ListChange::gap:
    case credentials::ListChange::older:
    case credentials::ListChange::forked:
    case credentials::ListChange::new_account_key:
    case credentials::ListChange::rule_broken:
    case credentials::ListChange::other_account:
      return failure(calls::CALL_STATUS_CONFLICT, "This device list does not follow the account's.");
  }
  for (const credentials::DeviceEntry& device : out.list.list().devices) {
    if (account.list.find(device.number) != nullptr) continue;
    if (out.added) return bad_request("A device list adds one device at a time.");
    out.added = device.number;
  }
  return out;
}

Answer<NextList> Service::State::check_personas_next_list(const LoadedAccount& persona, ByteView signed_list) {
  auto list = credentials::verify_device_list(signed_list);
  if (!list || !credentials::renews_account_key(persona.list, *list)) return check_next_list(persona, signed_list);
  NextList out{.list = std::move(*list), .unchanged = false, .between = {}, .added = std::nullopt};
  OPALINE_TRY(const auto gone, gone_devices(persona));
  for (const credentials::DeviceEntry& device : out.list.list().devices) {
    if (std::ranges::find(gone, device.number) != gone.end())
      return failure(calls::CALL_STATUS_CONFLICT, "This device list names a device that is gone.");
    if (persona.list.find(device.number) != nullptr) continue;
    if (out.added) return bad_request("A device list adds one device at a time.");
    out.added = device.number;
  }
  return out;
}

Answer<std::vector<DeviceNumber>> Service::State::gone_devices(const LoadedAccount& persona) {
  std::vector<DeviceNumber> out;
  for (const credentials::DeviceEntry& device : persona.list.list().devices) {
    OPALINE_TRY(const auto row, read(directory.device(persona.id, device.number)));
    if (!row) out.push_back(device.number);
  }
  return out;
}

Answer<LoadedAccount> Service::State::change_list(LoadedAccount account, NextList next,
                                                  const std::optional<NewDevice>& device, DeviceNumber by, Time now) {
  Changes changes = directory.changes();
  Effects effects;
  const credentials::DeviceList& list = next.list.list();
  if (next.added) {
    OPALINE_ASSERT(device.has_value());
    const credentials::DeviceEntry& entry = *next.list.find(*next.added);
    // Given once: a mailbox that the account has removed again stays gone.
    OPALINE_TRY(const auto removed, read(directory.removed(entry.mailbox)));
    const bool taken =
        std::ranges::any_of(account.list.list().devices, [&](const auto& old) { return old.mailbox == entry.mailbox; });
    if (entry.mailbox != device->mailbox || removed || taken)
      return bad_request("The new device must have the mailbox that it was given.");
    if (!has_own_key(list, entry)) return bad_request("The new device must have keys of its own.");
    OPALINE_TRY(const auto prekeys, internal::check_prekeys(device->prekeys, list, entry.number, now));
    changes.put(account.id, entry.number,
                internal::DeviceRecord{.mailbox = entry.mailbox,
                                       .web = device->web,
                                       .signing_key = entry.keys.signing,
                                       .seen = account.record.pin ? std::optional(day_of(now)) : std::nullopt,
                                       .owner_device = device->owner_device});
    changes.put(account.id, entry.number, prekeys.record);
    changes.put(account.id, entry.number, internal::OneTimeCursor{.set = prekeys.set.id, .next = 0});
  }
  const bool reopens = std::exchange(account.record.closed, false);  // then its devices are gone already
  std::vector<DeviceNumber> removed_devices;
  for (const credentials::DeviceEntry& old : account.list.list().devices) {
    if (reopens || next.list.find(old.number) != nullptr) continue;
    erase_device(changes, effects, account.id, old.number, old.mailbox, now);
    removed_devices.push_back(old.number);
  }
  if (account.record.kind == AccountKind::person)
    OPALINE_CHECK(leave_personas(changes, effects, account.id, removed_devices, now));
  const auto keep = [&](const credentials::VerifiedDeviceList& earlier) {
    const ListNumber before = earlier.list().number;
    changes.put(account.id, before, internal::ListRecord{earlier.bytes()});
    if (raw(before) > kMaxListHistory) changes.erase_list(account.id, ListNumber{raw(before) - kMaxListHistory});
  };
  keep(account.list);
  for (const credentials::VerifiedDeviceList& passed : next.between) keep(passed);
  account.record.device_list = next.list.bytes();
  changes.put(account.id, account.record);
  const bool adds = next.added.has_value();
  account.list = std::move(next.list);
  tell_changed(account, by, effects);
  OPALINE_CHECK(commit(std::move(changes), std::move(effects), now));
  ++counters.list_updates;
  counters.devices_added += adds ? 1 : 0;
  counters.devices_removed += removed_devices.size();
  return account;
}

Answer<void> Service::State::settle(Time now) {
  if (!replay_due) return {};
  if (const auto done = replay(now); !done) return fail(store_failure(done.error()));
  return {};
}

Answer<std::vector<std::string>> Service::State::list_history(const LoadedAccount& account, std::uint32_t known,
                                                              std::size_t room) {
  constexpr std::size_t kOverhead = 4;  // tag and length in the answer
  std::vector<std::string> out;
  if (known == 0) return out;
  for (std::uint64_t number = std::uint64_t{known} + 1; number < raw(account.list.list().number); ++number) {
    OPALINE_TRY(const auto row, read(directory.list(account.id, ListNumber{static_cast<std::uint32_t>(number)})));
    if (!row || row->device_list.size() + kOverhead > room) break;
    room -= row->device_list.size() + kOverhead;
    out.emplace_back(as_text(row->device_list));
  }
  return out;
}

Answer<calls::AccountReply> Service::update_devices(const Caller& caller, const calls::UpdateDevicesRequest& request) {
  State& s = *state_;
  constexpr std::uint32_t kCost = 20;  // in calls: two signatures to verify, and lists and prekeys to write
  constexpr std::uint32_t kCostBetween = 10;
  const auto passed = static_cast<std::uint32_t>(request.between_size());
  OPALINE_CHECK(s.charge_calls(caller.account, kCost + kCostBetween * passed));
  OPALINE_TRY(LoadedAccount account, s.load_own(caller));
  const Time now = s.ports.clock.now();
  const Instant instant = s.ports.clock.monotonic();
  OPALINE_TRY(NextList next, s.check_next_list(account, as_view(request.device_list()), request.between()));
  if (next.unchanged) {
    OPALINE_CHECK(s.settle(now));
    return to_reply(account);
  }
  if (next.list.find(caller.device) == nullptr)
    return failure(calls::CALL_STATUS_FORBIDDEN, "A device cannot remove itself. Remove it from another one.");
  std::optional<NewDevice> device;
  if (next.added) {
    if (account.record.kind != AccountKind::person)
      return failure(calls::CALL_STATUS_FORBIDDEN, "Devices of businesses and personas come by other ways.");
    const auto link = s.links.find_joined(as_view(request.exchange()), {caller.account, caller.device}, instant);
    if (link.exchange == nullptr) return internal::no_exchange();
    device.emplace(NewDevice{.mailbox = link.exchange->mailbox, .prekeys = request.prekeys(), .web = request.web()});
  }
  const auto bucket = s.daily.key("lists", caller.account.view());
  if (const auto wait = s.list_updates.peek(bucket, 1, instant))
    return internal::quota("This account's devices have changed too often today.", *wait);
  OPALINE_TRY(account, s.change_list(std::move(account), std::move(next), device, caller.device, now));
  (void)s.list_updates.take(bucket, 1, instant);
  return to_reply(account);
}

}  // namespace opaline::identity
