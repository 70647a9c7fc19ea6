#include "uplink/connection.hpp"

#include <utility>

#include "proto/device.pb.h"

namespace opaline::uplink {
namespace {

/// A batch is sent before it could grow over the limit with one more frame of the largest kind.
constexpr std::size_t kFlushAt = wire::kMaxBatchBytes - wire::kMaxEnvelopeBytes - 64;

}  // namespace

class Connection::Handler final : public net::WebSocketHandler {
 public:
  explicit Handler(Connection& connection) : connection_(connection) {}
  void on_open(net::WebSocketConnection& socket) override {
    connection_.socket_ = &socket;
    connection_.state_ = State::hello;
  }
  void on_message(ByteView message) override { connection_.on_message(message); }
  void on_closed(const net::WebSocketClosed& closed) override { connection_.on_closed(closed); }

 private:
  Connection& connection_;
};

Connection::Connection(net::EventLoop& loop, RandomSource& random, const net::Url& service,
                       const net::TlsClientContext& tls, endpoint::Endpoint& device, ConnectionOwner& owner)
    : service_(service), device_(device), owner_(owner) {
  net::WebSocketClientOptions options;
  options.url = service;
  options.url.target = "/v1/device";
  options.tls = &tls;
  client_ = std::make_unique<net::WebSocketClient>(loop, random, std::move(options), std::make_unique<Handler>(*this),
                                                   [this](net::WebSocketConnectFailure f) { on_connect_failed(f); });
}

Connection::~Connection() = default;

bool Connection::ready() const {
  return state_ == State::ready;
}

bool Connection::call(std::uint16_t method, ByteView body, CallDone done) {
  if (state_ != State::ready || calls_.size() >= wire::kMaxOpenCalls) return false;
  const std::uint32_t id = next_call_++;
  calls_.emplace(id, std::move(done));
  send(wire::Call{id, method, body});
  flush();
  return true;
}

void Connection::send(const endpoint::Action& action) {
  if (endpoint::encode_action(out_, action)) flush_if_large();
}

void Connection::flush_if_large() {
  if (out_.size() >= kFlushAt) flush();
}

void Connection::flush() {
  if (!out_.empty() && socket_ != nullptr) socket_->send(out_);
  out_.clear();
}

void Connection::close() {
  if (socket_ == nullptr) return;
  flush();
  socket_->close(net::close_code::kNormal, "");
}

void Connection::on_message(ByteView batch) {
  for (wire::FrameReader in(batch); !in.done();) {
    const auto frame = in.next();
    if (!frame || !take(*frame)) {
      if (!ended_) ended_ = Ended{.cause = Ended::Cause::protocol};
      if (socket_ != nullptr) socket_->close(net::close_code::kProtocolError, "malformed frame");
      return;
    }
  }
  if (state_ == State::ready) owner_.on_batch_end();
  flush();
}

bool Connection::take(const wire::Frame& frame) {
  if (const auto* goodbye = std::get_if<wire::Goodbye>(&frame)) {
    ended_ = Ended{.cause = Ended::Cause::goodbye, .code = goodbye->code, .text = to_string(goodbye->text)};
    return true;
  }
  switch (state_) {
    case State::hello: {
      const auto* hello = std::get_if<wire::Hello>(&frame);
      return hello != nullptr && authenticate(*hello);
    }
    case State::auth: {
      const auto* ready = std::get_if<wire::Ready>(&frame);
      if (ready == nullptr) return false;
      state_ = State::ready;
      owner_.on_ready(*ready);
      return true;
    }
    case State::ready:
      break;
    case State::connecting:
    case State::ended:
      return false;
  }
  if (const auto* reply = std::get_if<wire::Reply>(&frame)) {
    const auto call = calls_.find(reply->id);
    if (call == calls_.end()) return false;
    const CallDone done = std::move(call->second);
    calls_.erase(call);
    done({reply->status, to_bytes(reply->body)});
    return true;
  }
  owner_.on_frame(frame);
  return true;
}

bool Connection::authenticate(const wire::Hello& hello) {
  if (hello.min_version > wire::kProtocolVersion || hello.max_version < wire::kProtocolVersion) {
    ended_ = Ended{.cause = Ended::Cause::version};
    return false;
  }
  // What we sign is for the name that we connected to: a server cannot use it at another.
  if (as_text(hello.server_name) != service_.host) {
    ended_ = Ended{.cause = Ended::Cause::other_name, .text = to_string(hello.server_name)};
    return false;
  }
  const auto binding = socket_->channel_binding();
  if (!binding) return false;
  endpoint::encode_auth(out_, device_, hello, *binding);
  state_ = State::auth;
  return true;
}

void Connection::on_closed(const net::WebSocketClosed& closed) {
  socket_ = nullptr;
  end(ended_.value_or(Ended{.cause = Ended::Cause::lost, .text = std::string(closed.reason)}));
}

void Connection::on_connect_failed(const net::WebSocketConnectFailure& failure) {
  end(Ended{.cause = Ended::Cause::not_connected, .error = failure.error});
}

void Connection::end(const Ended& why) {
  if (state_ == State::ended) return;
  state_ = State::ended;
  for (const auto& [id, done] : std::exchange(calls_, {})) done({wire::v1::CALL_STATUS_UNAVAILABLE, {}});
  owner_.on_ended(why);
}

}  // namespace opaline::uplink
