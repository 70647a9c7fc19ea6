#pragma once
// A device's home directory: one account, one device. Mode 0700; `opaline.db`, `device.key` (unless there is a
// passphrase), `lock`, and `opaline.sock` while a process holds it.
#include <filesystem>

#include "client/database.hpp"
#include "client/store_key.hpp"

namespace opaline::client {

/// Settings that are no secret: where the server is.
struct Settings {
  std::string server;     ///< https://host[:port]
  std::string authority;  ///< PEM of the certificate authority to trust; empty: the system's
};

class Home {
 public:
  /// `directory` is made (0700) if missing. permissions: open to others.
  [[nodiscard]] static Result<Home, ClientError> at(const std::filesystem::path& directory);

  [[nodiscard]] std::filesystem::path database_file() const { return directory_ / "opaline.db"; }
  [[nodiscard]] std::filesystem::path key_file() const { return directory_ / "device.key"; }
  [[nodiscard]] std::filesystem::path socket_file() const { return directory_ / "opaline.sock"; }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] bool has_database() const;

  /// Held until destroyed. locked: another process has it.
  class Lock {
   public:
    explicit Lock(int fd) : fd_(fd) {}
    Lock(Lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Lock& operator=(Lock&&) = delete;
    ~Lock();

   private:
    int fd_;
  };
  [[nodiscard]] Result<Lock, ClientError> lock() const;

 private:
  explicit Home(std::filesystem::path directory) : directory_(std::move(directory)) {}
  std::filesystem::path directory_;
};

/// The open local store: database and key. Versioned by SQLite's user_version.
class LocalStore {
 public:
  /// A new store in an empty home. registered (there is one), permissions, store_full, store_failed.
  [[nodiscard]] static Result<LocalStore, ClientError> create(const Home& home, const Unlock& unlock,
                                                              const Settings& settings, RandomSource& random,
                                                              const crypto::Argon2Cost& cost = {});
  /// not_registered (there is none), wrong_passphrase, passphrase_needed, permissions, store_damaged, store_newer,
  /// store_failed.
  [[nodiscard]] static Result<LocalStore, ClientError> open(const Home& home, const Unlock& unlock);
  /// Nothing but whether the home wants a passphrase. not_registered, store_damaged, store_newer, store_failed.
  [[nodiscard]] static Result<bool, ClientError> wants_passphrase(const Home& home);

  [[nodiscard]] const Database& database() const { return database_; }
  [[nodiscard]] const StoreKey& key() const { return key_; }
  [[nodiscard]] Result<Settings, ClientError> settings() const;
  [[nodiscard]] Result<void, ClientError> save(const Settings& settings) const;

 private:
  LocalStore(Database database, StoreKey key) : database_(std::move(database)), key_(std::move(key)) {}
  Database database_;
  StoreKey key_;
};

[[nodiscard]] ClientError client_error(DatabaseError error);

}  // namespace opaline::client
