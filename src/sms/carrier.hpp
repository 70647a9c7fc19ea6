#pragma once
// The process of the role `sms`: the software of the carrier's business (docs/adr/0018-short-messages.md). One thread.
#include <filesystem>
#include <memory>
#include <optional>

#include "base/log.hpp"
#include "net/address.hpp"
#include "sms/budgets.hpp"
#include "sms/kannel.hpp"
#include "sms/to_person.hpp"

namespace opaline::sms {

struct CarrierOptions {
  std::filesystem::path data, vault;          ///< of this process alone
  net::ListenAddress listen;                  ///< for webhooks
  std::filesystem::path certificate, key;     ///< PEM; empty: plaintext, on loopback alone
  net::ListenAddress kannel_listen;           ///< for reports and replies; plaintext, on loopback alone
  std::string kannel_secret;                  ///< is_kannel_secret()
  std::optional<net::ListenAddress> metrics;  ///< plain HTTP on loopback; nullopt: none
  KannelSettings kannel;
  GatewaySettings gateway;
  std::filesystem::path gateway_authority;  ///< PEM; empty: the system's
  BudgetLimits budgets;
};

class Carrier {
 public:
  struct Ports {
    Log& log;
    const Clock& clock;
    RandomSource& random;
  };
  /// Opens everything and listens. On the main thread before any other thread exists, for signals. The error is a
  /// sentence for people.
  [[nodiscard]] static Result<std::unique_ptr<Carrier>, std::string> open(CarrierOptions options, const Ports& ports);
  ~Carrier();
  Carrier(const Carrier&) = delete;
  Carrier& operator=(const Carrier&) = delete;

  [[nodiscard]] std::uint16_t webhook_port() const;
  [[nodiscard]] std::uint16_t kannel_port() const;
  /// 0: there are none.
  [[nodiscard]] std::uint16_t metrics_port() const;
  /// Serves until SIGTERM or SIGINT; SIGHUP reads the certificate again.
  void run();

 private:
  class Impl;
  explicit Carrier(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::sms
