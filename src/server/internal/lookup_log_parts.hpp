#pragma once
// The lookup log with its own database and vault, as the configuration wants it.
#include <memory>
#include <string>

#include "base/random.hpp"
#include "records/lookup_log.hpp"
#include "server/config.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline::server {

/// In the order in which they end, last first. Without a retention there is the log alone, which keeps nothing.
struct LookupLogParts {
  std::unique_ptr<store::FileKeyVault> vault;
  std::unique_ptr<store::RocksdbRowStore> rows;
  std::unique_ptr<records::LookupLog> log;
};

/// <data>/lookups and <vault>/lookups. With a retention of 0 nothing is made there, and what an earlier one left is
/// destroyed, keys first. The error is a sentence. All that is given outlives the parts.
[[nodiscard]] Result<LookupLogParts, std::string> open_lookup_log(const Config& config, const Clock& clock,
                                                                  RandomSource& random, Log& log);

}  // namespace opaline::server
