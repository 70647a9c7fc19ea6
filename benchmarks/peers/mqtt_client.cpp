#include "peers/mqtt_client.hpp"

#include <fmt/format.h>

#include "load/die.hpp"

namespace opaline::bench {
namespace {

// Fixed headers (section 2.2), with the flags that QoS 1 needs.
constexpr unsigned kConnect = 0x10, kConnack = 0x20, kPublishQos1 = 0x32, kPuback = 0x40, kSubscribe = 0x82,
                   kSuback = 0x90, kDisconnect = 0xe0;
constexpr unsigned kTypeMask = 0xf0, kPublish = 0x30, kQosMask = 0x06;

std::size_t get16(ByteView bytes) {
  return std::to_integer<std::size_t>(bytes[0]) << 8 | std::to_integer<std::size_t>(bytes[1]);
}

}  // namespace

MqttClient::MqttClient(SSL_CTX* context, const Target& target, std::size_t index, const Connect& connect,
                       MqttEvents* events)
    : index_(index), stream_(context, target), events_(events) {
  begin_packet(kConnect, 10 + 2 + connect.client_id.size());
  put_text("MQTT");
  const std::byte rest[] = {std::byte{4}, connect.clean_session ? std::byte{2} : std::byte{0}};
  stream_.output.append(rest);
  put16(0);  // no keep-alive
  put_text(connect.client_id);
  (void)stream_.push();
  pull_until(connected_);
  if (connect.subscribe.empty()) return;
  begin_packet(kSubscribe, 2 + 2 + connect.subscribe.size() + 1);
  put16(1);
  put_text(connect.subscribe);
  const std::byte qos[] = {std::byte{1}};
  stream_.output.append(qos);
  (void)stream_.push();
  pull_until(subscribed_);
}

void MqttClient::pull_until(const bool& flag) {
  while (!flag) {
    if (!stream_.pull()) die("the broker closed the connection");
    read_packets(now_ns());
  }
}

void MqttClient::begin_packet(unsigned first, std::size_t remaining) {
  std::byte header[5] = {static_cast<std::byte>(first)};
  std::size_t size = 1;
  do {  // section 2.2.3
    const std::size_t low = remaining & 127;
    remaining >>= 7;
    header[size++] = static_cast<std::byte>(remaining != 0 ? low | 128 : low);
  } while (remaining != 0);
  stream_.output.append({header, size});
}

void MqttClient::put16(std::size_t value) {
  const std::byte bytes[] = {static_cast<std::byte>(value >> 8 & 255), static_cast<std::byte>(value & 255)};
  stream_.output.append(bytes);
}

void MqttClient::put_text(std::string_view text) {
  put16(text.size());
  stream_.output.append(as_view(text));
}

void MqttClient::publish(std::string_view topic, std::uint64_t number, ByteView head, ByteView payload) {
  begin_packet(kPublishQos1, 2 + topic.size() + 2 + head.size() + payload.size());
  put_text(topic);
  put16(next_packet_);
  numbers_[next_packet_] = number;
  if (++next_packet_ == 0) next_packet_ = 1;
  stream_.output.append(head);
  stream_.output.append(payload);
}

void MqttClient::leave() {
  begin_packet(kDisconnect, 0);
  (void)stream_.push();
  while (stream_.pull()) stream_.input.clear();
}

void MqttClient::on_input(Nanos now) {
  read_packets(now);
  if (events_ != nullptr) events_->on_read(*this, now);
}

void MqttClient::read_packets(Nanos now) {
  for (;;) {
    const ByteView input = stream_.input.view();
    std::size_t length = 0, used = 1;
    for (unsigned shift = 0;; shift += 7, ++used) {
      if (used >= input.size()) return;
      const auto each = std::to_integer<std::size_t>(input[used]);
      length |= (each & 127) << shift;
      if ((each & 128) == 0) break;
    }
    ++used;
    if (input.size() < used + length) return;
    on_packet(std::to_integer<unsigned>(input[0]), input.subspan(used, length), now);
    stream_.input.consume(used + length);
  }
}

void MqttClient::on_packet(unsigned first, ByteView body, Nanos now) {
  if ((first & kTypeMask) == kPublish) {
    if ((first & kQosMask) != (kPublishQos1 & kQosMask)) die("the broker lowered the QoS");
    const std::size_t topic = 2 + get16(body);
    begin_packet(kPuback, 2);
    stream_.output.append(body.subspan(topic, 2));
    if (events_ != nullptr) events_->on_publish(*this, now, body.subspan(topic + 2));
  } else if (first == kPuback) {
    if (events_ != nullptr) events_->on_puback(*this, now, numbers_[get16(body)]);
  } else if (first == kConnack) {
    if (body[1] != std::byte{0}) die("the broker refused the connection");
    connected_ = true;
  } else if (first == kSuback) {
    if (body[2] != std::byte{1}) die("the broker refused the subscription");
    subscribed_ = true;
  } else {
    die(fmt::format("the broker sent a packet of an unexpected kind: {:#x}", first));
  }
}

}  // namespace opaline::bench
