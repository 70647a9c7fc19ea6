#include "gateway/internal/storage.hpp"

#include "gateway/tables.hpp"

namespace opaline::gateway::internal {

Result<std::unique_ptr<Storage>, std::string> Storage::open(const std::filesystem::path& data,
                                                            const std::filesystem::path& vault, RandomSource& random,
                                                            Log& log) {
  std::unique_ptr<Storage> out(new Storage);
  auto keys = store::FileKeyVault::open(
      {.directory = vault, .master_key_file = store::systemd_credential("gateway-master-key")}, random);
  if (!keys) return fail("the vault " + vault.string() + ": " + keys.error().message);
  out->vault_ = std::move(*keys);
  store::RocksdbRowOptions options;
  options.directory = data / "rows";
  for (const std::string_view table : kTables) options.tables.emplace_back(table);
  const std::string where = "the data in " + options.directory.string();
  auto files = store::RocksdbRowStore::open(options, log);
  if (!files) return fail(where + ": " + files.error().message);
  out->files_ = std::move(*files);
  auto sealed = store::SealedRows::open(*out->files_, *out->vault_, random, tables::kSealCheck);
  if (!sealed) return fail(where + ": " + sealed.error().message);
  out->sealed_.emplace(std::move(*sealed));
  auto journaled = store::JournaledRows::open(*out->sealed_, kJournaledTables, tables::kJournal);
  if (!journaled) return fail(where + ": the journal cannot be read: it is damaged, or of another version");
  out->journaled_ = std::move(*journaled);
  out->guard_.emplace(*out->files_, tables::kClock);
  return out;
}

void Storage::maintain(Time now) {
  if (maintaining_.valid() && maintaining_.wait_for(seconds(0)) != std::future_status::ready) return;
  maintaining_ = std::async(std::launch::async, [this, now] { files_->maintain(now); });
}

}  // namespace opaline::gateway::internal
