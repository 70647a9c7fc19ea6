#pragma once
// The errors of this room. Each is one on which a caller acts, or speaks, differently.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace opaline::client {

enum class ClientError : std::uint8_t {
  not_registered,    ///< there is no account in this home: `opaline register`
  registered,        ///< there is one already
  locked,            ///< another process uses this home
  permissions,       ///< the home or its key file is open to other users
  wrong_passphrase,  ///< the passphrase or key file does not open this home
  passphrase_needed,
  store_full,
  store_failed,
  store_damaged,   ///< the database is not ours, or was changed by somebody else
  store_newer,     ///< written by a newer version of this program
  server_unknown,  ///< no server was named, and none is in the home
  connect_failed,  ///< the server is not reached
  certificate_rejected,
  refused,     ///< the service said no: see Failure
  wrong_code,  ///< not the code that was sent; `tries_left`
  wrong_pin,   ///< not the PIN of the account that has the handle (or none was given)
  expired,     ///< the registration took too long, or had too many wrong tries: start again
  quota,       ///< too much was asked for; `retry_after_seconds`
  no_such_handle,
  bad_text,
  to_self,
  outbox_full,
  unknown_peer,
  identity_changed,  ///< the handle belongs to another account than before: the person has to agree
  no_alarm,
  timed_out,
  protocol,  ///< the server's answer makes no sense
  bad_attachment,
  blocked,         ///< the person has blocked the recipient
  not_primary,     ///< for the primary device alone
  list_busy,       ///< a change of the device list is under way
  list_full,       ///< no further device
  unknown_device,  ///< no such device on the account's list
  this_device,     ///< a device does not remove itself
  bad_device,      ///< a device list that is not what it has to be
  removed,         ///< this device is not on the account's list any more
  link_failed,     ///< the exchange of a linking broke off, or was tampered with: start again
  bad_recovery_file,
  file_gone,     ///< an attachment is no longer at the service
  file_damaged,  ///< what the service has is not what the sender described
  no_such_business,
  no_gateway,      ///< this business has not set up its gateway yet
  keys_elsewhere,  ///< another device of the person has the keys for this business: it tells them when it is connected
};

/// What went wrong, for programs (`error`) and for people (`message`: a sentence that says what to do).
struct Failure {
  ClientError error{};
  std::string message;
  std::uint32_t retry_after_seconds = 0;
  std::uint32_t tries_left = 0;
  int call_status = 0;  ///< the service's CallStatus, where it said no
};

/// A stable name: the enumerator's.
[[nodiscard]] const char* name(ClientError error);
/// nullopt: there is none of this name.
[[nodiscard]] std::optional<ClientError> error_by_name(std::string_view name);

}  // namespace opaline::client
