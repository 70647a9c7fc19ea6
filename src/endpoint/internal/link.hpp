#pragma once
// The connection as this device sees it: routes, credit, numbers of submits and pushes (docs/device-api.md).
#include <deque>

#include "endpoint/internal/peers.hpp"

namespace opaline::endpoint::internal {

class Link {
 public:
  /// What was submitted and is not answered.
  struct InFlight {
    session::DeviceAddress device;
    std::uint64_t sequence = 0;  ///< of the message; 0: ephemeral
    EnvelopeId envelope;
    bool answered = false;
  };

  explicit Link(Core& core) : core_(core) {}

  void connected(const wire::Ready& ready);
  void disconnected();
  [[nodiscard]] bool is_connected() const { return connected_; }

  void add_credit(std::uint32_t envelopes, std::uint32_t bytes);
  /// Whether an envelope to this device may be submitted now: credit, and a route that it can have.
  [[nodiscard]] bool ready(PeerDevice& device, std::size_t ciphertext_bytes);
  /// The caller has just asked ready() (asserted).
  void submit(PeerDevice& device, const MailboxId& mailbox, wire::EnvelopeClass envelope_class, const EnvelopeId& id,
              Bytes ciphertext, std::uint64_t sequence);
  void clear(PeerDevice& device);
  /// Takes the answer to one submit; nullopt if the number was never used or is answered.
  [[nodiscard]] std::optional<InFlight> answered(std::uint32_t number);
  [[nodiscard]] std::size_t in_flight() const { return unanswered_; }
  /// Numbers of the submits that wait for an answer lie in [first, end).
  [[nodiscard]] std::uint32_t first_number() const { return first_number_; }
  [[nodiscard]] std::uint32_t end_number() const { return first_number_ + static_cast<std::uint32_t>(submits_.size()); }

  void pushed(std::size_t ciphertext_bytes);
  /// Emits ACK for the pushes since the last one.
  void acknowledge();

 private:
  bool take_route(PeerDevice& device);

  Core& core_;
  bool connected_ = false;
  std::uint64_t credit_envelopes_ = 0;
  std::uint64_t credit_bytes_ = 0;
  std::uint32_t first_number_ = 1;
  std::deque<InFlight> submits_;
  std::size_t unanswered_ = 0;
  std::vector<PeerDevice*> routes_;  ///< by number; owners outlive the connection (Peers::evict)
  std::size_t next_victim_ = 0;
  std::uint32_t pushes_ = 0;
  std::uint32_t unacknowledged_ = 0;
  std::uint32_t unacknowledged_bytes_ = 0;
};

}  // namespace opaline::endpoint::internal
