#pragma once
// The audit trail: what operators did, in rows that are only ever appended, each carrying the hash of the one before.
// Changing, inserting or removing a row, or cutting off the end, breaks the chain; rewriting all of it is found by
// whoever noted a head (sequence and hash) earlier. Layout: docs/operations.md, "Audit trail".
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"
#include "operators/error.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::operators {

inline constexpr std::string_view kAuditTable = "operator_audit";
inline constexpr std::size_t kMaxAuditTextBytes = 256;
inline constexpr std::size_t kMaxAuditPage = 1000;

using AuditHash = ByteId<struct AuditHashTag, 32>;

/// The numbers are stored: never reuse one.
enum class Action : std::uint16_t {
  operator_create = 1,
  operator_revoke = 2,
  token_issue = 3,
  backup = 4,
  restore = 5,
  reload = 6,
  expiry_confirm = 7,
  audit_read = 8,
  operator_list = 9,
  status_read = 10,
  business_create = 11,
  business_update = 12,
  business_rotate_secret = 13,
  business_enrol = 14,
  business_remove = 15,
  business_read = 16,
  gateway_read = 17,
  officer_key = 18,
  case_open = 19,
  case_read = 20,
  case_approve = 21,
  case_narrow = 22,
  case_refuse = 23,
  case_answer = 24,
  case_notify = 25,
  case_close = 26,
  case_renew = 27,
  case_produce = 28,
  ledger_verify = 29,
  case_end = 30,
};
[[nodiscard]] std::string_view name(Action action);

enum class Outcome : std::uint8_t { done = 1, denied = 2, failed = 3 };
[[nodiscard]] std::string_view name(Outcome outcome);

struct AuditEntry {
  std::uint64_t sequence = 0;  ///< from 1, without gaps
  Time time;
  std::string actor;  ///< an operator's name, or "local:<uid>" for the admin socket
  Action action{};
  std::string object;  ///< what it was done to; may be empty
  Outcome outcome{};
  friend bool operator==(const AuditEntry&, const AuditEntry&) = default;
};

struct AuditHead {
  std::uint64_t sequence = 0;  ///< 0: nothing was ever recorded
  AuditHash hash;              ///< of the last entry; zero at 0
  friend bool operator==(const AuditHead&, const AuditHead&) = default;
};

struct AuditCheck {
  bool intact = false;
  AuditHead head;               ///< as far as the chain holds
  std::uint64_t broken_at = 0;  ///< the first sequence that does not fit; 0 if intact
  bool known_head_seen = true;  ///< false: a head that was noted earlier is not in this chain
};

/// One thread. The store must outlive it. Rows are sealed: without the vault nobody reads who did what, and with it
/// the chain still shows what was changed.
class AuditTrail {
 public:
  explicit AuditTrail(store::SealedRows& rows) : rows_(rows) {}

  struct Record {
    std::string actor;
    Action action{};
    std::string object;
    Outcome outcome = Outcome::done;
  };
  /// Appends the entry and makes `changes` in one atomic, synced write: no change without its entry. `unavailable`:
  /// neither was made, or the store broke and a restart shows which.
  [[nodiscard]] Result<void, Error> append(Time now, Record record, store::SealedRows::Batch changes);
  [[nodiscard]] Result<void, Error> append(Time now, Record record) {
    return append(now, std::move(record), rows_.batch());
  }

  /// Entries after `after`, oldest first, at most `limit` (at most kMaxAuditPage).
  [[nodiscard]] Result<std::vector<AuditEntry>, Error> read(std::uint64_t after, std::size_t limit);
  [[nodiscard]] Result<AuditHead, Error> head();
  /// Walks the whole chain; an entry that cannot be read counts as broken. `known`: a head that somebody noted earlier.
  [[nodiscard]] AuditCheck verify(const std::optional<AuditHead>& known = std::nullopt);

 private:
  store::SealedRows& rows_;
  std::optional<AuditHead> head_;  // nullopt: read it again
};

}  // namespace opaline::operators
