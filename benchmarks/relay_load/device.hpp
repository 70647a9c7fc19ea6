#pragma once
// One device connection (docs/device-api.md), written for speed: opened and authenticated blocking, then driven by an
// Engine. Hot frames are written and read by hand; the rest goes through `wire`.
#include "load/engine.hpp"
#include "relay_load/account.hpp"
#include "relay_load/websocket.hpp"
#include "wire/frames.hpp"

namespace opaline::bench {

class Device;

/// What a run wants to hear of its devices. All calls are made while the input of one readiness is read.
class DeviceEvents {
 public:
  virtual ~DeviceEvents() = default;
  virtual void on_push(Device&, Nanos, const EnvelopeId&, ByteView /*ciphertext*/, bool /*gap*/) {}
  virtual void on_result(Device&, Nanos, std::uint32_t /*number*/, wire::SubmitStatus) {}
  virtual void on_drained(Device&, Nanos) {}
  /// To begin_call.
  virtual void on_reply(Device&, Nanos, std::uint32_t /*call*/, ByteView /*body*/) {}
  /// All input of this readiness has been read.
  virtual void on_read(Device&, Nanos) {}
};

class Device final : public Session {
 public:
  /// Connects, authenticates and waits for READY. Blocking. Ends the program if any of it fails.
  Device(const Service& service, const Account& account, std::size_t index);

  [[nodiscard]] std::size_t index() const { return index_; }
  [[nodiscard]] const Account& account() const { return account_; }
  [[nodiscard]] TlsStream& stream() override { return stream_; }
  void set_events(DeviceEvents* events) { events_ = events; }

  /// A call and its answer, blocking. Ends the program unless the status is OK.
  [[nodiscard]] Bytes call(std::uint16_t method, const std::string& request);
  /// The same while an Engine drives: DeviceEvents::on_reply hears the answer. Returns the call's number, from 1.
  std::uint32_t begin_call(std::uint16_t method, const std::string& request);
  /// Asks for a send token for the peer's mailbox and binds `route` to it. Blocking but for the last frame.
  void open_route(std::uint16_t route, const Account& peer);
  /// Gives the server credit.
  void give_credit(std::uint32_t envelopes, std::uint32_t bytes);
  /// Says goodbye and waits until the server has closed.
  void leave();

  /// Whether the server's credit lets one more envelope of this size go.
  [[nodiscard]] bool may_submit(std::size_t bytes) const { return credit_envelopes_ > 0 && credit_bytes_ >= bytes; }
  /// Writes a SUBMIT and returns its implied number. may_submit must hold.
  std::uint32_t submit(std::uint16_t route, const EnvelopeId& id, ByteView ciphertext,
                       wire::EnvelopeClass envelope_class = wire::EnvelopeClass::normal);
  /// Writes another frame behind what was submitted.
  template <class Frame>
  void put(const Frame& frame) {
    Bytes encoded;
    wire::encode(encoded, frame);
    out_.append(encoded);
  }

  /// Pushes that arrived on this connection, to be acknowledged at the end of the round.
  [[nodiscard]] std::uint32_t pushed() const { return pushed_; }

  void on_input(Nanos now) override;
  void on_round_end() override;
  /// Reads what came with READY; call once after Engine::add.
  void read_early() {
    if (!stream_.input.empty()) on_input(now_ns());
  }

 private:
  void authenticate(const wire::Hello& hello);
  void read_messages(Nanos now);
  void on_batch(ByteView batch, Nanos now);
  void on_frame(std::uint8_t type, ByteView whole, ByteView body, Nanos now);
  void on_rare_frame(ByteView whole, Nanos now);
  void pull_until(bool& flag);
  void send_now();

  const Account& account_;
  std::size_t index_;
  TlsStream stream_;
  MessageWriter out_{stream_.output};
  DeviceEvents* events_ = nullptr;
  bool ready_ = false, closed_ = false, leaving_ = false;
  std::uint64_t credit_envelopes_ = 0, credit_bytes_ = 0;
  std::uint32_t next_submit_ = 1;
  std::uint32_t pushed_ = 0, acknowledged_ = 0;
  std::uint32_t used_envelopes_ = 0, used_bytes_ = 0;  // of the credit we gave, since we last gave some
  std::uint32_t next_call_ = 1;
  std::uint32_t awaited_call_ = 0;  // by call(); 0: none
  bool replied_ = false;
  Bytes reply_;
};

}  // namespace opaline::bench
