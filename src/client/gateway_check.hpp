#pragma once
// Whether the gateway that the service shows is the one that the business names at its own domain
// (docs/adr/0015-personas.md, "Checked at its own domain"). The business sees who asks: an act of the person, never
// done by itself.
#include "client/client.hpp"
#include "msp/well_known.hpp"

namespace opaline::client {

struct GatewayCheckOptions {
  std::string authority_pem = {};  ///< empty: the system's
  bool public_only = true;         ///< a domain that leads into a private network is refused
  std::uint16_t port = 443;
  std::chrono::milliseconds within = std::chrono::seconds(20);
};

/// Asks `https://<domain>/.well-known/opaline` once; redirects are not followed. The loop must run.
class GatewayCheck {
 public:
  /// certificate_rejected: the authorities cannot be read. bad_text: no domain.
  [[nodiscard]] static Result<std::unique_ptr<GatewayCheck>, Failure> create(net::EventLoop& loop,
                                                                             std::string_view domain,
                                                                             const GatewayCheckOptions& options);
  /// `done` is called once, from the loop, unless this is destroyed. no_such_business: nothing stands there for it.
  /// connect_failed, certificate_rejected, timed_out, protocol: what is there is not this.
  void ask(const AccountId& business, Done<msp::GatewayFingerprint> done);

 private:
  GatewayCheck(net::EventLoop& loop, const net::Url& url, net::TlsClientContext tls,
               const GatewayCheckOptions& options);
  net::Url url_;
  net::TlsClientContext tls_;
  std::chrono::milliseconds within_;
  net::HttpClient http_;
};

}  // namespace opaline::client
