#include "apps/opalined/serve_plaintext.hpp"

#include <fmt/format.h>

#include "apps/opalined/wipe.hpp"
#include "crypto/random.hpp"
#include "server/process.hpp"

namespace opaline::daemon {

Exit serve_plaintext(const server::Config& config, const PlaintextRole& role) {
  wipe_freed_memory();
  server::forbid_core_dumps();
  if (const auto swap = server::keep_out_of_swap(config.server.require_no_swap); !swap) return failed(swap.error());
  const SystemClock clock;
  crypto::SystemRandom random;
  const auto log = open_log(config, clock);
  if (!log) return failed(log.error());
  const auto lock = server::DirectoryLock::take(role.data);
  if (!lock) return failed(fmt::format("{}.data: {}", role.section, lock.error()));
  const auto opened = role.open({.log = **log, .clock = clock, .random = random});
  if (!opened) return failed(opened.error());
  if (!role.ports_file.empty()) {
    if (const auto written = server::write_file_atomically(role.ports_file, opened->ports, 0644); !written)
      return failed(fmt::format("{}.ports_file: {}", role.section, written.error()));
  }
  server::notify_service_manager("READY=1");
  opened->run();
  std::error_code ignored;
  if (!role.ports_file.empty()) std::filesystem::remove(role.ports_file, ignored);
  return Exit::ok;
}

}  // namespace opaline::daemon
