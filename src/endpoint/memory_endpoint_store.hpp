#pragma once
// An EndpointStore in memory, for tests and the simulator. What is committed survives `crash` of an Endpoint (which is:
// destroying the Endpoint and loading another from the same store); failures are injected; copies of the whole store
// play a backup that is restored.
#include <algorithm>
#include <map>
#include <set>

#include "endpoint/endpoint_store.hpp"

namespace opaline::endpoint {

class MemoryEndpointStore final : public EndpointStore {
 public:
  struct Outgoing {
    OutgoingMessage message;
    MessageState state = MessageState::queued;
    Reason reason = Reason::none;
  };
  struct History {
    std::vector<Outgoing> outgoing;         ///< in the order of sending
    std::vector<IncomingMessage> incoming;  ///< in the order of delivery
    std::vector<AddNotice> notices;
    [[nodiscard]] const Outgoing* find(const MessageId& id) const {
      const auto it =
          std::find_if(outgoing.begin(), outgoing.end(), [&](const Outgoing& o) { return o.message.id == id; });
      return it == outgoing.end() ? nullptr : &*it;
    }
  };
  /// Everything that a backup holds.
  struct Contents {
    std::map<std::pair<Table, Bytes>, SecretBytes> rows;
    History history;
  };

  [[nodiscard]] Result<std::optional<SecretBytes>, StoreError> get(Table table, ByteView key) override {
    if (fail_reads) return fail(StoreError::failed);
    const auto it = contents_.rows.find({table, to_bytes(key)});
    if (it == contents_.rows.end()) return std::nullopt;
    return it->second;
  }

  [[nodiscard]] Result<std::vector<Row>, StoreError> scan(Table table, ByteView prefix, ByteView after,
                                                          std::size_t limit) override {
    if (fail_reads) return fail(StoreError::failed);
    std::vector<Row> out;
    const Bytes begin = std::max(to_bytes(prefix), to_bytes(after));
    for (auto it = contents_.rows.lower_bound({table, begin}); it != contents_.rows.end() && out.size() < limit; ++it) {
      const Bytes& key = it->first.second;
      if (it->first.first != table) break;
      if (key.size() < prefix.size() || !equal(ByteView(key).first(prefix.size()), prefix)) break;
      if (!after.empty() && equal(key, after)) continue;
      out.push_back({key, it->second});
    }
    return out;
  }

  [[nodiscard]] Result<std::optional<SecretBytes>, StoreError> outgoing_text(const MessageId& id) override {
    if (fail_reads) return fail(StoreError::failed);
    const Outgoing* const found = contents_.history.find(id);
    if (found == nullptr || deleted.contains(id)) return std::nullopt;
    return found->message.text;
  }

  [[nodiscard]] Result<void, StoreError> commit(Batch batch) override {
    ++commits;
    const bool fails = fail_commits > 0;
    if (fails) {
      --fail_commits;
      if (!apply_failed) return fail(failure);
    }
    for (RowChange& change : batch.rows) {
      if (change.value) {
        contents_.rows[{change.table, std::move(change.key)}] = std::move(*change.value);
      } else {
        contents_.rows.erase({change.table, change.key});
      }
    }
    for (HistoryChange& change : batch.history) std::visit([this](auto& c) { apply(c); }, change);
    if (fails) return fail(failure);
    return {};
  }

  [[nodiscard]] const Contents& contents() const { return contents_; }
  [[nodiscard]] const History& history() const { return contents_.history; }
  /// What a backup program would write, and what restoring it brings.
  [[nodiscard]] Contents backup() const { return contents_; }
  void restore(Contents contents) { contents_ = std::move(contents); }
  [[nodiscard]] std::size_t rows(Table table) const {
    return static_cast<std::size_t>(std::count_if(contents_.rows.begin(), contents_.rows.end(),
                                                  [&](const auto& row) { return row.first.first == table; }));
  }

  bool fail_reads = false;
  std::size_t fail_commits = 0;  ///< so many of the next commits fail ...
  StoreError failure = StoreError::failed;
  bool apply_failed = false;  ///< ... but their batch is there all the same, as after a crash between write and answer
  std::size_t commits = 0;
  std::set<MessageId> deleted;  ///< texts that the person deleted

 private:
  void apply(AddOutgoing& change) { contents_.history.outgoing.push_back({std::move(change.message)}); }
  void apply(const SetOutgoingState& change) {
    for (Outgoing& outgoing : contents_.history.outgoing) {
      if (outgoing.message.id != change.id) continue;
      outgoing.state = change.state;
      outgoing.reason = change.reason;
    }
  }
  void apply(AddIncoming& change) { contents_.history.incoming.push_back(std::move(change.message)); }
  void apply(const AddNotice& change) { contents_.history.notices.push_back(change); }

  Contents contents_;
};

}  // namespace opaline::endpoint
