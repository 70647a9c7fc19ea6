// A device's own store: without its secret, or changed, its key does not open; values neither.
#include "base/random.hpp"
#include "client/store_key.hpp"
#include "fuzz/targets.hpp"

namespace opaline::fuzz {
namespace {

using namespace opaline::client;

const Unlock& unlock() {
  static const Unlock the_unlock{.passphrase = to_secret_bytes(as_view("correct horse")), .key_file = {}};
  return the_unlock;
}
const StoreKey::Created& created() {
  static const auto made = [] {
    SeededRandom random(1);
    return std::move(*StoreKey::create(unlock(), random, {.memory_kib = 8, .passes = 1, .lanes = 1}));
  }();
  return made;
}
/// A head may ask for gigabytes: those belong to other tests.
bool cheap(ByteView wrapped) {
  return wrapped.size() < 14 || equal(wrapped.subspan(2, 12), ByteView(created().wrapped).subspan(2, 12));
}

}  // namespace

void client(ByteView input) {
  const auto [what, rest] = choose(input, 3);
  if (what == 0) {
    static_cast<void>(StoreKey::wants_passphrase(rest));
    if (cheap(rest)) static_cast<void>(StoreKey::open(rest, unlock()));
  } else if (what == 1) {
    const Bytes changed = edited(created().wrapped, rest);
    if (cheap(changed))
      OPALINE_ASSERT(StoreKey::open(changed, unlock()).has_value() == equal(changed, created().wrapped));
  } else {
    SeededRandom random(2);
    const Bytes right = created().key.seal(as_view("place"), as_view("plain"), random);
    const Bytes changed = edited(right, rest);
    OPALINE_ASSERT(created().key.open_value(as_view("place"), changed).has_value() == equal(changed, right));
    OPALINE_ASSERT(created().key.open_value(as_view("place"), rest).has_value() == equal(rest, right));
    OPALINE_ASSERT(!created().key.open_value(as_view("elsewhere"), right));
  }
}

}  // namespace opaline::fuzz
