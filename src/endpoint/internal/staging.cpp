#include "endpoint/internal/staging.hpp"

#include <algorithm>

namespace opaline::endpoint::internal {
namespace {

constexpr std::size_t kPageRows = 64;

bool begins_with(ByteView key, ByteView prefix) {
  return key.size() >= prefix.size() && equal(key.first(prefix.size()), prefix);
}

}  // namespace

std::optional<SecretBytes> Staging::get(Table table, ByteView key) {
  if (const auto it = rows_.find({table, to_bytes(key)}); it != rows_.end()) return it->second;
  if (failure_) return std::nullopt;
  auto row = store_.get(table, key);
  if (!row) {
    failure_ = row.error();
    return std::nullopt;
  }
  return std::move(*row);
}

void Staging::for_each(Table table, ByteView prefix, ByteView after,
                       const std::function<bool(ByteView, ByteView)>& visit) {
  Bytes cursor = to_bytes(after);
  // Visits staged rows between the cursor and `until` (exclusive; nullptr: to the end). False: the visitor is done.
  const auto visit_staged = [&](const Bytes* until) {
    for (;;) {
      auto it = rows_.upper_bound({table, cursor});
      if (cursor < to_bytes(prefix)) it = rows_.lower_bound({table, to_bytes(prefix)});
      if (it == rows_.end() || it->first.first != table || !begins_with(it->first.second, prefix)) return true;
      if (until != nullptr && it->first.second >= *until) return true;
      cursor = it->first.second;
      if (!it->second) continue;
      const SecretBytes value = *it->second;
      if (!visit(cursor, value)) return false;
    }
  };
  for (;;) {
    if (failure_) return;
    auto page = store_.scan(table, prefix, cursor, kPageRows);
    if (!page) {
      failure_ = page.error();
      return;
    }
    for (const EndpointStore::Row& row : *page) {
      if (!visit_staged(&row.key)) return;
      cursor = row.key;
      if (rows_.contains({table, row.key})) {
        const std::optional<SecretBytes> staged = rows_[{table, row.key}];
        if (staged && !visit(row.key, *staged)) return;
      } else if (!visit(row.key, row.value)) {
        return;
      }
    }
    if (page->size() < kPageRows) {
      static_cast<void>(visit_staged(nullptr));
      return;
    }
  }
}

template <class T>
T Staging::take(Result<T, StoreError> answer) {
  if (answer) return std::move(*answer);
  failure_ = answer.error();
  return {};
}

std::optional<MessageBody> Staging::outgoing(const MessageId& id) {
  for (const HistoryChange& change : history_)
    if (const auto* added = std::get_if<AddOutgoing>(&change); added != nullptr && added->message.id == id)
      return added->message.body;
  if (failure_) return std::nullopt;
  return take(store_.outgoing(id));
}

std::vector<EndpointStore::HistoryPage> Staging::history_pages(Time since) {
  if (failure_) return {};
  return take(store_.history_pages(since));
}

SecretBytes Staging::history_page(const EndpointStore::HistoryPage& page) {
  if (failure_) return {};
  return take(store_.history_page(page));
}

std::vector<AddContact> Staging::contacts() {
  if (failure_) return {};
  return take(store_.contacts());
}

std::vector<PersonaState> Staging::personas() {
  if (failure_) return {};
  std::vector<PersonaState> out = take(store_.personas());
  for (const HistoryChange& change : history_) {
    const auto* const added = std::get_if<AddPersona>(&change);
    if (added == nullptr) continue;
    const auto known = std::ranges::find(out, added->persona.business, &PersonaState::business);
    if (known == out.end()) {
      out.push_back(added->persona);
    } else if (is_later(added->persona, *known)) {
      *known = added->persona;
    }
  }
  return out;
}

Result<void, StoreError> Staging::commit() {
  if (failure_) return fail(*failure_);
  if (empty()) return {};
  Batch batch;
  batch.rows.reserve(rows_.size());
  for (auto& [key, value] : rows_) batch.rows.push_back({key.first, key.second, std::move(value)});
  batch.history = std::move(history_);
  rows_.clear();
  history_.clear();
  if (auto done = store_.commit(std::move(batch)); !done) {
    failure_ = done.error();
    return fail(done.error());
  }
  return {};
}

void Staging::forget() {
  rows_.clear();
  history_.clear();
  failure_.reset();
}

}  // namespace opaline::endpoint::internal
