#pragma once
// What a legal request says (docs/records.md): facts that never change, in revisions that only ever ask for less; and
// what two officers sign before anything is taken from the log.
#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "crypto/sign.hpp"
#include "records/error.hpp"

namespace opaline::records {

inline constexpr std::size_t kMaxHandles = 100;
inline constexpr std::size_t kMaxLineBytes = 200;    ///< authority, reference
inline constexpr std::size_t kMaxWordsBytes = 4000;  ///< reasons and answers
inline constexpr std::chrono::days kMaxCollection{60};

/// The numbers are not stored; the names are.
enum class Instrument : std::uint8_t { subpoena, court_order, warrant, pen_register, preservation, emergency };
[[nodiscard]] std::string_view name(Instrument instrument);
[[nodiscard]] std::optional<Instrument> instrument_from(std::string_view name);
/// Whether two officers' approval hands entries out: not for a preservation, and later for a pen register.
[[nodiscard]] bool produces(Instrument instrument);

/// "2026-0001": the year it was opened in, and its number in that year.
struct CaseId {
  std::uint32_t year = 0;
  std::uint32_t number = 0;
  friend auto operator<=>(const CaseId&, const CaseId&) = default;
};
[[nodiscard]] std::string to_text(const CaseId& id);
[[nodiscard]] std::optional<CaseId> case_id_from(std::string_view text);

struct Facts {
  std::string authority;  ///< who asks: one line, 1 to kMaxLineBytes
  Instrument instrument{};
  std::string reference;             ///< theirs: one line, 1 to kMaxLineBytes
  std::string jurisdiction;          ///< ISO 3166: "DE", "US-CA"
  std::vector<std::string> handles;  ///< normalised, sorted, each once; 1 to kMaxHandles
  Time from, to;                     ///< from <= time < to, whole seconds
  std::chrono::sys_days served, due;
  std::optional<CaseId> opens;  ///< a preservation that this request opens
  friend bool operator==(const Facts&, const Facts&) = default;
};

/// Normalises the handles and checks everything; the sentence says what is wrong. `now`: what lies in the future can
/// only be collected by a pen register, and a pen register collects nothing that lies before.
[[nodiscard]] Result<Facts, std::string> checked(Facts facts, Time now);
/// A revision may only ask for less: some of the handles, and a range inside the one before.
[[nodiscard]] bool narrows(const Facts& before, const Facts& after);

[[nodiscard]] boost::json::object to_json(const Facts& facts);
/// As an officer writes them and as to_json gives them: all fields, no other. Not yet checked(). The sentence says
/// which field is wrong.
[[nodiscard]] Result<Facts, std::string> facts_from(const boost::json::object& object);
/// One line of UTF-8 without control characters, 1 to kMaxLineBytes.
[[nodiscard]] bool is_line(std::string_view text);
/// The same with line feeds and kMaxWordsBytes.
[[nodiscard]] bool is_words(std::string_view text);

/// SHA-256 of the canonical form of {"case", "facts", "revision"}.
using FactsDigest = ByteId<struct FactsDigestTag, 32>;
[[nodiscard]] FactsDigest digest(const CaseId& id, std::uint32_t revision, const Facts& facts);

enum class Direction : std::uint8_t { by, of };  ///< lookups that a handle made, or that were made of it
[[nodiscard]] std::string_view name(Direction direction);

/// How many entries of one handle the log holds.
struct Count {
  std::string handle;
  std::uint64_t by = 0, of = 0;
  friend bool operator==(const Count&, const Count&) = default;
};
using Counts = std::vector<Count>;
[[nodiscard]] std::uint64_t total(const Counts& counts);
[[nodiscard]] boost::json::array to_json(const Counts& counts);
[[nodiscard]] std::optional<Counts> counts_from(const boost::json::array& array);

/// What an officer signs, under the label "opaline case approval v1": the canonical form of {"case", "counts",
/// "facts_sha256", "format": "opaline approval 1", "revision", "service"}. `service` is the fingerprint of the ledger's
/// key, so that no approval is good elsewhere.
struct ApprovalSubject {
  std::string service;
  CaseId id;
  std::uint32_t revision = 0;
  FactsDigest facts;
  Counts counts;
};
inline constexpr std::string_view kApprovalLabel = "opaline case approval v1";
[[nodiscard]] std::string signed_text(const ApprovalSubject& subject);

}  // namespace opaline::records
