#include "server/dev.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include "net/certificates.hpp"
#include "server/process.hpp"

namespace opaline::server {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::days kRenewBefore{30};

constexpr std::string_view kConfigTemplate =
    R"(# Made by `opalined --dev`: for trying out and developing, on this machine alone.
# Every key there is: docs/opalined.example.toml. Relative paths count from this directory.

[server]
name = "localhost"

[paths]
data = "data"
vault = "vault"
admin_socket = "admin.sock"
ports_file = "ports.json"

[public]
listen = "127.0.0.1:{}"
certificate = "server.pem"
key = "server.key"

[operator]
listen = "127.0.0.1:{}"

[metrics]
listen = "127.0.0.1:{}"

[business]
# Of the role gateway: opalined --dev DIR --role gateway, beside this server.
listen = "127.0.0.1:{}"
certificate = "server.pem"
key = "server.key"
data = "gateway"
vault = "gateway-vault"
ports_file = "gateway-ports.json"
service = "https://localhost:{}"
authority = "ca.pem"
webhook_authority = "ca.pem"

[carrier]
# Of the role sms: docs/sms.md.
authority = "ca.pem"
data = "sms"
vault = "sms-vault"
ports_file = "sms-ports.json"

[registration]
# Codes are not sent but appended to this file.
delivery = "outbox"
outbox_file = "outbox.jsonl"
codes_per_source_per_hour = 100000
link_opens_per_source_per_hour = 100000
)";

Result<void, std::string> certificates(const DevFiles& files, Time now) {
  const net::CertificatePaths authority{files.authority, files.authority_key};
  if (!fs::exists(files.authority) || !fs::exists(files.authority_key)) {
    if (const auto made = net::make_authority(authority, "Opaline development authority", now); !made) {
      return fail(fmt::format("cannot make {}: {}", files.authority.string(), net::name(made.error())));
    }
    std::error_code ignored;
    fs::remove(files.certificate, ignored);  // issued by another authority
  }
  const auto present = net::read_certificate(files.certificate);
  if (present && fs::exists(files.key) && present->not_after > now + kRenewBefore) return {};
  if (const auto issued = net::issue_server_certificate(
          {.authority = authority, .out = {files.certificate, files.key}, .names = {}, .now = now});
      !issued) {
    return fail(fmt::format("cannot issue {}: {}", files.certificate.string(), net::name(issued.error())));
  }
  return {};
}

}  // namespace

DevFiles::DevFiles(const fs::path& given)
    : directory(fs::absolute(given).lexically_normal()),
      config(directory / "opalined.toml"),
      authority(directory / "ca.pem"),
      authority_key(directory / "ca.key"),
      certificate(directory / "server.pem"),
      key(directory / "server.key"),
      outbox(directory / "outbox.jsonl"),
      ports(directory / "ports.json"),
      gateway_ports(directory / "gateway-ports.json") {}

Result<DevFiles, std::string> prepare_dev(const fs::path& directory, Time now) {
  DevFiles files(directory);
  std::error_code error;
  const bool made = fs::create_directories(files.directory, error);
  if (error) return fail(fmt::format("cannot make the directory {}: {}", files.directory.string(), error.message()));
  if (made) fs::permissions(files.directory, fs::perms::owner_all, error);
  OPALINE_CHECK(certificates(files, now));
  if (!fs::exists(files.config)) {
    const auto text = fmt::format(kConfigTemplate, kDevPublicPort, kDevOperatorPort, kDevMetricsPort, kDevBusinessPort,
                                  kDevPublicPort);
    OPALINE_CHECK(write_file_atomically(files.config, text, 0600));
  }
  return files;
}

std::vector<Override> dev_port_overrides(std::uint16_t port) {
  const auto at = [&](std::uint16_t offset) { return port == 0 ? 0 : port + offset; };
  return {fmt::format("public.listen=127.0.0.1:{}", at(0)), fmt::format("operator.listen=127.0.0.1:{}", at(1)),
          fmt::format("metrics.listen=127.0.0.1:{}", at(2)), fmt::format("business.listen=127.0.0.1:{}", at(3))};
}

}  // namespace opaline::server
