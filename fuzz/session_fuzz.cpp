// Whatever a peer, the directory or a damaged store can hand to the session room: no crash, and nothing changes on a
// refusal. The first byte chooses the entry, the rest is its input.
#include <algorithm>

#include "fuzz/targets.hpp"
#include "session/testing.hpp"

namespace opaline::fuzz {
namespace {

using namespace opaline::session;
using session::testing::kStart;
using session::testing::TestDevice;

/// Made once; every run works on clones.
struct World {
  TestDevice alice{1};
  TestDevice bob{2};
  session::testing::TestPair pair = session::testing::open_pair(alice, bob);
  Session unanswered = std::move(*start_session(alice.local(), bob.bundle(1), kStart, alice.random));
  Bytes first = *unanswered.encrypt(as_view("hello"), {}, kStart, alice.random);
  Bytes next = *pair.initiator.encrypt(as_view("next"), {}, kStart, alice.random);
};
World& world() {
  static World the_world;
  return the_world;
}

void check(bool holds) {
  if (!holds) __builtin_trap();
}

void decrypt(Session session, ByteView message, bool must_fail) {
  const SecretBytes before = session.serialise();
  const auto opened = session.decrypt(message, {}, kStart);
  check(!opened || !must_fail);
  check(opened.has_value() || equal(session.serialise(), before));
}

void accept(ByteView message, bool must_fail) {
  World& w = world();
  const auto accepted = accept_session(w.bob.local(), w.bob.prekeys, message, {}, kStart);
  check(!accepted || !must_fail);
}

void load(ByteView stored) {
  const auto loaded = Session::deserialise(stored);
  if (!loaded) return;
  check(equal(loaded->serialise(), stored));  // canonical
  Session session = loaded->clone();
  (void)session.decrypt(world().next, {}, kStart);
  const auto tags = session.accepted_tags();
  check(tags.size() <= kMaxOldChains + 2);
}

void credentials_from(ByteView bytes) {
  World& w = world();
  const auto list = load_device_list(bytes);
  if (list) check(equal(list->bytes(), bytes));
  (void)verify_device_list(bytes);
  const auto bundle = decode_bundle(bytes);
  if (bundle) {
    check(equal(credentials::encode_bundle(*bundle), bytes));
    (void)verify_bundle(w.bob.list, DeviceNumber{1}, *bundle, kStart);
  }
  (void)PrekeySecrets::deserialise(bytes);
  (void)DeviceIdentity::deserialise(bytes);
  (void)AccountKey::deserialise(bytes);
}

}  // namespace

void session(ByteView bytes) {
  if (bytes.empty()) return;
  const auto [what, input] = choose(bytes, 7);
  World& w = world();
  switch (what) {
    case 0:
      credentials_from(input);
      break;
    case 1:
      load(input);
      break;
    case 2:
      decrypt(w.pair.responder.clone(), input, false);
      break;
    case 3:
      accept(input, false);
      break;
    case 4: {
      const Bytes message = edited(w.next, input);
      decrypt(w.pair.responder.clone(), message, !equal(message, w.next));
      break;
    }
    case 5: {
      const Bytes message = edited(w.first, input);
      accept(message, !equal(message, w.first));
      break;
    }
    case 6: {
      const SecretBytes stored = w.pair.responder.serialise();
      load(edited(to_bytes(stored), input));
      break;
    }
  }
}

}  // namespace opaline::fuzz
