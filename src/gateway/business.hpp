#pragma once
// One business at work: its endpoint at the service, the queue of what people wrote to it, its webhook. Loop thread
// only.
//
//   a person's envelope -> Endpoint -> one commit: session, and the content sealed under the day key (Inbox)
//     -> ACK to the relay -> webhook, in order per person, until 200 -> both are gone
//   POST /v1/message -> Endpoint::send under the message's own id -> accepted by every device -> 200
#include <memory>

#include "base/log.hpp"
#include "base/random.hpp"
#include "gateway/business_port.hpp"
#include "gateway/store.hpp"
#include "net/event_loop.hpp"
#include "net/tls.hpp"

namespace opaline::gateway {

/// All outlive the businesses.
struct Surroundings {
  net::EventLoop& loop;
  const Clock& clock;
  const Clock& expiry;  ///< of Store::Ports
  RandomSource& random;
  Log& log;
  store::JournaledRows& rows;  ///< opened with kTables
  store::KeyVault& vault;
  const net::Url& service;  ///< https://HOST[:PORT] of the service
  const net::TlsClientContext& service_tls;
  const net::TlsClientContext& webhook_tls;
};

/// No identifiers; for metrics.
struct Counters {
  std::uint64_t received = 0, webhooks = 0, webhook_failures = 0, dead_letters = 0, dropped = 0;
  std::uint64_t sent = 0, repeated = 0, refused_closed = 0, refused_unknown = 0;
  std::size_t waiting = 0, people = 0;
};

/// A business's dead letters; what the operator asks for.
class DeadLetterBox {
 public:
  virtual ~DeadLetterBox() = default;
  [[nodiscard]] virtual const msp::Uuid& id() const = 0;
  /// Oldest first.
  [[nodiscard]] virtual std::vector<DeadLetter> dead_letters() const = 0;
  /// As Store::retry; it is tried at once.
  [[nodiscard]] virtual Result<Store::Retry, endpoint::StoreError> retry(const msp::Uuid& message) = 0;
};

class Business final : public BusinessPort, public DeadLetterBox {
 public:
  enum class OpenError : std::uint8_t {
    not_enrolled,  ///< enrol() first
    store,
  };
  using Enrolled = std::function<void(Result<void, std::string>)>;
  /// An enrolment string (`opaline-enrol-...`) has the service take this gateway's keys; what an earlier enrolment left
  /// here is forgotten. Calls back once; the error is a sentence for people.
  static void enrol(const Surroundings& around, const msp::Uuid& business, std::string_view enrolment, Enrolled done);
  [[nodiscard]] static Result<std::unique_ptr<Business>, OpenError> open(const Surroundings& around,
                                                                         BusinessConfig config);
  ~Business() override;
  Business(const Business&) = delete;
  Business& operator=(const Business&) = delete;

  /// Connects to the service, and again whenever that ends; goes on with what waits for the webhook.
  void start();
  /// Says goodbye to the service; webhooks that are under way are cut (and come again, by the same id).
  void stop();
  [[nodiscard]] bool online() const;
  /// Another webhook, secret or switch; the id stays.
  void reconfigure(BusinessConfig config);

  [[nodiscard]] const BusinessConfig& config() const override;
  void send(Prepared message, std::chrono::nanoseconds within, std::function<void(Outcome)> done) override;
  [[nodiscard]] Outcome typing(const credentials::OpaqueId& to, bool active) override;
  [[nodiscard]] std::optional<Outcome> status(const msp::Uuid& message) override;
  void call(std::uint16_t method, ByteView body, uplink::CallDone done) override;

  /// SHA-256 of the public account key of this gateway, 32 bytes: what entry links call `opaline-gateway`.
  [[nodiscard]] Result<ByteArray<32>, OpenError> fingerprint();
  [[nodiscard]] const msp::Uuid& id() const override;
  [[nodiscard]] std::vector<DeadLetter> dead_letters() const override;
  [[nodiscard]] Result<Store::Retry, endpoint::StoreError> retry(const msp::Uuid& message) override;
  [[nodiscard]] Counters counters() const;

 private:
  class Impl;
  explicit Business(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::gateway
