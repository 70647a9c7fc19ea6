#pragma once
// The way to the carriers: Kannel's smsbox over its HTTP interface (Kannel 1.4.5 user's guide, "Using HTTP to send
// SMS"), by POST, so that neither numbers nor texts stand in a URL. docs/sms.md has the configuration that keeps them
// out of Kannel's logs and store, too.
#include <functional>
#include <string>

#include "base/result.hpp"
#include "carrier/short_message.hpp"
#include "net/http_client.hpp"
#include "sms/error.hpp"

namespace opaline::sms {

struct KannelSettings {
  std::string url;  ///< of sendsms; http on loopback alone, or https
  std::string user;
  SecretBytes password;
  std::string sender;  ///< a number or up to 11 letters, as the carrier allows; empty: Kannel's global-sender
  std::chrono::nanoseconds deadline = std::chrono::seconds(30);
};

struct Outgoing {
  std::string to;    ///< E.164, with '+'
  SecretBytes text;  ///< UTF-8 that has a Shape
  /// A URL that Kannel gets when it knows more, with %d in it, for which it puts the bits; empty: none.
  std::string report = {};
};

/// Loop thread only.
class Kannel {
 public:
  /// `tls` where the URL is https; outlives this, as the loop. url_invalid.
  [[nodiscard]] static Result<std::unique_ptr<Kannel>, net::NetError> create(net::EventLoop& loop,
                                                                             KannelSettings settings,
                                                                             const net::TlsClientContext* tls);

  /// Calls back once, in a later round. Success: Kannel has it in its memory and will try; not that it arrived.
  /// invalid, refused, unavailable, unknown. Never tried twice by itself.
  using Done = std::move_only_function<void(Result<void, Error>)>;
  void send(const Outgoing& message, Done done);

 private:
  Kannel(net::EventLoop& loop, net::Url url, KannelSettings settings, const net::TlsClientContext* tls);

  net::EventLoop& loop_;
  const net::Url url_;
  const KannelSettings settings_;
  net::HttpClient client_;
};

}  // namespace opaline::sms
