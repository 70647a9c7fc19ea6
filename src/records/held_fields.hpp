#pragma once
// What the lookup log keeps; store/held_field.hpp.
#include <array>

#include "store/held_field.hpp"

namespace opaline::records {

/// In the order of internal/lookup_rows.hpp. A field that is not here may not be stored.
inline constexpr auto kHeldLookupFields = std::to_array<store::HeldField>({
    {"lookups", "each of the two handles (as a hash under a key of the day)",
     "to find the entry by who asked and by who was asked for", "as long as the entry"},
    {"lookups", "time", "one of the five fields", "`lookups.log_days`: 30 days at most, 0 keeps nothing"},
    {"lookups", "source handle: the account's oldest", "one of the five fields", "the same"},
    {"lookups", "source IP address", "one of the five fields", "the same"},
    {"lookups", "looked-up handle", "one of the five fields", "the same"},
    {"lookups", "number of devices that take messages", "one of the five fields; 0 for a handle that is not here",
     "the same"},
    {"lookups", "place in the day's order", "entries are given out in the order in which they came", "the same"},
    {"lookup_days", "day; how many entries it has, their size, the time of the first", "the figures for the operator",
     "as long as the day's entries"},
});

}  // namespace opaline::records
