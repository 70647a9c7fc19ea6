#include "records/internal/lookup_rows.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "crypto/hkdf.hpp"

namespace opaline::records::internal {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kIndexBytes = 16;
constexpr std::size_t kRowKeyBytes = 4 + 1 + kIndexBytes + 8;
constexpr std::size_t kEntryStep = 32;  // two phone numbers fill two: sizes tell little
constexpr std::uint8_t kCountsSide = 'd';
constexpr std::size_t kPlaceBytes = 4 + 8 + crypto::kAeadTagBytes;

using Nonce = ByteArray<crypto::kAeadNonceBytes>;

Nonce nonce_of(std::uint8_t side, std::uint64_t sequence) {
  Bytes out;
  Writer(out).u8(side).u24(0).u64(sequence);
  return to_array<crypto::kAeadNonceBytes>(out);
}

std::uint64_t time_bits(Time time) {
  return static_cast<std::uint64_t>(unix_millis(time));
}
Time time_of(std::uint64_t bits) {
  return from_unix_millis(static_cast<std::int64_t>(bits));
}

template <class Tag>
Secret<Tag, 32> derive(const store::DayKey& day, std::string_view info) {
  Secret<Tag, 32> out;
  crypto::hkdf({}, {day.reveal()}, {as_view(info)}, out.fill());
  return out;
}

}  // namespace

Bytes day_prefix(Day day) {
  Bytes out;
  Writer(out).u32(number(day));
  return out;
}

std::optional<Day> day_of_row(ByteView day_key) {
  Reader in(day_key);
  const auto day = static_cast<Day>(in.u32());
  if (!in.finished()) return std::nullopt;
  return day;
}

// ---------------------------------------------------------------- entries

Bytes encode(const identity::LookupLogEntry& entry) {
  OPALINE_ASSERT(entry.source_handle.size() <= identity::kMaxHandleBytes &&
                 entry.looked_up_handle.size() <= identity::kMaxHandleBytes);
  Bytes out;
  out.reserve(2 * kEntryStep);
  Writer(out).u64(time_bits(entry.time)).bytes(entry.source.ip).u32(entry.capable_devices);
  for (const std::string& handle : {entry.source_handle, entry.looked_up_handle})
    Writer(out).u8(static_cast<std::uint8_t>(handle.size())).bytes(as_view(handle));
  out.resize((out.size() + kEntryStep - 1) / kEntryStep * kEntryStep);
  return out;
}

std::optional<identity::LookupLogEntry> decode_entry(ByteView bytes) {
  Reader in(bytes);
  identity::LookupLogEntry out;
  out.time = time_of(in.u64());
  out.source.ip = in.array<16>();
  out.capable_devices = in.u32();
  out.source_handle = to_string(in.bytes(in.u8()));
  out.looked_up_handle = to_string(in.bytes(in.u8()));
  const ByteView padding = in.rest();
  if (in.failed() || bytes.size() % kEntryStep != 0 || padding.size() >= kEntryStep) return std::nullopt;
  if (std::ranges::any_of(padding, [](std::byte b) { return b != std::byte{0}; })) return std::nullopt;
  if (out.source_handle.size() > identity::kMaxHandleBytes || out.looked_up_handle.size() > identity::kMaxHandleBytes)
    return std::nullopt;
  return out;
}

// ---------------------------------------------------------------- keys

DayKeys::DayKeys(Day day, const store::DayKey& key)
    : day_(day),
      index_(derive<struct LookupIndexKeyTag>(key, "opaline lookup log index 1").reveal()),
      row_(derive<struct LookupRowKeyTag>(key, "opaline lookup log rows 1")),
      place_(derive<struct LookupPlaceKeyTag>(key, "opaline lookup log places 1")) {}

Bytes DayKeys::prefix(Side side, std::string_view handle) const {
  const auto mac = index_.mac({as_view(handle)});
  Bytes out;
  out.reserve(kRowKeyBytes);
  Writer(out).u32(number(day_)).u8(static_cast<std::uint8_t>(side)).bytes(ByteView(mac).first(kIndexBytes));
  return out;
}

Bytes DayKeys::row_key(Side side, std::string_view handle, std::uint64_t sequence) const {
  Bytes out = prefix(side, handle);
  Writer(out).u64(sequence);
  return out;
}

std::uint64_t sequence_of(ByteView row_key) {
  return Reader(row_key.last(8)).u64();
}

// ---------------------------------------------------------------- places

std::optional<Day> day_of_place(ByteView place) {
  if (place.size() != kPlaceBytes) return std::nullopt;
  return static_cast<Day>(Reader(place).u32());
}

Bytes DayKeys::seal_place(std::uint64_t sequence) const {
  Bytes out = day_prefix(day_);
  const Bytes aad = out;
  Bytes plain;
  Writer(plain).u64(sequence);
  crypto::aes256gcmsiv_seal(place_.reveal(), Nonce{}, aad, plain, out);
  return out;
}

std::optional<std::uint64_t> DayKeys::open_place(ByteView place) const {
  if (day_of_place(place) != day_) return std::nullopt;
  const auto opened = crypto::aes256gcmsiv_open(place_.reveal(), Nonce{}, place.first(4), place.subspan(4));
  if (!opened) return std::nullopt;
  return Reader(*opened).u64();
}

// ---------------------------------------------------------------- sealing

Bytes DayKeys::seal(ByteView row_key, const identity::LookupLogEntry& entry) const {
  OPALINE_ASSERT(row_key.size() == kRowKeyBytes);
  const auto side = std::to_integer<std::uint8_t>(row_key[4]);
  const auto nonce = nonce_of(side, sequence_of(row_key));
  Bytes aad;
  Writer(aad).u8(kVersion).bytes(row_key);
  Bytes out;
  Writer(out).u8(kVersion);
  crypto::aes256gcmsiv_seal(row_.reveal(), nonce, aad, encode(entry), out);
  return out;
}

std::optional<identity::LookupLogEntry> DayKeys::open(ByteView row_key, ByteView value) const {
  if (row_key.size() != kRowKeyBytes || value.empty() || value.front() != std::byte{kVersion}) return std::nullopt;
  const auto side = std::to_integer<std::uint8_t>(row_key[4]);
  const auto nonce = nonce_of(side, sequence_of(row_key));
  Bytes aad;
  Writer(aad).u8(kVersion).bytes(row_key);
  const auto opened = crypto::aes256gcmsiv_open(row_.reveal(), nonce, aad, value.subspan(1));
  if (!opened) return std::nullopt;
  return decode_entry(*opened);
}

Bytes DayKeys::seal(const DayCounts& counts) const {
  Bytes aad;
  Writer(aad).u8(kVersion).u32(number(day_)).u64(counts.next);
  Bytes plain;
  Writer(plain).u64(counts.entries).u64(counts.bytes).u64(time_bits(counts.first));
  Bytes out;
  Writer(out).u8(kVersion).u64(counts.next);
  crypto::aes256gcmsiv_seal(row_.reveal(), nonce_of(kCountsSide, counts.next), aad, plain, out);
  return out;
}

std::optional<DayCounts> DayKeys::open_counts(ByteView value) const {
  Reader in(value);
  const std::uint8_t version = in.u8();
  DayCounts out;
  out.next = in.u64();
  const ByteView sealed = in.rest();
  if (in.failed() || version != kVersion) return std::nullopt;
  Bytes aad;
  Writer(aad).u8(kVersion).u32(number(day_)).u64(out.next);
  const auto opened = crypto::aes256gcmsiv_open(row_.reveal(), nonce_of(kCountsSide, out.next), aad, sealed);
  if (!opened) return std::nullopt;
  Reader counts(*opened);
  out.entries = counts.u64();
  out.bytes = counts.u64();
  out.first = time_of(counts.u64());
  if (!counts.finished()) return std::nullopt;
  return out;
}

}  // namespace opaline::records::internal
