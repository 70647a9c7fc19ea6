#pragma once
// What is handed out: three files and a manifest that says what they are, who approved it and that the service made
// it (docs/records.md, "A production").
#include <functional>

#include "identity/ports.hpp"
#include "ledger/ledger.hpp"
#include "records/case.hpp"
#include "records/sealed_bundle.hpp"

namespace opaline::records {

inline constexpr std::string_view kCsvName = "lookups.csv";
inline constexpr std::string_view kJsonName = "lookups.json";
inline constexpr std::string_view kStatementName = "statement.html";
inline constexpr std::string_view kManifestName = "manifest.json";
inline constexpr std::string_view kProductionLabel = "opaline production v1";
/// More than this is not put into one production: it is rendered in memory.
inline constexpr std::size_t kMaxRows = 100'000;

/// One entry of the log, under the handle that it was found by. One between two of the handles is there twice.
struct Row {
  std::string target;
  Direction direction{};
  identity::LookupLogEntry entry;
};
/// What was searched, but could not be read.
struct Gaps {
  std::uint64_t damaged = 0;  ///< entries: damaged, or (of a pen register) more than one production holds
  std::vector<std::chrono::sys_days> unreadable_days;  ///< sorted
  friend bool operator==(const Gaps&, const Gaps&) = default;
};
/// How many rows there are of each of `handles`.
[[nodiscard]] Counts count(const std::vector<std::string>& handles, const std::vector<Row>& rows);

/// Who approved, as it stands in a manifest.
struct Approval {
  std::string officer;
  Time at;
  crypto::HybridPublicKey key;
  crypto::HybridSignature signature;
  Counts counts;
  friend bool operator==(const Approval&, const Approval&) = default;
};

struct ProductionInput {
  std::string service_name;
  std::string service;  ///< fingerprint of the ledger's key
  std::chrono::days retention{};
  CaseId id;
  std::uint32_t revision = 0;
  Facts facts;
  Counts counts;  ///< as approved
  std::vector<Approval> approvals;
  std::uint32_t number = 1;  ///< of this production in its case
  Time from, to;             ///< what it covers: the facts' range, or one day of a pen register
  Time made;                 ///< whole seconds
  std::vector<Row> rows;
  Gaps gaps;
};

/// RFC 4180, UTF-8, CRLF, a header line. A cell that begins with = + - @ tab or CR has an apostrophe before it, so that
/// no spreadsheet takes it for a formula: lookups.json has it as it is.
[[nodiscard]] SecretBytes csv_of(const std::vector<Row>& rows);
/// The canonical form of {"case", "format", "lookups", "number"}.
[[nodiscard]] SecretBytes json_of(const CaseId& id, std::uint32_t number, const std::vector<Row>& rows);
/// nullopt: not what json_of gives for this production.
[[nodiscard]] std::optional<std::vector<Row>> rows_from(const CaseId& id, std::uint32_t number, ByteView json);
/// statement.html: for readers without technical knowledge, printable, without scripts or anything from outside.
[[nodiscard]] SecretBytes statement_of(const ProductionInput& input);

/// The signed part of the manifest, over the files.
[[nodiscard]] boost::json::object core_of(const ProductionInput& input, const std::vector<File>& files);

struct Production {
  std::vector<File> files;  ///< the manifest, still without the ledger's part, is the last
  ByteArray<32> core_sha256{};
};
/// All of it, signed by the service.
[[nodiscard]] Production render(const ProductionInput& input, const ledger::Ledger& service);

/// An event with what shows that it is in the ledger.
struct ProvenEvent {
  std::string text;
  ledger::Salt salt{};
  std::uint64_t index = 0;
  Time time;
  std::uint8_t kind = 0;
  ledger::Proof proof;
};
struct LedgerPart {
  std::vector<ProvenEvent> events;
  ledger::SignedHead head;
};
[[nodiscard]] boost::json::object to_json(const LedgerPart& part);
[[nodiscard]] std::optional<LedgerPart> ledger_part_from(const boost::json::object& object);

/// On the officer's machine: the files of an opened bundle with the ledger's part in their manifest. nullopt: these are
/// no production's files.
[[nodiscard]] std::optional<std::vector<File>> complete(std::vector<File> files, const LedgerPart& part);

}  // namespace opaline::records
