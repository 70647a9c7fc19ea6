#include "client/history.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "client/history_codec.hpp"

namespace opaline::client {
namespace {

constexpr std::string_view kColumns =
    "SELECT id, kind, peer, message, sent_at, at, state, reason, detail, late, shown, text, device, placed, files, "
    "part "
    "FROM entry ";

Bytes place(std::string_view column, EntryKind kind, const AccountId& peer, const MessageId& message) {
  Bytes out;
  Writer(out).bytes(as_view(column)).u8(static_cast<std::uint8_t>(kind)).bytes(peer.view()).bytes(message.view());
  return out;
}

Result<Entry, ClientError> read(const Statement& row, const StoreKey& key) {
  Entry out;
  out.id = row.integer(0);
  out.kind = EntryKind(row.integer(1));
  const auto peer = AccountId::from(row.bytes(2));
  if (!peer) return fail(ClientError::store_damaged);
  out.peer = *peer;
  out.sent_at = from_unix_millis(row.integer(4));
  out.at = from_unix_millis(row.integer(5));
  out.state = endpoint::MessageState(row.integer(6));
  out.reason = endpoint::Reason(row.integer(7));
  out.late = row.integer(9) != 0;
  out.shown = row.integer(10) != 0;
  out.device = DeviceNumber(static_cast<std::uint32_t>(row.integer(12)));
  out.placed = from_unix_millis(row.integer(13));
  if (out.kind == EntryKind::notice) {
    out.notice = endpoint::NoticeKind(row.integer(8));
    return out;
  }
  out.incoming = endpoint::IncomingKind(row.integer(8));
  const auto message = MessageId::from(row.bytes(3));
  if (!message) return fail(ClientError::store_damaged);
  out.message = *message;
  auto text = key.open_value(text_place(out.kind, out.peer, out.message), row.bytes(11));
  if (!text) return fail(ClientError::store_damaged);
  out.text = std::move(*text);
  if (!row.is_null(14)) {
    const auto files = key.open_value(files_place(out.kind, out.peer, out.message), row.bytes(14));
    auto attachments = files ? decode_attachments(*files) : std::nullopt;
    if (!attachments) return fail(ClientError::store_damaged);
    out.attachments = std::move(*attachments);
  }
  if (!row.is_null(15)) {
    auto part = key.open_value(part_place(out.kind, out.peer, out.message), row.bytes(15));
    if (!part) return fail(ClientError::store_damaged);
    out.part = std::move(*part);
  }
  return out;
}

Result<std::vector<Entry>, ClientError> read_all(Statement& statement, const StoreKey& key) {
  std::vector<Entry> out;
  for (;;) {
    const auto found = statement.step();
    if (!found) return fail(client_error(found.error()));
    if (!*found) return out;
    OPALINE_TRY(Entry entry, read(statement, key));
    out.push_back(std::move(entry));
  }
}

}  // namespace

Bytes text_place(EntryKind kind, const AccountId& peer, const MessageId& message) {
  return place("entry", kind, peer, message);
}

Bytes files_place(EntryKind kind, const AccountId& peer, const MessageId& message) {
  return place("files", kind, peer, message);
}

Bytes part_place(EntryKind kind, const AccountId& peer, const MessageId& message) {
  return place("part", kind, peer, message);
}

Bytes shared_place(const MessageId& message) {
  return place("shared", EntryKind::outgoing, AccountId(), message);
}

Result<std::vector<Entry>, ClientError> History::entries(const Filter& filter, std::size_t limit) const {
  const bool oldest = filter.unshown_only || filter.after > 0;
  std::string sql(kColumns);
  sql += "WHERE id > ?1";
  for (std::size_t i = 0; i < filter.peers.size(); ++i) sql += i == 0 ? " AND peer IN (?" : ", ?";
  if (!filter.peers.empty()) sql += ")";
  if (filter.unshown_only) sql += " AND shown = 0";
  sql += oldest ? " ORDER BY placed, id" : " ORDER BY placed DESC, id DESC";
  sql += " LIMIT ?";
  auto statement = store_.database().prepare(sql);
  int next = 1;
  statement.bind(next++, filter.after);
  for (const AccountId& peer : filter.peers) statement.bind(next++, peer.view());
  statement.bind(next, static_cast<std::int64_t>(limit));
  OPALINE_TRY(auto out, read_all(statement, store_.key()));
  if (!oldest) std::ranges::reverse(out);
  return out;
}

Result<std::optional<Entry>, ClientError> History::outgoing(const MessageId& message) const {
  auto statement = store_.database().prepare(std::string(kColumns) + "WHERE kind = 2 AND message = ?");
  statement.bind(1, message.view());
  OPALINE_TRY(auto found, read_all(statement, store_.key()));
  if (found.empty()) return std::optional<Entry>();
  return std::optional<Entry>(std::move(found.front()));
}

Result<std::vector<Entry>, ClientError> History::with_files(std::string_view begin) const {
  auto statement = store_.database().prepare(
      std::string(kColumns) + "WHERE files IS NOT NULL AND substr(lower(hex(message)), 1, ?2) = ?1 ORDER BY id DESC");
  statement.bind_text(1, begin).bind(2, static_cast<std::int64_t>(begin.size()));
  return read_all(statement, store_.key());
}

Result<std::vector<Entry>, ClientError> History::messages(std::int64_t first, std::int64_t last) const {
  auto statement =
      store_.database().prepare(std::string(kColumns) + "WHERE id BETWEEN ?1 AND ?2 AND kind IN (1, 2) ORDER BY id");
  statement.bind(1, first).bind(2, last);
  return read_all(statement, store_.key());
}

Result<std::vector<History::Conversation>, ClientError> History::conversations() const {
  auto statement = store_.database().prepare(
      "SELECT peer, max(placed), count(*), sum(kind = 1 AND shown = 0) FROM entry WHERE kind IN (1, 2) "
      "GROUP BY peer ORDER BY 2 DESC");
  std::vector<Conversation> out;
  for (;;) {
    const auto found = statement.step();
    if (!found) return fail(client_error(found.error()));
    if (!*found) return out;
    const auto peer = AccountId::from(statement.bytes(0));
    if (!peer) return fail(ClientError::store_damaged);
    out.push_back({*peer, from_unix_millis(statement.integer(1)), static_cast<std::size_t>(statement.integer(2)),
                   static_cast<std::size_t>(statement.integer(3))});
  }
}

Result<std::optional<Time>, ClientError> History::latest(std::span<const AccountId> peers) const {
  std::optional<Time> out;
  auto statement = store_.database().prepare("SELECT max(sent_at) FROM entry WHERE peer = ?");
  for (const AccountId& peer : peers) {
    const auto found = statement.bind(1, peer.view()).step();
    if (!found) return fail(client_error(found.error()));
    if (*found && !statement.is_null(0)) {
      const Time at = from_unix_millis(statement.integer(0));
      if (!out || at > *out) out = at;
    }
    statement.reset();
  }
  return out;
}

Result<std::vector<MessageId>, ClientError> History::beginning(std::span<const AccountId> peers,
                                                               std::string_view begin) const {
  std::vector<MessageId> out;
  auto statement = store_.database().prepare(
      "SELECT DISTINCT message FROM entry WHERE kind IN (1, 2) AND peer = ?1 AND substr(lower(hex(message)), 1, ?3) = "
      "?2 "
      "LIMIT 2");
  for (const AccountId& peer : peers) {
    statement.bind(1, peer.view()).bind_text(2, begin).bind(3, static_cast<std::int64_t>(begin.size()));
    for (;;) {
      const auto found = statement.step();
      if (!found) return fail(client_error(found.error()));
      if (!*found) break;
      const auto id = MessageId::from(statement.bytes(0));
      if (!id) return fail(ClientError::store_damaged);
      if (std::ranges::find(out, *id) == out.end() && out.size() < 2) out.push_back(*id);
    }
    statement.reset();
  }
  return out;
}

Result<void, ClientError> History::mark_shown(std::span<const std::int64_t> ids) const {
  if (ids.empty()) return {};
  auto transaction = Transaction::begin(store_.database());
  if (!transaction) return fail(client_error(transaction.error()));
  auto statement = store_.database().prepare("UPDATE entry SET shown = 1 WHERE id = ?");
  for (const std::int64_t id : ids) {
    if (const auto done = statement.bind(1, id).run(); !done) return fail(client_error(done.error()));
  }
  if (const auto done = transaction->commit(); !done) return fail(client_error(done.error()));
  return {};
}

}  // namespace opaline::client
