#pragma once
// The life of a process through whose memory people's words pass: the roles `gateway` and `sms` (docs/promises.md,
// promise 5).
#include <functional>

#include "apps/opalined/commands.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/time.hpp"

namespace opaline::daemon {

/// What a role brings along.
struct PlaintextRole {
  std::string_view section;  ///< of the configuration, in which these stand: "business"
  std::filesystem::path data, ports_file;

  struct Ports {
    Log& log;
    const Clock& clock;
    RandomSource& random;
  };
  /// What was opened; it lives as long as `run` does.
  struct Opened {
    std::string ports;          ///< for the ports file, JSON
    std::function<void()> run;  ///< until a signal ends it
  };
  /// The error is a sentence.
  std::function<Result<Opened, std::string>(const Ports& ports)> open;
};

/// Wipes what is freed, forbids core dumps, stays out of swap; then opens the log, the data directory (for this process
/// alone) and the role, writes the ports file, tells the service manager, and runs. What goes wrong is printed.
[[nodiscard]] Exit serve_plaintext(const server::Config& config, const PlaintextRole& role);

}  // namespace opaline::daemon
