#include "identity/internal/quotas.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "base/result.hpp"

namespace opaline::identity::internal {

Instant Buckets::after(const BucketKey& key, std::uint32_t cost, Instant now) const {
  const auto found = full_at_.find(key);
  const Instant full_at = found == full_at_.end() ? now : std::max(found->second, now);
  return full_at + std::chrono::nanoseconds(quota_.refill) * cost / quota_.capacity;
}

std::optional<seconds> Buckets::peek(const BucketKey& key, std::uint32_t cost, Instant now) const {
  if (cost == 0) return std::nullopt;
  if (cost > quota_.capacity) return std::max(quota_.refill, seconds(1));
  const auto over = after(key, cost, now) - (now + quota_.refill);
  if (over <= std::chrono::nanoseconds(0)) return std::nullopt;
  return std::clamp(std::chrono::ceil<seconds>(over), seconds(1), std::max(quota_.refill, seconds(1)));
}

std::optional<seconds> Buckets::take(const BucketKey& key, std::uint32_t cost, Instant now) {
  if (const auto wait = peek(key, cost, now)) return wait;
  if (cost == 0) return std::nullopt;  // also where there is no capacity
  const Instant full_at = after(key, cost, now);
  const auto found = full_at_.find(key);
  if (found != full_at_.end()) {
    found->second = full_at;
  } else {
    make_room(now);
    full_at_.emplace(key, full_at);
  }
  return std::nullopt;
}

void Buckets::tidy(Instant now) {
  std::erase_if(full_at_, [now](const auto& entry) { return entry.second <= now; });
  added_since_tidy_ = 0;
}

/// When there is no room, what is full goes; if nothing is, any one goes. Who floods the map with keys makes up most of
/// it, and so mostly forgets its own. Tidying costs the whole map, so it is not done for each key.
void Buckets::make_room(Instant now) {
  ++added_since_tidy_;
  if (full_at_.size() < max_entries_) return;
  if (added_since_tidy_ > max_entries_ / 16) tidy(now);
  if (full_at_.size() >= max_entries_) full_at_.erase(full_at_.begin());
}

bool DailyKey::turn(Day today) {
  if (day_ == today) return false;
  day_ = today;
  random_.fill(key_.fill());
  return true;
}

BucketKey DailyKey::key(std::string_view kind, ByteView one, ByteView two) const {
  OPALINE_ASSERT(day_.has_value());
  Bytes lengths;
  Writer(lengths).u8(static_cast<std::uint8_t>(kind.size())).u16(static_cast<std::uint16_t>(one.size()));
  const auto mac = crypto::hmac_sha256(key_.reveal(), {lengths, as_view(kind), one, two});
  return BucketKey(FixedView<16>(ByteView(mac).first<16>()));
}

}  // namespace opaline::identity::internal
