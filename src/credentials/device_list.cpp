#include "credentials/device_list.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "credentials/labels.hpp"
#include "crypto/hash.hpp"

namespace opaline::credentials {
namespace {

std::uint32_t raw(DeviceNumber number) {
  return static_cast<std::uint32_t>(number);
}
std::uint32_t raw(ListNumber number) {
  return static_cast<std::uint32_t>(number);
}

Time read_time(Reader& in) {
  return from_unix_millis(static_cast<std::int64_t>(in.u64()));
}

Result<DeviceList, Error> decode_body(ByteView body) {
  Reader in(body);
  if (in.u8() != kVersion) return fail(Error::unsupported_version);
  DeviceList list;
  list.account = AccountId(in.array<AccountId::kSize>());
  list.account_key = crypto::HybridPublicKey(in.array<crypto::HybridPublicKey::kSize>());
  list.number = ListNumber(in.u32());
  list.previous = ListHash(in.array<ListHash::kSize>());
  list.created = read_time(in);
  list.next_device = DeviceNumber(in.u32());
  const std::size_t count = in.u8();
  if (in.left() != count * kDeviceEntryBytes) return fail(Error::malformed);
  for (std::size_t i = 0; i < count; ++i) {
    DeviceEntry& entry = list.devices.emplace_back();
    entry.number = DeviceNumber(in.u32());
    entry.mailbox = MailboxId(in.array<MailboxId::kSize>());
    entry.created = read_time(in);
    entry.capabilities = in.u32();
    entry.keys.signing = crypto::HybridPublicKey(in.array<crypto::HybridPublicKey::kSize>());
    entry.keys.agreement = crypto::X25519PublicKey(in.array<crypto::X25519PublicKey::kSize>());
  }
  if (!in.finished() || !keeps_rules(list)) return fail(Error::malformed);
  return list;
}

ListHash hash_of(ByteView body) {
  return ListHash(crypto::sha256({as_view(kDeviceListHashLabel), body}));
}

/// Body and signature of an encoded list.
struct Split {
  ByteView body;
  FixedView<crypto::HybridSignature::kSize> signature;
};
Result<Split, Error> split(ByteView bytes) {
  if (bytes.size() > kMaxDeviceListBytes) return fail(Error::too_large);
  if (bytes.size() < kDeviceListFixedBytes + crypto::HybridSignature::kSize) return fail(Error::malformed);
  return Split{bytes.first(bytes.size() - crypto::HybridSignature::kSize),
               bytes.last<crypto::HybridSignature::kSize>()};
}

/// What a successor may not do to the devices of the list before it.
bool devices_follow(const DeviceList& before, const VerifiedDeviceList& after) {
  for (const DeviceEntry& old : before.devices) {
    const DeviceEntry* now = after.find(old.number);
    if (now == nullptr) continue;  // removed
    if (now->keys != old.keys || now->mailbox != old.mailbox || now->created != old.created) return false;
  }
  for (const DeviceEntry& now : after.list().devices) {
    const bool known =
        std::ranges::any_of(before.devices, [&](const DeviceEntry& e) { return e.number == now.number; });
    if (!known && now.number < before.next_device) return false;  // a number that was used before
  }
  return after.list().next_device >= before.next_device;
}

}  // namespace

const DeviceEntry* VerifiedDeviceList::find(DeviceNumber number) const {
  const auto it = std::ranges::find(list_.devices, number, &DeviceEntry::number);
  return it == list_.devices.end() ? nullptr : &*it;
}

bool keeps_rules(const DeviceList& list) {
  if (raw(list.number) == 0 || (raw(list.number) == 1) != list.previous.is_zero()) return false;
  if (list.devices.empty() || list.devices.size() > kMaxDevices || list.account.is_zero()) return false;
  std::uint32_t before = 0;
  for (const DeviceEntry& entry : list.devices) {
    if (raw(entry.number) <= before || entry.mailbox.is_zero() || unix_millis(entry.created) < 0) return false;
    before = raw(entry.number);
  }
  return raw(list.next_device) > before && unix_millis(list.created) >= 0;
}

Bytes encode_device_list_body(const DeviceList& list) {
  OPALINE_ASSERT(keeps_rules(list));
  Bytes out;
  out.reserve(kDeviceListFixedBytes + list.devices.size() * kDeviceEntryBytes + crypto::HybridSignature::kSize);
  Writer to(out);
  to.u8(kVersion).bytes(list.account.view()).bytes(list.account_key.view()).u32(raw(list.number));
  to.bytes(list.previous.view()).u64(static_cast<std::uint64_t>(unix_millis(list.created))).u32(raw(list.next_device));
  to.u8(static_cast<std::uint8_t>(list.devices.size()));
  for (const DeviceEntry& entry : list.devices) {
    to.u32(raw(entry.number)).bytes(entry.mailbox.view());
    to.u64(static_cast<std::uint64_t>(unix_millis(entry.created))).u32(entry.capabilities);
    to.bytes(entry.keys.signing.view()).bytes(entry.keys.agreement.view());
  }
  return out;
}

Result<VerifiedDeviceList, Error> load_device_list(ByteView bytes) {
  OPALINE_TRY(const Split parts, split(bytes));
  OPALINE_TRY(DeviceList list, decode_body(parts.body));
  return VerifiedDeviceList(std::move(list), hash_of(parts.body), to_bytes(bytes));
}

Result<VerifiedDeviceList, Error> verify_device_list(ByteView bytes) {
  OPALINE_TRY(VerifiedDeviceList list, load_device_list(bytes));
  OPALINE_TRY(const Split parts, split(bytes));
  const auto verifier = crypto::HybridVerifier::from(list.list().account_key);
  if (!verifier) return fail(Error::bad_signature);
  if (!verifier->verify(kDeviceListSignature, parts.body, crypto::HybridSignature(parts.signature))) {
    return fail(Error::bad_signature);
  }
  return list;
}

ListChange compare_lists(const VerifiedDeviceList& pinned, const VerifiedDeviceList& candidate) {
  const DeviceList& before = pinned.list();
  const DeviceList& after = candidate.list();
  if (before.account != after.account) return ListChange::other_account;
  if (before.account_key != after.account_key) return ListChange::new_account_key;
  if (after.number < before.number) return ListChange::older;
  if (after.number == before.number) {
    return candidate.hash() == pinned.hash() ? ListChange::unchanged : ListChange::forked;
  }
  const bool next = raw(after.number) - raw(before.number) == 1;
  if (next && after.previous != pinned.hash()) return ListChange::forked;
  // The rules hold over any number of steps: what breaks them follows in none.
  if (!devices_follow(before, candidate)) return ListChange::rule_broken;
  return next ? ListChange::successor : ListChange::gap;
}

bool is_alarm(ListChange change) {
  switch (change) {
    case ListChange::unchanged:
    case ListChange::successor:
    case ListChange::gap:
    case ListChange::other_account:
      return false;
    case ListChange::older:
    case ListChange::forked:
    case ListChange::new_account_key:
    case ListChange::rule_broken:
      return true;
  }
  return true;
}

bool renews_account_key(const VerifiedDeviceList& pinned, const VerifiedDeviceList& candidate) {
  const DeviceList& before = pinned.list();
  const DeviceList& after = candidate.list();
  return before.account == after.account && before.account_key != after.account_key && after.number > before.number &&
         devices_follow(before, candidate);
}

DeviceList next_device_list(const VerifiedDeviceList& current, Time now) {
  DeviceList list = current.list();
  list.number = ListNumber{raw(list.number) + 1};
  list.previous = current.hash();
  list.created = now;
  return list;
}

}  // namespace opaline::credentials
