#pragma once
// Every row that cases store: its fields, why, and for how long. docs/what-we-hold.md says the same; a test compares.
// All values but those of kBundles and kCollected are canonical JSON (records/canonical.hpp), sealed by
// store::SealedRows under clear keys.
#include <array>
#include <string_view>

#include "store/held_field.hpp"

namespace opaline::records {

namespace tables {

/// key: u32 year || u32 number
inline constexpr std::string_view kCases = "records_cases";
/// key: u32 year || u32 number || u32 event, from 1
inline constexpr std::string_view kEvents = "records_events";
/// key: SHA-256 of the public key
inline constexpr std::string_view kOfficers = "records_officers";
/// key: u32 year || u32 number || u32 production || u32 piece
inline constexpr std::string_view kBundles = "records_bundles";
/// key: u32 year || u32 number || u64 time (ms) || 8 random bytes; value: an entry as the lookup log has it
inline constexpr std::string_view kCollected = "records_collected";

}  // namespace tables

inline constexpr std::array<std::string_view, 5> kTables = {tables::kCases, tables::kEvents, tables::kOfficers,
                                                            tables::kBundles, tables::kCollected};

/// A field that is not here may not be stored.
inline constexpr auto kHeldFields = std::to_array<store::HeldField>({
    {tables::kCases, "facts",
     "what an authority asked for: authority, instrument, reference, jurisdiction, handles, range, dates", "for ever"},
    {tables::kCases, "state, revision, times", "where the case stands, and when what was sealed must be destroyed",
     "for ever"},
    {tables::kCases, "approvals", "who signed, when, over which numbers of entries", "for ever"},
    {tables::kCases, "productions", "how many entries were taken, and hashes of what was made of them", "for ever"},
    {tables::kEvents, "event", "what was done, by whom, when, with the facts and reasons as they then were",
     "for ever"},
    {tables::kEvents, "place in the ledger and 32 random bytes", "to show later that the event was not changed",
     "for ever"},
    {tables::kOfficers, "name, public key, time", "to check who approved, and to seal productions", "for ever"},
    {tables::kBundles, "sealed files",
     "what was taken out of the log, readable for the two officers who approved alone",
     "until 90 days after the case was closed; of a preservation that nothing opened, 90 days (180 if renewed) after "
     "it was made"},
    {tables::kCollected, "entry of the lookup log", "what a pen register of two officers collects of its targets",
     "until the day's production is sealed, shortly after the day is over"},
});

}  // namespace opaline::records
