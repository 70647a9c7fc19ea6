#pragma once
// The other end of the admin socket: what `opalined admin` and `opalined backup` speak with.
#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace opaline::server {

struct AdminAnswer {
  unsigned status = 0;
  std::string body;  ///< JSON
};

/// One request and its answer, on a loop of its own. `target` is what follows /v1/admin/. The error is a sentence: no
/// server there, or it did not answer.
[[nodiscard]] Result<AdminAnswer, std::string> ask_admin(const std::filesystem::path& socket, const std::string& method,
                                                         const std::string& target, const std::string& body = {});

}  // namespace opaline::server
