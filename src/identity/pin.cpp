// The registration PIN (docs/device-api.md, "Registration PIN"): keeps who gets hold of a number for a while from
// taking the account's handle. It lapses when no device of the account has connected for kPinLapseDays, so that a
// number that was given to somebody else is not lost to them for ever.
#include <algorithm>

#include "crypto/compare.hpp"
#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::bad_request;
using internal::Changes;
using internal::failure;
using internal::LoadedAccount;

namespace {

CallFailure no_memory() {
  return {.status = calls::CALL_STATUS_UNAVAILABLE,
          .message = "The service is short of memory. Try again.",
          .retry_after = seconds(5)};
}

/// Until the next UTC day, when there is one more try.
seconds until_tomorrow(Time now) {
  const auto tomorrow = std::chrono::floor<std::chrono::days>(now) + std::chrono::days(1);
  return std::chrono::ceil<seconds>(tomorrow - now);
}

/// One more try for each day that has begun since they were counted.
void refill(internal::PinRecord& pin, Day today) {
  if (today <= pin.tries_day) return;  // a clock that went back gives nothing
  const std::uint32_t days = number(today) - number(pin.tries_day);
  pin.tries_left = static_cast<std::uint8_t>(std::min<std::uint64_t>(kPinTries, std::uint64_t{pin.tries_left} + days));
  pin.tries_day = today;
}

}  // namespace

Answer<bool> Service::State::pin_in_force(const LoadedAccount& account, Time now) {
  if (!account.record.pin) return false;
  std::uint32_t seen = 0;
  for (const credentials::DeviceEntry& entry : account.list.list().devices) {
    OPALINE_TRY(const auto device, read(directory.device(account.id, entry.number)));
    if (device && device->seen) seen = std::max(seen, number(*device->seen));
  }
  return number(day_of(now)) < seen + kPinLapseDays + kPinSeenDays;
}

Answer<void> Service::State::check_pin(LoadedAccount& account, std::string_view pin, Time now) {
  OPALINE_TRY(const bool in_force, pin_in_force(account, now));
  if (!in_force) return {};
  if (pin.empty())
    return failure(calls::CALL_STATUS_PIN_REQUIRED, "The account that has this handle is protected by a PIN.");
  internal::PinRecord& stored = *account.record.pin;
  refill(stored, day_of(now));
  if (stored.tries_left == 0) {
    return failure(calls::CALL_STATUS_WRONG_PIN, "Too many wrong PINs: there is one more try tomorrow (UTC).",
                   until_tomorrow(now), 0);
  }
  // The try is used up on disk before it is looked at, so that cutting the power gives none back.
  --stored.tries_left;
  Changes changes = directory.changes();
  changes.put(account.id, account.record);
  OPALINE_CHECK(write(std::move(changes)));
  const auto hash = ports.crypto.hash_pin(as_view(pin), stored.salt, pin_pepper.reveal());
  if (!hash) return fail(no_memory());
  if (!crypto::constant_time_equal(*hash, stored.hash)) {
    ++counters.wrong_pins;
    return failure(calls::CALL_STATUS_WRONG_PIN, "This is not the account's PIN.",
                   stored.tries_left == 0 ? until_tomorrow(now) : seconds(0), stored.tries_left);
  }
  stored.tries_left = kPinTries;  // written with what the PIN was asked for
  return {};
}

Answer<calls::Empty> Service::set_pin(const Caller& caller, const calls::SetPinRequest& request) {
  State& s = *state_;
  const std::string& pin = request.pin();
  if (!pin.empty() && (pin.size() < kMinPinBytes || pin.size() > kMaxPinBytes))
    return bad_request("A PIN has 4 to 64 bytes.");
  constexpr std::uint32_t kCost = 100;  // in calls: hashing takes that much of the service's time
  OPALINE_CHECK(s.charge_calls(caller.account, kCost));
  OPALINE_TRY(auto account, s.load_person(caller));
  const Day today = day_of(s.ports.clock.now());
  account.record.pin.reset();
  if (!pin.empty()) {
    internal::PinRecord& record = account.record.pin.emplace();
    record.salt = s.ports.random.bytes<16>();
    const auto hash = s.ports.crypto.hash_pin(as_view(pin), record.salt, s.pin_pepper.reveal());
    if (!hash) return fail(no_memory());
    record.hash = *hash;
    record.tries_left = kPinTries;
    record.tries_day = today;
  }
  Changes changes = s.directory.changes();
  changes.put(account.id, account.record);
  for (const credentials::DeviceEntry& entry : account.list.list().devices) {
    OPALINE_TRY(auto device, s.read(s.directory.device(account.id, entry.number)));
    if (!device) continue;
    device->seen = account.record.pin ? std::optional(today) : std::nullopt;
    changes.put(account.id, entry.number, *device);
  }
  internal::Effects effects;
  s.tell_changed(account, caller.device, effects);
  OPALINE_CHECK(s.commit(std::move(changes), std::move(effects), s.ports.clock.now()));
  return calls::Empty();
}

}  // namespace opaline::identity
