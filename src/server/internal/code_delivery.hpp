#pragma once
#include <memory>

#include "identity/drivers/smtp_code_sender.hpp"
#include "server/config.hpp"

namespace opaline::server {

struct CodeSenderChoice {
  std::unique_ptr<identity::CodeSender> sender;
  identity::SmtpCodeSender* smtp = nullptr;  ///< the same object where it is one, for its counters
};

/// The sender that [registration] and [smtp] ask for. The error is a sentence. The ports outlive the sender.
[[nodiscard]] Result<CodeSenderChoice, std::string> make_code_sender(const Config& config, const Clock& clock,
                                                                     RandomSource& random, Log& log);

}  // namespace opaline::server
