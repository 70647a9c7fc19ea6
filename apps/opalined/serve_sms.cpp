// `opalined --role sms`: configuration to sms::Carrier.
#include <fmt/format.h>

#include <fstream>

#include "apps/opalined/serve_plaintext.hpp"
#include "msp/uuid.hpp"
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
  const auto open = [&](const PlaintextRole::Ports& ports) -> Result<PlaintextRole::Opened, std::string> {
    auto options = options_of(config);
    if (!sms::is_kannel_secret(options.kannel_secret)) {
      return fail(
          std::string("carrier.kannel_secret_file must have 16 to 128 letters, digits, - and _ in its first line"));
    }
    OPALINE_TRY(auto opened, sms::Carrier::open(std::move(options), {ports.log, ports.clock, ports.random}));
    const std::shared_ptr<sms::Carrier> carrier = std::move(opened);
    return PlaintextRole::Opened{fmt::format("{{\"webhook\":{},\"kannel\":{},\"metrics\":{}}}\n",
                                             carrier->webhook_port(), carrier->kannel_port(), carrier->metrics_port()),
                                 [carrier] { carrier->run(); }};
  };
  return serve_plaintext(config, {"carrier", config.carrier.data, config.carrier.ports_file, open});
}

}  // namespace opaline::daemon
