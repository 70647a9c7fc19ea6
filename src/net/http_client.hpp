#pragma once
// HTTP/1.1 requests to one origin, over kept-alive connections. Everything has a deadline.
#include <functional>
#include <memory>

#include "net/event_loop.hpp"
#include "net/http.hpp"

namespace opaline::net {

struct HttpClientOptions {
  Url origin{};  ///< its target is ignored
  /// Needed if `origin.tls`. Must outlive the client. Without TLS only loopback is reached (plain_needs_loopback).
  const TlsClientContext* tls = nullptr;
  bool public_only = false;         ///< refuse a name with an address that is not Peer::is_public: address_not_public
  std::string unix_path{};          ///< if set, plaintext over this Unix socket; `origin.host` fills the Host header
  std::size_t max_connections = 4;  ///< more requests wait in line
  std::size_t max_waiting = 1024;   ///< over it: resources_exhausted
  std::size_t max_pipelined = 2;    ///< requests of one lane without an answer; more wait in line
  std::size_t max_response_bytes = 1024 * 1024;
  std::chrono::nanoseconds idle_within = std::chrono::seconds(30);  ///< a kept connection is dropped after this
};

struct HttpClientRequest {
  std::string method = "GET";
  std::string target = "/";
  HttpHeaders headers{};  ///< without Host, Content-Length, Connection
  Bytes body{};
  std::chrono::nanoseconds deadline = std::chrono::seconds(30);  ///< for all of it, waiting in line included
  /// If not 0: requests of one lane go to the server in the order of the calls and are answered in it, on one
  /// connection, each sent without waiting for the answers to those before it (RFC 9112 section 9.3.2). For idempotent
  /// methods. If the connection fails, all that have no answer fail.
  std::uint8_t lane = 0;
};

/// Loop thread only. A request is never repeated by itself once its first byte has left, save a GET or HEAD on a kept
/// connection that the server had closed meanwhile.
class HttpClient {
 public:
  using Callback = std::move_only_function<void(Result<HttpResponse, NetError>)>;
  explicit HttpClient(EventLoop& loop, HttpClientOptions options);
  ~HttpClient();  ///< running requests end without a callback
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Calls back exactly once, in a later round, with any status or one of: url_invalid, plain_needs_loopback,
  /// address_not_public, address_not_public, name_not_found, connect_failed, tls_failed, certificate_rejected,
  /// timed_out, closed, protocol_violation, too_large, resources_exhausted.
  void request(HttpClientRequest request, Callback callback);

 private:
  class Impl;
  EventLoop& loop_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::net
