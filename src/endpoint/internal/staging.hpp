#pragma once
// What a round has changed and not yet committed, in front of the store: reads see it. A failed read or write poisons
// the round; the Endpoint then goes back to what the store has.
#include <functional>
#include <map>
#include <utility>

#include "endpoint/endpoint_store.hpp"

namespace opaline::endpoint::internal {

class Staging {
 public:
  explicit Staging(EndpointStore& store) : store_(store) {}

  /// nullopt: no such row, or the store failed (then failed() is set).
  [[nodiscard]] std::optional<SecretBytes> get(Table table, ByteView key);
  [[nodiscard]] bool has(Table table, ByteView key) { return get(table, key).has_value(); }
  /// Rows with `prefix` after key `after`, in order, until `visit` returns false. `visit` may stage changes.
  void for_each(Table table, ByteView prefix, ByteView after, const std::function<bool(ByteView, ByteView)>& visit);
  void put(Table table, ByteView key, SecretBytes value) { rows_[{table, to_bytes(key)}] = std::move(value); }
  void erase(Table table, ByteView key) { rows_[{table, to_bytes(key)}] = std::nullopt; }
  void history(HistoryChange change) { history_.push_back(std::move(change)); }
  /// A text queued in this round is not in the history yet.
  [[nodiscard]] std::optional<MessageBody> outgoing(const MessageId& id);
  // What the store answers; empty if it fails (then failure() is set). Not what this round adds.
  [[nodiscard]] std::vector<EndpointStore::HistoryPage> history_pages(Time since);
  [[nodiscard]] SecretBytes history_page(const EndpointStore::HistoryPage& page);
  [[nodiscard]] std::vector<AddContact> contacts();
  /// What this round adds is among them.
  [[nodiscard]] std::vector<PersonaState> personas();

  [[nodiscard]] bool empty() const { return rows_.empty() && history_.empty(); }
  /// Set by the first failure; stays until forget().
  [[nodiscard]] std::optional<StoreError> failure() const { return failure_; }
  /// Commits what is staged, which is then empty. On an error it is still there.
  [[nodiscard]] Result<void, StoreError> commit();
  void forget();

 private:
  using Key = std::pair<Table, Bytes>;
  template <class T>
  T take(Result<T, StoreError> answer);
  EndpointStore& store_;
  std::map<Key, std::optional<SecretBytes>> rows_;
  std::vector<HistoryChange> history_;
  std::optional<StoreError> failure_;
};

}  // namespace opaline::endpoint::internal
