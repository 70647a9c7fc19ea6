#include "identity/internal/records.hpp"

#include "base/codec.hpp"
#include "identity/limits.hpp"

namespace opaline::identity::internal {
namespace {

constexpr std::uint8_t kRecordVersion = 1;
// Bits of AccountRecord's flags.
constexpr std::uint8_t kPeople = 1, kBusinesses = 2, kCalls = 4, kHasPin = 8;
// Bits of DeviceRecord's flags.
constexpr std::uint8_t kWeb = 1, kSeen = 2;

std::uint8_t flag(bool on, std::uint8_t bit) {
  return on ? bit : std::uint8_t{0};
}

}  // namespace

Bytes encode(const AccountRecord& record) {
  Bytes out;
  Writer to(out);
  OPALINE_ASSERT(!record.handles.empty() && record.handles.size() <= kMaxHandles);
  to.u8(kRecordVersion).u8(static_cast<std::uint8_t>(record.handles.size()));
  for (const std::string& handle : record.handles) to.bytes16(as_view(handle));
  to.bytes32(record.device_list);
  to.u8(static_cast<std::uint8_t>(flag(record.switches.people, kPeople) |
                                  flag(record.switches.businesses, kBusinesses) | flag(record.switches.calls, kCalls) |
                                  flag(record.pin.has_value(), kHasPin)));
  to.bytes16(as_view(record.managed_by));
  if (record.pin) {
    to.bytes(record.pin->salt).bytes(record.pin->hash).u8(record.pin->tries_left).u32(number(record.pin->tries_day));
  }
  return out;
}

template <>
std::optional<AccountRecord> decode(ByteView bytes) {
  Reader in(bytes);
  AccountRecord out;
  if (in.u8() != kRecordVersion) return std::nullopt;
  const std::size_t handles = in.u8();
  if (handles == 0 || handles > kMaxHandles) return std::nullopt;
  for (std::size_t i = 0; i < handles; ++i) out.handles.push_back(to_string(in.bytes16()));
  out.device_list = to_bytes(in.bytes32());
  const std::uint8_t flags = in.u8();
  out.switches = {
      .people = (flags & kPeople) != 0, .businesses = (flags & kBusinesses) != 0, .calls = (flags & kCalls) != 0};
  out.managed_by = to_string(in.bytes16());
  if ((flags & kHasPin) != 0) {
    PinRecord& pin = out.pin.emplace();
    pin.salt = in.array<16>();
    pin.hash = in.array<32>();
    pin.tries_left = in.u8();
    pin.tries_day = Day(in.u32());
  }
  if (!in.finished() || flags > (kPeople | kBusinesses | kCalls | kHasPin)) return std::nullopt;
  return out;
}

Bytes encode(const DeviceRecord& record) {
  Bytes out;
  Writer to(out);
  to.u8(kRecordVersion).bytes(record.mailbox.view());
  to.u8(static_cast<std::uint8_t>(flag(record.web, kWeb) | flag(record.seen.has_value(), kSeen)));
  to.bytes(record.signing_key.view());
  if (record.seen) to.u32(number(*record.seen));
  return out;
}

template <>
std::optional<DeviceRecord> decode(ByteView bytes) {
  Reader in(bytes);
  DeviceRecord out;
  if (in.u8() != kRecordVersion) return std::nullopt;
  out.mailbox = MailboxId(in.array<MailboxId::kSize>());
  const std::uint8_t flags = in.u8();
  out.web = (flags & kWeb) != 0;
  out.signing_key = crypto::HybridPublicKey(in.array<crypto::HybridPublicKey::kSize>());
  if ((flags & kSeen) != 0) out.seen = Day(in.u32());
  if (!in.finished() || flags > (kWeb | kSeen)) return std::nullopt;
  return out;
}

Bytes encode(const PrekeyRecord& record) {
  Bytes out;
  Writer(out).u8(kRecordVersion).bytes32(record.signed_set).bytes32(record.one_time_batch);
  return out;
}

template <>
std::optional<PrekeyRecord> decode(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kRecordVersion) return std::nullopt;
  PrekeyRecord out;
  out.signed_set = to_bytes(in.bytes32());
  out.one_time_batch = to_bytes(in.bytes32());
  if (!in.finished()) return std::nullopt;
  return out;
}

Bytes encode(const OneTimeCursor& record) {
  Bytes out;
  Writer(out).u8(kRecordVersion).u32(static_cast<std::uint32_t>(record.set)).u16(record.next);
  return out;
}

template <>
std::optional<OneTimeCursor> decode(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kRecordVersion) return std::nullopt;
  OneTimeCursor out;
  out.set = credentials::PrekeySetId(in.u32());
  out.next = in.u16();
  if (!in.finished()) return std::nullopt;
  return out;
}

Bytes encode(const ListRecord& record) {
  Bytes out;
  Writer(out).u8(kRecordVersion).bytes32(record.device_list);
  return out;
}

template <>
std::optional<ListRecord> decode(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kRecordVersion) return std::nullopt;
  ListRecord out{to_bytes(in.bytes32())};
  if (!in.finished()) return std::nullopt;
  return out;
}

Bytes encode(const LookupLevel& record) {
  Bytes out;
  Writer(out).u8(kRecordVersion).u32(record.level).u32(number(record.day));
  return out;
}

template <>
std::optional<LookupLevel> decode(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kRecordVersion) return std::nullopt;
  LookupLevel out;
  out.level = in.u32();
  out.day = Day(in.u32());
  if (!in.finished()) return std::nullopt;
  return out;
}

Bytes encode(const MomentRecord& record) {
  Bytes out;
  Writer(out).u8(kRecordVersion).u64(static_cast<std::uint64_t>(unix_millis(record.at)));
  return out;
}

template <>
std::optional<MomentRecord> decode(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kRecordVersion) return std::nullopt;
  const MomentRecord out{from_unix_millis(static_cast<std::int64_t>(in.u64()))};
  if (!in.finished()) return std::nullopt;
  return out;
}

}  // namespace opaline::identity::internal
