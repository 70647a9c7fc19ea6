#include "operators/role.hpp"

#include "operators/error.hpp"

namespace opaline::operators {

bool may(Role role, Permission permission) {
  switch (permission) {
    case Permission::read_status:
      return true;
    case Permission::read_operators:
    case Permission::read_businesses:
      return role != Role::officer;
    case Permission::handle_cases:
      return role == Role::officer;
    case Permission::verify_ledger:
      return role != Role::admin;
    case Permission::read_audit:
      return role == Role::owner || role == Role::auditor;
    case Permission::operate:
    case Permission::change_businesses:
      return role == Role::owner || role == Role::admin;
    case Permission::change_operators:
    case Permission::back_up:
    case Permission::run_gateway:
      return role == Role::owner;
  }
  return false;
}

std::string_view name(Role role) {
  switch (role) {
    case Role::owner:
      return "owner";
    case Role::admin:
      return "admin";
    case Role::auditor:
      return "auditor";
    case Role::officer:
      return "officer";
  }
  return "unknown";
}

std::optional<Role> role_from(std::string_view text) {
  for (const Role role : {Role::owner, Role::admin, Role::auditor, Role::officer}) {
    if (text == name(role)) return role;
  }
  return std::nullopt;
}

std::string_view name(Error error) {
  switch (error) {
    case Error::forbidden:
      return "forbidden";
    case Error::invalid:
      return "invalid";
    case Error::exists:
      return "exists";
    case Error::not_found:
      return "not_found";
    case Error::revoked:
      return "revoked";
    case Error::too_many:
      return "too_many";
    case Error::unavailable:
      return "unavailable";
  }
  return "unknown";
}

}  // namespace opaline::operators
