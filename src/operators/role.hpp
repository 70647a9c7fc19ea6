#pragma once
// Who may do what. One table; everything that administers asks it.
#include <cstdint>
#include <optional>
#include <string_view>

namespace opaline::operators {

/// An officer handles legal requests and nothing else; nobody else does, not the owner either.
enum class Role : std::uint8_t { owner = 1, admin = 2, auditor = 3, officer = 4 };

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
  handle_cases,       ///< legal requests: open, read, approve, produce
  verify_ledger,      ///< whether recorded cases were changed; says nothing else about them
};

[[nodiscard]] bool may(Role role, Permission permission);

[[nodiscard]] std::string_view name(Role role);
/// nullopt for anything else.
[[nodiscard]] std::optional<Role> role_from(std::string_view name);

}  // namespace opaline::operators
