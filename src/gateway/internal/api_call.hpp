#pragma once
// One request of an MSP, and the answers that there are.
#include "gateway/api.hpp"
#include "gateway/internal/transfers.hpp"
#include "msp/gzip.hpp"
#include "msp/jwt.hpp"

namespace opaline::gateway {

struct Api::Call {
  Call(net::HttpRequest received, net::HttpResponder to);
  ~Call() { wipe(request.body.data(), request.body.size()); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  net::HttpRequest request;
  net::HttpResponder responder;
  std::vector<msp::HeaderField> fields;  ///< of `request`
  std::vector<std::string_view> path;    ///< what follows the route's own segments; of `request`
  SecretBytes opened;                    ///< what was in a Content-Encoding

  /// The body without its Content-Encoding. malformed, oversized, unsupported.
  [[nodiscard]] Result<ByteView, msp::Problem> body();

  void answer(unsigned status, std::string_view content_type, ByteView bytes, std::shared_ptr<void> held = {});
  void answer(net::HttpHeaders headers, unsigned status, Bytes bytes, std::shared_ptr<void> held = {});
  void accept() { answer({}, 200, {}); }
  void json(std::string_view text) { answer(200, "application/json", as_view(text)); }
  void refuse(const msp::Problem& problem, seconds retry_after = seconds(0));
  void refuse(const Files::Failure& failure) { refuse(failure.problem, failure.retry_after); }
};

namespace internal {

/// What an outcome is to the MSP; nullopt: 200.
[[nodiscard]] std::optional<Files::Failure> refusal_of(Outcome outcome);
/// A header that is named as the cause.
[[nodiscard]] inline msp::Problem about(std::string_view header, unsigned status, msp::Error error,
                                        std::string_view message) {
  return {.status = status, .error = error, .pointer = {}, .header = header, .message = message};
}
[[nodiscard]] inline msp::Problem nobody() {
  return about("destination-id", 404, msp::Error::unknown,
               "there is nobody of this id, or without a device; send it as it came in source-id");
}

}  // namespace internal
}  // namespace opaline::gateway
