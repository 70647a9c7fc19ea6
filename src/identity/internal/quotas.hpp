#pragma once
// Token buckets in RAM, whose keys are keyed hashes: under a key that changes each UTC day, so that nothing in memory
// names an address or a pair of accounts for longer. (At midnight all of them are full again.)
#include <optional>
#include <unordered_map>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "crypto/hash.hpp"
#include "identity/config.hpp"

namespace opaline::identity::internal {

using BucketKey = ByteId<struct BucketKeyTag, 16>;

/// Buckets of one kind. A bucket is the instant at which it will be full again (the generic cell rate algorithm, ITU-T
/// I.371), so one that is full needs no entry.
class Buckets {
 public:
  Buckets(const Quota& quota, std::size_t max_entries) : quota_(quota), max_entries_(max_entries) {}

  /// nullopt: taken. Else nothing was taken, and this is how long until `cost` are there (at most the quota's refill
  /// time; a cost above the capacity is never met).
  [[nodiscard]] std::optional<seconds> take(const BucketKey& key, std::uint32_t cost, Instant now);
  /// Whether `take` would succeed.
  [[nodiscard]] std::optional<seconds> peek(const BucketKey& key, std::uint32_t cost, Instant now) const;
  /// Drops what is full again.
  void tidy(Instant now);
  void clear() { full_at_.clear(); }
  [[nodiscard]] std::size_t size() const { return full_at_.size(); }

 private:
  [[nodiscard]] Instant after(const BucketKey& key, std::uint32_t cost, Instant now) const;
  void make_room(Instant now);

  Quota quota_;
  std::size_t max_entries_;
  std::size_t added_since_tidy_ = 0;
  std::unordered_map<BucketKey, Instant> full_at_;
};

/// The key of the day, from which bucket keys are made.
class DailyKey {
 public:
  explicit DailyKey(RandomSource& random) : random_(random) {}
  /// True if the day has changed since the last call (either way): all bucket keys are new then.
  bool turn(Day today);
  [[nodiscard]] BucketKey key(std::string_view kind, ByteView one, ByteView two = {}) const;

 private:
  RandomSource& random_;
  std::optional<Day> day_;
  Secret<struct DailyKeyTag, 32> key_;
};

}  // namespace opaline::identity::internal
