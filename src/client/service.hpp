#pragma once
// Talking to the service before there is an account: registration, linking, recovery over HTTPS (docs/device-api.md).
// Synchronous for the caller: the loop runs until the answer is here.
#include <memory>
#include <string>

#include "client/home.hpp"
#include "net/event_loop.hpp"
#include "net/http_client.hpp"
#include "uplink/connection.hpp"

namespace opaline::client {

/// A server and how its certificate is checked.
class Service {
 public:
  /// server_unknown (no usable URL), certificate_rejected (the authority is no certificate).
  [[nodiscard]] static Result<std::unique_ptr<Service>, Failure> create(net::EventLoop& loop, const Settings& settings);

  /// Sends `body` to `/v1/<step>` ("registration/start", "link/turn"). connect_failed, certificate_rejected, timed_out,
  /// what `refusal` gives (the service's own words in `message`), protocol.
  [[nodiscard]] Result<Bytes, Failure> post(std::string_view step, ByteView body);

  [[nodiscard]] const net::Url& url() const { return url_; }
  [[nodiscard]] const net::TlsClientContext& tls() const { return tls_; }

 private:
  Service(net::EventLoop& loop, net::Url url, net::TlsClientContext tls);
  net::EventLoop& loop_;
  net::Url url_;
  net::TlsClientContext tls_;
  net::HttpClient http_;
};

/// What a network error means to a person.
[[nodiscard]] Failure failure_of(net::NetError error, const net::Url& url);
/// What the end of a connection means to a person: refused or removed where coming back would not help.
[[nodiscard]] Failure failure_of(const uplink::Ended& ended, const net::Url& url);
/// Of a device that the service does not know any more: what may have happened, and what to do.
[[nodiscard]] Failure removed_failure(bool primary);
/// What the service says with a CallStatus that is not OK and its `Failure` body (docs/device-api.md); `fallback` where
/// it says nothing. refused, wrong_code, wrong_pin, expired, quota.
[[nodiscard]] Failure refusal(int status, ByteView body, std::string_view fallback);

}  // namespace opaline::client
