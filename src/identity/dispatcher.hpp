#pragma once
// Bytes in, bytes out: between the frames and HTTP bodies of docs/device-api.md and the service's methods.
#include "identity/service.hpp"

namespace opaline::identity {

/// The body of a REPLY: the method's message if OK, else a Failure.
struct CallReply {
  calls::CallStatus status = calls::CALL_STATUS_OK;
  Bytes body;
};

/// An answer to POST /v1/registration/<step>, /v1/link/<step> or /v1/recovery/<step>.
struct HttpAnswer {
  std::uint16_t http_status = 200;                   ///< by the table in docs/device-api.md, "Registration"
  calls::CallStatus status = calls::CALL_STATUS_OK;  ///< for the header Opaline-Status where it is not OK
  std::uint32_t retry_after_seconds = 0;             ///< for Retry-After; 0: none
  Bytes body;                                        ///< application/x-protobuf
};

/// Longest body of such a step, to be enforced by the HTTP server too (413).
inline constexpr std::size_t kMaxRegistrationBodyBytes = 128 * 1024;

/// Runs where the service runs. No input crashes it or changes anything it should not: what is malformed answers
/// BAD_REQUEST.
class CallDispatcher {
 public:
  explicit CallDispatcher(Service& service) : service_(service) {}
  [[nodiscard]] CallReply call(const Caller& caller, std::uint16_t method, ByteView body);
  /// `step` is what follows /v1/registration/; an unknown one answers 404, here and in `post`.
  [[nodiscard]] HttpAnswer registration(const SourceAddress& source, std::string_view step, ByteView body);
  /// By what follows /v1/: "registration/start", "link/turn", "recovery/open", ...
  [[nodiscard]] HttpAnswer post(const SourceAddress& source, std::string_view path, ByteView body);

 private:
  Service& service_;
};

}  // namespace opaline::identity
