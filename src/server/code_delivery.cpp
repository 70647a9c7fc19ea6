#include "server/internal/code_delivery.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "identity/drivers/outbox_code_sender.hpp"

namespace opaline::server {
namespace {

constexpr std::size_t kMaxPasswordBytes = 4096;

/// The first line of the file.
Result<SecretBytes, std::string> read_password(std::string_view key, const std::filesystem::path& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(fmt::format("{} {} cannot be read", key, file.string()));
  SecretBytes out(kMaxPasswordBytes);
  const ssize_t size = read(fd, out.data(), out.size());
  close(fd);
  out.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  out.erase(std::ranges::find_if(out, [](std::byte b) { return b == std::byte{'\n'} || b == std::byte{'\r'}; }),
            out.end());
  if (out.empty()) return fail(fmt::format("{} {} has no password in its first line", key, file.string()));
  return out;
}

Result<void, std::string> add_smtp(CodeSenderChoice& out, const Config& config, const CodeSenderPorts& ports) {
  identity::SmtpSettings settings;
  settings.url = config.smtp.url;
  settings.from = config.smtp.from;
  settings.user = config.smtp.user;
  settings.allow_plaintext = config.smtp.allow_plaintext;
  settings.ca_file = config.smtp.ca_file.string();
  if (!config.smtp.password_file.empty()) {
    OPALINE_TRY(settings.password, read_password("smtp.password_file", config.smtp.password_file));
  }
  auto sender = identity::SmtpCodeSender::start(std::move(settings), ports.clock, ports.random, ports.log);
  if (!sender) {
    switch (sender.error()) {
      case identity::SmtpError::bad_settings:
        return fail(
            std::string("[smtp]: the url or the from address cannot be used, or allow_plaintext stands "
                        "together with a user"));
      case identity::SmtpError::no_library:
        return fail(std::string("[smtp]: libcurl does not start"));
    }
  }
  out.smtp = sender->get();
  out.sender = std::move(*sender);
  return {};
}

Result<void, std::string> add_sms(CodeSenderChoice& out, const Config& config, const CodeSenderPorts& ports) {
  if (config.sms.url.empty()) return {};
  sms::KannelSettings settings{
      .url = config.sms.url, .user = config.sms.user, .password = {}, .sender = config.sms.sender};
  OPALINE_TRY(settings.password, read_password("sms.password_file", config.sms.password_file));
  if (config.sms.url.starts_with("https:")) {
    auto tls = net::TlsClientContext::create({});
    if (!tls) return fail(std::string("sms.url: this system has no authorities that https could be checked with"));
    out.tls = std::make_unique<net::TlsClientContext>(std::move(*tls));
  }
  auto kannel = sms::Kannel::create(ports.loop, std::move(settings), out.tls.get());
  if (!kannel) return fail(fmt::format("sms.url {} cannot be used", config.sms.url));
  out.kannel = std::move(*kannel);
  out.budgets =
      std::make_unique<sms::Budgets>(ports.rows, ports.clock,
                                     sms::BudgetLimits{.per_day = config.sms.messages_per_day,
                                                       .per_country_day = config.sms.messages_per_country_per_day});
  out.sms = std::make_unique<sms::CodeSender>(
      sms::CodeSender::Ports{*out.kannel, *out.budgets, *out.sender, ports.clock, ports.log}, config.server.name);
  return {};
}

}  // namespace

Result<CodeSenderChoice, std::string> make_code_sender(const Config& config, const CodeSenderPorts& ports) {
  CodeSenderChoice out;
  if (config.registration.delivery == CodeDelivery::outbox) {
    out.sender = std::make_unique<identity::OutboxCodeSender>(config.registration.outbox_file, ports.clock, ports.log);
  } else {
    OPALINE_CHECK(add_smtp(out, config, ports));
  }
  OPALINE_CHECK(add_sms(out, config, ports));
  return out;
}

}  // namespace opaline::server
