#pragma once
#include <memory>

#include "base/log.hpp"
#include "identity/ports.hpp"
#include "server/config.hpp"

namespace opaline::server {

/// The sender that [registration] and [smtp] ask for. The error is a sentence.
[[nodiscard]] Result<std::unique_ptr<identity::CodeSender>, std::string> make_code_sender(const Config& config,
                                                                                          const Clock& clock, Log& log);

}  // namespace opaline::server
