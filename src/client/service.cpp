#include "client/service.hpp"

#include <charconv>

#include "proto/device.pb.h"

namespace opaline::client {
namespace {

constexpr auto kRequestDeadline = std::chrono::seconds(30);

net::HttpClientOptions http_options(const net::Url& url, const net::TlsClientContext& tls) {
  net::HttpClientOptions options;
  options.origin = url;
  options.tls = &tls;
  return options;
}

}  // namespace

Failure failure_of(net::NetError error, const net::Url& url) {
  const std::string where = "https://" + url.authority();
  switch (error) {
    case net::NetError::certificate_rejected:
      return {ClientError::certificate_rejected,
              "the certificate of " + where +
                  " is not trusted; for a server of your own give its authority with --ca FILE"};
    case net::NetError::timed_out:
      return {ClientError::timed_out, where + " did not answer in time"};
    case net::NetError::name_not_found:
      return {ClientError::connect_failed, "there is no server by the name " + url.host + "; check --server"};
    case net::NetError::protocol_violation:
    case net::NetError::too_large:
    case net::NetError::upgrade_refused:
      return {ClientError::protocol, where + " answers, but not as an Opaline server does"};
    default:
      return {ClientError::connect_failed, "cannot reach " + where + " (" + std::string(net::name(error)) +
                                               "): check that it runs, and its address (--server)"};
  }
}

namespace {

ClientError refused_as(int status) {
  switch (status) {
    case wire::v1::CALL_STATUS_WRONG_CODE:
      return ClientError::wrong_code;
    case wire::v1::CALL_STATUS_PIN_REQUIRED:
    case wire::v1::CALL_STATUS_WRONG_PIN:
      return ClientError::wrong_pin;
    case wire::v1::CALL_STATUS_EXPIRED:
      return ClientError::expired;
    case wire::v1::CALL_STATUS_QUOTA:
      return ClientError::quota;
    default:
      return ClientError::refused;
  }
}

/// The CallStatus of an HTTP answer that is not 200; 0: it has none.
int status_of(const net::HttpResponse& response) {
  int out = 0;
  const std::string_view text = response.header("Opaline-Status").value_or("");
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

}  // namespace

Failure refusal(int status, ByteView body, std::string_view fallback) {
  wire::v1::Failure theirs;
  Failure out{refused_as(status), std::string(fallback)};
  out.call_status = status;
  if (!theirs.ParseFromArray(body.data(), static_cast<int>(body.size()))) return out;
  if (!theirs.message().empty()) out.message = theirs.message();
  out.retry_after_seconds = theirs.retry_after_seconds();
  out.tries_left = theirs.tries_left();
  return out;
}

Result<std::unique_ptr<Service>, Failure> Service::create(net::EventLoop& loop, const Settings& settings) {
  if (settings.server.empty())
    return fail(Failure{ClientError::server_unknown, "no server is known yet; name one with --server https://HOST"});
  auto url = net::Url::parse(settings.server);
  if (!url || !url->tls)
    return fail(
        Failure{ClientError::server_unknown,
                "'" + settings.server + "' is no server address; it looks like https://HOST or https://HOST:PORT"});
  net::TlsClientOptions options;
  options.authority_pem = settings.authority;
  auto tls = net::TlsClientContext::create(options);
  if (!tls)
    return fail(
        Failure{ClientError::certificate_rejected, "the certificate authority (--ca) is not a PEM certificate"});
  return std::unique_ptr<Service>(new Service(loop, std::move(*url), std::move(*tls)));
}

Service::Service(net::EventLoop& loop, net::Url url, net::TlsClientContext tls)
    : loop_(loop), url_(std::move(url)), tls_(std::move(tls)), http_(loop, http_options(url_, tls_)) {}

Result<Bytes, Failure> Service::post(std::string_view step, ByteView body) {
  std::optional<Result<net::HttpResponse, net::NetError>> answer;
  net::HttpClientRequest request;
  request.method = "POST";
  request.target = "/v1/" + std::string(step);
  request.headers = {{"Content-Type", "application/x-protobuf"}};
  request.body = to_bytes(body);
  request.deadline = kRequestDeadline;
  http_.request(std::move(request),
                [&answer](Result<net::HttpResponse, net::NetError> a) { answer.emplace(std::move(a)); });
  if (!loop_.run_until([&answer] { return answer.has_value(); }))
    return fail(Failure{ClientError::timed_out, "stopped before the server answered"});
  if (!*answer) return fail(failure_of(answer->error(), url_));
  net::HttpResponse& response = **answer;
  if (response.status == 200) return std::move(response.body);
  return fail(refusal(status_of(response), response.body,
                      "the server refused (HTTP status " + std::to_string(response.status) + ")"));
}

}  // namespace opaline::client
