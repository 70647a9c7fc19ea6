#pragma once
// The ways in which calls fail, in words for people.
#include "identity/failure.hpp"

namespace opaline::identity::internal {

[[nodiscard]] inline std::unexpected<CallFailure> failure(calls::CallStatus status, std::string message,
                                                          seconds retry_after = seconds(0),
                                                          std::uint32_t tries_left = 0) {
  return fail(CallFailure{
      .status = status, .message = std::move(message), .retry_after = retry_after, .tries_left = tries_left});
}
[[nodiscard]] inline auto bad_request(std::string message) {
  return failure(calls::CALL_STATUS_BAD_REQUEST, std::move(message));
}
[[nodiscard]] inline auto not_found(std::string message) {
  return failure(calls::CALL_STATUS_NOT_FOUND, std::move(message));
}
[[nodiscard]] inline auto quota(std::string message, seconds retry_after) {
  return failure(calls::CALL_STATUS_QUOTA, std::move(message), retry_after);
}
[[nodiscard]] inline auto expired() {
  return failure(calls::CALL_STATUS_EXPIRED, "This registration is not known any more. Start again.");
}
/// The same for one that never was, is over, or is somebody else's.
[[nodiscard]] inline auto no_exchange() {
  return not_found("There is no such exchange, or it is over. Start again.");
}
inline constexpr const char* kNoHandle =
    "This is neither a phone number with its country code (+49...) nor an e-mail address that this service takes.";

}  // namespace opaline::identity::internal
