#include "store/journaled_rows.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "base/fault_point.hpp"

namespace opaline::store {
namespace {

constexpr std::uint8_t kVersion = 1;
/// What is kept in memory before rows go to their places, about (a generation; there are two).
constexpr std::size_t kMaxRows = 16'384;
constexpr std::size_t kMaxBytes = std::size_t{8} << 20;
/// Rows that go to their places at once: about a millisecond.
constexpr std::size_t kSettledAtOnce = 128;
/// Since the last settle(): more than that bring the rows of a second to their places by themselves.
constexpr std::size_t kFewWrites = 64;
constexpr std::size_t kJournalRowsAtOnce = 64;

void append_number(SecretBytes& out, std::size_t value, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

Bytes number_key(std::uint64_t number) {
  Bytes out;
  Writer(out).u64(number);
  return out;
}

bool begins_with(ByteView key, ByteView prefix) {
  return key.size() >= prefix.size() && equal(key.first(prefix.size()), prefix);
}

}  // namespace

JournaledRows::Batch& JournaledRows::Batch::put(std::string_view table, ByteView key, ByteView value) {
  changes_.push_back({.table = table, .key = to_bytes(key), .value = to_secret_bytes(value)});
  return *this;
}

JournaledRows::Batch& JournaledRows::Batch::erase(std::string_view table, ByteView key) {
  changes_.push_back({.table = table, .key = to_bytes(key), .value = std::nullopt});
  return *this;
}

bool JournaledRows::Before::operator()(const PlaceView& a, const PlaceView& b) const {
  if (a.table != b.table) return a.table < b.table;
  const std::size_t shared = std::min(a.key.size(), b.key.size());
  const int order = shared == 0 ? 0 : std::memcmp(a.key.data(), b.key.data(), shared);
  return order != 0 ? order < 0 : a.key.size() < b.key.size();
}

// ---- the journal

Result<std::unique_ptr<JournaledRows>, RowError> JournaledRows::open(SealedRows& rows,
                                                                     std::span<const std::string_view> tables,
                                                                     std::string_view journal) {
  std::unique_ptr<JournaledRows> out(new JournaledRows(rows, tables, journal));
  OPALINE_CHECK(out->load());
  return out;
}

Result<void, RowError> JournaledRows::load() {
  for (Bytes after;;) {
    OPALINE_TRY(const auto rows, rows_.scan(journal_, {}, after, kJournalRowsAtOnce));
    if (rows.empty()) return {};
    for (const SealedRows::Row& row : rows) {
      Reader number(row.key);
      const std::uint64_t at = number.u64();
      Batch batch;
      if (!number.finished() || !decode(row.value, batch)) return fail(RowError::failed);
      apply(std::move(batch), at);
    }
    after = rows.back().key;
  }
}

std::optional<std::size_t> JournaledRows::known(std::string_view table) const {
  const auto found = std::ranges::find(tables_, table);
  if (found == tables_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - tables_.begin());
}

std::size_t JournaledRows::index_of(std::string_view table) const {
  const auto index = known(table);
  OPALINE_ASSERT(index);
  return *index;
}

SecretBytes JournaledRows::encode(const Batch& batch) {
  std::size_t size = 1;
  for (const Batch::Change& change : batch.changes_)
    size += 8 + change.table.size() + change.key.size() + (change.value ? change.value->size() : 0);
  SecretBytes out;
  out.reserve(size);
  const auto bytes = [&out](ByteView view) { out.insert(out.end(), view.begin(), view.end()); };
  append_number(out, kVersion, 1);
  for (const Batch::Change& change : batch.changes_) {
    OPALINE_ASSERT(change.key.size() <= kMaxRowKeyBytes && (!change.value || change.value->size() <= UINT32_MAX));
    append_number(out, change.table.size(), 1);
    bytes(as_view(change.table));
    append_number(out, change.key.size(), 2);
    bytes(change.key);
    append_number(out, change.value ? 1 : 0, 1);
    if (!change.value) continue;
    append_number(out, change.value->size(), 4);
    bytes(*change.value);
  }
  return out;
}

bool JournaledRows::decode(ByteView bytes, Batch& batch) const {
  Reader in(bytes);
  if (in.u8() != kVersion) return false;
  while (!in.failed() && in.left() > 0) {
    const auto table = known(as_text(in.bytes(in.u8())));
    const ByteView key = in.bytes16();
    const std::uint8_t is_put = in.u8();
    const ByteView value = is_put == 1 ? in.bytes32() : ByteView();
    if (in.failed() || !table || is_put > 1) return false;
    if (is_put == 1) {
      batch.put(tables_[*table], key, value);
    } else {
      batch.erase(tables_[*table], key);
    }
  }
  return in.finished();
}

void JournaledRows::apply(Batch batch, std::uint64_t number) {
  if (active_.is_empty()) active_.first = number;
  active_.end = next_ = number + 1;
  for (Batch::Change& change : batch.changes_) {
    active_.bytes += change.key.size() + (change.value ? change.value->size() : 0);
    active_.rows.insert_or_assign({index_of(change.table), std::move(change.key)}, std::move(change.value));
  }
}

Result<void, RowError> JournaledRows::write(Batch batch) {
  if (batch.empty()) return {};
  auto changes = rows_.batch();
  if (!uncertain_ && erases_settled_rows(batch)) {
    for (const Batch::Change& change : batch.changes_) changes.erase(change.table, clear(change.key));
    return rows_.write(std::move(changes));
  }
  changes.put(journal_, clear(number_key(next_)), encode(batch));
  const auto end = add_settled(changes, std::max(kSettledAtOnce, 2 * batch.changes_.size()));
  if (const auto done = rows_.write(std::move(changes)); !done) {
    if (done.error() != RowError::full) uncertain_ = may_come_ = true;
    return done;
  }
  uncertain_ = false;
  are_settled(end);
  apply(std::move(batch), next_);
  ++writes_;
  if (active_.rows.size() >= kMaxRows || active_.bytes >= kMaxBytes) begin_settling();
  return {};
}

// ---- from the journal to their places

void JournaledRows::begin_settling() {
  if (!settling_.is_empty()) return;
  settling_ = std::exchange(active_, {});
  unsettled_ = settling_.rows.begin();
}

JournaledRows::Rows::const_iterator JournaledRows::add_settled(SealedRows::Batch& batch, std::size_t rows) const {
  if (settling_.is_empty()) return settling_.rows.end();
  auto at = unsettled_;
  for (; at != settling_.rows.end() && rows > 0; ++at) {
    const auto& [place, value] = *at;
    if (active_.rows.contains(PlaceView(place))) continue;  // it goes with what it has become
    --rows;
    const std::string_view table = tables_[place.table];
    if (value) {
      batch.put(table, clear(place.key), *value);
    } else {  // most that is erased so soon never came to its place
      const auto there = may_come_ ? Result<bool, RowError>(true) : rows_.contains(table, clear(place.key));
      if (!there || *there) batch.erase(table, clear(place.key));
    }
  }
  if (at == settling_.rows.end())
    for (auto number = settling_.first; number != settling_.end; ++number)
      batch.erase(journal_, clear(number_key(number)));
  return at;
}

void JournaledRows::are_settled(Rows::const_iterator end) {
  if (settling_.is_empty()) return;
  unsettled_ = end;
  if (unsettled_ == settling_.rows.end()) settling_ = {};
}

Result<bool, RowError> JournaledRows::settle() {
  begin_settling();
  if (settling_.is_empty() || std::exchange(writes_, 0) > kFewWrites) return false;  // writes do it
  auto changes = rows_.batch();
  const auto end = add_settled(changes, kSettledAtOnce);
  fault_point("journal.before_settled");
  if (const auto done = rows_.write(std::move(changes)); !done) {
    may_come_ = may_come_ || done.error() != RowError::full;
    return fail(done.error());
  }
  fault_point("journal.after_settled");
  are_settled(end);
  return !settling_.is_empty();
}

Result<void, RowError> JournaledRows::settle_all() {
  while (!active_.is_empty() || !settling_.is_empty()) {
    writes_ = 0;
    OPALINE_CHECK(settle());
  }
  return {};
}

// ---- reading

const JournaledRows::Value* JournaledRows::find(const PlaceView& place) const {
  for (const Generation* generation : {&active_, &settling_})
    if (const auto found = generation->rows.find(place); found != generation->rows.end()) return &found->second;
  return nullptr;
}

bool JournaledRows::erases_settled_rows(const Batch& batch) const {
  return std::ranges::all_of(batch.changes_, [this](const Batch::Change& change) {
    return !change.value && is_settled(change.table, change.key);
  });
}

Result<std::optional<SecretBytes>, RowError> JournaledRows::get(std::string_view table, ByteView key) {
  if (const Value* changed = find({index_of(table), key})) return *changed;
  return rows_.get(table, clear(key));
}

const JournaledRows::Rows::value_type* JournaledRows::first_changed(std::size_t table, ByteView prefix,
                                                                    ByteView after) const {
  const Rows::value_type* first = nullptr;
  for (const Generation* generation : {&active_, &settling_}) {
    const Rows& rows = generation->rows;
    const bool behind = !after.empty() && !Before()({table, after}, {table, prefix});
    const auto at = behind ? rows.upper_bound(PlaceView(table, after)) : rows.lower_bound(PlaceView(table, prefix));
    if (at == rows.end() || at->first.table != table || !begins_with(at->first.key, prefix)) continue;
    if (first == nullptr || Before()(at->first, first->first)) first = &*at;
  }
  return first;
}

Result<std::vector<SealedRows::Row>, RowError> JournaledRows::scan(std::string_view table, ByteView prefix,
                                                                   ByteView after, std::size_t limit) {
  const std::size_t index = index_of(table);
  std::vector<SealedRows::Row> out;
  Bytes last = to_bytes(after);
  const auto take = [&](const Bytes& key, const SecretBytes* value) {
    last = key;
    if (value != nullptr) out.push_back({key, *value});
  };
  while (out.size() < limit) {
    OPALINE_TRY(const auto settled, rows_.scan(table, prefix, last, limit - out.size()));
    const bool is_end = settled.size() < limit - out.size();
    auto at = settled.begin();
    for (;;) {
      const auto* const changed = first_changed(index, prefix, last);
      const bool is_first = changed != nullptr && (at == settled.end() || changed->first.key <= at->key);
      // Behind the last of `settled` there may be rows that were not read yet.
      if (out.size() == limit || (at == settled.end() && (!is_end || changed == nullptr))) break;
      if (is_first) {
        if (at != settled.end() && at->key == changed->first.key) ++at;
        take(changed->first.key, changed->second ? &*changed->second : nullptr);
      } else {
        take(at->key, &at->value);
        ++at;
      }
    }
    if (is_end) break;
  }
  return out;
}

}  // namespace opaline::store
