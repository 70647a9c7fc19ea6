#pragma once
// The MSP API (docs/business-api.md) over HTTP: who calls, what for, and the answer. Loop thread only.
#include "gateway/business_port.hpp"
#include "gateway/files.hpp"
#include "net/http_server.hpp"

namespace opaline::gateway {

class Api {
 public:
  struct Options {
    std::string base_url;                                               ///< https://HOST[:PORT], as the MSP reaches it
    std::chrono::nanoseconds answer_within = std::chrono::seconds(20);  ///< then 503: ask again with the same id
  };
  Api(const Clock& clock, Businesses& businesses, Files& files, Options options);
  /// For net::HttpServer.
  void handle(net::HttpRequest request, net::HttpResponder responder);
  /// net::HttpServerOptions::body_limit
  [[nodiscard]] static std::size_t body_limit(const net::HttpRequest& head);

 private:
  const Clock& clock_;
  Businesses& businesses_;
  Files& files_;
  Options options_;
};

}  // namespace opaline::gateway
