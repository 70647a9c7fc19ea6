#pragma once
// The edge of one device connection (docs/device-api.md, "The connection"): frames in, calls of the relay; what the
// relay and the service say, frames out. No I/O. Every rule and limit of the connection is checked here.
//
//   hello --AUTH--> authenticating --result--> ready --any fault, GOODBYE, end of transport--> closed
//
// A frame is the unit of change: one that is malformed or out of place changes nothing and ends the connection; those
// before it in the batch have happened. Memory while idle: this object and its routes.
#include <memory>
#include <vector>

#include "relay/edge.hpp"
#include "relay/relay_node.hpp"

namespace opaline::relay {
namespace internal {
struct EdgeContext;
struct Outbox;
}  // namespace internal

class DeviceConnection {
 public:
  enum class State : std::uint8_t { hello, authenticating, ready, closed };

  /// Says HELLO. `context` and `link` outlive the connection.
  DeviceConnection(internal::EdgeContext& context, ConnectionId id, Link& link,
                   std::optional<FixedView<wire::kBindingBytes>> binding);
  ~DeviceConnection();
  DeviceConnection(const DeviceConnection&) = delete;
  DeviceConnection& operator=(const DeviceConnection&) = delete;

  void on_batch(ByteView batch);
  /// Ignored unless authenticating. With a device: READY, and its mailbox is subscription 0.
  void on_auth_result(const std::optional<Authenticated>& device);
  void on_reply(std::uint32_t call, std::uint16_t status, ByteView body);
  void notice(std::uint16_t kind, ByteView body);

  // What the relay says (Outputs).
  void push(std::uint8_t subscription, bool gap, const EnvelopeId& id, ByteView ciphertext);
  void result(std::uint32_t number, wire::SubmitStatus status, std::uint32_t ciphertext_bytes);
  void drained(std::uint8_t subscription);

  /// Results so far, then GOODBYE; the relay forgets the connection at once. Not from inside a call of the relay.
  /// `why`: for the people who write the device; at most wire::kMaxGoodbyeTextBytes.
  void close(wire::GoodbyeCode code, std::string_view why = {});
  /// The transport has ended.
  void lost();
  /// The end of the round: RESULTs, CREDIT, the batch. May find that the device reads too slowly, and close.
  void flush();
  /// After the last flush of a closed connection.
  void close_link();

  [[nodiscard]] ConnectionId id() const { return id_; }
  [[nodiscard]] State state() const { return state_; }
  /// Meaningful from `ready` on.
  [[nodiscard]] const Authenticated& device() const { return device_; }
  [[nodiscard]] std::optional<wire::GoodbyeCode> closed_with() const { return closed_with_; }

 private:
  struct Handshake;
  struct Route {
    enum class Verdict : std::uint8_t { unopened, open, gone, refresh, refused };
    MailboxId mailbox;
    std::uint32_t expires_seconds = 0;  ///< since 1970, as in the token
    std::uint32_t revocations_version = 0;
    Verdict verdict = Verdict::unopened;
    bool held = false;  ///< the edge has refused something on this route since the last CLEAR
  };

  void on_frame(const wire::Frame& frame);
  void on_ready_frame(const wire::Frame& frame);
  void on_auth(const wire::Auth& auth);
  void on_route(const wire::Route& route);
  void on_submit(const wire::Submit& submit);
  void on_clear(const wire::Clear& clear);
  void on_call(const wire::Call& call);
  /// nullptr after closing because the number is beyond the limit.
  [[nodiscard]] Route* route(std::uint16_t number);
  [[nodiscard]] wire::SubmitStatus check(Route& route);
  void leave();

  /// The batch with room for a frame of `size` bytes.
  [[nodiscard]] Bytes& room(std::size_t size);
  [[nodiscard]] internal::Outbox& outbox();
  void send_batch();
  void write_results();
  void write_credit();

  internal::EdgeContext& context_;
  Link& link_;
  const ConnectionId id_;
  std::unique_ptr<internal::Outbox> outbox_;
  std::unique_ptr<Handshake> handshake_;  ///< until ready
  std::vector<Route> routes_;
  std::vector<std::uint32_t> open_calls_;
  Authenticated device_;
  State state_ = State::hello;
  bool too_slow_ = false;
  std::optional<wire::GoodbyeCode> closed_with_;
  std::uint32_t next_submit_ = 1;
  // What the device may still submit, and what it gets back with the next CREDIT.
  std::uint32_t credit_envelopes_ = wire::kInitialCreditEnvelopes, credit_bytes_ = wire::kInitialCreditBytes;
  std::uint32_t owed_envelopes_ = 0, owed_bytes_ = 0;
  std::uint32_t now_seconds_ = 0;  ///< at the start of the batch
};

}  // namespace opaline::relay
