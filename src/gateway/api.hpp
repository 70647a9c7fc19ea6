#pragma once
// The MSP API (docs/business-api.md) over HTTP: who calls, what for, and the answer. Loop thread only.
#include "gateway/business_port.hpp"
#include "gateway/files.hpp"
#include "msp/message.hpp"
#include "net/http_server.hpp"

namespace opaline::gateway {

/// Between slashes, without empty ones: connectors put a slash too many at either end of what is configured.
[[nodiscard]] std::vector<std::string_view> segments_of(std::string_view path);

class Api {
 public:
  struct Options {
    std::string base_url;                                               ///< https://HOST[:PORT], as the MSP reaches it
    std::chrono::nanoseconds answer_within = std::chrono::seconds(20);  ///< then 503: ask again with the same id
  };
  /// All outlive it, and no callback of theirs comes after it is destroyed.
  Api(const Clock& clock, RandomSource& random, Businesses& businesses, Files& files, Options options);
  /// For net::HttpServer.
  void handle(net::HttpRequest request, net::HttpResponder responder);
  /// For net::HttpServerOptions::body_limit: whoever has no token of ours cannot fill memory, nor whoever has no
  /// upload-url or posts more than was announced for it.
  [[nodiscard]] std::size_t body_limit(const net::HttpRequest& head) const;
  /// For net::HttpServerOptions::refusal: errors have one form, whoever finds them.
  [[nodiscard]] static net::HttpResponse refusal(unsigned status);

 private:
  struct Call;
  using CallPtr = std::shared_ptr<Call>;
  struct Route;
  static const Route kRoutes[];

  // ---- who calls
  [[nodiscard]] bool allows(std::string_view token, const BusinessConfig& business) const;
  [[nodiscard]] Result<std::vector<BusinessPort*>, msp::Problem> callers(msp::HeaderFields fields) const;
  [[nodiscard]] Result<BusinessPort*, msp::Problem> caller(msp::HeaderFields fields) const;

  // ---- endpoints
  void message(const CallPtr& call);
  void authenticate(const CallPtr& call);
  void message_status(const CallPtr& call);
  void pre_upload(const CallPtr& call);
  void upload(const CallPtr& call);
  void pre_download(const CallPtr& call);
  void download(const CallPtr& call);
  void decode_payload(const CallPtr& call);
  void encode_payload(const CallPtr& call);
  void construct_payload(const CallPtr& call);

  struct Delivery;
  using DeliveryPtr = std::shared_ptr<Delivery>;
  void deliver(const CallPtr& call, BusinessPort& business, msp::Outbound message);
  void upload_part(const DeliveryPtr& delivery, BusinessPort& business);
  void send(const DeliveryPtr& delivery, BusinessPort& business);

  const Clock& clock_;
  RandomSource& random_;
  Businesses& businesses_;
  Files& files_;
  Options options_;
  BusinessConfig nobody_;  ///< checked against where there is no such business, for the time that it takes
};

}  // namespace opaline::gateway
