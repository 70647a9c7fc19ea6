#include "client/sqlite_endpoint_store.hpp"

#include "base/codec.hpp"
#include "base/fault_point.hpp"
#include "client/contacts.hpp"
#include "client/history_codec.hpp"
#include "wire/business_part.hpp"

namespace opaline::client {
namespace {

using endpoint::StoreError;

StoreError store_error(DatabaseError error) {
  return error == DatabaseError::full ? StoreError::full : StoreError::failed;
}

Bytes row_place(endpoint::Table table, ByteView key) {
  Bytes out;
  Writer(out).u8(static_cast<std::uint8_t>(table)).bytes(key);
  return out;
}

/// The smallest key that is greater than every key with this prefix; empty: there is none.
Bytes past(ByteView prefix) {
  Bytes out = to_bytes(prefix);
  while (!out.empty() && out.back() == std::byte{0xff}) out.pop_back();
  if (!out.empty()) out.back() = static_cast<std::byte>(std::to_integer<int>(out.back()) + 1);
  return out;
}

constexpr std::string_view kAdd =
    "INSERT INTO entry(kind, peer, message, device, sent_at, at, state, reason, detail, late, shown, text, files, "
    "part, placed) "
    "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,"
    "CASE WHEN ?15 THEN ?16 ELSE max(?16, coalesce((SELECT max(placed) FROM entry), 0)) END)"
    "ON CONFLICT DO NOTHING";

}  // namespace

SqliteEndpointStore::SqliteEndpointStore(const LocalStore& store, RandomSource& random)
    : store_(store),
      random_(random),
      get_(store.database().prepare("SELECT value FROM row WHERE place = ? AND key = ?")),
      scan_(store.database().prepare("SELECT key, value FROM row WHERE place = ?1 AND key >= ?2 AND key > ?3 "
                                     "AND (?4 = x'' OR key < ?4) ORDER BY key LIMIT ?5")),
      put_(store.database().prepare("INSERT INTO row VALUES(?,?,?) ON CONFLICT DO UPDATE SET value = excluded.value")),
      erase_(store.database().prepare("DELETE FROM row WHERE place = ? AND key = ?")),
      body_(store.database().prepare("SELECT peer, text, files, part FROM entry WHERE kind = 2 AND message = ?")),
      add_(store.database().prepare(kAdd)),
      state_(store.database().prepare(
          "UPDATE entry SET state = ?1, reason = ?2, at = ?3 WHERE kind = 2 AND message = ?4")) {}

Result<std::optional<SecretBytes>, StoreError> SqliteEndpointStore::get(endpoint::Table table, ByteView key) {
  get_.reset();
  get_.bind(1, static_cast<std::int64_t>(table)).bind(2, key);
  const auto found = get_.step();
  if (!found) return fail(store_error(found.error()));
  if (!*found) return std::optional<SecretBytes>();
  auto value = store_.key().open_value(row_place(table, key), get_.bytes(0));
  get_.reset();
  if (!value) return fail(StoreError::failed);
  return value;
}

Result<std::vector<endpoint::EndpointStore::Row>, StoreError> SqliteEndpointStore::scan(endpoint::Table table,
                                                                                        ByteView prefix, ByteView after,
                                                                                        std::size_t limit) {
  const Bytes end = past(prefix);
  scan_.reset();
  scan_.bind(1, static_cast<std::int64_t>(table)).bind(2, prefix).bind(3, after).bind(4, end);
  scan_.bind(5, static_cast<std::int64_t>(limit));
  std::vector<Row> out;
  for (;;) {
    const auto found = scan_.step();
    if (!found) return fail(store_error(found.error()));
    if (!*found) break;
    Row row{to_bytes(scan_.bytes(0)), {}};
    auto value = store_.key().open_value(row_place(table, row.key), scan_.bytes(1));
    if (!value) return fail(StoreError::failed);
    row.value = std::move(*value);
    out.push_back(std::move(row));
  }
  scan_.reset();
  return out;
}

Result<std::optional<endpoint::MessageBody>, StoreError> SqliteEndpointStore::outgoing(const MessageId& id) {
  body_.reset();
  body_.bind(1, id.view());
  const auto found = body_.step();
  if (!found) return fail(store_error(found.error()));
  if (!*found || body_.is_null(1)) return std::optional<endpoint::MessageBody>();
  const auto peer = AccountId::from(body_.bytes(0));
  if (!peer) return fail(StoreError::failed);
  endpoint::MessageBody out;
  auto text = store_.key().open_value(text_place(EntryKind::outgoing, *peer, id), body_.bytes(1));
  if (!text) return fail(StoreError::failed);
  out.text = std::move(*text);
  if (!body_.is_null(2)) {
    const auto files = store_.key().open_value(files_place(EntryKind::outgoing, *peer, id), body_.bytes(2));
    auto attachments = files ? decode_attachments(*files) : std::nullopt;
    if (!attachments) return fail(StoreError::failed);
    out.attachments = std::move(*attachments);
  }
  if (!body_.is_null(3)) {
    auto part = store_.key().open_value(part_place(EntryKind::outgoing, *peer, id), body_.bytes(3));
    if (!part) return fail(StoreError::failed);
    out.part = std::move(*part);
  }
  body_.reset();
  return out;
}

Result<void, StoreError> SqliteEndpointStore::commit(endpoint::Batch batch) {
  const auto done = apply_all(batch);
  if (!done) return fail(store_error(done.error()));
  return {};
}

Result<void, DatabaseError> SqliteEndpointStore::apply_all(const endpoint::Batch& batch) {
  const auto also = std::exchange(also_, nullptr);
  OPALINE_TRY(auto transaction, Transaction::begin(store_.database()));
  for (const auto& change : batch.rows) OPALINE_CHECK(apply(change));
  for (const auto& change : batch.history)
    OPALINE_CHECK(std::visit([this](const auto& c) { return apply(c); }, change));
  if (also) OPALINE_CHECK(also(store_.database()));
  fault_point("client.before_commit");
  OPALINE_CHECK(transaction.commit());
  fault_point("client.after_commit");
  return {};
}

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::RowChange& change) {
  if (!change.value) {
    erase_.reset();
    return erase_.bind(1, static_cast<std::int64_t>(change.table)).bind(2, change.key).run();
  }
  const Bytes sealed = store_.key().seal(row_place(change.table, change.key), *change.value, random_);
  put_.reset();
  return put_.bind(1, static_cast<std::int64_t>(change.table)).bind(2, change.key).bind(3, sealed).run();
}

Result<void, DatabaseError> SqliteEndpointStore::add(const Entry& e, const endpoint::MessageBody& body, bool strict,
                                                     bool keep_place) {
  const Bytes text = store_.key().seal(text_place(e.kind, e.peer, e.message), body.text, random_);
  Bytes files, part;
  if (!body.part.empty()) part = store_.key().seal(part_place(e.kind, e.peer, e.message), body.part, random_);
  if (!body.attachments.empty())
    files = store_.key().seal(files_place(e.kind, e.peer, e.message), encode_attachments(body.attachments), random_);
  const std::int64_t detail = e.kind == EntryKind::incoming ? static_cast<std::int64_t>(e.incoming) : 0;
  add_.reset();
  add_.bind(1, static_cast<std::int64_t>(e.kind)).bind(2, e.peer.view()).bind(3, e.message.view());
  add_.bind(4, static_cast<std::int64_t>(e.device)).bind(5, unix_millis(e.sent_at)).bind(6, unix_millis(e.at));
  add_.bind(7, static_cast<std::int64_t>(e.state)).bind(8, static_cast<std::int64_t>(e.reason)).bind(9, detail);
  add_.bind(10, e.late ? 1 : 0).bind(11, e.shown ? 1 : 0).bind(12, text);
  if (!files.empty()) add_.bind(13, files);  // unbound: NULL
  if (!part.empty()) add_.bind(14, part);
  OPALINE_CHECK(add_.bind(15, keep_place ? 1 : 0).bind(16, unix_millis(e.placed)).run());
  if (strict && store_.database().changes() == 0) return fail(DatabaseError::failed);
  return note_shared(e, body);
}

Result<void, DatabaseError> SqliteEndpointStore::note_shared(const Entry& e, const endpoint::MessageBody& body) {
  if (e.kind != EntryKind::outgoing || body.part.empty()) return {};
  const auto part = wire::decode_business_part(body.part);
  if (!part || part->shared.empty()) return {};
  SecretBytes value;
  value.push_back(static_cast<std::byte>(part->shared.size()));  // kMaxSharedBytes is less than 256
  value.insert(value.end(), part->shared.begin(), part->shared.end());
  value.insert(value.end(), body.text.begin(), body.text.end());
  const Bytes sealed = store_.key().seal(shared_place(e.message), value, random_);
  auto statement = store_.database().prepare("INSERT INTO shared VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING");
  return statement.bind(1, e.message.view()).bind(2, unix_millis(e.sent_at)).bind(3, sealed).run();
}

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::AddOutgoing& change) {
  const auto& m = change.message;
  Entry e;
  e.kind = EntryKind::outgoing;
  e.peer = m.peer;
  e.message = m.id;
  e.device = m.device;
  e.sent_at = e.at = e.placed = m.sent_at;
  e.state = endpoint::MessageState::queued;
  e.shown = m.device == DeviceNumber{};  // what was written elsewhere is shown here once
  // One of another device may be here already, in a page of the history.
  return add(e, m.body, m.device == DeviceNumber{}, false);
}

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::SetOutgoingState& change) {
  state_.reset();
  state_.bind(1, static_cast<std::int64_t>(change.state)).bind(2, static_cast<std::int64_t>(change.reason));
  return state_.bind(3, unix_millis(change.at)).bind(4, change.id.view()).run();
}

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::AddIncoming& change) {
  const auto& m = change.message;
  const AccountId& peer = m.sender.account;
  if (!m.sender_handle.empty()) {
    const Bytes claim = store_.key().seal(claim_place(peer), as_view(m.sender_handle), random_);
    auto statement = store_.database().prepare(
        "INSERT INTO claim SELECT ?1, ?2 WHERE NOT EXISTS(SELECT 1 FROM contact WHERE account = ?1) "
        "ON CONFLICT DO UPDATE SET handle = excluded.handle");
    OPALINE_CHECK(statement.bind(1, peer.view()).bind(2, claim).run());
  }
  Entry e;
  e.kind = EntryKind::incoming;
  e.peer = peer;
  e.message = m.id;
  e.device = m.sender.device;
  e.sent_at = m.sent_at;
  e.at = e.placed = m.received_at;
  e.incoming = m.kind;
  e.late = m.late;
  e.shown = m.read;
  return add(e, m.body, false, false);  // it may be here already, in a page of the history
}

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::AddNotice& change) {
  auto statement = store_.database().prepare(
      "INSERT INTO entry(kind, peer, sent_at, at, detail, placed) "
      "VALUES(3, ?1, ?2, ?2, ?3, max(?2, coalesce((SELECT max(placed) FROM entry), 0)))");
  statement.bind(1, change.peer.view()).bind(2, unix_millis(change.at));
  return statement.bind(3, static_cast<std::int64_t>(change.kind)).run();
}

}  // namespace opaline::client
