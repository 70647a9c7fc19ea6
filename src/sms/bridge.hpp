#pragma once
// Between the gateway of the carrier's business and Kannel: persons' texts out, reports and replies back
// (docs/adr/0018-short-messages.md). What it decides; HTTP is in carrier_http.hpp.
#include <deque>
#include <functional>
#include <set>

#include "base/back_off.hpp"
#include "base/log.hpp"
#include "msp/connector.hpp"
#include "sms/budgets.hpp"
#include "sms/kannel.hpp"
#include "sms/texts.hpp"
#include "sms/to_person.hpp"

namespace opaline::sms {

/// A short message of somebody, as Kannel gives it.
struct Incoming {
  std::string id;    ///< Kannel's own, the same when it comes again; empty: it said none
  std::string from;  ///< as the carrier writes it
  SecretBytes text;  ///< UTF-8
};

/// Loop thread only.
class Bridge {
 public:
  /// All outlive the bridge.
  struct Ports {
    net::EventLoop& loop;
    Kannel& kannel;
    Budgets& budgets;
    Texts& texts;
    ToPerson& to_person;
    const Clock& clock;
    RandomSource& random;
    Log& log;
  };
  /// `report_url`: where Kannel reports, "http://127.0.0.1:8448/<secret>/report"; what became of which text is
  /// appended.
  Bridge(const Ports& ports, std::string report_url);
  ~Bridge();

  /// After a start: what a crash has left without an answer of Kannel's is unknown, and told. unavailable.
  [[nodiscard]] Result<void, Error> resume();
  /// Forgets what is over, now and every hour.
  void expire();

  /// A webhook. True: it is ours from now on, whatever happens, and the gateway need not come again; false: it should.
  [[nodiscard]] bool take(const msp::FromPerson& message);
  /// What Kannel says of a text: bits of its dlr-mask (user's guide, "Delivery reports"). False: to be said again.
  [[nodiscard]] bool report(const MessageId& id, unsigned bits);
  /// A short message has come. Calls `done` once: true: there is nothing to be said again.
  using Taken = std::move_only_function<void(bool)>;
  void reply(Incoming message, Taken done);

  struct Counters {
    std::uint64_t texts = 0;            ///< webhooks with a text, each once
    std::uint64_t handed = 0;           ///< Kannel took them
    std::uint64_t failed = 0;           ///< refused by us, by Kannel or by the carrier
    std::uint64_t unknown = 0;          ///< Kannel's answer was lost
    std::uint64_t over_budget = 0;      ///< never tried
    std::uint64_t delivered = 0;        ///< says the carrier
    std::uint64_t replies = 0;          ///< given to a person
    std::uint64_t replies_dropped = 0;  ///< nobody wrote to that number within kReplyDays, or who did has closed
    std::uint64_t unreadable = 0;       ///< short messages without a number or a text that can be shown
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }
  /// Reports that the gateway has not taken yet.
  [[nodiscard]] std::size_t untold() const { return line_.size() + (telling_ ? 1 : 0); }

 private:
  [[nodiscard]] bool take_text(const MessageId& id, const std::string& person, const msp::PersonText& text);
  [[nodiscard]] bool hand_over(const MessageId& id, const std::string& person, carrier::ToCarrier text);
  [[nodiscard]] bool refuse(const MessageId& id, TextRow row);
  void answered(const MessageId& id, const Result<void, Error>& answer);
  [[nodiscard]] bool settle(const MessageId& id, TextRow row, carrier::Fate fate);
  void count(carrier::Fate fate);
  void line_up(const MessageId& id);
  void tell_next();
  void told(const MessageId& id, carrier::Fate fate, Told how);
  void warn();

  const Ports ports_;
  const std::string report_url_;
  Counters counters_;
  std::deque<MessageId> line_;  ///< of those with something to tell
  std::set<MessageId> lined_;   ///< the same
  bool telling_ = false;        ///< one is under way
  BackOff back_off_{std::chrono::seconds(1), std::chrono::minutes(1)};
  net::Timer again_, hourly_;
  std::optional<Instant> warned_at_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace opaline::sms
