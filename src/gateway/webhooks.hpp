#pragma once
// Takes what waits to the business's software: in order for each person, many people at once, again and again until it
// is taken or refused. Loop thread only.
#include <deque>
#include <map>
#include <memory>

#include "base/back_off.hpp"
#include "gateway/store.hpp"
#include "msp/jwt.hpp"
#include "net/event_loop.hpp"
#include "net/http_client.hpp"

namespace opaline::gateway {

class Webhooks {
 public:
  struct Parts {
    net::EventLoop& loop;
    const Clock& clock;
    RandomSource& random;
    Store& store;
    const net::Url& service;  ///< for the urls of attachments
    const net::TlsClientContext& tls;
    /// A message of this person has become a dead letter.
    std::function<void(const AccountId&, const msp::Uuid& message)> refused{};
  };
  struct Counters {
    std::uint64_t taken = 0, failed = 0, buried = 0;
  };
  /// `config` stays the owner's; reconfigured() after it changed.
  Webhooks(const Parts& parts, const BusinessConfig& config);
  ~Webhooks();
  Webhooks(const Webhooks&) = delete;
  Webhooks& operator=(const Webhooks&) = delete;

  /// Something waits for this person.
  void wake(const AccountId& persona);
  /// Typing is told at once or not at all: nothing of it waits, and nothing comes of a failure.
  void typing(const AccountId& persona, bool active);
  void reconfigured();
  /// Nothing new is begun; what is under way is cut.
  void stop();
  [[nodiscard]] bool idle() const { return under_way_ == 0; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  /// One person's queue while something waits in it.
  struct Lane {
    Lane(net::EventLoop& loop, BackOff waits) : timer(loop), back_off(waits) {}
    net::Timer timer;
    BackOff back_off;
    bool busy = false;           ///< in line, or under way
    Store::Number number = 0;    ///< of the message that is being tried
    std::uint32_t attempts = 0;  ///< of them
    bool is_status = false;      ///< of the business's own message: refused once is enough
    unsigned refused = 0;        ///< times that it was refused for good
  };
  /// The person's next message goes behind those of everybody else.
  void line_up(const AccountId& persona, Lane& lane);
  /// As many as there is room for.
  void take_turns();
  void next(const AccountId& persona, Lane& lane);
  void attempt(const AccountId& persona, Lane& lane, const Store::Waiting& waiting);
  void answered(const AccountId& persona, Store::Number number, const msp::Uuid& id,
                const Result<net::HttpResponse, net::NetError>& answer);
  /// Of the message that is being tried: a dead letter; the person's next lines up.
  void bury(const AccountId& persona, Lane& lane, const msp::Uuid& id, Refusal why);
  void finish(const AccountId& persona, Store::Number number);
  void forget();
  void later(const AccountId& persona, Lane& lane, seconds at_least);
  void connect();
  [[nodiscard]] net::HttpClientRequest request_of(const msp::Uuid& id, msp::Webhook webhook) const;

  Parts parts_;
  const BusinessConfig& config_;
  std::optional<msp::TokenKey> key_;
  std::optional<msp::WebhookSigner> signer_;  ///< where the business wants it
  std::unique_ptr<net::HttpClient> http_;
  std::map<AccountId, Lane> lanes_;
  std::deque<AccountId> line_;  ///< whose turn it is when one of those under way has ended
  std::size_t under_way_ = 0;
  bool stopped_ = false;
  net::Timer forget_;  ///< rows of what was taken go when it fires, if not before
  Counters counters_;
};

}  // namespace opaline::gateway
