#include "gateway/outcome.hpp"

namespace opaline::gateway {

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::pending:
      return "pending";
    case Outcome::accepted:
      return "accepted";
    case Outcome::unknown:
      return "unknown";
    case Outcome::closed:
      return "closed";
    case Outcome::expired:
      return "expired";
    case Outcome::delivered:
      return "delivered";
    case Outcome::read:
      return "read";
  }
  return "";
}

std::string_view name(Refusal refusal) {
  switch (refusal) {
    case Refusal::bad_request:
      return "bad_request";
    case Refusal::not_found:
      return "not_found";
    case Refusal::gone:
      return "gone";
    case Refusal::too_large:
      return "too_large";
    case Refusal::expired:
      return "expired";
    case Refusal::unwritable:
      return "unwritable";
  }
  return "";
}

}  // namespace opaline::gateway
