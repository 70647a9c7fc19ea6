#pragma once
// Many persons and one business's software, in one thread, around a real server and a real gateway:
//
//   webhooks   person -> opalined -> gateway -> HTTPS webhook -> here, where it is answered with 200
//   posts      POST /v1/message -> gateway -> opalined -> person's device: decrypted; its receipt -> 200
//
// Every text carries its run, person and number and is compared whole; every webhook's token is verified, its id must
// be new, and each person's must come in order. Anything else ends the program without a figure.
#include <memory>
#include <unordered_set>

#include "business_load/http.hpp"
#include "business_load/person.hpp"
#include "load/pacer.hpp"
#include "msp/jwt.hpp"
#include "msp/uuid.hpp"

namespace opaline::bench {

/// The business as `opalined admin business create` told of it, and where its gateway and its software are.
struct BusinessAccess {
  msp::Uuid id;
  std::string msp_id, secret;
  Target api;
  std::uint16_t webhook_port = 0;
  SSL_CTX* webhook_context = nullptr;  ///< the software's certificate
};

/// Slots, or so many a second whatever comes back.
struct Pace {
  std::size_t in_flight = 256;  ///< closed loop
  double per_second = 0;        ///< open loop, if not 0
};

class BusinessLoad final : PersonEvents, Sender {
 public:
  /// Opens a persona for each account and has each write once, until its first webhook came and the gateway has
  /// answered in its session. All references must outlive it. `patience`: a run in which nothing happens for so long
  /// has lost something.
  BusinessLoad(const Service& service, const std::vector<Account>& accounts, const BusinessAccess& business,
               Nanos patience);
  ~BusinessLoad() override;

  /// Runs of plan.messages; each returns its figures (Meter::json). `receipt` is the webhook, `accepted` the relay's
  /// answer to the person. In a closed loop everything is encrypted before the run.
  [[nodiscard]] std::string webhooks(Plan plan, const Pace& pace);
  /// `receipt` is the decrypted text, `accepted` the 200. Person i's come by connection i modulo `connections`.
  [[nodiscard]] std::string posts(Plan plan, const Pace& pace, std::size_t connections);

 private:
  enum class Kind : std::uint8_t { opening, webhooks, posts };
  void open();
  [[nodiscard]] std::string run(Kind kind, const Plan& plan, const Pace& pace);
  void paced(const Plan& plan, double per_second);
  /// Rounds of the engine until `done`; ends the program if nothing happens for too long.
  void until(const std::function<bool()>& done, std::string_view what);
  [[nodiscard]] std::string text_of(std::size_t person, std::uint64_t number) const;
  void verify_token(const HttpMessage& webhook);

  void on_webhook(const HttpMessage& webhook, Nanos now);
  void on_answer(std::size_t person, std::uint64_t number, const HttpMessage& answer, Nanos now);
  void on_accepted(Person& person, std::uint64_t number, Nanos now) override;
  void on_text(Person& person, std::string_view text, Nanos now) override;
  [[nodiscard]] bool may_send(std::size_t person) override;
  void send(std::size_t person, std::uint64_t number) override;
  void post(std::size_t person, std::uint64_t number);

  const BusinessAccess& business_;
  SSL_CTX* client_context_;
  const Nanos patience_;
  msp::TokenKey key_;
  std::string pool_, api_token_, verified_token_;
  Engine engine_;
  std::vector<std::unique_ptr<Person>> persons_;
  std::unordered_map<std::string, std::size_t> by_opaque_id_;
  std::unordered_set<msp::Uuid> webhook_ids_;
  std::vector<std::unique_ptr<HttpCaller>> callers_;
  std::unique_ptr<HttpReceiver> receiver_;

  // of the present run
  Kind kind_ = Kind::opening;
  std::uint32_t run_ = 0;
  std::uint64_t progress_ = 0;          ///< counts what happens
  std::vector<std::uint64_t> texts_;    ///< by person: those that came, or webhooks
  std::vector<std::uint64_t> allowed_;  ///< by person: what it may send in a closed loop
  std::vector<std::uint64_t> begun_;
  std::unique_ptr<Meter> meter_;
  std::unique_ptr<Pacer> pacer_;  ///< of a closed loop
};

/// The same POSTs to any HTTPS server that answers 200, for scale: plan.pairs connections, plan.payload_bytes a body.
[[nodiscard]] std::string http_load(SSL_CTX* context, const Target& target, const Plan& plan, const Pace& pace);

}  // namespace opaline::bench
