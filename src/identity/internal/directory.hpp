#pragma once
// Typed access to the rows of identity/tables.hpp.
#include "identity/internal/records.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::identity::internal {

/// Why a row could not be read or written; `failed` also for one that does not decode.
using store::RowError;
template <class T>
using Found = Result<std::optional<T>, RowError>;

enum class Revocation : std::uint8_t { mailbox = 1, sender = 2 };

/// Made by Service::State::relationship_key.
using RelationshipKey = ByteId<struct RelationshipKeyTag, 32>;

/// Changes that happen together. Lives no longer than its Directory.
class Changes {
 public:
  Changes& put(const Handle& handle, const HandleRecord& record);
  Changes& erase_handle(const Handle& handle);
  Changes& put(const AccountId& account, const AccountRecord& record);
  Changes& put(const AccountId& account, DeviceNumber device, const DeviceRecord& record);
  Changes& put(const AccountId& account, DeviceNumber device, const PrekeyRecord& record);
  Changes& put(const AccountId& account, DeviceNumber device, const OneTimeCursor& record);
  Changes& put(const AccountId& account, ListNumber list, const ListRecord& record);
  Changes& put(const AccountId& account, const LookupLevel& level);
  Changes& put(const RelationshipKey& key, const RelationshipRecord& record);
  Changes& put(const AccountId& business, const BusinessRecord& record);
  Changes& put_removed(const MailboxId& mailbox, Time at);
  Changes& put_revoked(Revocation kind, FixedView<16> id, Time at);
  Changes& erase_list(const AccountId& account, ListNumber list);
  /// The account's row and bucket.
  Changes& erase_account(const AccountId& account);
  /// The device's row, prekeys and cursor.
  Changes& erase_device(const AccountId& account, DeviceNumber device);
  Changes& erase_relationship(const RelationshipKey& key);
  Changes& erase_business(const AccountId& business);
  Changes& erase(std::string_view table, ByteView clear_key);
  [[nodiscard]] bool empty() const { return batch_.empty(); }

 private:
  friend class Directory;
  explicit Changes(store::SealedRows::Batch batch) : batch_(std::move(batch)) {}
  store::SealedRows::Batch batch_;
};

class Directory {
 public:
  explicit Directory(store::SealedRows& rows) : rows_(rows) {}

  [[nodiscard]] Found<AccountId> account_of(const Handle& handle);
  [[nodiscard]] Found<HandleRecord> handle(const Handle& handle);
  [[nodiscard]] Found<AccountRecord> account(const AccountId& account);
  [[nodiscard]] Found<DeviceRecord> device(const AccountId& account, DeviceNumber device);
  [[nodiscard]] Found<PrekeyRecord> prekeys(const AccountId& account, DeviceNumber device);
  [[nodiscard]] Found<OneTimeCursor> one_time(const AccountId& account, DeviceNumber device);
  /// An earlier list of the account.
  [[nodiscard]] Found<ListRecord> list(const AccountId& account, ListNumber number);
  /// When the mailbox was removed, as long as that is remembered.
  [[nodiscard]] Found<MomentRecord> removed(const MailboxId& mailbox);
  [[nodiscard]] Found<LookupLevel> lookup_level(const AccountId& account);

  [[nodiscard]] Found<BusinessRecord> business(const AccountId& business);
  /// All ids, in order.
  [[nodiscard]] Result<std::vector<AccountId>, RowError> businesses();
  [[nodiscard]] Found<RelationshipRecord> relationship(const RelationshipKey& key);
  struct Relationship {
    RelationshipKey key;
    RelationshipRecord record;
  };
  /// Those whose keys come after `after`, in order, at most `limit`.
  [[nodiscard]] Result<std::vector<Relationship>, RowError> relationships(ByteView after, std::size_t limit);

  struct Moment {
    Bytes key;
    Time at;
  };
  /// All rows of kRemoved or kRevoked.
  [[nodiscard]] Result<std::vector<Moment>, RowError> moments(std::string_view table);

  [[nodiscard]] Changes changes() const { return Changes(rows_.batch()); }
  [[nodiscard]] Result<void, RowError> write(Changes changes) { return rows_.write(std::move(changes.batch_)); }

 private:
  template <class Record>
  [[nodiscard]] Found<Record> get(std::string_view table, const store::SealedKey& key);
  store::SealedRows& rows_;
};

}  // namespace opaline::identity::internal
