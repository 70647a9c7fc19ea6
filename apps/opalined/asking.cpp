#include "apps/opalined/asking.hpp"

#include <fmt/format.h>

#include "gateway/admin.hpp"
#include "server/admin_client.hpp"

namespace opaline::daemon {

namespace json = boost::json;

namespace {

std::optional<std::filesystem::path> socket_of(const GlobalOptions& options, const AdminArguments& arguments) {
  if (arguments.socket) return *arguments.socket;
  const auto loaded = load(options, false);
  if (!loaded) return std::nullopt;
  return loaded->config.paths.admin_socket;
}

}  // namespace

std::string field(const json::value& value, std::string_view pointer) {
  boost::system::error_code error;
  const auto* found = value.find_pointer(pointer, error);
  if (error || found == nullptr || found->is_null()) return {};
  return found->is_string() ? std::string(found->get_string()) : json::serialize(*found);
}

Asked ask(const GlobalOptions& options, const AdminArguments& arguments, const std::string& method,
          const std::string& target, const std::string& body) {
  const auto socket = socket_of(options, arguments);
  if (!socket) return {Exit::usage, {}};
  const auto answer = server::ask_admin(*socket, method, target, body);
  if (!answer) return {failed(answer.error()), {}};
  boost::system::error_code error;
  auto value = json::parse(answer->body, error);
  if (error) return {failed(fmt::format("the server answered {} and no JSON", answer->status)), {}};
  const bool good = answer->status < 300;
  if (arguments.json) {
    fmt::print("{}\n", json::serialize(value));
    return {good ? Exit::ok : Exit::failed, {}};
  }
  if (!good) return {failed(field(value, "/message")), {}};
  return {Exit::ok, std::move(value)};
}

Asked ask_gateway(const GlobalOptions& options, AdminArguments arguments, const std::string& method,
                  const std::string& target, const std::string& body) {
  if (!arguments.socket) {
    const auto loaded = load(options, false);
    if (!loaded) return {Exit::usage, {}};
    arguments.socket = loaded->config.business.data / gateway::kAdminSocketName;
  }
  return ask(options, arguments, method, target, body);
}

std::string escaped(const std::string& name) {
  std::string out;
  for (const unsigned char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    out += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return out;
}

}  // namespace opaline::daemon
