#include "business_load/http.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "load/die.hpp"

namespace opaline::bench {
namespace {

constexpr std::size_t kMaxBodyBytes = std::size_t{1} << 20;
constexpr std::string_view kTaken = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<std::string_view> HttpMessage::header(std::string_view name) const {
  for (std::string_view rest = fields; !rest.empty();) {
    const std::size_t end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 2, rest.size()));
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    if (std::ranges::equal(line.substr(0, name.size()), name, {}, lower)) return trimmed(line.substr(name.size() + 1));
  }
  return std::nullopt;
}

bool parse_http(ByteView input, HttpMessage& out) {
  const std::string_view text = as_text(input);
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return false;
  const std::size_t line = text.find("\r\n");
  out.start_line = text.substr(0, line);
  out.fields = text.substr(line + 2, end - line);
  const auto length = out.header("content-length");
  std::size_t size = 0;
  if (!length || std::from_chars(length->data(), length->data() + length->size(), size).ec != std::errc() ||
      size > kMaxBodyBytes)
    die("an HTTP message has no Content-Length that makes sense");
  out.whole = end + 4 + size;
  if (input.size() < out.whole) return false;
  out.body = input.subspan(end + 4, size);
  return true;
}

// ---- asking

HttpCaller::HttpCaller(Engine& engine, SSL_CTX* context, const Target& target, Answered answered)
    : engine_(engine), stream_(context, target), answered_(std::move(answered)) {
  engine.add(*this);
}

void HttpCaller::request(std::size_t pair, std::uint64_t number, std::string head, std::string body) {
  asked_.push_back({pair, number, std::move(head), std::move(body)});
  if (asked_.size() == 1) leave(asked_.front());
}

void HttpCaller::leave(const Asked& asked) {
  stream_.output.append(as_view(asked.head));
  stream_.output.append(as_view(asked.body));
  engine_.touch(*this);
}

void HttpCaller::on_input(Nanos now) {
  HttpMessage message;
  while (parse_http(stream_.input.view(), message)) {
    if (asked_.empty()) die("an answer came that nobody asked for");
    const Asked asked = std::move(asked_.front());
    asked_.pop_front();
    if (!asked_.empty()) leave(asked_.front());
    answered_(asked.pair, asked.number, message, now);
    stream_.input.consume(message.whole);
  }
}

// ---- being asked

class HttpReceiver::Connection final : public Session {
 public:
  Connection(HttpReceiver& receiver, int socket)
      : receiver_(receiver), stream_(TlsStream::ServerSide{}, receiver.context_, socket) {}
  void on_input(Nanos now) override {
    HttpMessage message;
    while (parse_http(stream_.input.view(), message)) {
      receiver_.request_(message, now);
      stream_.input.consume(message.whole);
      stream_.output.append(as_view(kTaken));
      receiver_.engine_.touch(*this);
    }
  }
  void on_closed() override {
    receiver_.engine_.remove(*this);
    std::erase_if(receiver_.connections_, [this](const auto& at) { return at.get() == this; });  // ends this object
  }
  TlsStream& stream() override { return stream_; }

 private:
  HttpReceiver& receiver_;
  TlsStream stream_;
};

HttpReceiver::HttpReceiver(Engine& engine, SSL_CTX* context, std::uint16_t port, Request request)
    : engine_(engine), context_(context), listener_(listen_on_loopback(port)), request_(std::move(request)) {
  engine_.add(listener_, [this] { accept(); });
}

HttpReceiver::~HttpReceiver() {
  ::close(listener_);
}

void HttpReceiver::accept() {
  const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket < 0) return;
  connections_.push_back(std::make_unique<Connection>(*this, socket));
  engine_.add(*connections_.back());
}

}  // namespace opaline::bench
