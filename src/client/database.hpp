#pragma once
// SQLite, as little of it as this room needs. One connection, one thread.
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "base/bytes.hpp"
#include "client/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace opaline::client {

enum class DatabaseError : std::uint8_t { full, failed, damaged };

/// A prepared statement, reset when it goes out of scope of a Use. Parameters count from 1, columns from 0.
class Statement {
 public:
  Statement(sqlite3* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  Statement(Statement&& other) noexcept
      : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& bind(int parameter, std::int64_t value);
  /// The bytes must stay until the statement has run.
  Statement& bind(int parameter, ByteView value);
  Statement& bind_text(int parameter, std::string_view value);

  /// True: a row is there to be read. False: done.
  [[nodiscard]] Result<bool, DatabaseError> step();
  /// Steps to the end of a statement that gives no rows.
  [[nodiscard]] Result<void, DatabaseError> run();
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  /// Valid until the next step or reset.
  [[nodiscard]] ByteView bytes(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_;
};

class Database {
 public:
  enum class Mode : std::uint8_t { create, read_only };
  /// Opens with a write-ahead log, full syncs, and deleted content overwritten.
  [[nodiscard]] static Result<Database, DatabaseError> open(const std::filesystem::path& file, Mode mode);

  /// Compiles. On a file whose schema is not ours the statement's steps answer `damaged`.
  [[nodiscard]] Statement prepare(std::string_view sql) const;
  [[nodiscard]] Result<void, DatabaseError> execute(const char* sql) const;
  /// Rows that the last statement changed.
  [[nodiscard]] std::int64_t changes() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(sqlite3* database) : database_(database) {}
  std::unique_ptr<sqlite3, Close> database_;
};

/// BEGIN IMMEDIATE ... COMMIT; rolls back unless committed.
class Transaction {
 public:
  [[nodiscard]] static Result<Transaction, DatabaseError> begin(const Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  [[nodiscard]] Result<void, DatabaseError> commit();

 private:
  explicit Transaction(const Database& database) : database_(&database) {}
  const Database* database_;
};

}  // namespace opaline::client
