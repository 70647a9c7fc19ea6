#include "client/contacts.hpp"

#include "base/codec.hpp"

namespace opaline::client {
namespace {

Bytes place(ByteView blind) {
  Bytes out = to_bytes("contact");
  append(out, blind);
  return out;
}

Bytes former_place(const AccountId& account) {
  Bytes out = to_bytes("former");
  append(out, account.view());
  return out;
}

constexpr std::string_view kColumns =
    "SELECT blind, handle, account, token, expires_at, refresh_at, pending, asked_at FROM contact ";

}  // namespace

Result<Contact, ClientError> Contacts::read_row(const Statement& statement) const {
  const auto handle = store_.key().open_value(place(statement.bytes(0)), statement.bytes(1));
  if (!handle) return fail(ClientError::store_damaged);
  Contact out;
  out.handle = to_string(*handle);
  if (!statement.is_null(2)) out.account = AccountId::from(statement.bytes(2));
  out.renewal_token = to_bytes(statement.bytes(3));
  out.expires_at = from_unix_millis(statement.integer(4));
  out.refresh_at = from_unix_millis(statement.integer(5));
  if (!statement.is_null(6)) out.pending = AccountId::from(statement.bytes(6));
  if (out.pending && out.pending->is_zero()) {  // the zero id: nobody
    out.pending.reset();
    out.gone = true;
  }
  out.asked_at = from_unix_millis(statement.integer(7));
  return out;
}

Result<std::optional<Contact>, ClientError> Contacts::read(Statement& statement) const {
  const auto found = statement.step();
  if (!found) return fail(client_error(found.error()));
  if (!*found) return std::optional<Contact>();
  OPALINE_TRY(Contact out, read_row(statement));
  return std::optional<Contact>(std::move(out));
}

Result<std::vector<Contact>, ClientError> Contacts::all() const {
  auto statement = store_.database().prepare(kColumns);
  std::vector<Contact> out;
  for (;;) {
    const auto found = statement.step();
    if (!found) return fail(client_error(found.error()));
    if (!*found) return out;
    OPALINE_TRY(Contact contact, read_row(statement));
    out.push_back(std::move(contact));
  }
}

Result<std::optional<Contact>, ClientError> Contacts::find(std::string_view handle) const {
  const auto blind = store_.key().blind(as_view(handle));
  auto statement = store_.database().prepare(std::string(kColumns) + "WHERE blind = ?");
  statement.bind(1, blind);
  return read(statement);
}

Result<std::optional<Contact>, ClientError> Contacts::find(const AccountId& account) const {
  auto statement =
      store_.database().prepare(std::string(kColumns) + "WHERE account = ? ORDER BY expires_at DESC LIMIT 1");
  statement.bind(1, account.view());
  return read(statement);
}

Result<void, ClientError> Contacts::save(const Contact& contact) const {
  const auto blind = store_.key().blind(as_view(contact.handle));
  const Bytes sealed = store_.key().seal(place(blind), as_view(contact.handle), random_);
  auto statement = store_.database().prepare(
      "INSERT INTO contact(blind, handle, account, pending, token, expires_at, refresh_at, asked_at) "
      "VALUES(?1,?2,?3,?7,?4,?5,?6,?8) ON CONFLICT DO UPDATE SET handle = ?2, account = ?3, pending = ?7, token = ?4, "
      "expires_at = ?5, refresh_at = ?6, asked_at = ?8");
  statement.bind(1, blind).bind(2, sealed);
  if (contact.account) statement.bind(3, contact.account->view());  // unbound: NULL
  const AccountId moved_to = contact.pending.value_or(AccountId());
  if (contact.pending || contact.gone) statement.bind(7, moved_to.view());
  statement.bind(4, contact.renewal_token)
      .bind(5, unix_millis(contact.expires_at))
      .bind(6, unix_millis(contact.refresh_at))
      .bind(8, unix_millis(contact.asked_at));
  if (const auto done = statement.run(); !done) return fail(client_error(done.error()));
  return {};
}

Bytes claim_place(const AccountId& account) {
  Bytes out = to_bytes("claim");
  append(out, account.view());
  return out;
}

Result<std::optional<std::string>, ClientError> Contacts::sealed_handle(std::string_view query,
                                                                        const AccountId& account,
                                                                        ByteView place) const {
  auto statement = store_.database().prepare(query);
  statement.bind(1, account.view());
  const auto found = statement.step();
  if (!found) return fail(client_error(found.error()));
  if (!*found) return std::optional<std::string>();
  const auto handle = store_.key().open_value(place, statement.bytes(0));
  if (!handle) return fail(ClientError::store_damaged);
  return std::optional<std::string>(to_string(*handle));
}

Result<std::optional<std::string>, ClientError> Contacts::claim(const AccountId& account) const {
  return sealed_handle("SELECT handle FROM claim WHERE account = ?", account, claim_place(account));
}

Result<std::vector<AccountId>, ClientError> Contacts::claimants(std::size_t limit) const {
  auto statement = store_.database().prepare(
      "SELECT account FROM claim WHERE account NOT IN (SELECT account FROM contact WHERE account IS NOT NULL) LIMIT ?");
  statement.bind(1, static_cast<std::int64_t>(limit));
  std::vector<AccountId> out;
  for (;;) {
    const auto found = statement.step();
    if (!found) return fail(client_error(found.error()));
    if (!*found) return out;
    const auto account = AccountId::from(statement.bytes(0));
    if (!account) return fail(ClientError::store_damaged);
    out.push_back(*account);
  }
}

Result<void, ClientError> Contacts::settle_claim(const AccountId& account) const {
  auto statement = store_.database().prepare("DELETE FROM claim WHERE account = ?");
  if (const auto done = statement.bind(1, account.view()).run(); !done) return fail(client_error(done.error()));
  return {};
}

Result<void, ClientError> Contacts::accept(const Contact& contact) const {
  OPALINE_ASSERT(contact.account && contact.pending);
  const AccountId &before = *contact.account, &now = *contact.pending;
  const Bytes sealed = store_.key().seal(former_place(before), as_view(contact.handle), random_);
  const auto write = [&]() -> Result<void, DatabaseError> {
    OPALINE_TRY(auto transaction, Transaction::begin(store_.database()));
    auto former = store_.database().prepare(
        "INSERT INTO former VALUES(?1, ?2) ON CONFLICT DO UPDATE SET handle = excluded.handle");
    OPALINE_CHECK(former.bind(1, before.view()).bind(2, sealed).run());
    auto moved = store_.database().prepare(
        "UPDATE contact SET account = ?2, pending = NULL WHERE account = ?1 AND pending = ?2");
    OPALINE_CHECK(moved.bind(1, before.view()).bind(2, now.view()).run());
    return transaction.commit();
  };
  if (const auto done = write(); !done) return fail(client_error(done.error()));
  return {};
}

Result<std::optional<std::string>, ClientError> Contacts::former_handle(const AccountId& account) const {
  return sealed_handle("SELECT handle FROM former WHERE account = ?", account, former_place(account));
}

std::string Contacts::display_name(const AccountId& account) const {
  if (const auto contact = find(account); contact && *contact) return (*contact)->handle;
  if (const auto former = former_handle(account); former && *former) return **former;
  return account.hex();
}

Result<std::vector<AccountId>, ClientError> Contacts::accounts_of(std::string_view handle) const {
  std::vector<AccountId> out;
  OPALINE_TRY(const auto contact, find(handle));
  if (contact && contact->account) out.push_back(*contact->account);
  auto statement = store_.database().prepare("SELECT account, handle FROM former");
  for (;;) {
    const auto found = statement.step();
    if (!found) return fail(client_error(found.error()));
    if (!*found) return out;
    const auto account = AccountId::from(statement.bytes(0));
    if (!account) return fail(ClientError::store_damaged);
    const auto name = store_.key().open_value(former_place(*account), statement.bytes(1));
    if (!name) return fail(ClientError::store_damaged);
    if (as_text(*name) == handle) out.push_back(*account);
  }
}

Result<void, ClientError> Contacts::distrust(const AccountId& account) const {
  auto statement = store_.database().prepare("UPDATE contact SET refresh_at = 0 WHERE account = ?");
  statement.bind(1, account.view());
  if (const auto done = statement.run(); !done) return fail(client_error(done.error()));
  return {};
}

}  // namespace opaline::client
