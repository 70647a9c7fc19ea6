#include "endpoint/internal/own_devices.hpp"

#include <algorithm>

#include "session/link.hpp"

namespace opaline::endpoint::internal {
namespace {

/// Zero says something else.
constexpr Time kEarliest = from_unix_millis(1);

/// One request, less what comes with an added device; below wire::kMaxFrameBodyBytes.
constexpr std::size_t kMaxOfferBytes = 60'000;

/// Devices of `list` that `than` has not.
std::size_t added(const session::VerifiedDeviceList& list, const session::VerifiedDeviceList& than) {
  return static_cast<std::size_t>(std::ranges::count_if(
      list.list().devices, [&](const session::DeviceEntry& d) { return than.find(d.number) == nullptr; }));
}

}  // namespace

void OwnDevices::load() {
  if (const auto list = core_.staging.get(Table::device, as_view(kServiceListKey))) {
    auto loaded = session::load_device_list(*list);
    if (!loaded) core_.found_corrupt();
    if (loaded) service_ = std::move(*loaded);
  }
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

void OwnDevices::adopt(const session::AccountKey& key) {
  if (key.public_key() == core_.own_list.list().account_key) return;
  core_.staging.put(Table::device, as_view(kAccountKeyKey), key.serialise());
  if (next_) refuse_next();  // signed by the old one
  if (service_) caught_up();
  Peer& own = peers_.get(core_.address.account);
  own.not_before = {};
  own.list_not_before = {};
  peers_.want_list(own);
}

void OwnDevices::forget_next() {
  next_.reset();
  core_.list_pending = false;
  core_.staging.erase(Table::device, as_view(kNextListKey));
}

void OwnDevices::refuse_next() {
  doubted_ = false;
  if (!next_) return;
  forget_next();
  core_.events.emplace_back(DeviceChangeRefused{});
}

void OwnDevices::caught_up() {
  service_.reset();
  core_.staging.erase(Table::device, as_view(kServiceListKey));
}

bool OwnDevices::updated() {
  failures_ = 0;
  if (offered_) {
    Peer& own = peers_.get(core_.address.account);
    if (offered_->hash() == core_.own_list.hash()) {
      caught_up();
      given_up_ = true;  // if it goes on showing an older list, it lies
      own.not_before = {};
      peers_.want_list(own);
    } else {
      service_ = offered_;
    }
    offered_.reset();
    return false;
  }
  if (!next_) return false;
  caught_up();
  doubted_ = false;
  const Bytes list = std::move(next_->signed_list);
  forget_next();
  Peer& own = peers_.get(core_.address.account);
  const session::ListHash before = core_.own_list.hash();
  return peers_.take_list(own, list, {}, {}) == ListOutcome::pinned && core_.own_list.hash() != before;
}

void OwnDevices::request_failed(RequestFailure failure, seconds retry_after) {
  const bool offered = std::exchange(offered_, std::nullopt).has_value();
  if (failure == RequestFailure::refused || failure == RequestFailure::not_found) {
    // Another list is there, or the exchange is over: nothing was changed, and nobody has seen this list. If the
    // service turns out to have an older list, it is offered what it lacks, and then this one again.
    given_up_ = offered;
    if (given_up_ || doubted_ || service_) return refuse_next();
    doubted_ = next_.has_value();
    Peer& own = peers_.get(core_.address.account);
    own.not_before = {};
    peers_.want_list(own);
    return;
  }
  const milliseconds said = std::min<milliseconds>(retry_after, kLastBackOff);
  not_before_ = core_.instant() + std::max(said, back_off(++failures_, kFirstRetryDelay, core_.random));
}

// ---------------------------------------------------------------- a service that was set back

void OwnDevices::directory_showed(ByteView signed_list, ListNumber known) {
  using session::ListChange;
  const auto shown = session::verify_device_list(signed_list);
  const ListChange change = shown ? session::compare_lists(core_.own_list, *shown) : ListChange::other_account;
  if (change == ListChange::older && shown->list().number < known && !given_up_) {
    if (!service_ || service_->hash() != shown->hash())
      core_.staging.put(Table::device, as_view(kServiceListKey), to_secret_bytes(signed_list));
    service_ = *shown;
    doubted_ = false;
    return;
  }
  if (change == ListChange::unchanged && service_) caught_up();
  if (doubted_) refuse_next();
}

std::vector<session::VerifiedDeviceList> OwnDevices::since_service() {
  std::vector<session::VerifiedDeviceList> out;
  const auto raw = [](const session::VerifiedDeviceList& l) { return static_cast<std::uint32_t>(l.list().number); };
  for (std::uint32_t number = raw(*service_) + 1; number <= raw(core_.own_list); ++number) {
    if (number == raw(core_.own_list)) {
      out.push_back(core_.own_list);
    } else {
      const auto row = core_.staging.get(Table::device, earlier_list_key(number));
      auto list = row ? session::load_device_list(*row) : fail(session::Error::malformed);
      if (!list) return {};
      out.push_back(std::move(*list));
    }
    const session::VerifiedDeviceList& before = out.size() == 1 ? *service_ : out[out.size() - 2];
    if (session::compare_lists(before, out.back()) != session::ListChange::successor) return {};
  }
  return out;
}

std::optional<UpdateDevices> OwnDevices::next_update() {
  if (!service_ || given_up_) {
    if (!next_ || doubted_) return std::nullopt;
    return UpdateDevices{next_->signed_list, next_->exchange, {next_->signed_set, next_->one_time_batch}, {}};
  }
  if (!has_account_key()) return std::nullopt;
  // As far as it goes without devices that the service does not know.
  const std::vector<session::VerifiedDeviceList> lists = since_service();
  std::vector<Bytes> between;
  std::size_t end = 0, size = 0;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    size += lists[i].bytes().size();
    if (size <= kMaxOfferBytes && added(lists[i], *service_) == 0) end = i + 1;
  }
  for (std::size_t i = 0; i + 1 < end; ++i) between.push_back(lists[i].bytes());
  if (end > 0) {
    offered_ = lists[end - 1];
    return UpdateDevices{offered_->bytes(), {}, {}, std::move(between)};
  }
  // A device of ours is lost there. It takes a list that is without it.
  if (!next_) return std::nullopt;
  const auto next = session::load_device_list(next_->signed_list);
  if (lists.empty() || !next || added(*next, *service_) != 0 || size + next->bytes().size() > kMaxOfferBytes) {
    refuse_next();
    return std::nullopt;
  }
  for (const session::VerifiedDeviceList& list : lists) between.push_back(list.bytes());
  return UpdateDevices{next_->signed_list, {}, {}, std::move(between)};
}

void OwnDevices::update() {
  if ((!next_ && !service_) || !link_.is_connected() || requests_.full() || core_.instant() < not_before_) return;
  if (requests_.has(Requests::Open::Kind::update)) return;
  if (auto update = next_update())
    requests_.send({.kind = Requests::Open::Kind::update, .account = {}, .bundles = {}}, std::move(*update));
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
    device.forgotten = service_ && service_->find(entry.number) == nullptr;
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
  Peer& own = peers_.get(core_.address.account);
  if (own.entry(number) == nullptr) return;
  PeerDevice& device = peers_.device(own, number);
  const Time from = since == Time{} ? kEarliest : std::max(core_.by_own(since), kEarliest);
  const Time owed = from + kCatchUpOverlap;  // pay_history takes it off
  if (device.record.owed_since != Time{} && device.record.owed_since <= owed) return;
  device.record.owed_since = owed;
  device.dirty = true;
}

void OwnDevices::ask_history(Time since, DeviceNumber only) {
  // The other device's clock is another one.
  outbox_.tell({wire::HistoryRequest{since == Time{} ? since : core_.by_service(since)}}, only);
}

void OwnDevices::missed_something() {
  missed_since(core_.heard_before);
}

void OwnDevices::missed_of_late() {
  // What a connection brings after an hour was not written before it.
  missed_since(core_.instant() - connected_at_ < kCatchUpOverlap ? heard_before_connecting_ : core_.now());
}

void OwnDevices::missed_since(Time heard) {
  if (!core_.has_others()) return;
  const Time oldest = core_.now() - kCatchUpFor;
  // A clock that was ahead has left a time that says nothing.
  const Time since = heard <= core_.now() ? std::max(oldest, heard - kCatchUpOverlap) : oldest;
  LedgerRecord& ledger = core_.ledger;
  ledger.missed_since = ledger.missed_since == Time{} ? since : std::min(ledger.missed_since, since);
  // Another loss, or of the same one what the device that was asked did not have yet either.
  ledger.missed_again = core_.ledger_dirty = true;
  catch_up();
}

void OwnDevices::catch_up() {
  LedgerRecord& ledger = core_.ledger;
  const milliseconds last = core_.now() - ledger.caught_up_at;
  if (!ledger.missed_again || (last >= milliseconds(0) && last < kCatchUpEvery)) return;
  ledger.missed_again = false;
  ledger.caught_up_at = core_.now();
  core_.ledger_dirty = true;
  ask_history(std::max(ledger.missed_since, core_.now() - kCatchUpFor), {});
}

void OwnDevices::history_came() {
  // What it was asked for, if nothing was lost since: on the way of the answer, perhaps.
  if (core_.ledger.missed_again || core_.ledger.missed_since == Time{}) return;
  core_.ledger.missed_since = {};
  core_.ledger_dirty = true;
}

// ---------------------------------------------------------------- upkeep

void OwnDevices::connected() {
  connected_at_ = core_.instant();
  heard_before_connecting_ = core_.ledger.heard_at;
  not_before_ = {};
  offered_.reset();
  doubted_ = given_up_ = false;
  // The list may have changed while this device was away, or the service may have been set back. Of a first list that
  // has no other device there is nothing to learn.
  const bool alone = !core_.has_others() && core_.own_list.find(core_.address.device) != nullptr;
  if (alone && core_.own_list.list().number == ListNumber{1}) return;
  peers_.want_list(peers_.get(core_.address.account));
}

bool OwnDevices::pay_history() {
  bool any = false;
  if (!link_.is_connected() || !core_.has_others()) return any;
  for (auto& [number, device] : peers_.get(core_.address.account).devices) {
    if (device.record.owed_since == Time{} || !device.queue.empty()) continue;
    OwnDeviceRecord record = read(number);
    const milliseconds last = core_.now() - record.history_at;
    if (last >= milliseconds(0) && last < kHistoryEvery) continue;
    const Time since = std::exchange(device.record.owed_since, Time{}) - kCatchUpOverlap;
    device.dirty = true;
    if (core_.own_list.find(number) == nullptr) continue;
    record.history_at = core_.now();
    write(number, record);
    outbox_.give_history(number, std::max(since, Time{}));
    any = true;
  }
  return any;
}

void OwnDevices::upkeep() {
  catch_up();
  const milliseconds since = core_.now() - core_.ledger.told_at;
  if (core_.has_others() && link_.is_connected() && (since >= kTellEvery || since < milliseconds(0))) {
    core_.ledger.told_at = core_.now();
    core_.ledger_dirty = true;
    outbox_.tell({wire::DeviceInfo{core_.ledger.name, has_account_key()}});
  }
  update();
}

std::optional<Time> OwnDevices::next_deadline() const {
  std::optional<Time> next;
  if (core_.has_others()) next = core_.ledger.told_at + kTellEvery;
  if ((next_ || service_) && not_before_ > core_.instant()) {
    const Time at = core_.now() + std::chrono::ceil<milliseconds>(not_before_ - core_.instant());
    if (!next || at < *next) next = at;
  }
  return next;
}

}  // namespace opaline::endpoint::internal
