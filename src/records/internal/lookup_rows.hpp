#pragma once
// The lookup log's rows and their bytes (docs/storage.md, "The lookup log"). Integers are big-endian.
//
//   table lookups      two rows an entry: one by the handle that asked, one of the handle that was asked for
//     key              u32 day || u8 side ('s', 'o') || index (16) || u64 sequence
//     index            HMAC-SHA-256(index key of the day, the side's handle), its first 16 bytes
//     value            u8 version (1) || AES-256-GCM-SIV(row key of the day, nonce, entry, aad)
//     nonce            u8 side || 0 0 0 || u64 sequence
//     aad              u8 version || the whole key
//     entry            u64 time || address (16) || u32 capable devices || u8 size || handle that asked || u8 size
//                      || handle that was asked for || zeros up to a multiple of 32
//   table lookup_days  one row a day, replaced with every batch
//     key              u32 day
//     value            u8 version (1) || u64 next sequence || AES-256-GCM-SIV(row key of the day, nonce, counts, aad)
//     nonce            u8 'd' || 0 0 0 || u64 next sequence
//     aad              u8 version || the key || u64 next sequence
//     counts           u64 entries || u64 bytes || u64 time of the first
//
// A sequence is used once: so is a nonce, but for sequences that a crash took back, which GCM-SIV forgives.
#include "crypto/hash.hpp"
#include "identity/ports.hpp"
#include "store/key_vault.hpp"

namespace opaline::records::internal {

inline constexpr std::string_view kLookups = "lookups";
inline constexpr std::string_view kLookupDays = "lookup_days";

enum class Side : std::uint8_t { source = 's', looked_up = 'o' };

struct DayCounts {
  std::uint64_t next = 0;  ///< sequence
  std::uint64_t entries = 0, bytes = 0;
  Time first;
  friend bool operator==(const DayCounts&, const DayCounts&) = default;
};

[[nodiscard]] Bytes day_prefix(Day day);
/// nullopt: no such key.
[[nodiscard]] std::optional<Day> day_of_row(ByteView day_key);

/// What the key of a day is for. Const use is thread-safe.
class DayKeys {
 public:
  DayKeys(Day day, const store::DayKey& key);

  [[nodiscard]] Day day() const { return day_; }
  /// What the keys of a handle's rows begin with.
  [[nodiscard]] Bytes prefix(Side side, std::string_view handle) const;
  [[nodiscard]] Bytes row_key(Side side, std::string_view handle, std::uint64_t sequence) const;
  [[nodiscard]] Bytes seal(ByteView row_key, const identity::LookupLogEntry& entry) const;
  /// nullopt: not authentic under this key, or not an entry.
  [[nodiscard]] std::optional<identity::LookupLogEntry> open(ByteView row_key, ByteView value) const;
  [[nodiscard]] Bytes seal(const DayCounts& counts) const;
  [[nodiscard]] std::optional<DayCounts> open_counts(ByteView value) const;
  /// A place in the day's order, to be given to people, who may not learn from it how many entries a day has: u32 day
  /// || AES-256-GCM-SIV(cursor key of the day, nonce 0, u64 sequence, u32 day).
  [[nodiscard]] Bytes seal_place(std::uint64_t sequence) const;
  [[nodiscard]] std::optional<std::uint64_t> open_place(ByteView place) const;

 private:
  Day day_;
  crypto::HmacSha256Key index_;
  Secret<struct LookupRowKeyTag, 32> row_;
  Secret<struct LookupPlaceKeyTag, 32> place_;
};

/// The sequence in a row's key.
[[nodiscard]] std::uint64_t sequence_of(ByteView row_key);
/// nullopt: it does not begin like a place that seal_place gives.
[[nodiscard]] std::optional<Day> day_of_place(ByteView place);

[[nodiscard]] Bytes encode(const identity::LookupLogEntry& entry);
/// nullopt: not what encode gives.
[[nodiscard]] std::optional<identity::LookupLogEntry> decode_entry(ByteView bytes);

}  // namespace opaline::records::internal
