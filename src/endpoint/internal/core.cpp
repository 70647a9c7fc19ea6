#include "endpoint/internal/core.hpp"

#include <algorithm>

#include "base/codec.hpp"

namespace opaline::endpoint::internal {

Core::Core(EndpointStore& store, RandomSource& random_source, const Clock& clock_source, session::DeviceIdentity keys,
           session::VerifiedDeviceList list, OwnRecord own_record, LedgerRecord ledger_record, const Options& how)
    : staging(store),
      options(how),
      random(random_source),
      clock(clock_source),
      identity(std::move(keys)),
      own_list(std::move(list)),
      own(std::move(own_record)),
      address{own.enrolment.account, own.enrolment.device},
      ledger(std::move(ledger_record)),
      heard_before(ledger.heard_at) {}

Time Core::sent_time() {
  ledger.last_sent_at = std::max(now(), ledger.last_sent_at + milliseconds(1));
  ledger_dirty = true;
  return ledger.last_sent_at;
}

void Core::set_service_time(Time service) {
  constexpr milliseconds kMost = kMaxClockAhead;
  service_ahead_ = std::clamp(service - now(), -kMost, kMost);
}

std::uint64_t Core::next(std::uint64_t LedgerRecord::* counter) {
  ledger_dirty = true;
  return (ledger.*counter)++;
}

void Core::notice(const AccountId& peer, NoticeKind kind) {
  staging.history(AddNotice{peer, kind, now()});
  events.push_back(NoticeAdded{peer, kind});
}

namespace {

/// The value of rows whose key says everything.
constexpr ByteArray<1> kPresent{std::byte{1}};
/// A row of Table::seen_expiry holds no more than this, about.
constexpr std::size_t kMaxGroupBytes = 4096;

/// Values of Table::seen say until when; before that they said nothing.
Time until_of(ByteView value) {
  Reader in(value);
  const Time until = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  return in.finished() ? until : Time{};
}

/// The first day on which what is remembered `until` then may be forgotten.
std::uint32_t expiry_day(Time until) {
  return number(day_of(until)) + 1;
}

/// Where each has a row of its own in Table::seen_expiry.
Bytes expiry_key(Time until, ByteView key) {
  Bytes by_day;
  Writer(by_day).u32(expiry_day(until)).bytes(key);
  return by_day;
}

/// What nobody forgets before its day. Of the others there are few, and here no more rows than there are of them.
bool is_grouped(SeenKind kind) {
  return kind == SeenKind::envelope || kind == SeenKind::message || kind == SeenKind::handshake ||
         kind == SeenKind::read || kind == SeenKind::deleted;
}

/// What only a device with sisters is told, so most have none.
bool is_mark(SeenKind kind) {
  return kind == SeenKind::read || kind == SeenKind::deleted;
}

Bytes seen_key(SeenKind kind, ByteView what) {
  Bytes key;
  Writer(key).u8(static_cast<std::uint8_t>(kind)).bytes(what);
  return key;
}

}  // namespace

bool Core::has_marks() {
  if (has_marks_) return *has_marks_;
  bool found = false;
  for (const SeenKind kind : {SeenKind::read, SeenKind::deleted})
    staging.for_each(Table::seen, seen_key(kind, {}), {}, [&](ByteView, ByteView) {
      found = true;
      return false;
    });
  has_marks_ = found;
  return found;
}

bool Core::seen(SeenKind kind, ByteView what) {
  if (is_mark(kind) && !has_marks()) return false;
  return staging.has(Table::seen, seen_key(kind, what));
}

void Core::remember(SeenKind kind, ByteView what, Time until) {
  if (is_mark(kind)) has_marks_ = true;
  const Bytes key = seen_key(kind, what);
  Bytes value;
  Writer(value).u64(static_cast<std::uint64_t>(unix_millis(until)));
  staging.put(Table::seen, key, to_secret_bytes(value));
  if (!is_grouped(kind)) return staging.put(Table::seen_expiry, expiry_key(until, key), to_secret_bytes(kPresent));
  Bytes& group = expiring_[expiry_day(until)];
  Writer(group).u8(static_cast<std::uint8_t>(key.size())).bytes(key);
  if (group.size() >= kMaxGroupBytes) write_expiring();
}

void Core::write_expiring() {
  for (const auto& [day, group] : expiring_) {
    Bytes key;
    Writer(key).u32(day).u8(kExpiryGroup).u64(next(&LedgerRecord::next_use));
    staging.put(Table::seen_expiry, key, to_secret_bytes(group));
  }
  expiring_.clear();
}

bool Core::forget(SeenKind kind, ByteView what) {
  const Bytes key = seen_key(kind, what);
  const auto value = staging.get(Table::seen, key);
  if (!value) return false;
  staging.erase(Table::seen, key);
  staging.erase(Table::seen_expiry, expiry_key(until_of(*value), key));
  return true;
}

bool Core::may_say(SeenKind kind, ByteView what, milliseconds window, std::size_t limit) {
  const Bytes own_key = seen_key(kind, what);
  std::size_t said = 0;
  bool this_one = false;
  staging.for_each(Table::seen, seen_key(kind, {}), {}, [&](ByteView key, ByteView value) {
    const milliseconds left = until_of(value) - now();
    if (left <= milliseconds(0) || left > window) return true;  // over, or of a clock that was wrong
    ++said;
    this_one = this_one || equal(key, own_key);
    return true;
  });
  if (this_one || said >= limit) return false;
  forget(kind, what);
  remember(kind, what, now() + window);
  return true;
}

std::size_t Core::keep_few(SeenKind kind, ByteView prefix, std::size_t limit) {
  std::vector<std::pair<Time, Bytes>> all;
  staging.for_each(Table::seen, seen_key(kind, prefix), {}, [&](ByteView key, ByteView value) {
    all.emplace_back(until_of(value), to_bytes(key.subspan(1)));
    return true;
  });
  if (all.size() < limit) return all.size();
  const std::size_t dropped = all.size() - limit + (limit + 3) / 4;
  std::ranges::nth_element(all, all.begin() + static_cast<std::ptrdiff_t>(dropped - 1));
  for (std::size_t i = 0; i < dropped; ++i) forget(kind, all[i].second);
  return all.size() - dropped;
}

bool Core::forget_seen(std::size_t limit) {
  const std::uint32_t today = number(day_of(now()));
  std::vector<Bytes> over, keys;
  bool more = false;
  staging.for_each(Table::seen_expiry, {}, {}, [&](ByteView key, ByteView value) {
    Reader in(key);
    if (in.u32() > today) return false;
    more = keys.size() >= limit;
    if (more) return false;
    over.push_back(to_bytes(key));
    if (key[4] != std::byte{kExpiryGroup}) {  // one alone, as all were before there were groups: the key says it
      keys.push_back(to_bytes(in.rest()));
    } else {
      for (Reader group(value); group.left() > 0;) keys.push_back(to_bytes(group.bytes(group.u8())));
    }
    return true;
  });
  for (const Bytes& key : keys) {
    // It may have been remembered anew, for longer.
    const auto value = staging.get(Table::seen, key);
    if (value && expiry_day(until_of(*value)) <= today) staging.erase(Table::seen, key);
  }
  for (const Bytes& key : over) staging.erase(Table::seen_expiry, key);
  return more;
}

void Core::drop_outputs() {
  frames.clear();
  requests.clear();
  events.clear();
}

std::uint64_t check_of(const session::ListHash& hash) {
  return Reader(hash.view()).u64();
}

milliseconds back_off(std::uint32_t failures, milliseconds first, RandomSource& random) {
  const milliseconds longest = kLastBackOff;
  milliseconds wait = first;
  for (std::uint32_t i = 1; i < failures && wait < longest; ++i) wait *= 2;
  wait = std::min(wait, longest);
  return wait + milliseconds(random.below(static_cast<std::uint64_t>(wait.count()) / 4 + 1));
}

}  // namespace opaline::endpoint::internal
