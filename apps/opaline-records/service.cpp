#include "apps/opaline-records/service.hpp"

#include <fmt/format.h>

#include "net/http_client.hpp"

namespace opaline::officer {

namespace {

constexpr std::size_t kMaxAnswerBytes = 64 << 20;

std::string refusal(const net::HttpResponse& response) {
  boost::system::error_code error;
  const auto value = boost::json::parse(std::string_view(as_text(response.body)), error);
  const std::string message = error ? std::string() : field(value, "/message");
  if (response.status == 401)
    return "the service does not know this token, or it has expired: ask an owner for another one";
  if (!message.empty()) return message;
  return fmt::format("the service answered {}", response.status);
}

}  // namespace

std::string field(const boost::json::value& value, std::string_view pointer) {
  boost::system::error_code error;
  const auto* found = value.find_pointer(pointer, error);
  if (error || found == nullptr || found->is_null()) return {};
  return found->is_string() ? std::string(found->get_string()) : boost::json::serialize(*found);
}

Result<Bytes, std::string> Service::ask(const std::string& method, const std::string& target,
                                        const std::string& body) const {
  const auto url = net::Url::parse(home_.server);
  if (!url) return fail(fmt::format("{} is no URL: https://HOST:PORT of the operator listener", home_.server));
  std::optional<net::TlsClientContext> tls;
  if (url->tls) {
    auto context = net::TlsClientContext::create({.authority_pem = home_.authority_pem});
    if (!context) return fail(std::string("the authority that signs the service's certificate cannot be read"));
    tls.emplace(std::move(*context));
  }
  const SystemClock clock;
  net::EventLoop loop(clock);
  net::HttpClient client(loop, {.origin = *url, .tls = tls ? &*tls : nullptr, .max_response_bytes = kMaxAnswerBytes});
  net::HttpClientRequest request{.method = method, .target = "/v1/records/" + target, .body = to_bytes(body)};
  request.headers.push_back({"Authorization", "Bearer " + home_.token});
  if (!body.empty()) request.headers.push_back({"Content-Type", "application/json"});
  request.deadline = std::chrono::minutes(2);  // an approval takes the entries out of the log
  std::optional<Result<net::HttpResponse, net::NetError>> answer;
  client.request(std::move(request), [&](Result<net::HttpResponse, net::NetError> got) { answer = std::move(got); });
  loop.run_until([&] { return answer.has_value(); });
  if (!*answer) {
    return fail(fmt::format("{} does not answer: {}{}", home_.server, net::name(answer->error()),
                            answer->error() == net::NetError::certificate_rejected
                                ? " (--ca names the authority that signed its certificate)"
                                : ""));
  }
  if ((*answer)->status >= 300) return fail(refusal(**answer));
  return std::move((*answer)->body);
}

Result<boost::json::value, std::string> Service::json(const std::string& method, const std::string& target,
                                                      const std::string& body) const {
  OPALINE_TRY(const Bytes answer, ask(method, target, body));
  boost::system::error_code error;
  auto value = boost::json::parse(std::string_view(as_text(answer)), error);
  if (error) return fail(std::string("the service answered with no JSON: is this its operator listener?"));
  return value;
}

}  // namespace opaline::officer
