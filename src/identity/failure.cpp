#include "identity/failure.hpp"

namespace opaline::identity {

calls::Failure CallFailure::to_message() const {
  calls::Failure out;
  out.set_message(message);
  out.set_retry_after_seconds(static_cast<std::uint32_t>(retry_after.count()));
  out.set_tries_left(tries_left);
  return out;
}

}  // namespace opaline::identity
