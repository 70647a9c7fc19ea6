#pragma once
// A device as docs/device-api.md describes it, for tests: numbers, credit, results, CLEAR, acknowledgements. What it
// keeps over connections (outbox, what it received) survives; what belongs to a connection does not.
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "relay/relay_node.hpp"

namespace opaline::relay::testing {

/// The server's end of a connection; what it sent waits here until the test delivers it.
class PipeLink final : public Link {
 public:
  void send(ByteView batch) override {
    queued += batch.size();
    batches.push_back(to_bytes(batch));
  }
  void close(std::optional<wire::GoodbyeCode> code) override {
    closed = true;
    close_code = code;
  }
  [[nodiscard]] std::size_t queued_bytes() const override { return queued; }

  std::deque<Bytes> batches;
  std::size_t queued = 0;
  bool closed = false;
  std::optional<wire::GoodbyeCode> close_code;
};

/// The ciphertexts of tests: who wrote it, and the how-manieth of its mailbox it is.
struct Payload {
  std::uint32_t sender = 0, order = 0;
  [[nodiscard]] Bytes encode(std::size_t size) const {
    Bytes out;
    Writer(out).u32(sender).u32(order);
    out.resize(std::max(size, out.size()));
    return out;
  }
  [[nodiscard]] static Payload decode(ByteView bytes) {
    Reader in(bytes);
    Payload out;
    out.sender = in.u32();
    out.order = in.u32();
    return out;
  }
};

class TestDevice {
 public:
  struct Outgoing {
    EnvelopeId id;
    Bytes ciphertext;
    std::uint32_t order = 0;
    std::uint32_t number = 0;  ///< of the submission on this connection; 0: not sent
    wire::EnvelopeClass envelope_class = wire::EnvelopeClass::normal;
  };
  struct Peer {
    MailboxId mailbox;
    std::deque<Outgoing> outbox;  ///< without an answer that ends it, in order
    std::uint32_t next_order = 1;
    bool held = false;  ///< something was not accepted: nothing more until all results are here and CLEAR is said
  };
  struct Received {
    EnvelopeId id;
    Payload payload;
    bool gap = false;
  };

  TestDevice(std::uint32_t index, const AccountId& account, const MailboxId& mailbox)
      : index(index), account(account), mailbox(mailbox) {}

  /// Another envelope for peer `p`, to go out in order when there is credit.
  void write(std::size_t p, const EnvelopeId& id, std::size_t size,
             wire::EnvelopeClass envelope_class = wire::EnvelopeClass::normal) {
    Peer& peer = peers[p];
    const std::uint32_t order = peer.next_order++;
    peer.outbox.push_back({id, Payload{index, order}.encode(size), order, 0, envelope_class});
  }
  void begin() {
    connected = true;
    ready = false;
    send_credit_envelopes = send_credit_bytes = 0;
    next_submit = 1;
    in_flight.clear();
    pushes = acknowledged = 0;
    unacknowledged.clear();
    receive_credit = 0;
    uplink.clear();
    for (Peer& peer : peers) {
      peer.held = false;
      for (Outgoing& each : peer.outbox) each.number = 0;
    }
  }
  void end() { connected = ready = false; }

  /// Puts as much of the outbox as credit allows into one batch for the server.
  void send_some(std::size_t most);
  void acknowledge(std::uint32_t number);
  void give_credit(std::uint32_t envelopes, std::uint32_t bytes);
  /// Everything of one batch from the server.
  void on_batch(ByteView batch);

  // What the test wants to hear.
  std::function<void(Peer&, const Outgoing&, wire::SubmitStatus)> on_result = [](auto&, auto&, auto) {};
  std::function<void(const Received&, bool fresh)> on_push = [](auto&, bool) {};
  std::function<Bytes(const wire::Hello&)> make_auth;  ///< the AUTH frame

  const std::uint32_t index;
  const AccountId account;
  const MailboxId mailbox;
  std::vector<Peer> peers;
  std::vector<Received> received;  ///< the application's view: each envelope once
  std::set<EnvelopeId> seen;

  // ---- the connection
  bool connected = false, ready = false;
  bool deaf = false;         ///< once ready it looks at nothing: for a device that sends nonsense
  std::deque<Bytes> uplink;  ///< batches on their way to the server
  std::uint32_t send_credit_envelopes = 0, send_credit_bytes = 0, next_submit = 1;
  std::map<std::uint32_t, std::size_t> in_flight;  ///< submit number -> peer
  std::uint32_t pushes = 0, acknowledged = 0;
  std::deque<EnvelopeId> unacknowledged;
  std::uint32_t receive_credit = 0;
  std::uint32_t drained = 0;
  std::optional<wire::GoodbyeCode> goodbye;

 private:
  void on_one_result(std::uint32_t number, wire::SubmitStatus status);
};

}  // namespace opaline::relay::testing
