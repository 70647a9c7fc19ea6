#include "sms/to_person.hpp"

#include "msp/connector.hpp"

namespace opaline::sms {
namespace {

constexpr std::size_t kMaxAnswerBytes = 64 * 1024;

Told judged(const Result<net::HttpResponse, net::NetError>& answer) {
  if (!answer) return Told::later;
  switch (answer->status) {
    case 200:
      return Told::taken;
    case 400:  // it would be refused each time
    case 404:
    case 410:
    case 413:
      return Told::gone;
    default:
      return Told::later;
  }
}

}  // namespace

Result<std::unique_ptr<GatewayApi>, std::string> GatewayApi::create(net::EventLoop& loop, const Clock& clock,
                                                                    const GatewaySettings& settings,
                                                                    const net::TlsClientContext& tls) {
  auto url = net::Url::parse(settings.url);
  if (!url || !url->tls) return fail("carrier.gateway " + settings.url + " must begin with https://");
  auto key = msp::TokenKey::from_secret(settings.msp_secret);
  if (!key) return fail(std::string("carrier.msp_secret_file has no MSP secret: base64 of 32 to 256 bytes"));
  return std::unique_ptr<GatewayApi>(new GatewayApi(loop, clock, settings, std::move(*url), std::move(*key), tls));
}

GatewayApi::GatewayApi(net::EventLoop& loop, const Clock& clock, GatewaySettings settings, net::Url url,
                       msp::TokenKey key, const net::TlsClientContext& tls)
    : clock_(clock),
      settings_(std::move(settings)),
      key_(std::move(key)),
      target_(url.target),
      client_(loop, {.origin = url, .tls = &tls, .max_connections = 4, .max_response_bytes = kMaxAnswerBytes}) {
  while (target_.ends_with('/')) target_.pop_back();
  target_ += "/v1/message";
}

void GatewayApi::send(const msp::Uuid& id, std::string_view person, ByteView text, Done done) {
  auto written = msp::write_text(id, settings_.business, person, as_text(text));
  net::HttpClientRequest request{.method = "POST", .target = target_};
  for (auto& header : written.headers) request.headers.push_back({std::move(header.name), std::move(header.value)});
  request.headers.push_back(
      {"Authorization", "Bearer " + msp::make_token(msp::TokenUse::call_of_msp, settings_.msp_id, clock_.now(), key_)});
  request.body = to_bytes(ByteView(written.body));
  client_.request(
      std::move(request),
      [done = std::move(done)](Result<net::HttpResponse, net::NetError> answer) mutable { done(judged(answer)); });
}

}  // namespace opaline::sms
