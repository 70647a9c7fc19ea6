#include "endpoint/internal/prekeys.hpp"

#include <algorithm>

#include "base/codec.hpp"

namespace opaline::endpoint::internal {
namespace {

/// A set that is not the one that the directory says it offers is replaced, but not more often than this: state that
/// was set back is seldom younger, and a directory that lies does not fill the store.
constexpr std::chrono::hours kReplaceEvery{1};
/// A directory that offers none at all (it was restored from a copy, which has no prekeys) gets one at once, while so
/// many were not made within a day.
constexpr std::size_t kMaxSetsADay = 4;
/// Handshakes with prekeys that we do not have make us ask which set is offered, but not more often than this.
constexpr std::chrono::minutes kSuspicionEvery{10};
constexpr std::size_t kCachedSets = 4;

/// Numbers rise with time, so that a device whose state was set back does not use one again.
session::PrekeySetId set_by_time(Time now) {
  const auto minutes = std::chrono::floor<std::chrono::minutes>(now).time_since_epoch().count();
  return session::PrekeySetId{static_cast<std::uint32_t>(std::max<std::int64_t>(minutes, 1))};
}

}  // namespace

PrekeyRecord make_prekeys(Staging& staging, const session::DeviceIdentity& identity,
                          const session::DeviceAddress& owner, session::PrekeySetId previous, Time now,
                          RandomSource& random) {
  const session::PrekeySetId id{
      std::max(static_cast<std::uint32_t>(set_by_time(now)), static_cast<std::uint32_t>(previous) + 1)};
  const session::NewPrekeys made =
      session::generate_prekeys(identity, owner, id, session::kDefaultOneTimePrekeys, now, random);
  staging.put(Table::prekey_set, set_key(id), made.secrets.serialise());
  for (std::size_t i = 0; i < made.one_time_secrets.size(); ++i) {
    const session::OneTimeIndex index{static_cast<std::uint16_t>(i)};
    staging.put(Table::one_time, one_time_key(id, index), to_secret_bytes(made.one_time_secrets[i].reveal()));
  }
  return {.id = id,
          .created = now,
          .offered_until = now + credentials::kPrekeyOffered,
          .uploaded = false,
          .signed_set = made.signed_set,
          .one_time_batch = made.one_time_batch};
}

void Prekeys::load() {
  const auto row = core_.staging.get(Table::device, as_view(kPrekeysKey));
  if (!row || !decode(*row, current_)) core_.found_corrupt();
}

const session::PrekeySecrets* Prekeys::find_set(session::PrekeySetId id) {
  // What wipe() will take at its next turn is gone already.
  const auto usable = [this](const session::PrekeySecrets& set) {
    return core_.now() < set.wipe_after() ? &set : nullptr;
  };
  if (const auto it = cache_.find(id); it != cache_.end()) return usable(it->second);
  const auto row = core_.staging.get(Table::prekey_set, set_key(id));
  if (!row) return nullptr;
  auto secrets = session::PrekeySecrets::deserialise(*row);
  if (!secrets) {
    core_.found_corrupt();
    return nullptr;
  }
  if (cache_.size() >= kCachedSets) cache_.erase(cache_.begin());
  return usable(cache_.emplace(id, std::move(*secrets)).first->second);
}

std::optional<crypto::X25519PrivateKey> Prekeys::find_one_time(session::PrekeySetId id, session::OneTimeIndex index) {
  const auto row = core_.staging.get(Table::one_time, one_time_key(id, index));
  if (!row) return std::nullopt;
  if (row->size() != crypto::X25519PrivateKey::kSize) {
    core_.found_corrupt();
    return std::nullopt;
  }
  return crypto::X25519PrivateKey(ByteView(*row).first<crypto::X25519PrivateKey::kSize>());
}

void Prekeys::use_up(session::PrekeySetId id, session::OneTimeIndex index) {
  core_.staging.erase(Table::one_time, one_time_key(id, index));
}

std::size_t Prekeys::made_today() {
  std::size_t count = 0;
  core_.staging.for_each(Table::prekey_set, {}, set_key(set_by_time(core_.now() - std::chrono::days(1))),
                         [&](ByteView, ByteView) { return ++count < kMaxSetsADay; });
  return count;
}

void Prekeys::renew() {
  current_ = make_prekeys(core_.staging, core_.identity, core_.address, current_.id, core_.now(), core_.random);
  core_.staging.put(Table::device, as_view(kPrekeysKey), encode(current_));
  ++core_.counters.prekey_sets;
}

void Prekeys::upkeep() {
  if (!link_.is_connected() || core_.instant() < not_before_) return;
  // A clock that was ahead when the set was made leaves one that nobody accepts.
  const bool from_the_future = current_.created > core_.now() + session::kClockSkew;
  if (core_.now() - current_.created >= kPrekeyRenewal || from_the_future) renew();
  if (!current_.uploaded && !requests_.full() && !requests_.has(Requests::Open::Kind::upload)) {
    requests_.send({.kind = Requests::Open::Kind::upload, .account = {}, .bundles = {}, .set = current_.id},
                   UploadPrekeys{current_.signed_set, current_.one_time_batch});
    ask_status_ = false;  // the answer says as much
  } else if (ask_status_ && !requests_.full()) {
    requests_.send({.kind = Requests::Open::Kind::status, .account = {}, .bundles = {}}, FetchPrekeyStatus{});
    ask_status_ = false;
  }
}

void Prekeys::uploaded(session::PrekeySetId id) {
  failures_ = 0;
  if (id != current_.id) return;
  current_.uploaded = true;
  current_.signed_set.clear();
  current_.one_time_batch.clear();
  core_.staging.put(Table::device, as_view(kPrekeysKey), encode(current_));
}

void Prekeys::left(std::uint32_t one_time, std::optional<Time> signed_until) {
  failures_ = 0;
  if (!current_.uploaded) return;
  if (signed_until && *signed_until != current_.offered_until) {
    const bool none = *signed_until == Time{};
    if (core_.now() - current_.created >= kReplaceEvery || (none && made_today() < kMaxSetsADay)) renew();
    return;
  }
  if (one_time < kOneTimeLow && core_.now() - current_.created >= kPrekeyRefill) renew();
}

void Prekeys::suspect() {
  if (suspected_at_ && core_.instant() - *suspected_at_ < kSuspicionEvery) return;
  suspected_at_ = core_.instant();
  ask_status_ = true;
  if (find_set(current_.id) == nullptr) renew();  // our own set is lost
}

void Prekeys::request_failed(seconds retry_after) {
  const milliseconds said = std::min<milliseconds>(retry_after, kLastBackOff);
  not_before_ = core_.instant() + std::max(said, back_off(++failures_, kFirstBackOff, core_.random));
}

void Prekeys::wipe() {
  std::vector<session::PrekeySetId> over;
  core_.staging.for_each(Table::prekey_set, {}, {}, [&](ByteView, ByteView value) {
    const auto secrets = session::PrekeySecrets::deserialise(value);
    if (!secrets) {
      core_.found_corrupt();
      return false;
    }
    if (secrets->wipe_after() <= core_.now()) over.push_back(secrets->id());
    return true;
  });
  for (const session::PrekeySetId id : over) {
    cache_.erase(id);
    core_.staging.erase(Table::prekey_set, set_key(id));
    std::vector<Bytes> keys;
    core_.staging.for_each(Table::one_time, set_key(id), {}, [&](ByteView key, ByteView) {
      keys.push_back(to_bytes(key));
      return true;
    });
    for (const Bytes& key : keys) core_.staging.erase(Table::one_time, key);
  }
}

std::optional<Time> Prekeys::next_deadline() const {
  const auto waits = std::chrono::ceil<milliseconds>(not_before_ - core_.instant());
  return std::max(current_.uploaded ? current_.created + kPrekeyRenewal : core_.now(), core_.now() + waits);
}

}  // namespace opaline::endpoint::internal
