#pragma once
// `opalined --dev DIR`: everything for trying out and developing in one directory, on loopback.
#include <filesystem>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "server/config.hpp"

namespace opaline::server {

/// What --dev keeps in its directory.
struct DevFiles {
  explicit DevFiles(const std::filesystem::path& directory);
  std::filesystem::path directory;         ///< absolute
  std::filesystem::path config;            ///< opalined.toml; edits to it stay
  std::filesystem::path authority;         ///< ca.pem: what clients trust
  std::filesystem::path authority_key;     ///< ca.key
  std::filesystem::path certificate, key;  ///< server.pem, server.key
  std::filesystem::path outbox;            ///< outbox.jsonl: registration codes
  std::filesystem::path ports;             ///< ports.json, while the server is ready
  std::filesystem::path gateway_ports;     ///< gateway-ports.json, while a gateway is
};

inline constexpr std::uint16_t kDevPublicPort = 8443;
inline constexpr std::uint16_t kDevOperatorPort = 8444;
inline constexpr std::uint16_t kDevBusinessPort = 8446;
inline constexpr std::uint16_t kDevMetricsPort = 8464;

/// Makes what is missing: the directory (0700), an authority, a server certificate for localhost (again when it is
/// about to expire), a configuration. What is there stays. The error is a sentence.
[[nodiscard]] Result<DevFiles, std::string> prepare_dev(const std::filesystem::path& directory, Time now);

/// The --set overrides for `--port P`: public P, operator P + 1, metrics P + 2, business P + 3; 0: the kernel chooses
/// all of them.
[[nodiscard]] std::vector<Override> dev_port_overrides(std::uint16_t port);

}  // namespace opaline::server
