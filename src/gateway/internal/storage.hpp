#pragma once
// What a gateway has on the disk: a vault, and rows in RocksDB, sealed and journaled.
#include <filesystem>
#include <future>
#include <memory>
#include <optional>

#include "base/log.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"
#include "store/expiry_guard.hpp"
#include "store/journaled_rows.hpp"

namespace opaline::gateway::internal {

/// One thread only. Borrows `random` and `log`.
class Storage {
 public:
  /// The error is a sentence for people, with the directory that it is about.
  [[nodiscard]] static Result<std::unique_ptr<Storage>, std::string> open(const std::filesystem::path& data,
                                                                          const std::filesystem::path& vault,
                                                                          RandomSource& random, Log& log);
  [[nodiscard]] store::FileKeyVault& vault() { return *vault_; }
  [[nodiscard]] store::JournaledRows& rows() { return *journaled_; }
  [[nodiscard]] store::ExpiryGuard& guard() { return *guard_; }
  /// To be called about hourly: once a day, on a thread of its own, the files are written anew without what was erased
  /// and overwritten, earlier states of sessions among it. Whoever destroys this waits for it.
  void maintain(Time now);

 private:
  Storage() = default;
  std::unique_ptr<store::FileKeyVault> vault_;
  std::unique_ptr<store::RocksdbRowStore> files_;
  std::optional<store::SealedRows> sealed_;
  std::unique_ptr<store::JournaledRows> journaled_;
  std::optional<store::ExpiryGuard> guard_;
  std::future<void> maintaining_;
};

}  // namespace opaline::gateway::internal
