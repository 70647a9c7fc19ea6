#include "relay/relay_node.hpp"

#include <deque>

#include "relay/device_connection.hpp"
#include "relay/internal/edge_context.hpp"
#include "relay/internal/flat_map.hpp"

namespace opaline::relay {

using internal::EdgeContext;
using wire::GoodbyeCode;

namespace {
struct DeviceKey {
  AccountId account;
  DeviceNumber device{};
  friend bool operator==(const DeviceKey&, const DeviceKey&) = default;
  struct Hash {
    std::size_t operator()(const DeviceKey& key) const {
      return AccountId::Hash{}(key.account) ^ internal::NumberHash{}(static_cast<std::uint32_t>(key.device));
    }
  };
};
DeviceKey key_of(const Authenticated& device) {
  return {device.account, device.device};
}

constexpr std::chrono::hours kForgetRevocations{1};
}  // namespace

class RelayNode::Core final : public Outputs {
 public:
  Core(NodeConfig config, const Ports& ports, std::vector<wire::SendTokenKey> token_keys)
      : config_(std::move(config)),
        token_keys_(std::move(token_keys)),
        clock_(ports.clock),
        relay_(config_.limits, ports.store, ports.epoch, *this, ports.clock, ports.random),
        context_{.config = config_,
                 .relay = relay_,
                 .authenticator = ports.authenticator,
                 .calls = ports.calls,
                 .clock = ports.clock,
                 .random = ports.random,
                 .revocations = revocations_,
                 .token_keys = token_keys_,
                 .counters = counters_,
                 .with_output = {},
                 .spare = {}},
        forget_at_(clock_.monotonic() + kForgetRevocations) {
    OPALINE_ASSERT(config_.server_name.size() <= wire::kMaxServerNameBytes);
    OPALINE_ASSERT(!token_keys_.empty());
  }

  // ---- Outputs
  void push(ConnectionId reader, std::uint8_t subscription, bool gap, const EnvelopeId& id,
            ByteView ciphertext) override {
    if (DeviceConnection* c = find(reader)) c->push(subscription, gap, id, ciphertext);
  }
  void result(ConnectionId sender, std::uint32_t number, wire::SubmitStatus status, std::uint32_t bytes) override {
    if (DeviceConnection* c = find(sender)) c->result(number, status, bytes);
  }
  void drained(ConnectionId reader, std::uint8_t subscription) override {
    if (DeviceConnection* c = find(reader)) c->drained(subscription);
  }

  /// nullptr if it has ended, or has been closed and only waits for the end of the round.
  [[nodiscard]] DeviceConnection* find(ConnectionId id) {
    DeviceConnection* const c = any(id);
    return c != nullptr && c->state() != DeviceConnection::State::closed ? c : nullptr;
  }
  [[nodiscard]] DeviceConnection* any(ConnectionId id) {
    const std::size_t index = static_cast<std::uint64_t>(id) & UINT32_MAX;
    if (index >= connections_.size()) return nullptr;
    DeviceConnection* const c = connections_[index].get();
    return c != nullptr && c->id() == id ? c : nullptr;
  }

  std::optional<ConnectionId> open(Link& link, std::optional<FixedView<wire::kBindingBytes>> binding) {
    if (stopping_ || counters_.connections >= config_.edge.max_connections) return std::nullopt;
    std::size_t index = connections_.size();
    if (free_.empty()) {
      connections_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    const ConnectionId id{++opened_ << 32 | index};
    connections_[index] = std::make_unique<DeviceConnection>(context_, id, link, binding);
    waiting_.emplace_back(clock_.monotonic() + config_.edge.auth_deadline, id);
    ++counters_.opened;
    ++counters_.connections;
    return id;
  }

  void on_closed(ConnectionId id) {
    DeviceConnection* const c = any(id);
    if (c == nullptr) return;
    c->lost();
    erase(*c);
  }

  void on_auth_result(ConnectionId id, const std::optional<Authenticated>& device) {
    DeviceConnection* const c = find(id);
    if (c == nullptr || c->state() != DeviceConnection::State::authenticating) return;
    if (device) {
      // The older connection ends first: its unread input is never looked at, so that order holds over the change.
      disconnect(device->account, device->device, GoodbyeCode::replaced);
      devices_.insert(key_of(*device), c);
    }
    c->on_auth_result(device);
    if (device && c->state() != DeviceConnection::State::ready) devices_.erase(key_of(*device));
  }

  [[nodiscard]] DeviceConnection* connected(const AccountId& account, DeviceNumber device) {
    DeviceConnection* const c = devices_.find({account, device});
    return c != nullptr && c->state() == DeviceConnection::State::ready ? c : nullptr;
  }

  void disconnect(const AccountId& account, DeviceNumber device, GoodbyeCode code) {
    DeviceConnection* const c = devices_.erase({account, device});
    if (c != nullptr) c->close(code);
  }

  void destroy(const MailboxId& mailbox, Time at) {
    revocations_.mailbox_gone(mailbox, at);
    relay_.destroy(mailbox);
  }

  void end_round() {
    do {
      flush_connections();
      relay_.flush();
      if (relay_done_) {
        relay_done_ = false;
        for (auto& c : connections_) {
          if (c) c->close(GoodbyeCode::shutting_down);
        }
        flush_connections();
        relay_.flush();
        if (shutdown_done_) std::exchange(shutdown_done_, {})();
      }
    } while (!context_.with_output.empty());
  }

  void flush_connections() {
    for (std::size_t i = 0; i < context_.with_output.size(); ++i) {  // closing may lengthen the list
      DeviceConnection* const c = any(context_.with_output[i]);
      if (c == nullptr) continue;
      c->flush();
      if (c->state() != DeviceConnection::State::closed) continue;
      const auto code = c->closed_with();
      ++counters_.closed[code ? static_cast<std::size_t>(*code) : 0];
      c->close_link();
      erase(*c);
    }
    context_.with_output.clear();
  }

  void tick() {
    const Instant now = clock_.monotonic();
    skip_ready();
    while (!waiting_.empty() && waiting_.front().first <= now) {
      if (DeviceConnection* c = find(waiting_.front().second)) c->close(GoodbyeCode::auth_failed);
      waiting_.pop_front();
      skip_ready();
    }
    if (forget_at_ <= now) {
      forget_at_ = now + kForgetRevocations;
      revocations_.forget(clock_.now());
    }
    relay_.tick();
    end_round();
  }

  [[nodiscard]] std::optional<Instant> next_deadline() {
    skip_ready();
    std::optional<Instant> out = relay_.next_deadline();
    if (!waiting_.empty() && (!out || waiting_.front().first < *out)) out = waiting_.front().first;
    if (revocations_.size() > 0 && (!out || forget_at_ < *out)) out = forget_at_;
    return out;
  }

  void shut_down(std::move_only_function<void()> done) {
    stopping_ = true;
    shutdown_done_ = std::move(done);
    relay_.shut_down([this] { relay_done_ = true; });
  }

  void set_token_keys(std::vector<wire::SendTokenKey> keys) {
    OPALINE_ASSERT(!keys.empty());
    token_keys_ = std::move(keys);
  }

  Relay& relay() { return relay_; }
  Revocations& revocations() { return revocations_; }
  EdgeCounters& counters() { return counters_; }

 private:
  void erase(DeviceConnection& c) {
    const std::size_t index = static_cast<std::uint64_t>(c.id()) & UINT32_MAX;
    if (devices_.find(key_of(c.device())) == &c) devices_.erase(key_of(c.device()));
    connections_[index].reset();
    free_.push_back(index);
    --counters_.connections;
  }
  /// Takes those that are no longer waiting from the front of the queue.
  void skip_ready() {
    const auto waits = [this](ConnectionId id) {
      const DeviceConnection* const c = find(id);
      return c != nullptr && c->state() != DeviceConnection::State::ready;
    };
    while (!waiting_.empty() && !waits(waiting_.front().second)) waiting_.pop_front();
  }

  const NodeConfig config_;
  std::vector<wire::SendTokenKey> token_keys_;
  const Clock& clock_;
  Revocations revocations_;
  EdgeCounters counters_;
  Relay relay_;
  EdgeContext context_;
  std::vector<std::unique_ptr<DeviceConnection>> connections_;  // by the lower half of their id
  std::vector<std::size_t> free_;
  std::uint64_t opened_ = 0;
  internal::FlatMap<DeviceKey, DeviceConnection, DeviceKey::Hash> devices_;
  std::deque<std::pair<Instant, ConnectionId>> waiting_;  // for authentication, in the order of their deadlines
  Instant forget_at_;
  bool stopping_ = false, relay_done_ = false;
  std::move_only_function<void()> shutdown_done_;
};

RelayNode::RelayNode(NodeConfig config, const Ports& ports, std::vector<wire::SendTokenKey> token_keys)
    : core_(std::make_unique<Core>(std::move(config), ports, std::move(token_keys))) {}
RelayNode::~RelayNode() = default;

std::optional<ConnectionId> RelayNode::open(Link& link, std::optional<FixedView<wire::kBindingBytes>> binding) {
  return core_->open(link, binding);
}
void RelayNode::on_batch(ConnectionId connection, ByteView batch) {
  if (DeviceConnection* c = core_->find(connection)) c->on_batch(batch);
}
void RelayNode::on_closed(ConnectionId connection) {
  core_->on_closed(connection);
}
void RelayNode::on_auth_result(ConnectionId connection, const std::optional<Authenticated>& device) {
  core_->on_auth_result(connection, device);
}
void RelayNode::on_reply(ConnectionId connection, std::uint32_t call, std::uint16_t status, ByteView body) {
  if (DeviceConnection* c = core_->find(connection)) c->on_reply(call, status, body);
}
void RelayNode::destroy(const MailboxId& mailbox, Time at) {
  core_->destroy(mailbox, at);
}
void RelayNode::revoke_mailbox(const MailboxId& mailbox, Time issued_until) {
  core_->revocations().revoke_mailbox(mailbox, issued_until);
}
void RelayNode::revoke_sender(const AccountId& sender, Time issued_until) {
  core_->revocations().revoke_sender(sender, issued_until);
}
void RelayNode::disconnect(const AccountId& account, DeviceNumber device, wire::GoodbyeCode code) {
  core_->disconnect(account, device, code);
}
bool RelayNode::notify(const AccountId& account, DeviceNumber device, std::uint16_t kind, ByteView body) {
  DeviceConnection* const c = core_->connected(account, device);
  if (c != nullptr) c->notice(kind, body);
  return c != nullptr;
}
void RelayNode::set_token_keys(std::vector<wire::SendTokenKey> token_keys) {
  core_->set_token_keys(std::move(token_keys));
}
void RelayNode::end_round() {
  core_->end_round();
}
void RelayNode::tick() {
  core_->tick();
}
std::optional<Instant> RelayNode::next_deadline() const {
  return core_->next_deadline();
}
void RelayNode::trust_clock(bool trusted) {
  core_->relay().trust_clock(trusted);
}
void RelayNode::shut_down(std::move_only_function<void()> done) {
  core_->shut_down(std::move(done));
}
const Counters& RelayNode::counters() const {
  return core_->relay().counters();
}
const EdgeCounters& RelayNode::edge_counters() const {
  return core_->counters();
}

}  // namespace opaline::relay
