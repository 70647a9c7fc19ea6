// `opalined --role gateway`: configuration to gateway::Gateway.
#include <fmt/format.h>

#include "apps/common/files.hpp"
#include "apps/opalined/serve_plaintext.hpp"
#include "gateway/gateway.hpp"
#include "msp/uuid.hpp"
#include "server/process.hpp"

namespace opaline::daemon {
namespace {

bool is_blank(std::byte c) {
  return c == std::byte{' '} || c == std::byte{'\t'};
}

Result<std::variant<gateway::Hosted, gateway::OwnHouse>, std::string> source_of(const server::Config& config) {
  const auto& section = config.business;
  if (section.id.empty()) return gateway::Hosted{config.paths.admin_socket};
  const auto id = msp::parse_uuid(section.id);
  if (!id) return fail(std::string("business.id: is no UUID"));
  OPALINE_TRY(const std::string settings, apps::read_file(section.settings_file));
  auto business = gateway::parse_business(*id, section.name, settings);
  if (!business) return fail("business.settings_file " + section.settings_file.string() + ": " + business.error());
  gateway::OwnHouse out{std::move(*business), {}};
  if (!section.enrolment_file.empty()) {
    OPALINE_TRY(SecretBytes enrolment, apps::read_secret(section.enrolment_file));
    while (!enrolment.empty() && is_blank(enrolment.back())) enrolment.pop_back();  // it was pasted
    out.enrolment = as_text(enrolment);
  }
  return out;
}

}  // namespace

Exit serve_gateway(const server::Config& config) {
  const auto& section = config.business;
  const auto open = [&](const PlaintextRole::Ports& ports) -> Result<PlaintextRole::Opened, std::string> {
    (void)server::raise_file_limit();
    OPALINE_TRY(auto source, source_of(config));
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
        .source = std::move(source)};
    OPALINE_TRY(auto opened, gateway::Gateway::open(std::move(options), {ports.log, ports.clock, ports.random}));
    const std::shared_ptr<gateway::Gateway> gateway = std::move(opened);
    return PlaintextRole::Opened{
        fmt::format("{{\"business\":{},\"metrics\":{}}}\n", gateway->port(), gateway->metrics_port()),
        [gateway] { gateway->run(); }};
  };
  return serve_plaintext(config, {"business", section.data, section.ports_file, open});
}

}  // namespace opaline::daemon
