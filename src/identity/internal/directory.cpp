#include "identity/internal/directory.hpp"

#include "base/codec.hpp"
#include "identity/tables.hpp"

namespace opaline::identity::internal {
namespace {

using store::clear;
using store::hashed;
using store::SealedKey;

SealedKey device_key(const AccountId& account, DeviceNumber device) {
  Bytes key;
  Writer(key).bytes(account.view()).u32(static_cast<std::uint32_t>(device));
  return clear(key);
}
SealedKey list_key(const AccountId& account, ListNumber list) {
  Bytes key;
  Writer(key).bytes(account.view()).u32(static_cast<std::uint32_t>(list));
  return clear(key);
}
SealedKey handle_key(const Handle& handle) {
  return hashed(as_view(handle.text()));
}

}  // namespace

Changes& Changes::put(const Handle& handle, const HandleRecord& record) {
  batch_.put(tables::kHandles, handle_key(handle), encode(record));
  return *this;
}
Changes& Changes::erase_handle(const Handle& handle) {
  batch_.erase(tables::kHandles, handle_key(handle));
  return *this;
}
Changes& Changes::put(const AccountId& account, const AccountRecord& record) {
  batch_.put(tables::kAccounts, clear(account.view()), encode(record));
  return *this;
}
Changes& Changes::put(const AccountId& account, DeviceNumber device, const DeviceRecord& record) {
  batch_.put(tables::kDevices, device_key(account, device), encode(record));
  return *this;
}
Changes& Changes::put(const AccountId& account, DeviceNumber device, const PrekeyRecord& record) {
  batch_.put(tables::kPrekeys, device_key(account, device), encode(record));
  return *this;
}
Changes& Changes::put(const AccountId& account, DeviceNumber device, const OneTimeCursor& record) {
  batch_.put(tables::kOneTime, device_key(account, device), encode(record));
  return *this;
}
Changes& Changes::put(const AccountId& account, ListNumber list, const ListRecord& record) {
  batch_.put(tables::kLists, list_key(account, list), encode(record));
  return *this;
}
Changes& Changes::put(const AccountId& account, const LookupLevel& level) {
  batch_.put(tables::kBuckets, clear(account.view()), encode(level));
  return *this;
}
Changes& Changes::put(const RelationshipKey& key, const RelationshipRecord& record) {
  batch_.put(tables::kRelationships, clear(key.view()), encode(record));
  return *this;
}
Changes& Changes::put(const AccountId& business, const BusinessRecord& record) {
  Bytes plain = encode(record);
  batch_.put(tables::kBusinesses, clear(business.view()), plain);
  wipe(plain.data(), plain.size());
  return *this;
}
Changes& Changes::erase_relationship(const RelationshipKey& key) {
  batch_.erase(tables::kRelationships, clear(key.view()));
  return *this;
}
Changes& Changes::erase_business(const AccountId& business) {
  batch_.erase(tables::kBusinesses, clear(business.view()));
  return *this;
}
Changes& Changes::put_removed(const MailboxId& mailbox, Time at) {
  batch_.put(tables::kRemoved, clear(mailbox.view()), encode(MomentRecord{at}));
  return *this;
}
Changes& Changes::put_revoked(Revocation kind, FixedView<16> id, Time at) {
  Bytes key;
  Writer(key).u8(static_cast<std::uint8_t>(kind)).bytes(id);
  batch_.put(tables::kRevoked, clear(key), encode(MomentRecord{at}));
  return *this;
}
Changes& Changes::erase_list(const AccountId& account, ListNumber list) {
  batch_.erase(tables::kLists, list_key(account, list));
  return *this;
}
Changes& Changes::erase_account(const AccountId& account) {
  batch_.erase(tables::kAccounts, clear(account.view()));
  batch_.erase(tables::kBuckets, clear(account.view()));
  return *this;
}
Changes& Changes::erase_device(const AccountId& account, DeviceNumber device) {
  for (const std::string_view table : {tables::kDevices, tables::kPrekeys, tables::kOneTime}) {
    batch_.erase(table, device_key(account, device));
  }
  return *this;
}
Changes& Changes::erase(std::string_view table, ByteView clear_key) {
  batch_.erase(table, clear(clear_key));
  return *this;
}

template <class Record>
Found<Record> Directory::get(std::string_view table, const SealedKey& key) {
  OPALINE_TRY(const auto row, rows_.get(table, key));
  if (!row) return std::optional<Record>();
  std::optional<Record> record = decode<Record>(*row);
  if (!record) return fail(RowError::failed);
  return record;
}

Found<AccountId> Directory::account_of(const Handle& handle) {
  OPALINE_TRY(const auto row, this->handle(handle));
  if (!row) return std::optional<AccountId>();
  return std::optional(row->account);
}
Found<HandleRecord> Directory::handle(const Handle& handle) {
  return get<HandleRecord>(tables::kHandles, handle_key(handle));
}
Found<AccountRecord> Directory::account(const AccountId& account) {
  return get<AccountRecord>(tables::kAccounts, clear(account.view()));
}
Found<DeviceRecord> Directory::device(const AccountId& account, DeviceNumber device) {
  return get<DeviceRecord>(tables::kDevices, device_key(account, device));
}
Found<PrekeyRecord> Directory::prekeys(const AccountId& account, DeviceNumber device) {
  return get<PrekeyRecord>(tables::kPrekeys, device_key(account, device));
}
Found<OneTimeCursor> Directory::one_time(const AccountId& account, DeviceNumber device) {
  return get<OneTimeCursor>(tables::kOneTime, device_key(account, device));
}
Found<ListRecord> Directory::list(const AccountId& account, ListNumber number) {
  return get<ListRecord>(tables::kLists, list_key(account, number));
}
Found<MomentRecord> Directory::removed(const MailboxId& mailbox) {
  return get<MomentRecord>(tables::kRemoved, clear(mailbox.view()));
}
Found<LookupLevel> Directory::lookup_level(const AccountId& account) {
  return get<LookupLevel>(tables::kBuckets, clear(account.view()));
}

Found<BusinessRecord> Directory::business(const AccountId& business) {
  return get<BusinessRecord>(tables::kBusinesses, clear(business.view()));
}
Result<std::vector<AccountId>, RowError> Directory::businesses() {
  constexpr std::size_t kPage = 100;  // rows have logos
  std::vector<AccountId> out;
  Bytes after;
  for (;;) {
    OPALINE_TRY(const auto rows, rows_.scan(tables::kBusinesses, {}, after, kPage));
    for (const auto& row : rows) {
      const auto id = AccountId::from(row.key);
      if (!id) return fail(RowError::failed);
      after = row.key;
      out.push_back(*id);
    }
    if (rows.size() < kPage) return out;
  }
}
Found<RelationshipRecord> Directory::relationship(const RelationshipKey& key) {
  return get<RelationshipRecord>(tables::kRelationships, clear(key.view()));
}
Result<std::vector<Directory::Relationship>, RowError> Directory::relationships(ByteView after, std::size_t limit) {
  OPALINE_TRY(const auto rows, rows_.scan(tables::kRelationships, {}, after, limit));
  std::vector<Relationship> out;
  for (const auto& row : rows) {
    const auto key = RelationshipKey::from(row.key);
    const auto record = decode<RelationshipRecord>(row.value);
    if (!key || !record) return fail(RowError::failed);
    out.push_back({.key = *key, .record = *record});
  }
  return out;
}

Result<std::vector<Directory::Moment>, RowError> Directory::moments(std::string_view table) {
  constexpr std::size_t kPage = 1000;
  std::vector<Moment> out;
  Bytes after;
  for (;;) {
    OPALINE_TRY(auto rows, rows_.scan(table, {}, after, kPage));
    for (auto& row : rows) {
      const auto record = decode<MomentRecord>(row.value);
      if (!record) return fail(RowError::failed);
      after = row.key;
      out.push_back({.key = std::move(row.key), .at = record->at});
    }
    if (rows.size() < kPage) return out;
  }
}

}  // namespace opaline::identity::internal
