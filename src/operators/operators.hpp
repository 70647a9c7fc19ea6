#pragma once
// Who may administer this service: operators, their tokens, and what they did.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/secret.hpp"
#include "operators/audit.hpp"
#include "operators/role.hpp"

namespace opaline::operators {

inline constexpr std::string_view kOperatorsTable = "operators";
inline constexpr std::string_view kTokensTable = "operator_tokens";
inline constexpr std::size_t kMaxNameBytes = 32;
inline constexpr std::chrono::days kMaxTokenLifetime{366};
inline constexpr std::size_t kMaxOperators = 1000;
inline constexpr std::size_t kMaxTokensPerOperator = 16;

/// 32 random bytes; written "opaline_op_" and base64url. Shown once; the store has its SHA-256 alone.
using TokenSecret = Secret<struct OperatorTokenTag, 32>;
inline constexpr std::string_view kTokenPrefix = "opaline_op_";

/// Who acts: an operator with a valid token, or whoever the kernel vouches for on the admin socket.
struct Principal {
  std::string name;
  Role role = Role::auditor;
  friend bool operator==(const Principal&, const Principal&) = default;
};
/// The owner that root and the service's own user are on the admin socket: "local:<uid>".
[[nodiscard]] Principal local_owner(std::uint32_t uid);

struct Operator {
  std::string name;
  Role role{};
  Time created;
  bool revoked = false;
  Time revoked_at;                 ///< where revoked
  std::uint32_t valid_tokens = 0;  ///< neither expired nor revoked
  friend bool operator==(const Operator&, const Operator&) = default;
};

struct IssuedToken {
  TokenSecret secret;
  Time expires;
  /// What the operator keeps. Every call makes a copy that is not wiped: for the one answer that shows it.
  [[nodiscard]] std::string reveal_text() const;
};

/// One thread. Everything must outlive it.
class Operators {
 public:
  Operators(store::SealedRows& rows, const Clock& clock, RandomSource& random)
      : rows_(rows), clock_(clock), random_(random), audit_(rows) {}

  /// 1 to kMaxNameBytes of a-z, 0-9, '.', '-', '_', beginning with a letter. Names are never used twice.
  [[nodiscard]] static bool valid_name(std::string_view name);

  /// Makes an operator with one token. `lifetime` is 1 second to kMaxTokenLifetime.
  /// Errors: forbidden, invalid, exists, too_many, unavailable.
  [[nodiscard]] Result<IssuedToken, Error> create(const Principal& actor, const std::string& name, Role role,
                                                  seconds lifetime);
  /// One more token. Errors: forbidden, invalid (the lifetime), too_many, not_found, revoked, unavailable.
  [[nodiscard]] Result<IssuedToken, Error> issue_token(const Principal& actor, const std::string& name,
                                                       seconds lifetime);
  /// The operator, and all its tokens are deleted, for good; from the next request on. Errors: forbidden, not_found,
  /// revoked, unavailable.
  [[nodiscard]] Result<void, Error> revoke(const Principal& actor, const std::string& name);
  [[nodiscard]] Result<std::vector<Operator>, Error> list(const Principal& actor);

  /// nullopt: there is no such operator, or it was revoked.
  [[nodiscard]] Result<std::optional<Role>, Error> role_of(const std::string& name);

  /// Who presents this token text; nullopt for one that is malformed, unknown, expired or of a revoked operator.
  /// `unavailable`: the store could not be read, so nothing is known.
  [[nodiscard]] Result<std::optional<Principal>, Error> authenticate(std::string_view token_text);

  /// Asks the table and records a refusal. Errors: forbidden.
  [[nodiscard]] Result<void, Error> require(const Principal& actor, Permission permission, Action action,
                                            const std::string& object);
  /// For what other rooms do in an operator's name.
  [[nodiscard]] Result<void, Error> record(const Principal& actor, Action action, const std::string& object,
                                           Outcome outcome);
  [[nodiscard]] AuditTrail& audit() { return audit_; }

 private:
  struct Row;
  struct TokenRow;
  [[nodiscard]] Result<std::vector<Row>, Error> all();
  [[nodiscard]] Result<std::optional<Row>, Error> find(const std::string& name);
  using TokenVisitor = std::function<void(const Bytes& key, const TokenRow& token)>;
  [[nodiscard]] Result<void, Error> each_token(const TokenVisitor& visit);
  [[nodiscard]] Result<IssuedToken, Error> add_token(const Principal& actor, Action action, const std::string& name,
                                                     seconds lifetime, store::SealedRows::Batch changes);

  store::SealedRows& rows_;
  const Clock& clock_;
  RandomSource& random_;
  AuditTrail audit_;
};

}  // namespace opaline::operators
