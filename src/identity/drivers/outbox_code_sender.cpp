#include "identity/drivers/outbox_code_sender.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/rfc3339.hpp"

namespace opaline::identity {

OutboxCodeSender::OutboxCodeSender(std::filesystem::path file, const Clock& clock, Log& log)
    : file_(std::move(file)), clock_(clock), log_(log) {}

CodeQueued OutboxCodeSender::send(const Handle& handle, const Code& code, seconds valid_for) {
  // Nothing in a normalised handle needs escaping in JSON (handle.cpp: no quotes, backslashes or control characters).
  const std::string line = fmt::format("{{\"time\":\"{}\",\"handle\":\"{}\",\"code\":\"{}\",\"valid_seconds\":{}}}\n",
                                       rfc3339(clock_.now()), handle.text(), as_text(code.reveal()), valid_for.count());
  const int file = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool written = file >= 0 && ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (file >= 0) ::close(file);
  if (written) return CodeQueued::queued;
  log_.event(LogLevel::error, "identity.outbox_unwritable", {{"file", file_.native()}});
  return CodeQueued::busy;
}

}  // namespace opaline::identity
