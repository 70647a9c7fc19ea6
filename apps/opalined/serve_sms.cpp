// `opalined --role sms`: configuration to sms::Carrier.
#include <fmt/format.h>

#include "apps/common/files.hpp"
#include "apps/opalined/serve_plaintext.hpp"
#include "msp/uuid.hpp"
#include "sms/carrier.hpp"
#include "sms/carrier_http.hpp"

namespace opaline::daemon {
namespace {

/// Of a configuration that was checked. The error is a sentence.
Result<sms::CarrierOptions, std::string> options_of(const server::Config& config) {
  const auto& section = config.carrier;
  OPALINE_TRY(const SecretBytes kannel_secret, apps::read_secret(section.kannel_secret_file));
  OPALINE_TRY(SecretBytes password, apps::read_secret(config.sms.password_file));
  OPALINE_TRY(const SecretBytes msp_secret, apps::read_secret(section.msp_secret_file));
  sms::CarrierOptions out{.data = section.data,
                          .vault = section.vault,
                          .listen = *net::ListenAddress::parse(section.listen),
                          .certificate = section.tls.certificate,
                          .key = section.tls.key,
                          .kannel_listen = *net::ListenAddress::parse(section.kannel_listen),
                          .kannel_secret = to_string(kannel_secret),
                          .metrics = {},
                          .kannel = {.url = config.sms.url,
                                     .user = config.sms.user,
                                     .password = std::move(password),
                                     .sender = config.sms.sender},
                          .gateway = {.url = section.gateway,
                                      .business = *msp::parse_uuid(config.sms.carrier),
                                      .msp_id = section.msp_id,
                                      .msp_secret = to_string(msp_secret)},
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
    OPALINE_TRY(auto options, options_of(config));
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
