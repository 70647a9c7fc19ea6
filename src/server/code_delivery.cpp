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
Result<SecretBytes, std::string> read_password(const std::filesystem::path& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(fmt::format("smtp.password_file {} cannot be read", file.string()));
  SecretBytes out(kMaxPasswordBytes);
  const ssize_t size = read(fd, out.data(), out.size());
  close(fd);
  out.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  out.erase(std::ranges::find_if(out, [](std::byte b) { return b == std::byte{'\n'} || b == std::byte{'\r'}; }),
            out.end());
  if (out.empty()) return fail(fmt::format("smtp.password_file {} has no password in its first line", file.string()));
  return out;
}

}  // namespace

Result<CodeSenderChoice, std::string> make_code_sender(const Config& config, const Clock& clock, RandomSource& random,
                                                       Log& log) {
  CodeSenderChoice out;
  if (config.registration.delivery == CodeDelivery::outbox) {
    out.sender = std::make_unique<identity::OutboxCodeSender>(config.registration.outbox_file, clock, log);
    return out;
  }
  identity::SmtpSettings settings;
  settings.url = config.smtp.url;
  settings.from = config.smtp.from;
  settings.user = config.smtp.user;
  settings.allow_plaintext = config.smtp.allow_plaintext;
  settings.ca_file = config.smtp.ca_file.string();
  if (!config.smtp.password_file.empty()) {
    OPALINE_TRY(settings.password, read_password(config.smtp.password_file));
  }
  auto sender = identity::SmtpCodeSender::start(std::move(settings), clock, random, log);
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
  return out;
}

}  // namespace opaline::server
