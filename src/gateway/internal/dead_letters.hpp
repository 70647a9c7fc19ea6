#pragma once
// What the business's software did not take: rows of tables::kDeadLetters, all but the messages in memory, too.
//   u8 version (2) || u8 refusal || u32 attempts || persona || u64 number || the message as it lay in the inbox, or
//   nothing. Version 1 was the refusal alone.
#include <map>

#include "endpoint/endpoint_store.hpp"
#include "gateway/outcome.hpp"
#include "msp/uuid.hpp"
#include "store/journaled_rows.hpp"

namespace opaline::gateway::internal {

/// Of one business; the oldest goes where there is no more room.
inline constexpr std::size_t kMaxDeadLetters = 10'000;

/// What changes rows does not change what is in memory: that follows once the batch is durable. Borrows `rows`.
class DeadLetters {
 public:
  using Changes = store::JournaledRows::Batch;
  using Row = Bytes;  ///< key of a row, behind the business's id: in the order of time
  DeadLetters(store::JournaledRows& rows, const msp::Uuid& business) : rows_(rows), business_(business) {}
  /// Takes a row that was found at `row`; false: it is none.
  [[nodiscard]] bool load(ByteView row, ByteView value);

  [[nodiscard]] const std::map<Row, DeadLetter>& all() const { return all_; }
  /// The newest of this message; all().end(): none.
  [[nodiscard]] std::map<Row, DeadLetter>::const_iterator find(const msp::Uuid& message) const;
  /// The message as it lay in the inbox; empty: it was not kept.
  [[nodiscard]] Result<Bytes, endpoint::StoreError> sealed(const Row& row);

  void put(Changes& changes, const DeadLetter& letter, ByteView sealed);
  void erase(Changes& changes, const Row& row) const;
  void erase_of(Changes& changes, const AccountId& persona) const;

  void is_put(const DeadLetter& letter);
  void is_erased(const Row& row) { all_.erase(row); }
  void are_erased_of(const AccountId& persona);

 private:
  [[nodiscard]] static Row row_of(const DeadLetter& letter);
  [[nodiscard]] Bytes key(const Row& row) const;

  store::JournaledRows& rows_;
  msp::Uuid business_;
  std::map<Row, DeadLetter> all_;
};

}  // namespace opaline::gateway::internal
