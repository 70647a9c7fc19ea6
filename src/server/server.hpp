#pragma once
// A node put together (docs/architecture.md, "Threads"):
//   main thread     control: signals, identity service, operators, admin socket, operator and metrics listeners, timers
//   I/O thread      public listener, device connections, relay (PublicEdge)
//   store's threads committer and reader (RocksdbMailboxStore)
//   upkeep thread   rewriting files, which may block for long
#include <memory>
#include <string>

#include "base/random.hpp"
#include "server/config.hpp"
#include "server/json_log.hpp"

namespace opaline::server {

/// Directories and files below paths.data.
inline constexpr std::string_view kRowsDirectory = "rows";
inline constexpr std::string_view kLookupsDirectory = "lookups";  ///< in the data directory and in the vault's
inline constexpr std::string_view kMailboxesDirectory = "mailboxes";
inline constexpr std::string_view kBlobsDirectory = "blobs";
inline constexpr std::string_view kCheckpointDirectory = "checkpoint";
/// While a restore is under way; a server that finds it refuses to start.
inline constexpr std::string_view kRestoreMarker = "restore-incomplete";

/// Every table of the row store.
[[nodiscard]] std::vector<std::string> row_tables();
inline constexpr std::string_view kSealCheckTable = "server_seal_check";
inline constexpr std::string_view kClockTable = "server_clock";

/// 0: not listening.
struct ServerPorts {
  std::uint16_t public_port = 0, operator_port = 0, metrics_port = 0;
};

class Server {
 public:
  /// All outlive the server; `random` and `log` are thread-safe.
  struct Ports {
    JsonLog& log;
    const Clock& clock;
    RandomSource& random;
  };
  /// Opens everything and listens; nobody is served yet. To be called on the main thread before any other thread
  /// exists, for signals. The error is a sentence for people; whatever was opened is closed again.
  [[nodiscard]] static Result<std::unique_ptr<Server>, std::string> open(Config config, const Ports& ports);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Serves until SIGTERM or SIGINT; SIGHUP reloads certificates and the log file. True: everything was finished in
  /// time; false: devices had to be cut (nothing accepted is lost either way).
  [[nodiscard]] bool run();

  /// What is listened on, from the time it is open.
  [[nodiscard]] ServerPorts ports() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::server
