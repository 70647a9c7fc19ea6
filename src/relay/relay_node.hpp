#pragma once
// One node's relay: the mailboxes (Relay) and the device connections (DeviceConnection), put together so that the
// server and the simulator only move bytes. No I/O, no threads; one owner.
//
// The owner's round:  on_batch / on_closed / on_auth_result / on_reply / store completions ...; then end_round() once.
//   ConnectionId id = *node.open(link, binding);      // at the WebSocket's opening; HELLO goes out with the round
//   node.on_batch(id, message);                       // for each binary message
//   node.on_closed(id);                               // the transport ended; not after Link::close
//   node.end_round();                                 // RESULTs, CREDITs, batches to the links, appends to the store
//   node.tick() when node.next_deadline() has come (then end_round)
#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "relay/edge.hpp"
#include "relay/revocations.hpp"
#include "wire/send_token.hpp"

namespace opaline::relay {

struct NodeConfig {
  Limits limits;
  EdgeLimits edge;
  /// What HELLO says and devices sign: the name that devices connect to. At most kMaxServerNameBytes.
  std::string server_name;
};

class RelayNode {
 public:
  /// All must outlive the node.
  struct Ports {
    store::MailboxStore& store;
    store::OwnerEpoch epoch;  ///< from store.acquire_all()
    Authenticator& authenticator;
    CallHandler& calls;
    const Clock& clock;
    RandomSource& random;
  };
  /// `token_keys`: newest first; a token made with any of them is good. At least one.
  RelayNode(NodeConfig config, const Ports& ports, std::vector<wire::SendTokenKey> token_keys);
  ~RelayNode();
  RelayNode(const RelayNode&) = delete;
  RelayNode& operator=(const RelayNode&) = delete;

  // ---- connections
  /// `binding`: the connection's TLS exporter value (RFC 9266); nullopt where TLS ends elsewhere. `link` must stay
  /// until Link::close was called or on_closed returned. nullopt: too many connections or shutting down; nothing was
  /// kept.
  [[nodiscard]] std::optional<ConnectionId> open(Link& link, std::optional<FixedView<wire::kBindingBytes>> binding);
  /// One binary WebSocket message. Unknown ids are ignored, here and below: the connection may just have ended.
  void on_batch(ConnectionId connection, ByteView batch);
  /// The transport has ended: nothing more goes to the link.
  void on_closed(ConnectionId connection);
  /// nullopt: refused.
  void on_auth_result(ConnectionId connection, const std::optional<Authenticated>& device);
  /// `status`: CallStatus of proto/device.proto. A body too large for a frame is answered UNAVAILABLE without one.
  void on_reply(ConnectionId connection, std::uint32_t call, std::uint16_t status, ByteView body);

  // ---- what identity tells (identity::RelayControl)
  void destroy(const MailboxId& mailbox, Time at);
  void revoke_mailbox(const MailboxId& mailbox, Time issued_until);
  void revoke_sender(const AccountId& sender, Time issued_until);
  void disconnect(const AccountId& account, DeviceNumber device, wire::GoodbyeCode code);
  /// False if the device is not connected.
  bool notify(const AccountId& account, DeviceNumber device, std::uint16_t kind, ByteView body);
  void set_token_keys(std::vector<wire::SendTokenKey> token_keys);

  // ---- the owner's round
  void end_round();
  /// Ends with end_round().
  void tick();
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  /// See Relay::trust_clock.
  void trust_clock(bool trusted);
  /// No new connections and envelopes; what is in RAM goes to the store and the senders are answered; then every
  /// connection gets GOODBYE shutting_down and `done` is called, from inside this call or a later input. Call
  /// end_round() after it. Rounds have to go on until then.
  void shut_down(std::move_only_function<void()> done);

  [[nodiscard]] const Counters& counters() const;
  [[nodiscard]] const EdgeCounters& edge_counters() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace opaline::relay
