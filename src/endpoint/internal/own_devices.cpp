#include "endpoint/internal/own_devices.hpp"

#include <algorithm>

#include "session/link.hpp"

namespace opaline::endpoint::internal {

void OwnDevices::load() {
  const auto row = core_.staging.get(Table::device, as_view(kNextListKey));
  if (!row) return;
  if (!decode(*row, next_.emplace())) core_.found_corrupt();
  core_.list_pending = true;
}

// ---------------------------------------------------------------- the list

Result<session::AccountKey, Error> OwnDevices::account_key() {
  const auto row = core_.staging.get(Table::device, as_view(kAccountKeyKey));
  if (core_.staging.failure()) return fail(Error::store_failed);
  if (!row) return fail(Error::not_primary);
  auto key = session::AccountKey::deserialise(*row);
  if (!key) return fail(Error::corrupt_state);
  return std::move(*key);
}

Result<void, Error> OwnDevices::sign(const session::DeviceList& list, const session::AccountKey& key, ByteView exchange,
                                     const UploadPrekeys& prekeys) {
  const Bytes bytes = session::sign_device_list(list, key, core_.random);
  const auto made = session::load_device_list(bytes);
  if (!made || session::compare_lists(core_.own_list, *made) != session::ListChange::successor)
    return fail(Error::bad_device);
  next_ = NextListRecord{bytes, to_bytes(exchange), prekeys.signed_set, prekeys.one_time_batch};
  core_.staging.put(Table::device, as_view(kNextListKey), encode(*next_));
  core_.list_pending = true;
  not_before_ = {};
  failures_ = 0;
  return {};
}

Result<void, Error> OwnDevices::add(const session::DeviceList& next, ByteView exchange, const UploadPrekeys& prekeys) {
  if (next_) return fail(Error::list_busy);
  OPALINE_TRY(const session::AccountKey key, account_key());
  const bool ours =
      core_.is_own(next.account) && next.account_key == key.public_key() && credentials::keeps_rules(next);
  if (!ours) return fail(Error::bad_device);
  // Others compare these times with their own.
  session::DeviceList stamped = next;
  stamped.created = core_.by_service(next.created);
  for (session::DeviceEntry& entry : stamped.devices)
    if (core_.own_list.find(entry.number) == nullptr) entry.created = core_.by_service(entry.created);
  return sign(stamped, key, exchange, prekeys);
}

Result<void, Error> OwnDevices::remove(DeviceNumber number) {
  if (next_) return fail(Error::list_busy);
  if (number == core_.address.device) return fail(Error::this_device);
  OPALINE_TRY(const session::AccountKey key, account_key());
  if (core_.own_list.find(number) == nullptr) return fail(Error::unknown_device);
  session::DeviceList next = session::next_device_list(core_.own_list, core_.by_service(core_.now()));
  std::erase_if(next.devices, [&](const session::DeviceEntry& e) { return e.number == number; });
  return sign(next, key, {}, {});
}

Result<void, Error> OwnDevices::become_primary(const session::AccountKey& key, DeviceNumber replaced) {
  if (next_) return fail(Error::list_busy);
  if (replaced == core_.address.device) return fail(Error::this_device);
  if (key.public_key() != core_.own_list.list().account_key) return fail(Error::bad_device);
  core_.staging.put(Table::device, as_view(kAccountKeyKey), key.serialise());
  core_.ledger.told_at = {};  // the others are to know who is the primary one
  core_.ledger_dirty = true;
  if (core_.own_list.find(replaced) == nullptr) return {};
  return remove(replaced);
}

void OwnDevices::forget_next() {
  next_.reset();
  core_.list_pending = false;
  core_.staging.erase(Table::device, as_view(kNextListKey));
}

bool OwnDevices::updated() {
  if (!next_) return false;
  const Bytes list = std::move(next_->signed_list);
  forget_next();
  Peer& own = peers_.get(core_.address.account);
  const session::ListHash before = core_.own_list.hash();
  return peers_.take_list(own, list, {}, {}) == ListOutcome::pinned && core_.own_list.hash() != before;
}

void OwnDevices::request_failed(RequestFailure failure, seconds retry_after) {
  if (!next_) return;
  if (failure == RequestFailure::refused || failure == RequestFailure::not_found) {
    // Another list is there, or the exchange is over: nothing was changed, and nobody has seen this list.
    forget_next();
    core_.events.emplace_back(DeviceChangeRefused{});
    peers_.want_list(peers_.get(core_.address.account));
    return;
  }
  const milliseconds said = std::min<milliseconds>(retry_after, kLastBackOff);
  not_before_ = core_.instant() + std::max(said, back_off(++failures_, kFirstRetryDelay, core_.random));
}

// ---------------------------------------------------------------- what is known of them

OwnDeviceRecord OwnDevices::read(DeviceNumber number) {
  OwnDeviceRecord record;
  const auto row = core_.staging.get(Table::own_device, own_device_key(number));
  if (row && !decode(*row, record)) core_.found_corrupt();
  return record;
}

void OwnDevices::write(DeviceNumber number, const OwnDeviceRecord& record) {
  core_.staging.put(Table::own_device, own_device_key(number), encode(record));
}

std::vector<OwnDevice> OwnDevices::all() {
  std::vector<OwnDevice> out;
  for (const session::DeviceEntry& entry : core_.own_list.list().devices) {
    OwnDevice& device = out.emplace_back();
    device.number = entry.number;
    device.linked = entry.created;
    if (entry.number == core_.address.device) {
      device.name = to_string(core_.ledger.name);
      device.primary = has_account_key();
      device.last_seen = core_.now();
      device.this_device = true;
    } else {
      const OwnDeviceRecord record = read(entry.number);
      device.name = to_string(record.name);
      device.primary = record.primary;
      device.last_seen = record.last_seen;
    }
  }
  return out;
}

void OwnDevices::set_name(std::string_view name) {
  if (!session::is_device_name(name) || as_text(core_.ledger.name) == name) return;
  core_.ledger.name = to_bytes(name);
  core_.ledger.told_at = {};
  core_.ledger_dirty = true;
  core_.events.emplace_back(OwnDevicesChanged{});
}

void OwnDevices::heard(DeviceNumber number) {
  OwnDeviceRecord record = read(number);
  const milliseconds since = core_.now() - record.last_seen;
  if (since >= milliseconds(0) && since < kLastSeenGrain) return;
  record.last_seen = core_.now();
  write(number, record);
}

void OwnDevices::told(DeviceNumber number, const wire::DeviceInfo& info) {
  if (info.primary && core_.ledger.history_wanted != HistoryWanted::none) {
    // Newly linked. The primary device has seen the person agree, and is there.
    const bool all = std::exchange(core_.ledger.history_wanted, HistoryWanted::none) == HistoryWanted::all;
    core_.ledger_dirty = true;
    ask_history(all ? Time{} : core_.now(), number);
  }
  OwnDeviceRecord record = read(number);
  if (equal(record.name, info.name) && record.primary == info.primary) return;
  if (info.name.empty() || session::is_device_name(as_text(info.name))) record.name = to_bytes(info.name);
  record.primary = info.primary;
  write(number, record);
  core_.events.emplace_back(OwnDevicesChanged{});
}

void OwnDevices::history_wanted(DeviceNumber number, Time since) {
  OwnDeviceRecord record = read(number);
  const milliseconds last = core_.now() - record.history_at;
  if ((last >= milliseconds(0) && last < kHistoryEvery) || outbox_.history_waits(number)) return;
  record.history_at = core_.now();
  write(number, record);
  outbox_.give_history(number, since == Time{} ? since : core_.by_own(since));
}

void OwnDevices::ask_history(Time since, DeviceNumber only) {
  if (only == DeviceNumber{0}) {
    Time newest{};
    for (const OwnDevice& device : all()) {
      if (device.this_device || (only != DeviceNumber{0} && device.last_seen <= newest)) continue;
      only = device.number;
      newest = device.last_seen;
    }
  }
  if (only == DeviceNumber{0}) return;
  // The other device's clock is another one.
  outbox_.tell({wire::HistoryRequest{since == Time{} ? since : core_.by_service(since)}}, only);
}

void OwnDevices::missed_something() {
  const milliseconds last = core_.now() - core_.ledger.caught_up_at;
  if (!core_.has_others()) return;
  if (last >= milliseconds(0) && last < kCatchUpEvery) {
    // Another loss, or of the same one what the device that was asked did not have yet either.
    missed_again_ = true;
    return;
  }
  core_.ledger.caught_up_at = core_.now();
  core_.ledger_dirty = true;
  const Time oldest = core_.now() - kCatchUpFor;
  // A clock that was ahead has left a time that says nothing.
  const bool known = core_.heard_before <= core_.now();
  ask_history(known ? std::max(oldest, core_.heard_before - kCatchUpOverlap) : oldest, {});
}

// ---------------------------------------------------------------- upkeep

void OwnDevices::connected() {
  not_before_ = {};
  // The list may have changed while this device was away. Alone on its list, only it could have changed it.
  if (!core_.has_others() && core_.own_list.find(core_.address.device) != nullptr) return;
  peers_.want_list(peers_.get(core_.address.account));
}

void OwnDevices::pay_history() {
  for (auto& [number, device] : peers_.get(core_.address.account).devices) {
    if (device.record.owed_since == Time{} || !device.queue.empty()) continue;
    const Time since = std::exchange(device.record.owed_since, Time{}) - kCatchUpOverlap;
    device.dirty = true;
    if (core_.own_list.find(number) != nullptr) outbox_.give_history(number, since);
  }
}

void OwnDevices::catch_up_again() {
  const Time before = core_.ledger.caught_up_at;
  if (!missed_again_ || (core_.now() >= before && core_.now() - before < kCatchUpEvery)) return;
  missed_again_ = false;
  core_.ledger.caught_up_at = core_.now();
  core_.ledger_dirty = true;
  // What came before was asked for then.
  ask_history(std::min(core_.now(), before) - kCatchUpOverlap, {});
}

void OwnDevices::upkeep() {
  catch_up_again();
  const milliseconds since = core_.now() - core_.ledger.told_at;
  if (core_.has_others() && link_.is_connected() && (since >= kTellEvery || since < milliseconds(0))) {
    core_.ledger.told_at = core_.now();
    core_.ledger_dirty = true;
    outbox_.tell({wire::DeviceInfo{core_.ledger.name, has_account_key()}});
  }
  if (link_.is_connected() && core_.has_others()) pay_history();
  if (!next_ || !link_.is_connected() || requests_.full() || core_.instant() < not_before_) return;
  if (requests_.has(Requests::Open::Kind::update)) return;
  requests_.send({.kind = Requests::Open::Kind::update, .account = {}, .bundles = {}},
                 UpdateDevices{next_->signed_list, next_->exchange, {next_->signed_set, next_->one_time_batch}});
}

std::optional<Time> OwnDevices::next_deadline() const {
  std::optional<Time> next;
  if (core_.has_others()) next = core_.ledger.told_at + kTellEvery;
  if (next_ && not_before_ > core_.instant()) {
    const Time at = core_.now() + std::chrono::ceil<milliseconds>(not_before_ - core_.instant());
    if (!next || at < *next) next = at;
  }
  return next;
}

}  // namespace opaline::endpoint::internal
