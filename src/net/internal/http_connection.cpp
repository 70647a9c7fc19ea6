#include "net/internal/http_connection.hpp"

#include "net/internal/http_text.hpp"

namespace opaline::net::internal {
namespace {

constexpr std::chrono::seconds kLinger{2};
/// No further request is looked at while the answers to earlier ones wait for a peer that does not read them.
constexpr std::size_t kMaxUnreadAnswers = 256 * 1024;

}  // namespace

HttpConnection::HttpConnection(LoopCore& core, HttpConnectionHost& host, Peer peer)
    : core_(core), host_(host), since_(core.now()), peer_(peer) {}

HttpConnection::~HttpConnection() {
  forget_responder();
  core_.dispose(std::move(stream_));
}

void HttpConnection::enter(State state) {
  state_ = state;
  since_ = core_.now();
}

void HttpConnection::on_stream_open() {
  // The first head has its deadline from the connection on; later ones from their first byte.
  if (state_ == State::opening) enter(State::head);
}

// ---- a request comes in

std::size_t HttpConnection::on_stream_data(std::span<std::byte> data) {
  const std::size_t size = data.size();
  while (!data.empty()) {
    if (!take(data)) break;
  }
  return size - data.size();
}

/// False if the rest must wait: for more bytes, for the answer, or for good.
bool HttpConnection::take(std::span<std::byte>& data) {
  if (state_ == State::idle) enter(State::head);
  if (state_ != State::head && state_ != State::body) return false;
  if (!parser_) parser_ = std::make_unique<RequestParser>(host_.options().max_header_bytes);
  const auto used = parser_->feed(data);
  if (!used) {
    refuse(used.error());
    return false;
  }
  data = data.subspan(*used);
  if (state_ == State::head && parser_->head_done() && !take_head()) return false;
  if (state_ == State::body) account_for_body();
  if (parser_ && parser_->done()) {
    take_request();
    // Answered already: the next one may follow.
    return state_ == State::idle && stream_->queued_bytes() < kMaxUnreadAnswers;
  }
  return *used != 0 && (state_ == State::head || state_ == State::body);
}

bool HttpConnection::take_head() {
  enter(State::body);
  RequestParser& request = *parser_;
  const bool one_host = count_headers(request.headers, "Host") == 1 ||
                        (!request.is_http_1_1() && count_headers(request.headers, "Host") == 0);
  // RFC 9112 section 3.2: a server must refuse anything else than one Host; section 3.2.1: origin form.
  if (!one_host || !is_target(request.target)) {
    refuse(400);
    return false;
  }
  HttpRequest head{.method = request.method, .target = request.target, .headers = {}, .body = {}, .peer = peer_};
  std::size_t limit = host_.options().max_body_bytes;
  if (host_.options().body_limit) {
    head.headers = request.headers;
    limit = host_.options().body_limit(head);
  }
  if (const auto fits = request.set_body_limit(limit); !fits) {
    refuse(fits.error());
    return false;
  }
  if (!request.done() && list_contains(request.headers, "Expect", "100-continue")) {
    stream_->write(as_view("HTTP/1.1 100 Continue\r\n\r\n"));
  }
  return true;
}

void HttpConnection::account_for_body() {
  if (!parser_) return;
  const std::size_t now = parser_->body.size();
  if (now == buffered_) return;
  const std::size_t before = std::exchange(buffered_, now);
  if (!host_.on_body_buffers(before, now)) refuse(503);
}

void HttpConnection::drop_request() {
  parser_.reset();
  if (buffered_ != 0) static_cast<void>(host_.on_body_buffers(std::exchange(buffered_, 0), 0));
}

void HttpConnection::take_request() {
  host_.counters().requests += 1;
  HttpRequest request{.method = std::move(parser_->method),
                      .target = std::move(parser_->target),
                      .headers = std::move(parser_->headers),
                      .body = std::move(parser_->body),
                      .peer = peer_};
  keep_alive_ = parser_->keeps_alive() && !host_.shutting_down();
  to_head_request_ = request.method == "HEAD";
  request.is_websocket_upgrade = request.method == "GET" && parser_->is_http_1_1() && request.body.empty() &&
                                 is_websocket_upgrade(request.headers);
  if (request.is_websocket_upgrade) websocket_key_ = *request.header("Sec-WebSocket-Key");
  drop_request();
  enter(State::handling);
  stream_->set_reading(false);
  link_ = std::make_shared<HttpConnection*>(this);
  host_.handle(std::move(request), HttpResponder(link_));
}

// ---- the answer goes out

void HttpConnection::respond(HttpResponse response) {
  OPALINE_ASSERT(state_ == State::handling);
  link_.reset();
  websocket_key_ = {};
  keep_alive_ = keep_alive_ && !host_.shutting_down();
  append_response(stream_->output(), response, {.keep_alive = keep_alive_, .to_head_request = to_head_request_},
                  core_.clock().now());
  if (response.held) held_.push_back(std::move(response.held));
  stream_->wrote();
  if (!keep_alive_) {
    enter(State::lingering);
    stream_->finish();
    return;
  }
  enter(State::idle);
  resume_reading();
}

void HttpConnection::resume_reading() {
  if (state_ != State::idle && state_ != State::head) return;
  if (stream_->queued_bytes() < kMaxUnreadAnswers) stream_->set_reading(true);
}

void HttpConnection::on_stream_output() {
  if (stream_->queued_bytes() == 0) held_.clear();
  resume_reading();
}

bool HttpConnection::upgrade(std::unique_ptr<WebSocketHandler> handler, std::optional<WebSocketLimits> limits) {
  OPALINE_ASSERT(state_ == State::handling);
  if (websocket_key_.empty() || host_.shutting_down()) {
    const bool closing = host_.shutting_down();
    HttpResponse refusal =
        text_response(closing ? 503 : 426, "text/plain", closing ? "shutting down\n" : "WebSocket only\n");
    if (!closing) refusal.headers.push_back({.name = "Sec-WebSocket-Version", .value = "13"});
    respond(std::move(refusal));
    return false;
  }
  link_.reset();
  append_text(
      stream_->output(),
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
  append_text(stream_->output(), websocket_accept(websocket_key_));
  append_text(stream_->output(), "\r\n\r\n");
  stream_->wrote();
  stream_->set_reading(true);
  enter(State::gone);
  host_.on_upgrade(*this, std::move(stream_), std::move(handler), limits);
  return true;
}

void HttpConnection::refuse(HttpParseError error) {
  switch (error) {
    case HttpParseError::bad_message:
      return refuse(400);
    case HttpParseError::bad_version:
      return refuse(505);
    case HttpParseError::head_too_large:
      return refuse(431);
    case HttpParseError::body_too_large:
      return refuse(413);
    case HttpParseError::unknown_encoding:
      return refuse(501);
  }
}

/// Answers for itself and closes: after a message that we do not understand nothing on this connection can be trusted.
void HttpConnection::refuse(unsigned status) {
  host_.counters().bad_requests += 1;
  drop_request();
  const auto& refusal = host_.options().refusal;
  append_response(
      stream_->output(),
      refusal ? refusal(status) : text_response(status, "text/plain", std::string(reason_phrase(status)) + "\n"),
      {.keep_alive = false, .to_head_request = false}, core_.clock().now());
  enter(State::lingering);
  stream_->finish();
}

// ---- the end

/// An answer that is made from now on goes nowhere. This object may live to the end of the round, so that an answer in
/// the same round as the end of its connection would still find it.
void HttpConnection::forget_responder() {
  if (const auto link = std::exchange(link_, nullptr)) *link = nullptr;
}

void HttpConnection::on_stream_end(StreamEnd end) {
  forget_responder();
  if (state_ == State::opening && end != StreamEnd::clean) host_.counters().handshakes_failed += 1;
  drop_request();
  enter(State::gone);
  host_.on_connection_gone(*this);
}

void HttpConnection::cut() {
  forget_responder();
  drop_request();
  enter(State::gone);
  stream_->close();
}

void HttpConnection::begin_shutdown() {
  if (state_ != State::idle && state_ != State::opening && !(state_ == State::head && !parser_)) return;
  enter(State::lingering);
  stream_->finish();
}

std::chrono::nanoseconds HttpConnection::time_allowed() const {
  const HttpServerOptions& options = host_.options();
  switch (state_) {
    case State::opening:
      return options.handshake_within;
    case State::idle:
      return options.idle_within;
    case State::head:
      return options.header_within;
    case State::body:
      return options.body_within;
    case State::lingering:
      return stream_->queued_bytes() == 0 ? kLinger : options.body_within;
    case State::handling:
    case State::gone:
      break;
  }
  return std::chrono::nanoseconds::max();
}

void HttpConnection::sweep(Instant now) {
  if (state_ == State::gone) return;
  const bool late = now - since_ >= time_allowed();
  const auto stalled = stream_->stalled_since();
  const bool unread = stalled && now - *stalled >= host_.options().websocket.write_progress_within;
  if (!late && !unread) return;
  if (state_ != State::idle && state_ != State::lingering) host_.counters().timeouts += 1;
  cut();
  host_.on_connection_gone(*this);
}

}  // namespace opaline::net::internal

namespace opaline::net {

HttpResponder& HttpResponder::operator=(HttpResponder&& other) noexcept {
  if (this != &other) {
    HttpResponder old(std::move(*this));  // answers 500 if it had not answered
    link_ = std::move(other.link_);
  }
  return *this;
}

HttpResponder::~HttpResponder() {
  if (alive()) (*link_)->respond(text_response(500, "text/plain", "Internal Server Error\n"));
}

bool HttpResponder::alive() const {
  return link_ && *link_ != nullptr && (*link_)->awaits_response();
}

void HttpResponder::respond(HttpResponse response) {
  const auto link = std::move(link_);
  if (link && *link != nullptr) std::exchange(*link, nullptr)->respond(std::move(response));
}

bool HttpResponder::upgrade(std::unique_ptr<WebSocketHandler> handler, std::optional<WebSocketLimits> limits) {
  const auto link = std::move(link_);
  if (!link || *link == nullptr) return false;
  return std::exchange(*link, nullptr)->upgrade(std::move(handler), limits);
}

std::optional<ChannelBinding> HttpResponder::channel_binding() const {
  if (!alive()) return std::nullopt;
  return (*link_)->channel_binding();
}

}  // namespace opaline::net
