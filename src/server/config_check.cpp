#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "msp/uuid.hpp"
#include "net/address.hpp"
#include "server/config.hpp"

namespace opaline::server {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxSenderBytes = 16;  // 3GPP TS 23.040 section 9.1.2.5: 11 letters, or a number

class Checker {
 public:
  explicit Checker(const LoadedConfig& loaded) : c_(loaded.config), origins_(loaded.origins) {}

  ConfigProblems run() {
    names();
    if (c_.server.role == Role::gateway) {
      gateway();
      return std::move(problems_);
    }
    if (c_.server.role == Role::sms) {
      sms();
      carrier();
      return std::move(problems_);
    }
    paths();
    listeners();
    registration();
    sms();
    return std::move(problems_);
  }

 private:
  void complain(std::string key, std::string message) {
    ConfigProblem problem{"configuration", 0, std::move(key), std::move(message)};
    if (const auto origin = origins_.find(problem.key); origin != origins_.end()) {
      problem.where = origin->second.first;
      problem.line = origin->second.second;
    }
    problems_.push_back(std::move(problem));
  }

  void readable(const std::string& key, const fs::path& file) {
    std::error_code error;
    if (!fs::exists(file, error)) {
      complain(key, fmt::format("no such file: {}", file.string()));
    } else if (access(file.c_str(), R_OK) != 0) {
      complain(key, fmt::format("this user cannot read {}", file.string()));
    }
  }

  void private_file(const std::string& key, const fs::path& file) {
    readable(key, file);
    struct stat status{};
    if (stat(file.c_str(), &status) == 0 && (status.st_mode & (S_IWGRP | S_IRWXO)) != 0) {
      complain(key, fmt::format("others can read or change {}: chmod 600 it", file.string()));
    }
  }

  static bool inside(const fs::path& inner, const fs::path& outer) {
    const auto [in_rest, out_rest] = std::ranges::mismatch(inner, outer);
    return out_rest == outer.end() || (std::next(out_rest) == outer.end() && out_rest->empty());
  }

  void names() {
    const auto& name = c_.server.name;
    const auto allowed = [](unsigned char ch) { return std::isalnum(ch) != 0 || ch == '.' || ch == '-' || ch == ':'; };
    if (name.empty() || name.size() > 253 || !std::ranges::all_of(name, allowed)) {
      complain("server.name", "must be the host name that devices connect to, without port");
    }
  }

  void paths() {
    for (const auto& [key, path] : {std::pair<std::string, const fs::path&>{"paths.data", c_.paths.data},
                                    {"paths.vault", c_.paths.vault},
                                    {"paths.admin_socket", c_.paths.admin_socket}}) {
      if (path.empty()) complain(key, "must not be empty");
    }
    if (inside(c_.paths.vault, c_.paths.data)) {
      complain("paths.vault", "must lie outside of paths.data: whoever copies the data files must not get the keys");
    } else if (inside(c_.paths.data, c_.paths.vault)) {
      complain("paths.data", "must lie outside of paths.vault: whoever copies the data files must not get the keys");
    }
    if (c_.paths.admin_socket.native().size() >= sizeof(sockaddr_un::sun_path)) {
      complain("paths.admin_socket", fmt::format("is too long for a socket (at most {} bytes): {}",
                                                 sizeof(sockaddr_un::sun_path) - 1, c_.paths.admin_socket.string()));
    }
  }

  void certificate(const std::string& section, const TlsFiles& tls) {
    readable(section + ".certificate", tls.certificate);
    private_file(section + ".key", tls.key);
  }

  void loopback(const std::string& key, const std::string& listen, const std::string& advice) {
    const auto address = net::ListenAddress::parse(listen);
    if (address && !address->ip.starts_with("127.") && address->ip != "::1") complain(key, advice);
  }

  void listeners() {
    certificate("public", c_.public_listener.tls);
    const auto& op = c_.operator_listener;
    if (op.tls.certificate.empty() != op.tls.key.empty()) {
      complain(op.tls.key.empty() ? "operator.certificate" : "operator.key",
               "operator.certificate and operator.key belong together: give both or none");
    } else if (!op.tls.empty()) {
      certificate("operator", op.tls);
    } else if (!op.listen.empty()) {
      loopback("operator.listen", op.listen, "without operator.certificate and operator.key only loopback is allowed");
    }
    if (!c_.metrics.listen.empty()) {
      loopback("metrics.listen", c_.metrics.listen,
               "metrics are served without encryption and so on loopback alone; put a proxy in front to reach them");
    }
  }

  void registration() {
    if (c_.registration.delivery == CodeDelivery::outbox) {
      if (c_.registration.outbox_file.empty()) complain("registration.outbox_file", "must not be empty");
      return;
    }
    if (!c_.smtp.url.starts_with("smtp://") && !c_.smtp.url.starts_with("smtps://")) {
      complain("smtp.url", "must begin with smtp:// or smtps://");
    }
    if (c_.smtp.from.find('@') == std::string::npos) complain("smtp.from", "must be an e-mail address");
    if (!c_.smtp.user.empty() && c_.smtp.password_file.empty()) {
      complain("smtp.password_file", "must be given together with smtp.user");
    }
    if (!c_.smtp.user.empty() && c_.smtp.allow_plaintext) {
      complain("smtp.allow_plaintext", "would send the password in the clear: leave it false where smtp.user is set");
    }
    if (!c_.smtp.ca_file.empty()) readable("smtp.ca_file", c_.smtp.ca_file);
    if (!c_.smtp.password_file.empty()) private_file("smtp.password_file", c_.smtp.password_file);
  }

  void carrier_id() {
    if (!c_.sms.carrier.empty() && !msp::parse_uuid(c_.sms.carrier))
      complain("sms.carrier", "must be the UUID of a business, as `opalined admin business create` prints it");
  }

  void sms() {
    carrier_id();
    if (c_.sms.url.empty()) return;
    if (!net::Url::parse(c_.sms.url)) {
      complain("sms.url", "must be the URL of Kannel's sendsms, as http://127.0.0.1:13013/cgi-bin/sendsms");
    } else if (const auto url = net::Url::parse(c_.sms.url);
               !url->tls && url->host != "127.0.0.1" && url->host != "::1" && url->host != "localhost") {
      complain("sms.url", "would send texts in the clear: use https, or a Kannel on this machine");
    }
    if (c_.sms.password_file.empty()) {
      complain("sms.password_file", "must name the file with the password of Kannel's sendsms-user");
    } else {
      private_file("sms.password_file", c_.sms.password_file);
    }
    if (c_.sms.sender.size() > kMaxSenderBytes) complain("sms.sender", "has at most 16 characters");
  }

  void carrier() {
    const auto& k = c_.carrier;
    if (c_.sms.carrier.empty())
      complain("sms.carrier", "must be the id of the business whose software this is (opalined admin business create)");
    if (c_.sms.url.empty()) complain("sms.url", "must be the URL of Kannel's sendsms");
    if (k.tls.certificate.empty() != k.tls.key.empty()) {
      complain(k.tls.key.empty() ? "carrier.certificate" : "carrier.key",
               "carrier.certificate and carrier.key belong together: give both or none");
    } else if (!k.tls.empty()) {
      certificate("carrier", k.tls);
    } else {
      loopback("carrier.listen", k.listen, "without carrier.certificate and carrier.key only loopback is allowed");
    }
    loopback("carrier.kannel_listen", k.kannel_listen,
             "what Kannel says has texts in the clear: loopback alone is allowed");
    if (const auto gateway = net::Url::parse(k.gateway); !gateway || !gateway->tls)
      complain("carrier.gateway", "must say where the gateway's MSP API is: https://HOST or https://HOST:PORT");
    if (!k.authority.empty()) readable("carrier.authority", k.authority);
    if (k.msp_id.empty()) complain("carrier.msp_id", "must be given: `opalined admin business create` prints it");
    secret_file("carrier.msp_secret_file", k.msp_secret_file, "the MSP secret that the operator got");
    secret_file("carrier.kannel_secret_file", k.kannel_secret_file,
                "the secret in the URLs that Kannel calls (docs/sms.md)");
    if (!k.metrics.empty())
      loopback("carrier.metrics", k.metrics, "metrics are served without encryption and so on loopback alone");
    if (k.data.empty()) complain("carrier.data", "must not be empty");
    if (k.vault.empty()) complain("carrier.vault", "must not be empty");
    if (inside(k.vault, k.data) || inside(k.data, k.vault))
      complain("carrier.vault",
               "must lie outside of carrier.data: whoever copies the data files must not get the keys");
  }

  void secret_file(const std::string& key, const fs::path& file, std::string_view what) {
    if (file.empty()) return complain(key, fmt::format("must name the file with {}", what));
    private_file(key, file);
  }

  void gateway() {
    const auto& b = c_.business;
    certificate("business", b.tls);
    const auto service = net::Url::parse(b.service);
    if (b.service.empty()) {
      complain("business.service", "must say where the service is: https://HOST or https://HOST:PORT");
    } else if (!service || !service->tls) {
      complain("business.service", "is no address of a service; it looks like https://HOST or https://HOST:PORT");
    }
    if (const auto base = net::Url::parse(b.base_url); !b.base_url.empty() && (!base || !base->tls))
      complain("business.base_url", "must begin with https://");
    if (!b.authority.empty()) readable("business.authority", b.authority);
    if (!b.webhook_authority.empty()) readable("business.webhook_authority", b.webhook_authority);
    if (!b.metrics.empty())
      loopback("business.metrics", b.metrics, "metrics are served without encryption and so on loopback alone");
    if (b.data.empty()) complain("business.data", "must not be empty");
    if (b.vault.empty()) complain("business.vault", "must not be empty");
    if ((b.data / "admin.sock").native().size() >= sizeof(sockaddr_un::sun_path))
      complain("business.data", "is too long for the admin socket in it (admin.sock; at most 107 bytes together)");
    if (inside(b.vault, b.data) || inside(b.data, b.vault))
      complain("business.vault",
               "must lie outside of business.data: whoever copies the data files must not get the keys");
    if (b.id.empty()) {
      if (!b.settings_file.empty()) complain("business.settings_file", "is for a gateway with business.id alone");
      if (!b.enrolment_file.empty()) complain("business.enrolment_file", "is for a gateway with business.id alone");
      return;
    }
    if (b.name.empty()) complain("business.name", "must be given together with business.id");
    if (b.settings_file.empty()) {
      complain("business.settings_file", "must be given together with business.id");
    } else {
      private_file("business.settings_file", b.settings_file);
    }
    if (!b.enrolment_file.empty()) readable("business.enrolment_file", b.enrolment_file);
  }

  const Config& c_;
  const ConfigOrigins& origins_;
  ConfigProblems problems_;
};

}  // namespace

ConfigProblems check_config(const LoadedConfig& loaded) {
  return Checker(loaded).run();
}

}  // namespace opaline::server
