// What lies on the disk of the lookup log: only what was sealed opens, and only an entry is one.
#include "records/internal/lookup_rows.hpp"

#include "base/random.hpp"
#include "fuzz/targets.hpp"

namespace opaline::fuzz {
namespace {

namespace rows = opaline::records::internal;

void entry(ByteView input) {
  const auto decoded = rows::decode_entry(input);
  if (decoded) OPALINE_ASSERT(equal(rows::encode(*decoded), input));
}

void row(ByteView edits) {
  SeededRandom random(3);
  store::DayKey key;
  random.fill(key.fill());
  const rows::DayKeys keys(Day(20'000), key);
  const Bytes at = keys.row_key(rows::Side::source, "ada@example.org", 5);
  const Bytes value = keys.seal(at, {.time = from_unix_millis(7),
                                     .source_handle = "ada@example.org",
                                     .source = {},
                                     .looked_up_handle = "+4915112345678",
                                     .capable_devices = 2});
  const Bytes changed = edited(value, edits);
  OPALINE_ASSERT(keys.open(at, changed).has_value() == equal(value, changed));
  OPALINE_ASSERT(keys.open(edited(at, edits), value).has_value() == equal(at, edited(at, edits)));
  OPALINE_ASSERT(!keys.open(at, edits) || equal(value, edits));
  const Bytes counts = keys.seal(rows::DayCounts{.next = 3, .entries = 2, .bytes = 100, .first = from_unix_millis(1)});
  OPALINE_ASSERT(keys.open_counts(edited(counts, edits)).has_value() == equal(counts, edited(counts, edits)));
  OPALINE_ASSERT(!keys.open_counts(edits) || equal(counts, edits));
  const Bytes place = keys.seal_place(9);
  OPALINE_ASSERT(keys.open_place(edited(place, edits)).has_value() == equal(place, edited(place, edits)));
  OPALINE_ASSERT(!keys.open_place(edits) || equal(place, edits));
}

}  // namespace

void lookups(ByteView input) {
  const auto [what, rest] = choose(input, 2);
  if (what == 0) {
    entry(rest);
  } else {
    row(rest);
  }
}

}  // namespace opaline::fuzz
