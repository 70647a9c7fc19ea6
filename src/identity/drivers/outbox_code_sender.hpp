#pragma once
// Codes into a file instead of to people: for development (`opalined --dev`) and tests.
#include <filesystem>

#include "base/log.hpp"
#include "identity/ports.hpp"

namespace opaline::identity {

/// Appends one line of JSON for each code:
/// {"time":"2027-01-15T08:00:00Z","handle":"ada@example.org","code":"123456","valid_seconds":600} The file is made with
/// mode 0600. Takes every kind of handle. Called on the service thread; a local file is quick enough.
class OutboxCodeSender final : public CodeSender {
 public:
  OutboxCodeSender(std::filesystem::path file, const Clock& clock, Log& log);
  /// busy: the line could not be written whole.
  [[nodiscard]] CodeQueued send(const Handle& handle, const Code& code, seconds valid_for) override;

 private:
  std::filesystem::path file_;
  const Clock& clock_;
  Log& log_;
};

}  // namespace opaline::identity
