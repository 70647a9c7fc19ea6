// What lies on the server's disk: changed by somebody else it is refused, damaged it is no more than an error.
#include <rocksdb/env.h>

#include "fuzz/targets.hpp"
#include "operators/test_support/memory_rows.hpp"
#include "store/internal/database_mark.hpp"
#include "store/internal/key_file.hpp"
#include "store/internal/mailbox_rows.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::fuzz {
namespace {

namespace rows = opaline::store::internal;
using namespace opaline::store;

void envelope(ByteView edits) {
  SeededRandom random(3);
  const Day day{20'000};
  DayKey day_key;
  random.fill(day_key.fill());
  const rows::EnvelopeHeader header{.ordinal = 5, .end = 900, .run = random.bytes<rows::kRunBytes>(), .counter = 77};
  const auto at = rows::envelope_key(random.bytes<rows::kMailboxHashBytes>(), 9);
  const auto key = rows::row_seal_key(day_key, day, header.run);
  Append append{};
  append.id = random.id<EnvelopeId>();
  append.day = day;
  append.ciphertext = Bytes(40, std::byte{1});
  Bytes value;
  rows::seal_envelope(key, header, at, append, value);
  const Bytes changed = edited(value, edits);
  const auto read = rows::envelope_header(changed);
  if (read) {
    const auto its_key = rows::row_seal_key(day_key, day, read->run);
    const bool opened = rows::open_envelope(its_key, at, day, changed).has_value();
    // ordinal and end are not authenticated: they steer quotas only.
    Bytes same = value;
    rows::renumber_envelope(read->ordinal, read->end, same);
    OPALINE_ASSERT(opened == equal(same, changed));
  }
  if (edits.size() != value.size()) OPALINE_ASSERT(!rows::open_envelope(key, at, day, edits));
}

void key_file(ByteView edits) {
  SeededRandom random(4);
  const auto key = rows::wrap_key_of(Bytes(32, std::byte{8}));
  const Bytes file = rows::wrap(key, rows::kKeyKind, "day-1", Bytes(32, std::byte{9}), random);
  const Bytes changed = edited(file, edits);
  OPALINE_ASSERT(rows::unwrap(key, rows::kKeyKind, "day-1", changed).has_value() == equal(file, changed));
  OPALINE_ASSERT(rows::unwrap(key, rows::kKeyKind, "day-1", edits).has_value() == equal(file, edits));
}

void vault_state(ByteView payload) {
  const auto state = rows::decode_state(payload);
  if (!state) return;
  const Bytes again = rows::encode_state(*state);
  const auto second = rows::decode_state(again);
  OPALINE_ASSERT(second && second->destroyed == state->destroyed && second->named == state->named);
}

void head(ByteView value) {
  const auto through = rows::head_of(value);
  if (through) OPALINE_ASSERT(equal(rows::head_value(*through), value));
}

void mark(ByteView file) {
  static rocksdb::Env* env = rocksdb::NewMemEnv(rocksdb::Env::Default());
  OPALINE_ASSERT(rocksdb::WriteStringToFile(env, to_string(file), "/db/MARK").ok());
  const auto read = rows::read_mark(*env, "/db");
  if (read) {
    OPALINE_ASSERT(read->has_value());
    static_cast<void>(rows::check_files(*env, "/db", **read));
  } else {
    OPALINE_ASSERT(!read.error().empty() && read.error().size() < 4096);
  }
}

void sealed(ByteView edits) {
  SeededRandom random(5);
  opaline::operators::MemoryRows memory;
  SealedRows sealed_rows(memory, VaultKey{}, VaultKey{}, random);
  const auto key = clear(as_view("key"));
  auto batch = sealed_rows.batch();
  batch.put("table", key, as_view("value"));
  OPALINE_ASSERT(sealed_rows.write(std::move(batch)).has_value());
  Bytes& stored = memory.tables["table"].begin()->second;
  const Bytes right = stored;
  stored = edited(right, edits);
  const auto read = sealed_rows.get("table", key);
  OPALINE_ASSERT((read && *read) == equal(stored, right));
  stored = to_bytes(edits);
  OPALINE_ASSERT(sealed_rows.get("table", key).has_value() == equal(edits, right));
  OPALINE_ASSERT(sealed_rows.scan("table", {}, {}, 10).has_value() == equal(edits, right));
}

}  // namespace

void store(ByteView input) {
  const auto [what, rest] = choose(input, 6);
  switch (what) {
    case 0:
      return envelope(rest);
    case 1:
      return key_file(rest);
    case 2:
      return vault_state(rest);
    case 3:
      return head(rest);
    case 4:
      return mark(rest);
    default:
      return sealed(rest);
  }
}

}  // namespace opaline::fuzz
