#pragma once
// Texts to a person: `POST /v1/message` of the gateway that serves the carrier's business (docs/business-api.md).
#include <functional>
#include <string>

#include "msp/jwt.hpp"
#include "msp/uuid.hpp"
#include "net/http_client.hpp"

namespace opaline::sms {

/// What the gateway said.
enum class Told : std::uint8_t {
  taken,  ///< with the person's devices, or on the gateway's disk
  gone,   ///< the person has closed the conversation, or is not there: never
  later,  ///< anything else: to be tried again, by the same id
};

/// Port of the bridge; a test has its own.
class ToPerson {
 public:
  virtual ~ToPerson() = default;
  using Done = std::move_only_function<void(Told)>;
  /// `person`: an opaque id; `text` is not empty. Calls back once, in a later round. The same id again: nothing is sent
  /// twice.
  virtual void send(const msp::Uuid& id, std::string_view person, ByteView text, Done done) = 0;
};

struct GatewaySettings {
  std::string url;  ///< https://HOST[:PORT][/PATH], before /v1
  msp::Uuid business;
  std::string msp_id;
  std::string msp_secret;  ///< base64, as the operator got it
};

/// Loop thread only.
class GatewayApi final : public ToPerson {
 public:
  /// `tls` and `clock` outlive this, as the loop. The error is a sentence about a setting.
  [[nodiscard]] static Result<std::unique_ptr<GatewayApi>, std::string> create(net::EventLoop& loop, const Clock& clock,
                                                                               const GatewaySettings& settings,
                                                                               const net::TlsClientContext& tls);
  void send(const msp::Uuid& id, std::string_view person, ByteView text, Done done) override;

 private:
  GatewayApi(net::EventLoop& loop, const Clock& clock, GatewaySettings settings, net::Url url, msp::TokenKey key,
             const net::TlsClientContext& tls);
  const Clock& clock_;
  const GatewaySettings settings_;
  const msp::TokenKey key_;
  std::string target_;
  net::HttpClient client_;
};

}  // namespace opaline::sms
