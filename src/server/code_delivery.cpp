#include "server/internal/code_delivery.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "server/internal/rfc3339.hpp"

namespace opaline::server {
namespace {

/// One line of JSON a code, appended and synced. Handles are normalised: nothing in them needs escaping.
class OutboxSender final : public identity::CodeSender {
 public:
  OutboxSender(std::filesystem::path file, const Clock& clock, Log& log)
      : file_(std::move(file)), clock_(clock), log_(log) {}

  identity::CodeQueued send(const identity::Handle& handle, const identity::Code& code, seconds valid_for) override {
    const auto line = fmt::format("{{\"handle\":\"{}\",\"code\":\"{}\",\"expires\":\"{}\"}}\n", handle.text(),
                                  as_text(code.reveal()), internal::rfc3339(clock_.now() + valid_for));
    const int fd = open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    const bool written = fd >= 0 && write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
    if (fd >= 0) close(fd);
    if (written) return identity::CodeQueued::queued;
    log_.event(LogLevel::error, "outbox_unwritable", {{"file", file_.native()}});
    return identity::CodeQueued::busy;
  }

 private:
  const std::filesystem::path file_;
  const Clock& clock_;
  Log& log_;
};

}  // namespace

Result<std::unique_ptr<identity::CodeSender>, std::string> make_code_sender(const Config& config, const Clock& clock,
                                                                            Log& log) {
  switch (config.registration.delivery) {
    case CodeDelivery::outbox:
      return std::make_unique<OutboxSender>(config.registration.outbox_file, clock, log);
    case CodeDelivery::smtp:
      break;
  }
  return fail(std::string("registration.delivery = \"smtp\" is not there yet"));
}

}  // namespace opaline::server
