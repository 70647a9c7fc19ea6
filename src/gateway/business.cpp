#include "gateway/business.hpp"

#include <map>
#include <queue>

#include "base/fault_point.hpp"
#include "crypto/hash.hpp"
#include "gateway/away.hpp"
#include "gateway/webhooks.hpp"
#include "proto/device.pb.h"
#include "uplink/requests.hpp"

namespace opaline::gateway {
namespace {

using namespace std::chrono_literals;

constexpr wire::Credit kReceiveCredit{wire::kInitialCreditEnvelopes, wire::kInitialCreditBytes};
constexpr auto kUpkeepEvery = 1h;

}  // namespace

class Business::Impl final : private uplink::ConnectionOwner {
 public:
  Impl(const Surroundings& around, BusinessConfig config, std::unique_ptr<Store> store)
      : around_(around),
        config_(std::move(config)),
        store_(std::move(store)),
        webhooks_({around.loop, around.clock, around.random, *store_, around.service, around.webhook_tls,
                   [this](const AccountId& persona, const msp::Uuid& message) { tell_refused(persona, message); }},
                  config_),
        tick_(around.loop),
        reconnect_(around.loop),
        deadlines_timer_(around.loop),
        upkeep_(around.loop) {}

  [[nodiscard]] Result<void, endpoint::Error> load() {
    OPALINE_TRY(device_, endpoint::Endpoint::load(*store_, around_.random, around_.clock,
                                                  endpoint::Options{.serves_strangers = true}));
    device_->set_receipts(true);
    store_->tell_statuses(config_.status_webhooks);
    return {};
  }

  void start() {
    wanted_ = true;
    connect();
    wake_arrived();
    upkeep();
  }
  void stop() {
    wanted_ = false;
    reconnect_.cancel();
    upkeep_.cancel();
    webhooks_.stop();
    if (connection_) connection_->close();
  }
  [[nodiscard]] bool online() const { return connection_ && connection_->ready(); }
  [[nodiscard]] Result<ByteArray<32>, OpenError> fingerprint() {
    const auto list = device_->own_list();
    if (!list) return fail(OpenError::store);
    return crypto::sha256({list->list().account_key.view()});
  }
  [[nodiscard]] const BusinessConfig& config() const { return config_; }
  void reconfigure(BusinessConfig config) {
    config_ = std::move(config);
    store_->tell_statuses(config_.status_webhooks);
    webhooks_.reconfigured();
  }

  void send(Prepared message, std::chrono::nanoseconds within, std::function<void(Outcome)> done) {
    const auto before = store_->outcome(message.id);
    if (!before) return done(Outcome::pending);  // nothing is known: to be asked again
    if (*before) {
      ++counters_.repeated;
      if (**before != Outcome::pending) return done(**before);
      return await(message.id, within, std::move(done));
    }
    const AccountId persona = message.to.persona();
    if (store_->is_closed(persona)) {  // the service may not know it yet: it would take it, and drop it
      if (!store_->refuse(message.id)) return done(Outcome::pending);
      ++counters_.refused_closed;
      return done(Outcome::closed);
    }
    endpoint::NewMessage out;
    out.utf8 = as_text(message.text);
    out.attachments = std::move(message.attachments);
    out.part = message.part;
    out.id = MessageId(message.id.view());
    const auto sent = device_->send(persona, std::move(out));
    const bool repeated = !sent && sent.error() == endpoint::Error::repeated;
    // Twice before the round that commits it: nothing is durable yet.
    if (repeated && waiters_.contains(message.id)) return await(message.id, within, std::move(done));
    if (!sent) return done(repeated ? Outcome::accepted : Outcome::pending);
    await(message.id, within, std::move(done));
    schedule_round();
  }

  [[nodiscard]] Outcome typing(const credentials::OpaqueId& to, bool active) {
    const AccountId persona = to.persona();
    if (!store_->opaque_id(persona)) return Outcome::unknown;
    if (store_->is_closed(persona)) return Outcome::closed;
    device_->send_typing(persona, active);
    schedule_round();
    return Outcome::accepted;
  }

  [[nodiscard]] std::optional<Outcome> status(const msp::Uuid& message) {
    const auto found = store_->outcome(message);
    return found ? *found : std::nullopt;
  }

  void call(std::uint16_t method, ByteView body, uplink::CallDone done) {
    if (!online()) return done({wire::v1::CALL_STATUS_UNAVAILABLE, {}});
    auto shared = std::make_shared<uplink::CallDone>(std::move(done));
    const bool sent =
        connection_->call(method, body, [shared](const uplink::CallResult& result) { (*shared)(result); });
    if (!sent) (*shared)({wire::v1::CALL_STATUS_UNAVAILABLE, {}});
  }

  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] Result<Store::Retry, endpoint::StoreError> retry(const msp::Uuid& message) {
    auto done = store_->retry(message);
    wake_arrived();
    return done;
  }
  [[nodiscard]] Counters counters() const {
    Counters out = counters_;
    out.webhooks = webhooks_.counters().taken;
    out.webhook_failures = webhooks_.counters().failed;
    out.dead_letters = webhooks_.counters().buried;
    out.dropped = store_->dropped();
    out.waiting = store_->waiting();
    out.people = store_->people();
    return out;
  }

 private:
  // ---- waiting for outcomes
  using Waiter = std::function<void(Outcome)>;
  void await(const msp::Uuid& id, std::chrono::nanoseconds within, Waiter done) {
    waiters_.emplace(id, std::move(done));
    deadlines_.emplace(around_.loop.now() + within, id);
    arm_deadlines();
  }
  void settle(const msp::Uuid& id, Outcome outcome) {
    const auto [first, last] = waiters_.equal_range(id);
    std::vector<Waiter> due;
    for (auto at = first; at != last; ++at) due.push_back(std::move(at->second));
    waiters_.erase(first, last);
    for (const Waiter& one : due) one(outcome);
  }
  void arm_deadlines() {
    if (deadlines_.empty()) return;
    const auto wait = deadlines_.begin()->first - around_.loop.now();
    deadlines_timer_.arm(std::max<std::chrono::nanoseconds>(wait, 0ns), [this] {
      while (!deadlines_.empty() && deadlines_.begin()->first <= around_.loop.now()) {
        const msp::Uuid id = deadlines_.begin()->second;
        deadlines_.erase(deadlines_.begin());
        settle(id, Outcome::pending);
      }
      arm_deadlines();
    });
  }

  // ---- connection
  void connect() {
    uplink::ConnectionOwner& owner = *this;
    connection_ = std::make_unique<uplink::Connection>(around_.loop, around_.random, around_.service,
                                                       around_.service_tls, *device_, owner);
  }
  void on_ready(const wire::Ready& ready) override {
    back_off_.reset();
    device_->connected(ready);
    connection_->send(kReceiveCredit);
    schedule_round();
    around_.log.event(LogLevel::info, "gateway_connected");
  }
  void on_frame(const wire::Frame& frame) override {
    endpoint::give_frame(*device_, frame);
    const auto* notice = std::get_if<wire::Notice>(&frame);
    if (notice == nullptr) return;
    uplink::give_notice(*device_, *notice);
    wire::v1::PersonaClosed closed;
    if (notice->kind == wire::v1::NOTICE_PERSONA_CLOSED &&
        closed.ParseFromArray(notice->body.data(), static_cast<int>(notice->body.size()))) {
      // At once: what the person wrote before is committed and dropped, what they write next is not.
      if (const auto persona = AccountId::from(as_view(closed.persona()))) {
        closed_.push_back(*persona);
        round();
      }
    }
  }
  void on_batch_end() override { schedule_round(); }
  void on_ended(const uplink::Ended& ended) override {
    if (round_scheduled_) round();  // what the connection has brought is the device's while it still counts its pushes
    device_->disconnected();
    tick_.cancel();
    const bool for_good = ended.cause == uplink::Ended::Cause::goodbye &&
                          (ended.code == wire::GoodbyeCode::auth_failed || ended.code == wire::GoodbyeCode::removed);
    if (for_good) around_.log.event(LogLevel::error, "gateway_not_known_to_the_service");
    if (!wanted_) return;
    reconnect_.arm(for_good ? std::chrono::nanoseconds(5min) : back_off_.next(around_.random), [this] { connect(); });
  }

  // ---- rounds
  /// One commit, and so one fsync, for all that this turn of the loop brings: envelopes of many people, POSTs, answers.
  void schedule_round() {
    if (std::exchange(round_scheduled_, true)) return;
    around_.loop.after_round([this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired() && round_scheduled_) round();
    });
  }
  void round() {
    round_scheduled_ = false;
    auto actions = device_->commit_round();
    if (!actions) {
      around_.log.event(LogLevel::error, "gateway_store_failed");
      if (connection_) connection_->close();
      return;
    }
    // After the commit: what the same connection brought before the notice is in the store now.
    for (const AccountId& persona : std::exchange(closed_, {})) (void)store_->close(persona);
    for (const endpoint::Action& action : *actions) perform(action);
    if (connection_) connection_->flush();
    if (!actions->empty()) fault_point("gateway.after_frames");
    wake_arrived();
    arm_tick();
  }
  void wake_arrived() {
    for (const AccountId& persona : store_->take_arrived()) webhooks_.wake(persona);
  }
  void perform(const endpoint::Action& action) {
    if (const auto* event = std::get_if<endpoint::Event>(&action)) return tell(*event);
    if (!online()) return;
    const auto* request = std::get_if<endpoint::Request>(&action);
    if (request == nullptr) return connection_->send(action);
    uplink::ask(*connection_, *device_, *request, [this] { schedule_round(); });
  }
  void tell(const endpoint::Event& event) {
    if (const auto* received = std::get_if<endpoint::MessageReceived>(&event)) {
      ++counters_.received;
      answer_away(received->sender.account);
    }
    if (const auto* typing = std::get_if<endpoint::TypingChanged>(&event))
      webhooks_.typing(typing->sender.account, typing->active);
    const auto* changed = std::get_if<endpoint::MessageStateChanged>(&event);
    if (changed == nullptr) return;
    const msp::Uuid id(changed->id.view());
    if (changed->state == endpoint::MessageState::queued || is_own_id(changed->id)) return;
    if (const auto outcome = store_->outcome(id); outcome && *outcome) {
      if (**outcome == Outcome::closed) {
        ++counters_.refused_closed;
      } else if (changed->state == endpoint::MessageState::sent) {
        ++counters_.sent;
      }
      if (**outcome == Outcome::unknown) ++counters_.refused_unknown;
      settle(id, **outcome);
    }
  }
  /// Marked before it is sent: a crash between costs one of these, and never doubles it.
  void answer_away(const AccountId& persona) {
    if (config_.away_text.empty() || store_->is_closed(persona)) return;
    if (config_.hours && config_.hours->open_at(around_.clock.now())) return;
    const auto due = store_->take_away_turn(persona);
    if (!due || !*due) return;
    write(persona, config_.away_text, automatic_part());
  }
  void tell_refused(const AccountId& persona, const msp::Uuid& message) {
    if (!store_->is_closed(persona)) write(persona, kRefusedText, automatic_part(MessageId(message.view())));
  }
  /// In the gateway's own words.
  void write(const AccountId& persona, std::string_view text, const SecretBytes& part) {
    endpoint::NewMessage out;
    out.utf8 = text;
    out.part = part;
    out.id = make_own_id(around_.random);
    if (device_->send(persona, std::move(out))) schedule_round();
  }
  void arm_tick() {
    const auto wait = uplink::next_tick(*device_, around_.clock.now());
    if (!wait || !online()) return tick_.cancel();
    tick_.arm(*wait, [this] {
      device_->tick();
      round();
    });
  }
  void upkeep() {
    store_->tick();
    upkeep_.arm(kUpkeepEvery, [this] { upkeep(); });
  }

  const Surroundings around_;
  BusinessConfig config_;
  std::unique_ptr<Store> store_;
  Webhooks webhooks_;
  std::unique_ptr<endpoint::Endpoint> device_;
  std::unique_ptr<uplink::Connection> connection_;
  net::Timer tick_, reconnect_, deadlines_timer_, upkeep_;
  BackOff back_off_{500ms, 1min};
  std::multimap<msp::Uuid, Waiter> waiters_;
  std::multimap<Instant, msp::Uuid> deadlines_;
  std::vector<AccountId> closed_;
  Counters counters_;
  bool wanted_ = false, round_scheduled_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Result<std::unique_ptr<Business>, Business::OpenError> Business::open(const Surroundings& around,
                                                                      BusinessConfig config) {
  auto store = Store::open({around.rows, around.vault, around.clock, around.expiry, around.random}, config.id);
  if (!store) return fail(OpenError::store);
  auto impl = std::make_unique<Impl>(around, std::move(config), std::move(*store));
  if (const auto loaded = impl->load(); !loaded)
    return fail(loaded.error() == endpoint::Error::not_registered ? OpenError::not_enrolled : OpenError::store);
  return std::unique_ptr<Business>(new Business(std::move(impl)));
}

Business::Business(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Business::~Business() = default;

void Business::start() {
  impl_->start();
}
void Business::stop() {
  impl_->stop();
}
bool Business::online() const {
  return impl_->online();
}
void Business::reconfigure(BusinessConfig config) {
  impl_->reconfigure(std::move(config));
}
const BusinessConfig& Business::config() const {
  return impl_->config();
}
void Business::send(Prepared message, std::chrono::nanoseconds within, std::function<void(Outcome)> done) {
  impl_->send(std::move(message), within, std::move(done));
}
Outcome Business::typing(const credentials::OpaqueId& to, bool active) {
  return impl_->typing(to, active);
}
std::optional<Outcome> Business::status(const msp::Uuid& message) {
  return impl_->status(message);
}
void Business::call(std::uint16_t method, ByteView body, uplink::CallDone done) {
  impl_->call(method, body, std::move(done));
}
Result<ByteArray<32>, Business::OpenError> Business::fingerprint() {
  return impl_->fingerprint();
}
const msp::Uuid& Business::id() const {
  return impl_->config().id;
}
std::vector<DeadLetter> Business::dead_letters() const {
  return impl_->store().dead_letters();
}
Result<Store::Retry, endpoint::StoreError> Business::retry(const msp::Uuid& message) {
  return impl_->retry(message);
}
Counters Business::counters() const {
  return impl_->counters();
}

}  // namespace opaline::gateway
