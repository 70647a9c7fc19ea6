#pragma once
// What an officer's program does with the service's answers (docs/records.md, "The API"): it signs nothing that it did
// not compute itself from what it shows.
#include "records/officer_key.hpp"
#include "records/production.hpp"

namespace opaline::records {

/// The body of POST key. `service` is the fingerprint of the ledger's key, as the officer has compared it.
[[nodiscard]] std::string registration_body(std::string_view service, std::string_view officer, const OfficerKey& key,
                                            RandomSource& random);

/// GET cases/<id>/preview, read and checked: the digest is over these facts.
struct Seen {
  ApprovalSubject subject;
  Facts facts;
};
/// The sentence says what does not fit. `service` as above.
[[nodiscard]] Result<Seen, std::string> preview_from(std::string_view body, const CaseId& id, std::string_view service);
/// The body of POST cases/<id>/approve.
[[nodiscard]] std::string approval_body(const ApprovalSubject& subject, const OfficerKey& key, RandomSource& random);

/// GET cases/<id>/productions/<n>.
struct Offered {
  std::uint32_t pieces = 0;
  ByteArray<32> bundle_sha256{};
  LedgerPart ledger;
};
[[nodiscard]] std::optional<Offered> offered_from(std::string_view body);
/// The production's files, to be written to a folder (verify.hpp, write_folder). The sentence says what does not fit.
[[nodiscard]] Result<std::vector<File>, std::string> open_production(const std::vector<Bytes>& pieces,
                                                                     const Offered& offered, const OfficerKey& key);

}  // namespace opaline::records
