#include "identity/internal/records.hpp"

#include "base/codec.hpp"
#include "identity/limits.hpp"

namespace opaline::identity::internal {
namespace {

constexpr std::uint8_t kRecordVersion = 1;
/// Of accounts and devices, since there are personas.
constexpr std::uint8_t kPersonasVersion = 2;
// Bits of AccountRecord's flags.
constexpr std::uint8_t kPeople = 1, kBusinesses = 2, kCalls = 4, kHasPin = 8;
// Bits of DeviceRecord's flags.
constexpr std::uint8_t kWeb = 1, kSeen = 2, kJoined = 4;

std::uint8_t flag(bool on, std::uint8_t bit) {
  return on ? bit : std::uint8_t{0};
}

/// What the kind of account has and has not.
bool has_its_fields(const AccountRecord& record) {
  const bool forgotten = record.closed && record.owner.is_zero();
  switch (record.kind) {
    case AccountKind::person:
      return !record.handles.empty() && record.handles.size() <= kMaxHandles && !record.device_list.empty();
    case AccountKind::business:
      return record.handles.empty() && !record.device_list.empty();
    case AccountKind::persona:
      return record.handles.empty() && record.device_list.empty() == forgotten &&
             (forgotten || !record.owner.is_zero());
  }
  return false;
}

}  // namespace

Bytes encode(const AccountRecord& record) {
  Bytes out;
  Writer to(out);
  OPALINE_ASSERT(has_its_fields(record));
  to.u8(kPersonasVersion).u8(static_cast<std::uint8_t>(record.kind));
  if (record.kind == AccountKind::persona)
    to.bytes(record.owner.view()).bytes(record.business.view()).u8(record.closed ? 1 : 0);
  to.u8(static_cast<std::uint8_t>(record.handles.size()));
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
  const std::uint8_t version = in.u8();
  if (version != kRecordVersion && version != kPersonasVersion) return std::nullopt;
  if (version == kPersonasVersion) out.kind = AccountKind(in.u8());
  if (out.kind == AccountKind::persona) {
    out.owner = AccountId(in.array<AccountId::kSize>());
    out.business = AccountId(in.array<AccountId::kSize>());
    const std::uint8_t closed = in.u8();
    if (closed > 1) return std::nullopt;
    out.closed = closed == 1;
  }
  const std::size_t handles = in.u8();
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
  if (!in.finished() || flags > (kPeople | kBusinesses | kCalls | kHasPin) || !has_its_fields(out)) return std::nullopt;
  return out;
}

Bytes encode(const DeviceRecord& record) {
  Bytes out;
  Writer to(out);
  to.u8(kPersonasVersion).bytes(record.mailbox.view());
  to.u8(static_cast<std::uint8_t>(flag(record.web, kWeb) | flag(record.seen.has_value(), kSeen) |
                                  flag(record.owner_device.has_value(), kJoined)));
  to.bytes(record.signing_key.view());
  if (record.seen) to.u32(number(*record.seen));
  if (record.owner_device) to.u32(static_cast<std::uint32_t>(*record.owner_device));
  return out;
}

template <>
std::optional<DeviceRecord> decode(ByteView bytes) {
  Reader in(bytes);
  DeviceRecord out;
  const std::uint8_t version = in.u8();
  if (version != kRecordVersion && version != kPersonasVersion) return std::nullopt;
  out.mailbox = MailboxId(in.array<MailboxId::kSize>());
  const std::uint8_t flags = in.u8();
  out.web = (flags & kWeb) != 0;
  out.signing_key = crypto::HybridPublicKey(in.array<crypto::HybridPublicKey::kSize>());
  if ((flags & kSeen) != 0) out.seen = Day(in.u32());
  if ((flags & kJoined) != 0) out.owner_device = DeviceNumber{in.u32()};
  const int known = version == kRecordVersion ? kWeb | kSeen : kWeb | kSeen | kJoined;
  if (!in.finished() || flags > known) return std::nullopt;
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

Bytes encode(const HandleRecord& record) {
  Bytes out;
  Writer(out).bytes(record.account.view()).u64(static_cast<std::uint64_t>(unix_millis(record.since)));
  return out;
}

template <>
std::optional<HandleRecord> decode(ByteView bytes) {
  constexpr std::size_t kEarlierBytes = 16;
  Reader in(bytes);
  HandleRecord out;
  out.account = AccountId(in.array<kEarlierBytes>());
  if (bytes.size() != kEarlierBytes) out.since = from_unix_millis(static_cast<std::int64_t>(in.u64()));
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

Bytes encode(const RelationshipRecord& record) {
  Bytes out;
  Writer(out)
      .u8(kRecordVersion)
      .bytes(record.business.view())
      .bytes(record.persona.view())
      .u32(static_cast<std::uint32_t>(record.generation))
      .u8(record.key_version);
  return out;
}

template <>
std::optional<RelationshipRecord> decode(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kRecordVersion) return std::nullopt;
  RelationshipRecord out;
  out.business = AccountId(in.array<AccountId::kSize>());
  out.persona = AccountId(in.array<AccountId::kSize>());
  out.generation = Generation{in.u32()};
  out.key_version = in.u8();
  if (!in.finished() || out.key_version == 0) return std::nullopt;
  return out;
}

Bytes encode(const BusinessRecord& record) {
  const BusinessDetails& details = record.details;
  Bytes out;
  out.reserve(128 + details.logo.size() + details.away_text.size() + record.settings.size() +
              4 * kMaxBusinessNameCharacters + kMaxWebsiteBytes);  // so that no copy is left behind
  Writer(out)
      .u8(kRecordVersion)
      .bytes16(as_view(details.name))
      .bytes32(details.logo)
      .bytes16(as_view(details.logo_type))
      .u8(details.own_gateway ? 1 : 0)
      .bytes16(as_view(details.website))
      .bytes16(as_view(details.away_text))
      .bytes32(record.settings);
  return out;
}

template <>
std::optional<BusinessRecord> decode(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kRecordVersion) return std::nullopt;
  BusinessRecord out;
  out.details.name = to_string(in.bytes16());
  out.details.logo = to_bytes(in.bytes32());
  out.details.logo_type = to_string(in.bytes16());
  const std::uint8_t own = in.u8();
  out.details.own_gateway = own == 1;
  out.details.website = to_string(in.bytes16());
  out.details.away_text = to_string(in.bytes16());
  out.settings = to_secret_bytes(in.bytes32());
  if (!in.finished() || own > 1) return std::nullopt;
  return out;
}

}  // namespace opaline::identity::internal
