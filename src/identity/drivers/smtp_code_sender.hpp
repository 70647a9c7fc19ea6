#pragma once
// Codes by e-mail, through the operator's mail server.
#include <memory>

#include "base/log.hpp"
#include "base/random.hpp"
#include "identity/ports.hpp"

namespace opaline::identity {

struct SmtpSettings {
  std::string url = "smtp://localhost:25";  ///< smtp:// with STARTTLS, or smtps://
  std::string from;                         ///< an address alone, without a name or brackets
  std::string user;                         ///< empty: no AUTH
  SecretBytes password;
  bool allow_plaintext = false;          ///< go on without STARTTLS where the server has none; never with a user
  std::string ca_file;                   ///< PEM; empty: the system's
  std::string service_name = "Opaline";  ///< in the subject; printable ASCII
  std::size_t max_waiting = 1'000;       ///< mails in the queue; then `busy`
  std::uint32_t tries = 4;               ///< for one mail, before it is dropped
  milliseconds retry_after{5'000};       ///< between them
  seconds timeout{30};                   ///< for one try, connecting included
  milliseconds failing_for{30'000};      ///< after a failed try, until another mail is taken on
};

enum class SmtpError : std::uint8_t {
  bad_settings,  ///< the URL, the sender, the name, or plaintext together with a user
  no_library,    ///< libcurl cannot start
};

/// Sends on a thread of its own, one mail after the other over one kept connection. A mail that the server refuses for
/// good (5yz, RFC 5321 section 4.2.1) is dropped; others are tried again while their code is valid. What waits when
/// this object goes is dropped: the people ask again. The log names no address: failures of single mails are counted.
class SmtpCodeSender final : public CodeSender {
 public:
  /// `clock`, `random` and `log` are used on the thread too and must outlive the sender and be thread-safe.
  [[nodiscard]] static Result<std::unique_ptr<SmtpCodeSender>, SmtpError> start(SmtpSettings settings,
                                                                                const Clock& clock,
                                                                                RandomSource& random, Log& log);
  /// Ends a transfer under way within a second.
  ~SmtpCodeSender() override;
  SmtpCodeSender(const SmtpCodeSender&) = delete;
  SmtpCodeSender& operator=(const SmtpCodeSender&) = delete;

  /// unsupported: a phone number.
  [[nodiscard]] CodeQueued send(const Handle& handle, const Code& code, seconds valid_for) override;

  /// The last try failed, not long ago, and not because of the one address.
  [[nodiscard]] bool failing(HandleKind kind) const override;

  struct Counters {
    std::uint64_t sent = 0;     ///< taken by the mail server
    std::uint64_t refused = 0;  ///< by the mail server, for good
    std::uint64_t retried = 0;
    std::uint64_t dropped = 0;  ///< tried too often, or too late
    std::size_t waiting = 0;
  };
  [[nodiscard]] Counters counters() const;

 private:
  class Worker;
  explicit SmtpCodeSender(std::unique_ptr<Worker> worker);
  std::unique_ptr<Worker> worker_;
};

}  // namespace opaline::identity
