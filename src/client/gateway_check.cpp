#include "client/gateway_check.hpp"

namespace opaline::client {
namespace {

Failure failure_at(net::NetError error, const std::string& host) {
  switch (error) {
    case net::NetError::certificate_rejected:
      return {ClientError::certificate_rejected, "the certificate of " + host + " is not trusted; nothing was checked"};
    case net::NetError::timed_out:
      return {ClientError::timed_out, host + " did not answer in time; nothing was checked"};
    case net::NetError::address_not_public:
      return {ClientError::connect_failed, host + " is in a private network: it was not asked"};
    case net::NetError::too_large:
    case net::NetError::protocol_violation:
      return {ClientError::protocol, host + " answers with something else; nothing was checked"};
    default:
      return {ClientError::connect_failed,
              "cannot reach " + host + " (" + std::string(net::name(error)) + "); nothing was checked"};
  }
}

Result<msp::GatewayFingerprint, Failure> read(const Result<net::HttpResponse, net::NetError>& response,
                                              const AccountId& business, const std::string& host) {
  if (!response) return fail(failure_at(response.error(), host));
  const Failure nothing{ClientError::no_such_business,
                        host + " names no gateway for this business (" + std::string(msp::kWellKnownPath) + ")"};
  if (response->status == 404 || response->status == 410) return fail(nothing);
  if (response->status != 200)
    return fail(Failure{ClientError::protocol,
                        host + " answers with status " + std::to_string(response->status) + "; nothing was checked"});
  const auto found = msp::parse_well_known(response->body, msp::Uuid(business.view()));
  if (found) return *found;
  if (found.error() == msp::Error::missing) return fail(nothing);
  return fail(failure_at(net::NetError::protocol_violation, host));
}

}  // namespace

GatewayCheck::GatewayCheck(net::EventLoop& loop, const net::Url& url, net::TlsClientContext tls,
                           const GatewayCheckOptions& options)
    : url_(url),
      tls_(std::move(tls)),
      within_(options.within),
      http_(loop, {.origin = url,
                   .tls = &tls_,
                   .public_only = options.public_only,
                   .max_connections = 1,
                   .max_response_bytes = msp::kMaxWellKnownBytes}) {}

Result<std::unique_ptr<GatewayCheck>, Failure> GatewayCheck::create(net::EventLoop& loop, std::string_view domain,
                                                                    const GatewayCheckOptions& options) {
  const auto url = net::Url::parse("https://" + std::string(domain) + ":" + std::to_string(options.port) + "/");
  if (!url || domain.empty() || url->host != domain)
    return fail(Failure{ClientError::bad_text, "the operator names no domain of this business"});
  auto tls = net::TlsClientContext::create(
      {.authority_file = {}, .authority_pem = options.authority_pem, .minimum = net::TlsVersion::tls_1_2});
  if (!tls) return fail(Failure{ClientError::certificate_rejected, "the authorities to trust cannot be read"});
  return std::unique_ptr<GatewayCheck>(new GatewayCheck(loop, *url, std::move(*tls), options));
}

void GatewayCheck::ask(const AccountId& business, Done<msp::GatewayFingerprint> done) {
  http_.request(
      {.target = std::string(msp::kWellKnownPath), .deadline = within_},
      [business, host = url_.host, done = std::move(done)](const Result<net::HttpResponse, net::NetError>& response) {
        done(read(response, business, host));
      });
}

}  // namespace opaline::client
