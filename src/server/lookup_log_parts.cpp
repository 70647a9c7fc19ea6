#include <fmt/format.h>

#include "server/internal/lookup_log_parts.hpp"
#include "server/server.hpp"

namespace opaline::server {
namespace {

namespace fs = std::filesystem;

/// Also the mark of a removal that a crash interrupted.
constexpr Day kAllDays{UINT32_MAX};

Result<std::unique_ptr<store::FileKeyVault>, std::string> open_vault(const Config& config, RandomSource& random) {
  auto vault = store::FileKeyVault::open({.directory = config.paths.vault / kLookupsDirectory,
                                          .master_key_file = store::systemd_credential("opaline-vault-key"),
                                          .give_up_damaged_days = config.paths.accept_damage},
                                         random);
  if (!vault) return fail(vault.error().message);
  return std::move(*vault);
}

/// Keys first: what lies elsewhere of the rows opens nothing from then on.
Result<void, std::string> remove_log(const Config& config, RandomSource& random) {
  const auto keys = config.paths.vault / kLookupsDirectory;
  const auto rows = config.paths.data / kLookupsDirectory;
  std::error_code error;
  if (fs::exists(keys, error)) {
    OPALINE_TRY(const auto vault, open_vault(config, random));
    if (!vault->destroy_through(kAllDays))
      return fail(fmt::format("the keys of the lookup log in {} cannot be destroyed", keys.string()));
  }
  for (const auto& directory : {rows, keys}) {
    fs::remove_all(directory, error);
    if (error) return fail(fmt::format("{} cannot be removed: {}", directory.string(), error.message()));
  }
  return {};
}

}  // namespace

Result<LookupLogParts, std::string> open_lookup_log(const Config& config, const Clock& clock, RandomSource& random,
                                                    Log& log) {
  LookupLogParts out;
  if (config.lookups.log_days.count() > 0) {
    OPALINE_TRY(out.vault, open_vault(config, random));
    const auto destroyed = out.vault->destroyed_through();
    if (destroyed && *destroyed == kAllDays) {
      out.vault.reset();
      OPALINE_CHECK(remove_log(config, random));
      OPALINE_TRY(out.vault, open_vault(config, random));
    }
    store::RocksdbRowOptions options;
    options.directory = config.paths.data / kLookupsDirectory;
    options.tables = records::lookup_tables();
    options.accept_damaged_log = config.paths.accept_damage;
    auto rows = store::RocksdbRowStore::open(options, log);
    if (!rows) return fail(rows.error().message);
    out.rows = std::move(*rows);
  } else {
    OPALINE_CHECK(remove_log(config, random));
  }
  records::LookupLogConfig settings;
  if (out.rows) settings.retention = config.lookups.log_days;
  auto opened = records::LookupLog::open(
      settings, {.rows = out.rows.get(), .vault = out.vault.get(), .clock = clock, .log = log});
  if (!opened)
    return fail(fmt::format("the lookup log in {} cannot be read: the disk failed, or its files are damaged",
                            (config.paths.data / kLookupsDirectory).string()));
  out.log = std::move(*opened);
  return out;
}

}  // namespace opaline::server
