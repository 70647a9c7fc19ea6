#pragma once
// What became of the business's messages, for 7 days: rows of tables::kOutcomes.
#include "crypto/hash.hpp"
#include "endpoint/endpoint_store.hpp"
#include "gateway/outcome.hpp"
#include "msp/uuid.hpp"
#include "store/journaled_rows.hpp"

namespace opaline::gateway::internal {

[[nodiscard]] inline endpoint::StoreError error_of(store::RowError error) {
  return error == store::RowError::full ? endpoint::StoreError::full : endpoint::StoreError::failed;
}

/// Borrows all it is given but the key.
class Outcomes {
 public:
  using Changes = store::JournaledRows::Batch;
  Outcomes(store::JournaledRows& rows, const Clock& clock, const msp::Uuid& business, const store::VaultKey& key)
      : rows_(rows), clock_(clock), business_(business), key_(key.reveal()) {}

  /// Of a message that is new: it is today's.
  void add(Changes& changes, ByteView id, Outcome outcome);
  /// Of one that there is, or that is new in the same batch.
  [[nodiscard]] Result<void, endpoint::StoreError> set(Changes& changes, ByteView id, Outcome outcome);
  /// nullopt: not known (any more).
  [[nodiscard]] Result<std::optional<Outcome>, endpoint::StoreError> find(ByteView id);
  /// Those that are over, of all businesses.
  void drop_old(Changes& changes);

 private:
  struct Stored {
    Bytes place;
    SecretBytes value;
  };
  [[nodiscard]] Result<std::optional<Stored>, endpoint::StoreError> stored(ByteView id);
  [[nodiscard]] Bytes place(std::uint32_t day, ByteView id) const;
  [[nodiscard]] std::uint32_t today() const;

  store::JournaledRows& rows_;
  const Clock& clock_;
  msp::Uuid business_;
  crypto::HmacSha256Key key_;
};

}  // namespace opaline::gateway::internal
