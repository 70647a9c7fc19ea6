#pragma once
// What the commands of `opalined admin` share: one question to the running server.
#include <boost/json.hpp>

#include "apps/opalined/commands.hpp"

namespace opaline::daemon {

/// A field of an answer as text, whatever it is; "" if it is not there.
[[nodiscard]] std::string field(const boost::json::value& value, std::string_view pointer);

/// The parsed answer is there only if it is to be printed for people.
struct Asked {
  Exit exit = Exit::failed;
  std::optional<boost::json::value> answer;
};
/// Asks; prints the server's JSON or its complaint.
[[nodiscard]] Asked ask(const GlobalOptions& options, const AdminArguments& arguments, const std::string& method,
                        const std::string& target, const std::string& body = {});

/// The same question to a gateway, over the socket in its own data directory.
[[nodiscard]] Asked ask_gateway(const GlobalOptions& options, AdminArguments arguments, const std::string& method,
                                const std::string& target, const std::string& body = {});

/// For a path: a name that is none must not become another path.
[[nodiscard]] std::string escaped(const std::string& name);

}  // namespace opaline::daemon
