#pragma once
#include <memory>

#include "identity/drivers/smtp_code_sender.hpp"
#include "server/config.hpp"
#include "sms/code_sender.hpp"

namespace opaline::server {

/// Goes in the opposite order.
struct CodeSenderChoice {
  std::unique_ptr<identity::CodeSender> sender;  ///< for all handles, or for those that no short message reaches
  identity::SmtpCodeSender* smtp = nullptr;      ///< the same object where it is one, for its counters

  std::unique_ptr<net::TlsClientContext> tls;
  std::unique_ptr<sms::Kannel> kannel;
  std::unique_ptr<sms::Budgets> budgets;
  std::unique_ptr<sms::CodeSender> sms;  ///< null: there are no short messages

  [[nodiscard]] identity::CodeSender& first() const { return sms ? *sms : *sender; }
};

struct CodeSenderPorts {
  net::EventLoop& loop;  ///< on which codes are sent
  store::SealedRows& rows;
  const Clock& clock;
  RandomSource& random;
  Log& log;
};

/// The senders that [registration], [smtp] and [sms] ask for. The error is a sentence. The ports outlive them.
[[nodiscard]] Result<CodeSenderChoice, std::string> make_code_sender(const Config& config,
                                                                     const CodeSenderPorts& ports);

}  // namespace opaline::server
