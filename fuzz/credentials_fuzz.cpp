// What the directory hands out: what parses is canonical and keeps the rules; what was changed is never believed.
#include "fuzz/targets.hpp"
#include "session/testing.hpp"

namespace opaline::fuzz {
namespace {

using session::testing::kStart;

struct World {
  session::testing::TestDevice alice{1};
  session::PrekeySet set = *credentials::parse_prekey_set(alice.signed_set);
  Bytes bundle = credentials::encode_bundle({.signed_set = alice.signed_set, .one_time = alice.one_time[0]});
};
World& world() {
  static World the_world;
  return the_world;
}

void list(ByteView bytes) {
  const auto read = credentials::load_device_list(bytes);
  if (!read) return;
  OPALINE_ASSERT(equal(read->bytes(), bytes) && credentials::keeps_rules(read->list()));
  const Bytes body = credentials::encode_device_list_body(read->list());
  OPALINE_ASSERT(body.size() < bytes.size() && equal(body, bytes.first(body.size())));
  for (const auto& device : read->list().devices) OPALINE_ASSERT(read->find(device.number) != nullptr);
  static_cast<void>(credentials::compare_lists(world().alice.list, *read));
}

void prekeys(ByteView bytes) {
  const auto set = credentials::parse_prekey_set(bytes);
  if (!set) return;
  const Bytes body = credentials::encode_prekey_set_body(*set);
  OPALINE_ASSERT(body.size() < bytes.size() && equal(body, bytes.first(body.size())));
}

void bundle(ByteView bytes) {
  const auto read = credentials::parse_bundle(bytes);
  if (read) OPALINE_ASSERT(equal(credentials::encode_bundle(*read), bytes));
}

void changed_list(ByteView edits) {
  const Bytes& right = world().alice.list.bytes();
  const Bytes changed = edited(right, edits);
  OPALINE_ASSERT(credentials::verify_device_list(changed).has_value() == equal(right, changed));
}
void changed_set(ByteView edits) {
  World& w = world();
  const Bytes changed = edited(w.alice.signed_set, edits);
  const bool signed_by = credentials::prekey_set_signed_by(w.alice.identity.public_keys().signing, changed);
  OPALINE_ASSERT(signed_by == equal(w.alice.signed_set, changed));
}
void changed_bundle(ByteView edits) {
  World& w = world();
  const Bytes changed = edited(w.bundle, edits);
  const auto read = credentials::parse_bundle(changed);
  if (!read) return;
  const auto believed = session::verify_bundle(w.alice.list, DeviceNumber{1}, *read, kStart);
  OPALINE_ASSERT(believed.has_value() == equal(w.bundle, changed));
}
void changed_one_time(ByteView edits) {
  World& w = world();
  const Bytes changed = edited(w.alice.one_time[1], edits);
  OPALINE_ASSERT(credentials::check_one_time_entry(w.set, changed).has_value() == equal(w.alice.one_time[1], changed));
}

}  // namespace

void credentials(ByteView input) {
  const auto [what, rest] = choose(input, 8);
  switch (what) {
    case 0:
      return list(rest);
    case 1:
      return prekeys(rest);
    case 2:
      return bundle(rest);
    case 3:
      return changed_list(rest);
    case 4:
      return changed_set(rest);
    case 5:
      return changed_bundle(rest);
    case 6:
      return changed_one_time(rest);
    default:
      static_cast<void>(opaline::credentials::check_one_time_batch(world().set, rest));
      return static_cast<void>(opaline::credentials::check_one_time_entry(world().set, rest));
  }
}

}  // namespace opaline::fuzz
