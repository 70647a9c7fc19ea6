#include "client/database.hpp"

#include <sqlite3.h>

namespace opaline::client {
namespace {

DatabaseError error_of(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return DatabaseError::full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DatabaseError::damaged;
    default:
      return DatabaseError::failed;
  }
}

constexpr int kBusyMillis = 10'000;  // a reader beside the writer waits at most this long

}  // namespace

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::bind(int parameter, std::int64_t value) {
  if (statement_ != nullptr) OPALINE_ASSERT(sqlite3_bind_int64(statement_, parameter, value) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int parameter, ByteView value) {
  // A null pointer would bind NULL; an empty blob is something else.
  const void* data = value.empty() ? static_cast<const void*>("") : value.data();
  if (statement_ != nullptr)
    OPALINE_ASSERT(sqlite3_bind_blob64(statement_, parameter, data, value.size(), SQLITE_STATIC) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind_text(int parameter, std::string_view value) {
  const char* data = value.empty() ? "" : value.data();
  if (statement_ != nullptr)
    OPALINE_ASSERT(sqlite3_bind_text64(statement_, parameter, data, value.size(), SQLITE_STATIC, SQLITE_UTF8) ==
                   SQLITE_OK);
  return *this;
}

Result<bool, DatabaseError> Statement::step() {
  if (statement_ == nullptr) return fail(DatabaseError::damaged);  // a table or column is missing
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return fail(error_of(code));
}

Result<void, DatabaseError> Statement::run() {
  for (;;) {
    OPALINE_TRY(const bool row, step());
    if (!row) break;
  }
  reset();
  return {};
}

void Statement::reset() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

ByteView Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return {static_cast<const std::byte*>(data), static_cast<std::size_t>(size)};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

void Database::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

Result<Database, DatabaseError> Database::open(const std::filesystem::path& file, Mode mode) {
  sqlite3* raw = nullptr;
  const int flags = mode == Mode::create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
  Database database(raw);
  if (code != SQLITE_OK) return fail(error_of(code));
  sqlite3_busy_timeout(raw, kBusyMillis);
  if (mode == Mode::read_only) return database;
  OPALINE_CHECK(database.execute(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA trusted_schema=OFF;"
      "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;"));
  return database;
}

Statement Database::prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  // On a damaged file this fails; then every step says so, through a statement that does nothing.
  (void)sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &statement, nullptr);
  return {database_.get(), statement};
}

Result<void, DatabaseError> Database::execute(const char* sql) const {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(error_of(code));
  return {};
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(database_.get());
}

Result<Transaction, DatabaseError> Transaction::begin(const Database& database) {
  OPALINE_CHECK(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  if (database_ != nullptr) (void)database_->execute("ROLLBACK");
}

Result<void, DatabaseError> Transaction::commit() {
  OPALINE_CHECK(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace opaline::client
