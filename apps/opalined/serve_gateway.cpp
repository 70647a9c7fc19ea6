// `opalined --role gateway`: configuration to gateway::Gateway.
#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "apps/opalined/commands.hpp"
#include "apps/opalined/wipe.hpp"
#include "crypto/random.hpp"
#include "gateway/gateway.hpp"
#include "msp/uuid.hpp"
#include "server/json_log.hpp"
#include "server/process.hpp"

namespace opaline::daemon {
namespace {

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

Result<std::variant<gateway::Hosted, gateway::OwnHouse>, std::string> source_of(const server::Config& config) {
  const auto& section = config.business;
  if (section.id.empty()) return gateway::Hosted{config.paths.admin_socket};
  const auto id = msp::parse_uuid(section.id);
  if (!id) return fail(std::string("business.id: is no UUID"));
  auto business = gateway::parse_business(*id, section.name, read_text(section.settings_file));
  if (!business) return fail("business.settings_file " + section.settings_file.string() + ": " + business.error());
  std::string enrolment = section.enrolment_file.empty() ? std::string() : read_text(section.enrolment_file);
  while (!enrolment.empty() && std::isspace(static_cast<unsigned char>(enrolment.back())) != 0) enrolment.pop_back();
  return gateway::OwnHouse{std::move(*business), std::move(enrolment)};
}

Exit failed(const std::string& why) {
  fmt::print(stderr, "opalined: {}\n", why);
  return Exit::failed;
}

}  // namespace

Exit serve_gateway(const server::Config& config) {
  // People's words pass through this process's memory (promise 5).
  wipe_freed_memory();
  server::forbid_core_dumps();
  if (exposure(server::keep_out_of_swap()) == server::SwapExposure::possible && config.server.require_no_swap)
    return failed(
        "server.require_no_swap is set, but memory could be written to swap: set MemorySwapMax=0 or "
        "LimitMEMLOCK=infinity for the gateway, or switch swap off");
  (void)server::raise_file_limit();
  const auto& section = config.business;
  const SystemClock clock;
  crypto::SystemRandom random;
  auto log = server::JsonLog::open(
      {.level = config.log.level, .file = config.log.file, .warnings_per_minute = config.log.warnings_per_minute},
      clock);
  if (!log) return failed("log.file: " + log.error());
  const auto lock = server::DirectoryLock::take(section.data);
  if (!lock) return failed("business.data: " + lock.error());
  auto source = source_of(config);
  if (!source) return failed(source.error());
  gateway::Options options{
      .data = section.data,
      .vault = section.vault,
      .service = *net::Url::parse(section.service),
      .service_authority = section.authority,
      .webhook_authority = section.webhook_authority,
      .listen = *net::ListenAddress::parse(section.listen),
      .certificate = section.tls.certificate,
      .key = section.tls.key,
      .base_url = section.base_url,
      .metrics = section.metrics.empty() ? std::nullopt : std::optional(*net::ListenAddress::parse(section.metrics)),
      .source = std::move(*source)};
  auto gateway = gateway::Gateway::open(std::move(options), {.log = **log, .clock = clock, .random = random});
  if (!gateway) return failed(gateway.error());
  const std::string ports =
      fmt::format("{{\"business\":{},\"metrics\":{}}}\n", (*gateway)->port(), (*gateway)->metrics_port());
  if (!section.ports_file.empty()) {
    if (const auto written = server::write_file_atomically(section.ports_file, ports, 0644); !written)
      return failed("business.ports_file: " + written.error());
  }
  server::notify_service_manager("READY=1");
  (*gateway)->run();
  std::error_code ignored;
  if (!section.ports_file.empty()) std::filesystem::remove(section.ports_file, ignored);
  return Exit::ok;
}

}  // namespace opaline::daemon
