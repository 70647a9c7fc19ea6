#pragma once
// The gateway process: the businesses that it serves, the MSP API for them, and what they stand on. One thread.
#include <filesystem>
#include <memory>
#include <variant>

#include "base/log.hpp"
#include "base/random.hpp"
#include "gateway/config.hpp"
#include "net/address.hpp"

namespace opaline::gateway {

/// Where the businesses come from.
struct Hosted {
  std::filesystem::path admin_socket;  ///< of the service on the same machine; it is asked every few seconds
};
struct OwnHouse {
  BusinessConfig business;
  std::string enrolment;  ///< from the service's operator; used where this gateway is not enrolled yet; may be empty
};

struct Options {
  std::filesystem::path data, vault;                           ///< of the gateway alone
  net::Url service;                                            ///< https://HOST[:PORT]
  std::filesystem::path service_authority, webhook_authority;  ///< PEM; empty: the system's
  net::ListenAddress listen;
  std::filesystem::path certificate, key;  ///< PEM
  std::string base_url;                    ///< as the MSP reaches it; empty: https://localhost:<the port listened on>
  std::optional<net::ListenAddress> metrics;  ///< plain HTTP on loopback; nullopt: none
  std::variant<Hosted, OwnHouse> source;
};

class Gateway {
 public:
  struct Ports {
    Log& log;
    const Clock& clock;
    RandomSource& random;
  };
  /// Opens everything and listens. On the main thread before any other thread exists, for signals. The error is a
  /// sentence for people.
  [[nodiscard]] static Result<std::unique_ptr<Gateway>, std::string> open(Options options, const Ports& ports);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Of the MSP API.
  [[nodiscard]] std::uint16_t port() const;
  /// Of the metrics; 0: there are none.
  [[nodiscard]] std::uint16_t metrics_port() const;
  /// Serves until SIGTERM or SIGINT; SIGHUP reloads the certificate.
  void run();

 private:
  class Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::gateway
