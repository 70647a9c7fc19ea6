#include "client/error.hpp"

namespace opaline::client {

const char* name(ClientError error) {
  switch (error) {
    case ClientError::not_registered:
      return "not_registered";
    case ClientError::registered:
      return "registered";
    case ClientError::locked:
      return "locked";
    case ClientError::permissions:
      return "permissions";
    case ClientError::wrong_passphrase:
      return "wrong_passphrase";
    case ClientError::passphrase_needed:
      return "passphrase_needed";
    case ClientError::store_full:
      return "store_full";
    case ClientError::store_failed:
      return "store_failed";
    case ClientError::store_damaged:
      return "store_damaged";
    case ClientError::store_newer:
      return "store_newer";
    case ClientError::server_unknown:
      return "server_unknown";
    case ClientError::connect_failed:
      return "connect_failed";
    case ClientError::certificate_rejected:
      return "certificate_rejected";
    case ClientError::refused:
      return "refused";
    case ClientError::wrong_code:
      return "wrong_code";
    case ClientError::wrong_pin:
      return "wrong_pin";
    case ClientError::expired:
      return "expired";
    case ClientError::quota:
      return "quota";
    case ClientError::no_such_handle:
      return "no_such_handle";
    case ClientError::bad_text:
      return "bad_text";
    case ClientError::to_self:
      return "to_self";
    case ClientError::outbox_full:
      return "outbox_full";
    case ClientError::unknown_peer:
      return "unknown_peer";
    case ClientError::identity_changed:
      return "identity_changed";
    case ClientError::no_alarm:
      return "no_alarm";
    case ClientError::timed_out:
      return "timed_out";
    case ClientError::protocol:
      return "protocol";
    case ClientError::bad_attachment:
      return "bad_attachment";
    case ClientError::blocked:
      return "blocked";
    case ClientError::not_primary:
      return "not_primary";
    case ClientError::list_busy:
      return "list_busy";
    case ClientError::list_full:
      return "list_full";
    case ClientError::unknown_device:
      return "unknown_device";
    case ClientError::this_device:
      return "this_device";
    case ClientError::bad_device:
      return "bad_device";
    case ClientError::removed:
      return "removed";
    case ClientError::link_failed:
      return "link_failed";
    case ClientError::bad_recovery_file:
      return "bad_recovery_file";
    case ClientError::file_gone:
      return "file_gone";
    case ClientError::file_damaged:
      return "file_damaged";
    case ClientError::no_such_business:
      return "no_such_business";
    case ClientError::no_gateway:
      return "no_gateway";
    case ClientError::keys_elsewhere:
      return "keys_elsewhere";
  }
  return "unknown";
}

std::optional<ClientError> error_by_name(std::string_view wanted) {
  for (auto error = ClientError::not_registered; error <= ClientError::keys_elsewhere;
       error = ClientError(static_cast<int>(error) + 1))
    if (name(error) == wanted) return error;
  return std::nullopt;
}

}  // namespace opaline::client
