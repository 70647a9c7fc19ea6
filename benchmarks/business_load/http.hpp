#pragma once
// HTTP/1.1 with keep-alive and Content-Length over the engine's streams, both sides: what a business's software speaks.
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "load/engine.hpp"

namespace opaline::bench {

/// Views into the stream's input; valid until it is consumed.
struct HttpMessage {
  std::string_view start_line, fields;  ///< `fields`: the header lines, each with its CRLF
  ByteView body;
  std::size_t whole = 0;  ///< how much to consume
  /// The value of a header, whose name is given in lower case.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};
/// The first message in `input`, if it is all there. Ends the program if it has no Content-Length, or one above 1 MiB.
[[nodiscard]] bool parse_http(ByteView input, HttpMessage& out);

/// A keep-alive connection that asks one thing after the other.
class HttpCaller final : public Session {
 public:
  /// `pair` and `number` are those of the request.
  using Answered = std::function<void(std::size_t pair, std::uint64_t number, const HttpMessage&, Nanos)>;
  HttpCaller(Engine& engine, SSL_CTX* context, const Target& target, Answered answered);

  /// Leaves at once, or when those before it have their answers.
  void request(std::size_t pair, std::uint64_t number, std::string head, std::string body);

  void on_input(Nanos now) override;
  [[nodiscard]] TlsStream& stream() override { return stream_; }

 private:
  struct Asked {
    std::size_t pair = 0;
    std::uint64_t number = 0;
    std::string head, body;
  };
  void leave(const Asked& asked);
  Engine& engine_;
  TlsStream stream_;
  Answered answered_;
  std::deque<Asked> asked_;  ///< the first one is being answered
};

/// Takes every POST: a plain 200 with Content-Length: 0, once `request` has returned.
class HttpReceiver {
 public:
  using Request = std::function<void(const HttpMessage&, Nanos)>;
  /// Listens on 127.0.0.1:`port` from now on. Both must outlive it.
  HttpReceiver(Engine& engine, SSL_CTX* context, std::uint16_t port, Request request);
  ~HttpReceiver();
  HttpReceiver(const HttpReceiver&) = delete;
  HttpReceiver& operator=(const HttpReceiver&) = delete;

  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  class Connection;
  void accept();
  Engine& engine_;
  SSL_CTX* context_;
  int listener_;
  Request request_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace opaline::bench
