// `opalined --role sms`: configuration to sms::Carrier.
#include <fmt/format.h>

#include <fstream>

#include "apps/opalined/commands.hpp"
#include "apps/opalined/wipe.hpp"
#include "crypto/random.hpp"
#include "msp/uuid.hpp"
#include "server/json_log.hpp"
#include "server/process.hpp"
#include "sms/carrier.hpp"
#include "sms/carrier_http.hpp"

namespace opaline::daemon {
namespace {

/// The first line of a file.
std::string first_line(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string out;
  std::getline(in, out);
  while (!out.empty() && std::isspace(static_cast<unsigned char>(out.back())) != 0) out.pop_back();
  return out;
}

Exit failed(const std::string& why) {
  fmt::print(stderr, "opalined: {}\n", why);
  return Exit::failed;
}

/// Of a configuration that was checked.
sms::CarrierOptions options_of(const server::Config& config) {
  const auto& section = config.carrier;
  sms::CarrierOptions out{.data = section.data,
                          .vault = section.vault,
                          .listen = *net::ListenAddress::parse(section.listen),
                          .certificate = section.tls.certificate,
                          .key = section.tls.key,
                          .kannel_listen = *net::ListenAddress::parse(section.kannel_listen),
                          .kannel_secret = first_line(section.kannel_secret_file),
                          .metrics = {},
                          .kannel = {.url = config.sms.url,
                                     .user = config.sms.user,
                                     .password = to_secret_bytes(as_view(first_line(config.sms.password_file))),
                                     .sender = config.sms.sender},
                          .gateway = {.url = section.gateway,
                                      .business = *msp::parse_uuid(config.sms.carrier),
                                      .msp_id = section.msp_id,
                                      .msp_secret = first_line(section.msp_secret_file)},
                          .gateway_authority = section.authority,
                          .budgets = {.per_day = config.sms.messages_per_day,
                                      .per_country_day = config.sms.messages_per_country_per_day,
                                      .per_person_day = section.messages_per_person_per_day}};
  if (!section.metrics.empty()) out.metrics = *net::ListenAddress::parse(section.metrics);
  return out;
}

}  // namespace

Exit serve_sms(const server::Config& config) {
  // People's words pass through this process's memory, as through the gateway's.
  wipe_freed_memory();
  server::forbid_core_dumps();
  if (exposure(server::keep_out_of_swap()) == server::SwapExposure::possible && config.server.require_no_swap)
    return failed(
        "server.require_no_swap is set, but memory could be written to swap: set MemorySwapMax=0 or "
        "LimitMEMLOCK=infinity for this process, or switch swap off");
  const auto& section = config.carrier;
  const SystemClock clock;
  crypto::SystemRandom random;
  auto log = server::JsonLog::open(
      {.level = config.log.level, .file = config.log.file, .warnings_per_minute = config.log.warnings_per_minute},
      clock);
  if (!log) return failed("log.file: " + log.error());
  const auto lock = server::DirectoryLock::take(section.data);
  if (!lock) return failed("carrier.data: " + lock.error());
  auto options = options_of(config);
  if (!sms::is_kannel_secret(options.kannel_secret))
    return failed("carrier.kannel_secret_file must have 16 to 128 letters, digits, - and _ in its first line");
  auto carrier = sms::Carrier::open(std::move(options), {.log = **log, .clock = clock, .random = random});
  if (!carrier) return failed(carrier.error());
  const std::string ports = fmt::format("{{\"webhook\":{},\"kannel\":{},\"metrics\":{}}}\n", (*carrier)->webhook_port(),
                                        (*carrier)->kannel_port(), (*carrier)->metrics_port());
  if (!section.ports_file.empty()) {
    if (const auto written = server::write_file_atomically(section.ports_file, ports, 0644); !written)
      return failed("carrier.ports_file: " + written.error());
  }
  server::notify_service_manager("READY=1");
  (*carrier)->run();
  std::error_code ignored;
  if (!section.ports_file.empty()) std::filesystem::remove(section.ports_file, ignored);
  return Exit::ok;
}

}  // namespace opaline::daemon
