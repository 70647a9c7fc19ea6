#include "net/error.hpp"

namespace opaline::net {

std::string_view name(NetError error) {
  switch (error) {
    case NetError::url_invalid:
      return "url_invalid";
    case NetError::address_invalid:
      return "address_invalid";
    case NetError::address_in_use:
      return "address_in_use";
    case NetError::permission_denied:
      return "permission_denied";
    case NetError::plain_needs_loopback:
      return "plain_needs_loopback";
    case NetError::address_not_public:
      return "address_not_public";
    case NetError::name_not_found:
      return "name_not_found";
    case NetError::connect_failed:
      return "connect_failed";
    case NetError::timed_out:
      return "timed_out";
    case NetError::closed:
      return "closed";
    case NetError::tls_failed:
      return "tls_failed";
    case NetError::certificate_rejected:
      return "certificate_rejected";
    case NetError::certificate_unreadable:
      return "certificate_unreadable";
    case NetError::key_unreadable:
      return "key_unreadable";
    case NetError::key_mismatch:
      return "key_mismatch";
    case NetError::protocol_violation:
      return "protocol_violation";
    case NetError::too_large:
      return "too_large";
    case NetError::upgrade_refused:
      return "upgrade_refused";
    case NetError::resources_exhausted:
      return "resources_exhausted";
    case NetError::file_unwritable:
      return "file_unwritable";
    case NetError::canceled:
      return "canceled";
  }
  return "unknown";
}

}  // namespace opaline::net
