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

Failure goodbye_failure(const uplink::Ended& goodbye) {
  switch (goodbye.code) {
    case wire::GoodbyeCode::auth_failed:
    case wire::GoodbyeCode::removed:
      return {ClientError::removed, "the server does not know this device any more"};  // more: removed_failure
    case wire::GoodbyeCode::replaced:
      return {ClientError::refused,
              "the same device has connected from elsewhere: there are two copies of this home, and each misses what "
              "the other gets. Use only one of them; to have a further device: opaline link in a new --home"};
    case wire::GoodbyeCode::shutting_down:
      return {ClientError::connect_failed, "the server is shutting down"};
    default:
      return {ClientError::connect_failed, "the server ended the connection: " + goodbye.text};
  }
}

}  // namespace

Failure failure_of(const uplink::Ended& ended, const net::Url& url) {
  using Cause = uplink::Ended::Cause;
  switch (ended.cause) {
    case Cause::not_connected:
      return failure_of(ended.error, url);
    case Cause::goodbye:
      return goodbye_failure(ended);
    case Cause::protocol:
      return {ClientError::protocol, "the server sent what makes no sense"};
    case Cause::version:
      return {ClientError::protocol, "the server speaks another version; update this program"};
    case Cause::other_name:
      // What we sign is for the name that we connected to: a server cannot use it at another.
      return {ClientError::certificate_rejected, "the server calls itself '" + ended.text +
                                                     "', but was asked for as '" + url.host +
                                                     "'; use the name it goes by (--server)"};
    case Cause::lost:
      break;
  }
  std::string why = "the connection to " + url.authority() + " ended";
  if (!ended.text.empty()) why += " (" + ended.text + ")";
  return {ClientError::connect_failed, std::move(why)};
}

Failure removed_failure(bool primary) {
  if (primary)
    return {ClientError::removed,
            "the server does not know this device any more: the account was deleted, somebody registered its handle "
            "again, or another device became the primary one by a recovery file. What is in this home stays (opaline "
            "history). To go on: opaline register, or opaline link, in a new --home"};
  return {
      ClientError::removed,
      "the server does not know this device any more: it was removed on the primary device, or with the account; or "
      "forgotten by a server that was restored from a copy (then opaline devices says so there). What is in this "
      "home stays (opaline history). To go on: opaline link, in a new --home"};
}

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
