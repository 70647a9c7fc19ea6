#pragma once
// As much of MQTT 3.1.1 as a load run needs (OASIS, mqtt-v3.1.1-os): CONNECT, SUBSCRIBE, PUBLISH with QoS 1, PUBACK.
#include <array>

#include "load/engine.hpp"

namespace opaline::bench {

class MqttClient;

class MqttEvents {
 public:
  virtual ~MqttEvents() = default;
  virtual void on_publish(MqttClient&, Nanos, ByteView /*payload*/) {}
  virtual void on_puback(MqttClient&, Nanos, std::uint64_t /*number*/) {}
  /// All input of this readiness has been read.
  virtual void on_read(MqttClient&, Nanos) {}
};

class MqttClient final : public Session {
 public:
  struct Connect {
    std::string client_id{};
    bool clean_session = true;
    std::string subscribe{};  ///< a topic, with QoS 1; empty: none
  };
  /// Connects, and subscribes, blocking. Ends the program if that fails.
  MqttClient(SSL_CTX* context, const Target& target, std::size_t index, const Connect& connect,
             MqttEvents* events = nullptr);

  [[nodiscard]] std::size_t index() const { return index_; }
  [[nodiscard]] TlsStream& stream() override { return stream_; }
  /// QoS 1. `number` comes back with the PUBACK. At most 65,535 may be unacknowledged.
  void publish(std::string_view topic, std::uint64_t number, ByteView head, ByteView payload);
  /// DISCONNECT (section 3.14).
  void leave();

  void on_input(Nanos now) override;

 private:
  void read_packets(Nanos now);
  void on_packet(unsigned first, ByteView body, Nanos now);
  void begin_packet(unsigned first, std::size_t remaining);
  void put16(std::size_t value);
  void put_text(std::string_view text);
  void pull_until(const bool& flag);

  std::size_t index_;
  TlsStream stream_;
  MqttEvents* events_;
  bool connected_ = false, subscribed_ = false;
  std::uint16_t next_packet_ = 1;
  std::vector<std::uint64_t> numbers_ = std::vector<std::uint64_t>(65'536);  // by packet identifier
};

}  // namespace opaline::bench
