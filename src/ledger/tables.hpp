#pragma once
// Every row that the ledger stores: its fields, why, and for how long. docs/what-we-hold.md says the same; a test
// compares. All values are sealed by store::SealedRows under clear keys.
#include <array>
#include <string_view>

#include "store/held_field.hpp"

namespace opaline::ledger {

namespace tables {

/// key: u64 index
inline constexpr std::string_view kLeaves = "ledger_leaves";
/// key: u8 level || u64 index
inline constexpr std::string_view kNodes = "ledger_nodes";
/// key: u64 size; of size 0: the size of the newest
inline constexpr std::string_view kHeads = "ledger_heads";

}  // namespace tables

inline constexpr std::array<std::string_view, 3> kTables = {tables::kLeaves, tables::kNodes, tables::kHeads};

/// In the order of the codecs. A field that is not here may not be stored.
inline constexpr auto kHeldFields = std::to_array<store::HeldField>({
    {tables::kLeaves, "time", "when the event was recorded", "for ever"},
    {tables::kLeaves, "kind", "what sort of event it was", "for ever"},
    {tables::kLeaves, "commitment", "a hash of 32 random bytes and the event: shows later that it was not changed",
     "for ever"},
    {tables::kNodes, "hash", "the tree over the leaves, so that proofs cost little", "for ever"},
    {tables::kHeads, "size", "how many events the head covers", "for ever"},
    {tables::kHeads, "root", "the head's hash", "for ever"},
    {tables::kHeads, "time", "when the head was signed", "for ever"},
    {tables::kHeads, "signature", "shows whose head it is", "for ever"},
});

}  // namespace opaline::ledger
