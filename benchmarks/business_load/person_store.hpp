#pragma once
// What a persona's device under load must keep: rows in memory, its texts until they are sent, and those that came
// until somebody takes them. Nothing survives the process.
#include <map>
#include <unordered_map>

#include "endpoint/endpoint_store.hpp"

namespace opaline::bench {

class PersonStore final : public endpoint::EndpointStore {
 public:
  using Error = endpoint::StoreError;

  [[nodiscard]] std::vector<endpoint::IncomingMessage> take_arrived() { return std::exchange(arrived_, {}); }

  Result<std::optional<SecretBytes>, Error> get(endpoint::Table table, ByteView key) override {
    const auto found = rows_.find({table, to_bytes(key)});
    if (found == rows_.end()) return std::nullopt;
    return found->second;
  }
  Result<std::vector<Row>, Error> scan(endpoint::Table table, ByteView prefix, ByteView after,
                                       std::size_t limit) override {
    std::vector<Row> out;
    const Bytes begin = std::max(to_bytes(prefix), to_bytes(after));
    for (auto at = rows_.lower_bound({table, begin}); at != rows_.end() && out.size() < limit; ++at) {
      const auto& [row_table, key] = at->first;
      if (row_table != table || key.size() < prefix.size() || !equal(ByteView(key).first(prefix.size()), prefix)) break;
      if (after.empty() || !equal(key, after)) out.push_back({key, at->second});
    }
    return out;
  }
  Result<std::optional<endpoint::MessageBody>, Error> outgoing(const MessageId& id) override {
    const auto found = leaving_.find(id);
    if (found == leaving_.end()) return std::nullopt;
    return found->second;
  }
  Result<std::vector<HistoryPage>, Error> history_pages(Time) override { return std::vector<HistoryPage>(); }
  Result<SecretBytes, Error> history_page(const HistoryPage&) override { return SecretBytes(); }
  Result<std::vector<endpoint::AddContact>, Error> contacts() override { return std::vector<endpoint::AddContact>(); }

  Result<void, Error> commit(endpoint::Batch batch) override {
    for (endpoint::RowChange& change : batch.rows) {
      if (change.value) {
        rows_[{change.table, std::move(change.key)}] = std::move(*change.value);
      } else {
        rows_.erase({change.table, change.key});
      }
    }
    for (endpoint::HistoryChange& change : batch.history) {
      if (auto* out = std::get_if<endpoint::AddOutgoing>(&change)) {
        leaving_.emplace(out->message.id, std::move(out->message.body));
      } else if (const auto* state = std::get_if<endpoint::SetOutgoingState>(&change)) {
        if (state->state != endpoint::MessageState::queued) leaving_.erase(state->id);
      } else if (auto* in = std::get_if<endpoint::AddIncoming>(&change)) {
        arrived_.push_back(std::move(in->message));
      }
    }
    return {};
  }

 private:
  std::map<std::pair<endpoint::Table, Bytes>, SecretBytes> rows_;
  std::unordered_map<MessageId, endpoint::MessageBody> leaving_;
  std::vector<endpoint::IncomingMessage> arrived_;
};

}  // namespace opaline::bench
