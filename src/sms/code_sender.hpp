#pragma once
// Registration codes by short message.
#include <memory>

#include "base/log.hpp"
#include "identity/ports.hpp"
#include "sms/budgets.hpp"
#include "sms/kannel.hpp"

namespace opaline::sms {

/// Codes for telephone numbers go to Kannel, others to another sender. Loop thread only. The log names no number.
class CodeSender final : public identity::CodeSender {
 public:
  struct Ports {
    Kannel& kannel;
    Budgets& budgets;
    identity::CodeSender& others;
    const Clock& clock;
    Log& log;
  };
  /// All outlive the sender. `service_name` is in the text: GSM letters, few.
  CodeSender(const Ports& ports, std::string service_name) : ports_(ports), service_name_(std::move(service_name)) {}

  /// busy: too many wait, or today's budget for the country is spent.
  [[nodiscard]] identity::CodeQueued send(const identity::Handle& handle, const identity::Code& code,
                                          seconds valid_for) override;
  /// For numbers: Kannel did not take the last one, less than kFailingFor ago.
  [[nodiscard]] bool failing(identity::HandleKind kind) const override;
  static constexpr std::chrono::seconds kFailingFor{30};

  struct Counters {
    std::uint64_t accepted = 0;     ///< by Kannel
    std::uint64_t failed = 0;       ///< refused, unavailable or unknown
    std::uint64_t over_budget = 0;  ///< never tried
    std::size_t waiting = 0;
  };
  [[nodiscard]] const Counters& counters() const { return state_->counters; }

 private:
  const Ports ports_;
  const std::string service_name_;
  struct State {
    Counters counters;
    std::optional<Instant> failed_at;  // nullopt: the last one was taken
    std::optional<Day> warned_of_budget;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();  // answers may come after the sender has gone
};

}  // namespace opaline::sms
