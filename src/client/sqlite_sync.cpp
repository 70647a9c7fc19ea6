// The part of SqliteEndpointStore that other devices of the account bring: reads, deletions, contacts, history.
#include <map>

#include "client/contacts.hpp"
#include "client/history_codec.hpp"
#include "client/persona_book.hpp"
#include "client/sqlite_endpoint_store.hpp"
#include "wire/contents.hpp"

namespace opaline::client {
namespace {

using endpoint::StoreError;

StoreError store_error(DatabaseError error) {
  return error == DatabaseError::full ? StoreError::full : StoreError::failed;
}
DatabaseError database_error(ClientError error) {
  switch (error) {
    case ClientError::store_full:
      return DatabaseError::full;
    case ClientError::store_damaged:
      return DatabaseError::damaged;
    default:
      return DatabaseError::failed;
  }
}

/// What sealing adds to a value: nonce and tag.
constexpr std::int64_t kSealedExtra = 28;

/// Of messages that are not there any more.
Result<void, DatabaseError> drop_part_files(const Database& database) {
  return database.execute(
      "DELETE FROM part_file WHERE NOT EXISTS(SELECT 1 FROM entry WHERE entry.message = part_file.message)");
}

std::size_t plain_size(const Statement& row, int column) {
  return static_cast<std::size_t>(std::max<std::int64_t>(row.integer(column) - kSealedExtra, 0));
}

}  // namespace

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::MarkRead& change) {
  auto statement =
      store_.database().prepare("UPDATE entry SET shown = 1 WHERE kind = 1 AND peer = ?1 AND message = ?2");
  // Who has read a message on another device has seen the lines before it there. Alarms are for every device: another
  // one need not have seen what this one has.
  auto lines = store_.database().prepare(
      "UPDATE entry SET shown = 1 WHERE kind = 3 AND shown = 0 AND peer = ?1 AND detail IN (?3, ?4, ?5, ?6) AND placed "
      "<= (SELECT placed FROM entry WHERE kind = 1 AND peer = ?1 AND message = ?2)");
  constexpr endpoint::NoticeKind kQuiet[] = {endpoint::NoticeKind::first_contact, endpoint::NoticeKind::session_healed,
                                             endpoint::NoticeKind::messages_expired,
                                             endpoint::NoticeKind::device_list_changed};
  for (const MessageId& id : change.ids) {
    OPALINE_CHECK(statement.bind(1, change.peer.view()).bind(2, id.view()).run());
    int parameter = 3;
    for (const auto kind : kQuiet) lines.bind(parameter++, static_cast<std::int64_t>(kind));
    OPALINE_CHECK(lines.bind(1, change.peer.view()).bind(2, id.view()).run());
  }
  return {};
}

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::DeleteMessages& change) {
  auto erase = store_.database().prepare("DELETE FROM entry WHERE kind IN (1, 2) AND peer = ?1 AND message = ?2");
  auto remember = store_.database().prepare("INSERT INTO deleted_message VALUES(?1, ?2) ON CONFLICT DO NOTHING");
  for (const MessageId& id : change.ids) {
    OPALINE_CHECK(erase.bind(1, change.peer.view()).bind(2, id.view()).run());
    OPALINE_CHECK(remember.bind(1, change.peer.view()).bind(2, id.view()).run());
  }
  return drop_part_files(store_.database());
}

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::DeleteConversation& change) {
  const std::int64_t through = unix_millis(change.through);
  auto erase = store_.database().prepare("DELETE FROM entry WHERE peer = ?1 AND sent_at <= ?2");
  OPALINE_CHECK(erase.bind(1, change.peer.view()).bind(2, through).run());
  OPALINE_CHECK(drop_part_files(store_.database()));
  auto remember = store_.database().prepare(
      "INSERT INTO deleted_conversation VALUES(?1, ?2) "
      "ON CONFLICT DO UPDATE SET through = max(through, excluded.through)");
  return remember.bind(1, change.peer.view()).bind(2, through).run();
}

/// Only what this device did not know is taken: a handle that it knows as somebody else's raises the alarm, as a lookup
/// that says so does, and the person decides.
Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::AddContact& change) {
  if (change.handle.empty() || change.handle.size() > wire::kMaxHandleBytes) return {};
  const Contacts contacts(store_, random_);
  auto known = contacts.find(change.handle);
  if (!known) return fail(database_error(known.error()));
  if (*known && (*known)->account == change.account) return {};
  const auto former = contacts.former_handle(change.account);
  if (!former) return fail(database_error(former.error()));
  if (*former && **former == change.handle) return {};  // the person has agreed here to another account already
  Contact contact;
  if (*known) contact = std::move(**known);
  contact.handle = change.handle;
  if (!contact.account) {
    contact.account = change.account;
    contact.gone = false;
    contact.refresh_at = {};  // the directory is asked before it is used
  } else if (contact.pending == change.account) {
    return {};
  } else {
    contact.pending = change.account;
    contact.gone = false;
    alarms_.push_back(*contact.account);
  }
  if (const auto saved = contacts.save(contact); !saved) return fail(database_error(saved.error()));
  return {};
}

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::AddPersona& change) {
  if (const auto saved = PersonaBook(store_, random_).set(change.persona); !saved)
    return fail(database_error(saved.error()));
  return {};
}

Result<std::vector<endpoint::PersonaState>, StoreError> SqliteEndpointStore::personas() {
  auto known = PersonaBook(store_, random_).list();
  if (!known) return fail(StoreError::failed);
  return std::move(*known);
}

Result<bool, DatabaseError> SqliteEndpointStore::was_deleted(const Entry& entry) const {
  auto statement = store_.database().prepare(
      "SELECT EXISTS(SELECT 1 FROM deleted_message WHERE peer = ?1 AND message = ?2) "
      "OR EXISTS(SELECT 1 FROM deleted_conversation WHERE peer = ?1 AND through >= ?3)");
  statement.bind(1, entry.peer.view()).bind(2, entry.message.view()).bind(3, unix_millis(entry.sent_at));
  OPALINE_TRY(const bool found, statement.step());
  return found && statement.integer(0) != 0;
}

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::AddHistory& change) {
  auto entries = decode_page(change.entries);
  if (!entries) return {};  // damaged, or of a newer version: the rest is no worse for it
  for (Entry& entry : *entries) {
    OPALINE_TRY(const bool deleted, was_deleted(entry));
    if (deleted) continue;
    if (entry.kind == EntryKind::outgoing && entry.device == own_device_) entry.device = DeviceNumber{};
    OPALINE_CHECK(
        add(entry, {std::move(entry.text), std::move(entry.attachments), std::move(entry.part)}, false, true));
  }
  return {};
}

Result<void, DatabaseError> SqliteEndpointStore::apply(const endpoint::RaiseOutgoingState& change) {
  // States are numbered as they rise (endpoint::MessageState); 1 is queued, 3 and 4 are receipts, 5 is failed.
  auto statement = store_.database().prepare(
      "UPDATE entry SET state = ?1, reason = 0, at = ?2 WHERE kind = 2 AND peer = ?3 AND message = ?4 "
      "AND CASE WHEN ?1 IN (3, 4) THEN state = 5 OR state < ?1 ELSE state = 1 END");
  statement.bind(1, static_cast<std::int64_t>(change.state)).bind(2, unix_millis(change.at));
  return statement.bind(3, change.peer.view()).bind(4, change.id.view()).run();
}

Result<std::vector<endpoint::EndpointStore::HistoryPage>, StoreError> SqliteEndpointStore::history_pages(Time since) {
  // From the first entry that is wanted on, also those that are not: a page is a run of ids and nothing else.
  auto statement = store_.database().prepare(
      "SELECT id, placed >= ?1, length(text), length(files), length(part) FROM entry "
      "WHERE kind IN (1, 2) AND id >= (SELECT min(id) FROM entry WHERE placed >= ?1) ORDER BY id");
  statement.bind(1, unix_millis(since));
  std::vector<HistoryPage> out;
  std::size_t left = 0;
  for (;;) {
    const auto found = statement.step();
    if (!found) return fail(store_error(found.error()));
    if (!*found) return out;
    const auto id = static_cast<std::uint64_t>(statement.integer(0));
    if (statement.integer(1) == 0) {
      left = 0;
      continue;
    }
    const std::size_t size =
        page_entry_bytes(plain_size(statement, 2), plain_size(statement, 3), plain_size(statement, 4));
    if (size > left) {
      out.push_back({id, id});
      left = wire::kMaxHistoryPartBytes - kPageHeadBytes;
    }
    out.back().last = id;
    left -= std::min(left, size);
  }
}

Result<SecretBytes, StoreError> SqliteEndpointStore::history_page(const HistoryPage& page) {
  const auto entries =
      History(store_).messages(static_cast<std::int64_t>(page.first), static_cast<std::int64_t>(page.last));
  if (!entries) return fail(StoreError::failed);
  PageWriter out;
  for (const Entry& entry : *entries) out.add(entry, own_device_);
  return out.take();
}

Result<std::vector<endpoint::AddContact>, StoreError> SqliteEndpointStore::contacts() {
  const auto known = Contacts(store_, random_).all();
  const auto talks = History(store_).conversations();
  if (!known || !talks) return fail(StoreError::failed);
  std::map<AccountId, endpoint::AddContact> out;
  for (const auto& talk : *talks) out[talk.peer] = {talk.peer, {}, talk.active_at};
  for (const Contact& contact : *known) {
    if (!contact.account || contact.gone) continue;
    endpoint::AddContact& entry = out[*contact.account];
    entry.account = *contact.account;
    // Of several spellings the one that the directory uses: without blanks, in lower case.
    const bool better = entry.handle.empty() || contact.handle.size() < entry.handle.size() ||
                        (contact.handle.size() == entry.handle.size() && contact.handle > entry.handle);
    if (better) entry.handle = contact.handle;
  }
  std::vector<endpoint::AddContact> list;
  for (auto& [account, contact] : out) list.push_back(std::move(contact));
  return list;
}

}  // namespace opaline::client
