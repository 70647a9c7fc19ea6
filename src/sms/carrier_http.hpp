#pragma once
// The two listeners of the role `sms`: one for the gateway's webhooks, one for what Kannel has to say.
#include "net/http_server.hpp"
#include "sms/bridge.hpp"

namespace opaline::sms {

/// `POST .../message` as docs/business-api.md has it. 200: the bridge has it; 401, 403: no token of this gateway; 404:
/// another business or path; 503: to be tried again.
class WebhookDoor {
 public:
  struct Settings {
    msp::Uuid business;
    std::string msp_id;
    std::string msp_secret;
  };
  /// malformed, oversized: the secret.
  [[nodiscard]] static Result<WebhookDoor, msp::Error> create(Settings settings, const Clock& clock, Bridge& bridge);
  [[nodiscard]] net::HttpResponse handle(const net::HttpRequest& request) const;

 private:
  WebhookDoor(Settings settings, msp::TokenKey key, const Clock& clock, Bridge& bridge)
      : settings_(std::move(settings)), key_(std::move(key)), clock_(&clock), bridge_(&bridge) {}
  Settings settings_;
  msp::TokenKey key_;
  const Clock* clock_;
  Bridge* bridge_;
};

/// Whether a text can be the secret part of Kannel's URLs: 16 to 128 of A-Z a-z 0-9 - _.
[[nodiscard]] bool is_kannel_secret(std::string_view text);

/// `GET /<secret>/report?id=<message>&bits=<number>` (dlr-url) and `POST /<secret>/reply?id=<Kannel's id>` (post-url,
/// with send-sender). 200: nothing to be said again; 404: all that is not one of them; 503: say it again.
class KannelDoor {
 public:
  KannelDoor(std::string secret, Bridge& bridge) : secret_(std::move(secret)), bridge_(bridge) {}
  void handle(net::HttpRequest request, net::HttpResponder responder);

 private:
  [[nodiscard]] net::HttpResponse report(std::string_view query);
  void reply(const net::HttpRequest& request, net::HttpResponder responder);
  const std::string secret_;
  Bridge& bridge_;
};

}  // namespace opaline::sms
