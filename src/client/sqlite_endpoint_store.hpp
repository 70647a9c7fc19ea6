#pragma once
// The endpoint's store in SQLite, and in the same transactions the conversation that the person sees.
#include "client/home.hpp"
#include "endpoint/endpoint_store.hpp"

namespace opaline::client {

/// Borrows the store and the random source. Values and texts are sealed under the store's key; keys of rows (random
/// identifiers) are not.
class SqliteEndpointStore final : public endpoint::EndpointStore {
 public:
  SqliteEndpointStore(const LocalStore& store, RandomSource& random);

  Result<std::optional<SecretBytes>, endpoint::StoreError> get(endpoint::Table table, ByteView key) override;
  Result<std::vector<Row>, endpoint::StoreError> scan(endpoint::Table table, ByteView prefix, ByteView after,
                                                      std::size_t limit) override;
  Result<std::optional<SecretBytes>, endpoint::StoreError> outgoing_text(const MessageId& id) override;
  Result<void, endpoint::StoreError> commit(endpoint::Batch batch) override;

 private:
  Result<void, DatabaseError> apply(const endpoint::RowChange& change);
  Result<void, DatabaseError> apply(const endpoint::AddOutgoing& change);
  Result<void, DatabaseError> apply(const endpoint::SetOutgoingState& change);
  Result<void, DatabaseError> apply(const endpoint::AddIncoming& change);
  Result<void, DatabaseError> apply(const endpoint::AddNotice& change);
  Result<void, DatabaseError> apply_all(const endpoint::Batch& batch);

  const LocalStore& store_;
  RandomSource& random_;
  Statement get_, scan_, put_, erase_, text_, add_, state_;
};

}  // namespace opaline::client
