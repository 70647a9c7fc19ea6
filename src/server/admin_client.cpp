#include "server/admin_client.hpp"

#include <fmt/format.h>

#include <optional>

#include "net/http_client.hpp"

namespace opaline::server {

Result<AdminAnswer, std::string> ask_admin(const std::filesystem::path& socket, const std::string& method,
                                           const std::string& target, const std::string& body) {
  const SystemClock clock;
  net::EventLoop loop(clock);
  net::HttpClientOptions options;
  options.origin = net::Url{.tls = false, .host = "localhost", .port = 80, .target = "/"};
  options.unix_path = socket.string();
  options.max_response_bytes = 16 * 1024 * 1024;
  net::HttpClient client(loop, std::move(options));
  net::HttpClientRequest request;
  request.method = method;
  request.target = "/v1/admin/" + target;
  request.body = to_bytes(body);
  if (!body.empty()) request.headers.push_back({"Content-Type", "application/json"});
  request.deadline = std::chrono::minutes(5);  // a checkpoint of a large directory
  std::optional<Result<net::HttpResponse, net::NetError>> answer;
  client.request(std::move(request), [&](Result<net::HttpResponse, net::NetError> got) { answer = std::move(got); });
  loop.run_until([&] { return answer.has_value(); });
  if (!*answer) {
    const auto error = answer->error();
    if (error == net::NetError::connect_failed) {
      return fail(
          fmt::format("no opalined listens on {}: is it running, and with this configuration?", socket.string()));
    }
    if (error == net::NetError::permission_denied) {
      return fail(fmt::format("{} is closed to this user: become root or the service's user", socket.string()));
    }
    return fail(fmt::format("opalined at {} does not answer: {}", socket.string(), net::name(error)));
  }
  return AdminAnswer{(*answer)->status, to_string((*answer)->body)};
}

}  // namespace opaline::server
