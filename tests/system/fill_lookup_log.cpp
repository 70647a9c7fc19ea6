// Fills the lookup log of a development server that is not running, as if it had been asked for 29 days:
//
//   fill_lookup_log DIR COUNT HANDLE
//
// Of COUNT entries (of a million handles about a million) one in 250 is by HANDLE, one in 200 of HANDLE. Prints how
// many of each as JSON.
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "crypto/random.hpp"
#include "records/lookup_log.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline {
namespace {

int fill(const std::filesystem::path& directory, std::uint64_t total, const std::string& target) {
  crypto::SystemRandom random;
  SeededRandom dice(1);
  NullLog events;
  SystemClock clock;
  auto vault = store::FileKeyVault::open({.directory = directory / "vault" / "lookups", .master_key_file = {}}, random);
  auto rows = store::RocksdbRowStore::open(
      {.directory = directory / "data" / "lookups", .tables = records::lookup_tables()}, events);
  if (!vault || !rows) return 1;
  auto log = records::LookupLog::open({}, {&**rows, &**vault, clock, events});
  if (!log) return 1;
  const Time end = clock.now() - std::chrono::minutes(1), start = end - std::chrono::days(29);
  const auto somebody = [&] { return "+49151" + std::to_string(10'000'000 + dice.below(1'000'000)); };
  std::uint64_t by = 0, of = 0;
  std::vector<identity::LookupLogEntry> group;
  for (std::uint64_t n = 0; n < total; ++n) {
    const auto at =
        start + milliseconds(static_cast<std::int64_t>((end - start).count() / static_cast<std::int64_t>(total)) *
                             static_cast<std::int64_t>(n));
    identity::LookupLogEntry entry{
        .time = at, .source_handle = somebody(), .source = {}, .looked_up_handle = somebody(), .capable_devices = 2};
    if (n % 250 == 7) entry.source_handle = target, ++by;
    if (n % 200 == 3) entry.looked_up_handle = target, ++of;
    group.push_back(std::move(entry));
    if (group.size() < 4096 && n + 1 < total) continue;
    (*log)->append(group);
    group.clear();
    if ((*log)->stats().waiting > 32'768) (*log)->flush();
  }
  (*log)->flush();
  const auto stats = (*log)->stats();
  std::cout << R"({"by":)" << by << R"(,"of":)" << of << R"(,"entries":)" << stats.entries << R"(,"bytes":)"
            << stats.bytes << "}\n";
  return stats.written == total ? 0 : 1;
}

}  // namespace
}  // namespace opaline

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  return opaline::fill(argv[1], std::strtoull(argv[2], nullptr, 10), argv[3]);
}
