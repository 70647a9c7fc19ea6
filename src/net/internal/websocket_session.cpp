#include "net/internal/websocket_session.hpp"

namespace opaline::net {

std::string_view name(CloseCause cause) {
  switch (cause) {
    case CloseCause::by_peer:
      return "by_peer";
    case CloseCause::by_us:
      return "by_us";
    case CloseCause::lost:
      return "lost";
    case CloseCause::violation:
      return "violation";
    case CloseCause::slow_consumer:
      return "slow_consumer";
    case CloseCause::silent:
      return "silent";
  }
  return "unknown";
}

}  // namespace opaline::net

namespace opaline::net::internal {

WebSocketSession::WebSocketSession(Setup setup)
    : core_(setup.core),
      stream_(std::move(setup.stream)),
      handler_(std::move(setup.handler)),
      host_(setup.host),
      random_(setup.random),
      limits_(std::move(setup.limits)),
      decoder_(setup.role, limits_->max_message_bytes),
      last_input_(core_.now()),
      peer_(setup.peer) {
  stream_->set_owner(*this);
}

WebSocketSession::~WebSocketSession() {
  core_.forget(*this);
  core_.dispose(std::move(stream_));
}

std::optional<ByteArray<4>> WebSocketSession::mask() {
  if (random_ == nullptr) return std::nullopt;
  return random_->bytes<4>();
}

template <class Call>
void WebSocketSession::with_handler(Call call) {
  const bool outer = std::exchange(in_handler_, true);
  call(*handler_);
  in_handler_ = outer;
}

void WebSocketSession::open() {
  with_handler([&](WebSocketHandler& handler) { handler.on_open(*this); });
}

// ---- output

void WebSocketSession::send(std::initializer_list<ByteView> parts) {
  if (state_ != State::open) return;
  append_frame(stream_->output(), WebSocketOpcode::binary, parts, mask());
  stream_->wrote();
  const std::size_t queued = stream_->queued_bytes();
  if (queued >= limits_->drained_below_bytes) above_ = true;
  if (queued > limits_->max_queued_bytes) doom(CloseCause::slow_consumer);
}

void WebSocketSession::send_control(WebSocketOpcode opcode, ByteView payload) {
  append_frame(stream_->output(), opcode, {payload}, mask());
  stream_->wrote();
  if (stream_->queued_bytes() > limits_->max_queued_bytes) doom(CloseCause::slow_consumer);
}

void WebSocketSession::on_stream_output() {
  if (state_ != State::open || !above_ || stream_->queued_bytes() >= limits_->drained_below_bytes) return;
  above_ = false;
  with_handler([](WebSocketHandler& handler) { handler.on_drained(); });
}

// ---- input

std::size_t WebSocketSession::on_stream_data(std::span<std::byte> data) {
  const std::size_t size = data.size();
  last_input_ = core_.now();
  ping_sent_ = false;
  const bool was_incomplete = decoder_.incomplete();
  while (state_ == State::open || state_ == State::closing) {
    const auto event = decoder_.next(data);
    if (!event) {
      fail_with(event.error());
      break;
    }
    if (!*event) {
      if (decoder_.incomplete() && !was_incomplete && state_ == State::open) since_ = core_.now();
      account_for_buffers();
      break;
    }
    if (!take_event(**event)) break;
  }
  return size;
}

/// False if what follows is not to be looked at.
bool WebSocketSession::take_event(const WebSocketEvent& event) {
  switch (event.kind) {
    case WebSocketEvent::Kind::message:
      // What comes after our close frame was sent before the peer had it (RFC 6455 section 1.4): nobody waits for it.
      if (state_ == State::open) {
        with_handler([&](WebSocketHandler& handler) { handler.on_message(event.payload); });
      }
      return true;
    case WebSocketEvent::Kind::ping:
      if (state_ == State::open) send_control(WebSocketOpcode::pong, event.payload);
      return true;
    case WebSocketEvent::Kind::pong:
      return true;
    case WebSocketEvent::Kind::close:
      take_close(event);
      return false;
  }
  return false;
}

void WebSocketSession::take_close(const WebSocketEvent& event) {
  if (state_ == State::open) {
    append_close(stream_->output(), event.close_code, {}, mask());
    close_cause_ = CloseCause::by_peer;
    close_code_ = event.close_code;
    leave();
    tell_closed(CloseCause::by_peer, event.close_code, as_text(event.payload));
    return;
  }
  leave();
  tell_closed(close_cause_, close_code_, {});
}

void WebSocketSession::account_for_buffers() {
  const std::size_t now = decoder_.buffered_bytes();
  if (now == buffered_) return;
  const std::size_t before = std::exchange(buffered_, now);
  if (!host_.on_session_buffers(before, now)) fail_with(close_code::kTryAgainLater);
}

// ---- the end

void WebSocketSession::close(std::uint16_t code, std::string_view reason) {
  OPALINE_ASSERT(is_valid_close_code(code));
  if (state_ == State::open) start_close(CloseCause::by_us, code, reason);
}

void WebSocketSession::abort() {
  if (state_ == State::open || state_ == State::closing) doom(CloseCause::by_us);
}

void WebSocketSession::start_close(CloseCause cause, std::uint16_t code, std::string_view reason) {
  append_close(stream_->output(), code, reason, mask());
  stream_->wrote();
  state_ = State::closing;
  since_ = core_.now();
  close_cause_ = cause;
  close_code_ = code;
}

/// The peer broke the protocol: it is told why, and nothing more of it is read (RFC 6455 section 7.1.7).
void WebSocketSession::fail_with(std::uint16_t code) {
  if (state_ == State::open) {
    start_close(CloseCause::violation, code, {});
  }
  if (state_ != State::closing) return;
  leave();
  tell_closed(close_cause_, close_code_, {});
}

void WebSocketSession::doom(CloseCause cause) {
  state_ = State::doomed;
  close_cause_ = cause;
  core_.mark_dirty(*this);
}

/// Sends what is queued and waits for the peer's end of the transport.
void WebSocketSession::leave() {
  release_buffers();
  state_ = State::lingering;
  since_ = core_.now();
  stream_->finish();
}

void WebSocketSession::release_buffers() {
  if (buffered_ != 0) static_cast<void>(host_.on_session_buffers(std::exchange(buffered_, 0), 0));
}

void WebSocketSession::tell_closed(CloseCause cause, std::uint16_t code, std::string_view reason) {
  const auto handler = std::move(handler_);
  if (!handler) return;
  handler->on_closed({.cause = cause, .code = code, .reason = reason});
  host_.on_session_closed(cause);
}

void WebSocketSession::flush() {
  if (state_ != State::doomed) return;
  cut();
  host_.on_session_gone(*this);
}

void WebSocketSession::cut() {
  if (state_ == State::open) close_cause_ = CloseCause::by_us;
  release_buffers();
  state_ = State::gone;
  stream_->close();
  tell_closed(close_cause_, close_code::kAbnormal, {});
}

void WebSocketSession::drop() {
  release_buffers();
  state_ = State::gone;
  stream_->close();
  if (!in_handler_) handler_.reset();
}

void WebSocketSession::on_stream_end(StreamEnd) {
  if (state_ == State::gone) return;
  // Before the peer's close frame came, the transport's end is a loss, unless we were closing anyway.
  const CloseCause cause = state_ == State::open ? CloseCause::lost : close_cause_;
  const std::uint16_t code = state_ == State::closing ? close_code_ : close_code::kAbnormal;
  release_buffers();
  state_ = State::gone;
  tell_closed(cause, code, {});
  host_.on_session_gone(*this);
}

// ---- time

void WebSocketSession::sweep(Instant now) {
  switch (state_) {
    case State::open:
      return sweep_open(now);
    case State::closing:
    case State::lingering:
      if (now - since_ < limits_->close_within) return;
      cut();
      host_.on_session_gone(*this);
      return;
    case State::doomed:
    case State::gone:
      return;
  }
}

void WebSocketSession::sweep_open(Instant now) {
  const auto stalled = stream_->stalled_since();
  if (stalled && now - *stalled >= limits_->write_progress_within) return doom(CloseCause::slow_consumer);
  if (decoder_.incomplete() && now - since_ >= limits_->message_within) return fail_with(close_code::kPolicyViolation);
  if (limits_->ping_after == limits_->ping_after.zero()) return;
  const auto silence = now - last_input_;
  if (silence >= limits_->ping_after + limits_->pong_within) return doom(CloseCause::silent);
  if (silence >= limits_->ping_after && !std::exchange(ping_sent_, true)) send_control(WebSocketOpcode::ping, {});
}

}  // namespace opaline::net::internal
