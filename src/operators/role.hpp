#pragma once
// Who may do what. One table; everything that administers asks it.
#include <cstdint>
#include <optional>
#include <string_view>

namespace opaline::operators {

/// `officer` (legal requests) is reserved for the records room.
enum class Role : std::uint8_t { owner = 1, admin = 2, auditor = 3 };

enum class Permission : std::uint8_t {
  read_status,        ///< versions, counters, health
  read_operators,     ///< who may administer
  change_operators,   ///< create, give tokens, revoke
  read_audit,         ///< the trail and its verification
  operate,            ///< reload certificates, confirm the clock so that expiry goes on
  read_businesses,    ///< their profiles and settings without secrets
  change_businesses,  ///< create, change, give secrets and enrolments, remove
  run_gateway,        ///< all businesses' secrets: the hosted gateway's
  back_up,            ///< the directory and its keys: everything but messages
};

[[nodiscard]] bool may(Role role, Permission permission);

[[nodiscard]] std::string_view name(Role role);
/// nullopt for anything else, "officer" included.
[[nodiscard]] std::optional<Role> role_from(std::string_view name);

}  // namespace opaline::operators
