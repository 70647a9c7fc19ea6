#include "client/home.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/transfers_schema.hpp"

namespace opaline::client {
namespace {

constexpr std::int64_t kSchemaVersion = 7;
constexpr const char* kSchema = R"sql(
CREATE TABLE setting(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
-- rows of the endpoint room: value sealed
CREATE TABLE row(place INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY(place, key)) WITHOUT ROWID;
-- the conversation as the person sees it; kind 1 incoming, 2 outgoing, 3 notice; text sealed
CREATE TABLE entry(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  peer BLOB NOT NULL,
  message BLOB,
  device INTEGER NOT NULL DEFAULT 0,
  sent_at INTEGER NOT NULL,
  at INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,
  reason INTEGER NOT NULL DEFAULT 0,
  detail INTEGER NOT NULL DEFAULT 0,
  late INTEGER NOT NULL DEFAULT 0,
  shown INTEGER NOT NULL DEFAULT 0,
  text BLOB);
CREATE UNIQUE INDEX entry_message ON entry(kind, peer, message) WHERE message IS NOT NULL;
CREATE INDEX entry_peer ON entry(peer, id);
CREATE INDEX entry_unshown ON entry(shown, id) WHERE shown = 0;
-- what lookups answered: handle sealed and blinded
CREATE TABLE contact(
  blind BLOB PRIMARY KEY,
  handle BLOB NOT NULL,
  account BLOB,
  pending BLOB,
  token BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  refresh_at INTEGER NOT NULL) WITHOUT ROWID;
-- by which handle a sender says to be reached: sealed, and not believed before a lookup
CREATE TABLE claim(account BLOB PRIMARY KEY, handle BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX contact_account ON contact(account) WHERE account IS NOT NULL;
)sql";
constexpr const char* kSchema2 = R"sql(
-- the handle that an account had before the person accepted another account for it: sealed
CREATE TABLE former(account BLOB PRIMARY KEY, handle BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 2;
)sql";
constexpr const char* kSchema3 = R"sql(
-- attachments: descriptors, sealed; NULL: none. placed: where an entry belongs, never before the one that came before it
ALTER TABLE entry ADD COLUMN files BLOB;
ALTER TABLE entry ADD COLUMN placed INTEGER NOT NULL DEFAULT 0;
UPDATE entry SET placed = ranked.placed FROM
  (SELECT id, max(CASE kind WHEN 2 THEN sent_at ELSE at END) OVER (ORDER BY id) AS placed FROM entry) AS ranked
  WHERE ranked.id = entry.id;
DROP INDEX entry_peer;
CREATE INDEX entry_peer ON entry(peer, placed, id);
CREATE INDEX entry_placed ON entry(placed, id);
-- what the person deleted and other devices are not to bring back: messages; conversations up to a time
CREATE TABLE deleted_message(peer BLOB NOT NULL, message BLOB NOT NULL, PRIMARY KEY(peer, message)) WITHOUT ROWID;
CREATE TABLE deleted_conversation(peer BLOB PRIMARY KEY, through INTEGER NOT NULL) WITHOUT ROWID;
-- a linking or recovery under way (linking.hpp, recovery.hpp): sealed
CREATE TABLE progress(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 3;
)sql";

constexpr const char* kSchema5 = R"sql(
-- what stands beside the words between a person and a business: sealed; NULL: nothing
ALTER TABLE entry ADD COLUMN part BLOB;
-- businesses that the person has written to or blocked (persona_book.hpp); secret: opaque id and root, sealed
CREATE TABLE persona(
  business BLOB PRIMARY KEY,
  secret BLOB NOT NULL,
  state INTEGER NOT NULL,
  changed_at INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 5;
)sql";

constexpr const char* kSchema6 = R"sql(
-- what the person chose to give a business, from the message that it went in; value: names and text, sealed
CREATE TABLE shared(message BLOB PRIMARY KEY, at INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
-- what a message's last attachment held in place of its text or part: sealed
CREATE TABLE part_file(message BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 6;
)sql";

constexpr const char* kSchema7 = R"sql(
-- when the service was last asked about a contact; 0: not known
ALTER TABLE contact ADD COLUMN asked_at INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 7;
)sql";

Result<Bytes, DatabaseError> setting(const Database& database, std::string_view name) {
  auto statement = database.prepare("SELECT value FROM setting WHERE name = ?");
  statement.bind_text(1, name);
  OPALINE_TRY(const bool found, statement.step());
  return found ? to_bytes(statement.bytes(0)) : Bytes();
}

Result<void, DatabaseError> put_setting(const Database& database, std::string_view name, ByteView value) {
  auto statement =
      database.prepare("INSERT INTO setting VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value");
  return statement.bind_text(1, name).bind(2, value).run();
}

Result<std::int64_t, DatabaseError> user_version(const Database& database) {
  auto statement = database.prepare("PRAGMA user_version");
  OPALINE_TRY(const bool found, statement.step());
  return found ? statement.integer(0) : 0;
}

template <class T>
Result<T, ClientError> translated(Result<T, DatabaseError> result) {
  if (!result) return fail(client_error(result.error()));
  return std::move(*result);
}
Result<void, ClientError> translated(Result<void, DatabaseError> result) {
  if (!result) return fail(client_error(result.error()));
  return {};
}

Result<void, DatabaseError> make_schema(const Database& database, ByteView wrapped, const Settings& settings) {
  OPALINE_TRY(auto transaction, Transaction::begin(database));
  OPALINE_CHECK(database.execute(kSchema));
  OPALINE_CHECK(put_setting(database, "key", wrapped));
  OPALINE_CHECK(put_setting(database, "server", as_view(settings.server)));
  OPALINE_CHECK(put_setting(database, "authority", as_view(settings.authority)));
  OPALINE_CHECK(database.execute(kSchema2));
  OPALINE_CHECK(database.execute(kSchema3));
  OPALINE_CHECK(database.execute(kSchema4));
  OPALINE_CHECK(database.execute(kSchema5));
  OPALINE_CHECK(database.execute(kSchema6));
  OPALINE_CHECK(database.execute(kSchema7));
  return transaction.commit();
}

/// Brings a database of an older version up to this one; a second process may do the same at the same time.
Result<void, DatabaseError> migrate(const Database& database) {
  OPALINE_TRY(auto transaction, Transaction::begin(database));
  OPALINE_TRY(const std::int64_t version, user_version(database));
  if (version <= 1) OPALINE_CHECK(database.execute(kSchema2));
  if (version <= 2) OPALINE_CHECK(database.execute(kSchema3));
  if (version <= 3) OPALINE_CHECK(database.execute(kSchema4));
  if (version <= 4) OPALINE_CHECK(database.execute(kSchema5));
  if (version <= 5) OPALINE_CHECK(database.execute(kSchema6));
  if (version <= 6) OPALINE_CHECK(database.execute(kSchema7));
  return transaction.commit();
}

/// Opens the database of a home that has one, and checks its version.
Result<Database, ClientError> existing(const Home& home) {
  if (!home.has_database()) return fail(ClientError::not_registered);
  OPALINE_TRY(Database database, translated(Database::open(home.database_file(), Database::Mode::create)));
  OPALINE_TRY(const std::int64_t version, translated(user_version(database)));
  if (version > kSchemaVersion) return fail(ClientError::store_newer);
  if (version == 0) return fail(ClientError::not_registered);  // a crash before the first transaction
  if (version < kSchemaVersion) OPALINE_CHECK(translated(migrate(database)));
  return database;
}

}  // namespace

ClientError client_error(DatabaseError error) {
  switch (error) {
    case DatabaseError::full:
      return ClientError::store_full;
    case DatabaseError::failed:
      return ClientError::store_failed;
    case DatabaseError::damaged:
      return ClientError::store_damaged;
  }
  return ClientError::store_failed;
}

Result<Home, ClientError> Home::at(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory.parent_path(), error);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail(ClientError::store_failed);
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return fail(ClientError::store_failed);
  if ((info.st_mode & 077) != 0 || info.st_uid != geteuid()) return fail(ClientError::permissions);
  return Home(std::filesystem::absolute(directory));
}

bool Home::has_database() const {
  std::error_code error;
  return std::filesystem::exists(database_file(), error);
}

Home::Lock::~Lock() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Home::Lock, ClientError> Home::lock() const {
  const int fd = ::open((directory_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return fail(ClientError::store_failed);
  Lock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) return fail(ClientError::locked);
  return lock;
}

Result<LocalStore, ClientError> LocalStore::create(const Home& home, const Unlock& unlock, const Settings& settings,
                                                   RandomSource& random, const crypto::Argon2Cost& cost) {
  const auto old = ::umask(077);
  auto opened = Database::open(home.database_file(), Database::Mode::create);
  ::umask(old);
  OPALINE_TRY(Database database, translated(std::move(opened)));
  OPALINE_TRY(const std::int64_t version, translated(user_version(database)));
  if (version != 0) return fail(ClientError::registered);
  OPALINE_TRY(StoreKey::Created created, StoreKey::create(unlock, random, cost));
  OPALINE_CHECK(translated(make_schema(database, created.wrapped, settings)));
  return LocalStore(std::move(database), std::move(created.key));
}

Result<LocalStore, ClientError> LocalStore::open(const Home& home, const Unlock& unlock) {
  OPALINE_TRY(Database database, existing(home));
  OPALINE_TRY(const Bytes wrapped, translated(setting(database, "key")));
  OPALINE_TRY(StoreKey key, StoreKey::open(wrapped, unlock));
  return LocalStore(std::move(database), std::move(key));
}

Result<bool, ClientError> LocalStore::wants_passphrase(const Home& home) {
  OPALINE_TRY(const Database database, existing(home));
  OPALINE_TRY(const Bytes wrapped, translated(setting(database, "key")));
  return StoreKey::wants_passphrase(wrapped);
}

Result<Settings, ClientError> LocalStore::settings() const {
  OPALINE_TRY(const Bytes server, translated(setting(database_, "server")));
  OPALINE_TRY(const Bytes authority, translated(setting(database_, "authority")));
  return Settings{to_string(server), to_string(authority)};
}

Result<void, ClientError> LocalStore::save(const Settings& settings) const {
  OPALINE_TRY(auto transaction, translated(Transaction::begin(database_)));
  OPALINE_CHECK(translated(put_setting(database_, "server", as_view(settings.server))));
  OPALINE_CHECK(translated(put_setting(database_, "authority", as_view(settings.authority))));
  return translated(transaction.commit());
}

}  // namespace opaline::client
