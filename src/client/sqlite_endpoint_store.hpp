#pragma once
// The endpoint's store in SQLite, and in the same transactions the conversation that the person sees.
#include <functional>

#include "client/history.hpp"

namespace opaline::client {

/// Borrows the store and the random source. Values, texts, attachments' descriptors and parts are sealed under the
/// store's key; keys of rows (random identifiers) are not.
class SqliteEndpointStore final : public endpoint::EndpointStore {
 public:
  SqliteEndpointStore(const LocalStore& store, RandomSource& random);
  /// Which device this is, once that is known: pages of the history say who wrote what.
  void set_own_device(DeviceNumber device) { own_device_ = device; }

  Result<std::optional<SecretBytes>, endpoint::StoreError> get(endpoint::Table table, ByteView key) override;
  Result<std::vector<Row>, endpoint::StoreError> scan(endpoint::Table table, ByteView prefix, ByteView after,
                                                      std::size_t limit) override;
  Result<std::optional<endpoint::MessageBody>, endpoint::StoreError> outgoing(const MessageId& id) override;
  /// Pages are runs of entry ids. They hold messages alone whose `placed` is at or after `since`.
  Result<std::vector<HistoryPage>, endpoint::StoreError> history_pages(Time since) override;
  Result<SecretBytes, endpoint::StoreError> history_page(const HistoryPage& page) override;
  Result<std::vector<endpoint::AddContact>, endpoint::StoreError> contacts() override;
  Result<std::vector<endpoint::PersonaState>, endpoint::StoreError> personas() override;
  Result<void, endpoint::StoreError> commit(endpoint::Batch batch) override;

  /// Something of the application's that is committed with the next batch, or not at all: an error of `what` is the
  /// batch's. Forgotten after that batch, whatever became of it.
  void also_commit(std::function<Result<void, DatabaseError>(const Database&)> what) { also_ = std::move(what); }

  /// Accounts whose handle is somebody else's now, as another device said since the last call: it is pending, and the
  /// person is to be told.
  [[nodiscard]] std::vector<AccountId> take_alarms() { return std::exchange(alarms_, {}); }

 private:
  Result<void, DatabaseError> apply(const endpoint::RowChange& change);
  Result<void, DatabaseError> apply(const endpoint::AddOutgoing& change);
  Result<void, DatabaseError> apply(const endpoint::SetOutgoingState& change);
  Result<void, DatabaseError> apply(const endpoint::AddIncoming& change);
  Result<void, DatabaseError> apply(const endpoint::AddNotice& change);
  // What other devices brought, and deletions (sqlite_sync.cpp).
  Result<void, DatabaseError> apply(const endpoint::MarkRead& change);
  Result<void, DatabaseError> apply(const endpoint::DeleteMessages& change);
  Result<void, DatabaseError> apply(const endpoint::DeleteConversation& change);
  Result<void, DatabaseError> apply(const endpoint::AddContact& change);
  Result<void, DatabaseError> apply(const endpoint::AddHistory& change);
  Result<void, DatabaseError> apply(const endpoint::RaiseOutgoingState& change);
  Result<void, DatabaseError> apply(const endpoint::AddPersona& change);
  Result<void, DatabaseError> apply_all(const endpoint::Batch& batch);
  /// Inserts a message; one that is here already stays as it is, and with `strict` that is an error. Not before the
  /// last entry unless `keep_place`.
  Result<void, DatabaseError> add(const Entry& entry, const endpoint::MessageBody& body, bool strict, bool keep_place);
  /// What the person shares in a message of theirs stays known, also when the message is deleted.
  Result<void, DatabaseError> note_shared(const Entry& entry, const endpoint::MessageBody& body);
  [[nodiscard]] Result<bool, DatabaseError> was_deleted(const Entry& entry) const;

  const LocalStore& store_;
  RandomSource& random_;
  DeviceNumber own_device_{};
  std::vector<AccountId> alarms_;
  std::function<Result<void, DatabaseError>(const Database&)> also_;
  Statement get_, scan_, put_, erase_, body_, add_, state_;
};

}  // namespace opaline::client
