// Whatever a server, a hostile other side of a link exchange, or a hostile recovery file can hand over: no crash, no
// memory without bound, and an exchange that went wrong is over. The first byte chooses the entry, the rest is its
// input.
#include "base/codec.hpp"
#include "crypto/hash.hpp"
#include "fuzz/targets.hpp"
#include "session/internal/link_channel.hpp"
#include "session/recovery.hpp"
#include "session/testing_link.hpp"

namespace opaline::fuzz {
namespace {

using namespace session;
using session::testing::kStart;
using session::testing::Linking;
using session::testing::Way;

void check(bool holds) {
  OPALINE_ASSERT(holds);
}

void code_from(ByteView input) {
  const auto code = decode_link_code(as_text(input));
  if (code) check(equal(encode_link_code(*code), input));  // canonical
  Bytes with_prefix = to_bytes(kLinkCodePrefix);
  append(with_prefix, input);
  const auto other = decode_link_code(as_text(with_prefix));
  if (other) check(equal(encode_link_code(*other), with_prefix));
}

/// An honest exchange of which one message is changed: nobody may be linked by it unless nothing was changed. Byte 0:
/// the way, the side and the message.
void exchange_with(ByteView input) {
  if (input.empty()) return;
  const auto choice = std::to_integer<unsigned>(input[0]);
  Linking link((choice & 1) != 0 ? Way::scanned : Way::typed);
  const bool of_new = (choice & 2) != 0;
  bool changed = false;
  link.on_the_way = [&](bool from_new, std::size_t index, Bytes message) {
    if (from_new != of_new || index != choice >> 2) return message;
    Bytes out = edited(message, input.subspan(1));
    changed = !equal(out, message);
    return out;
  };
  bool failed = false;
  link.on_error = [&](bool at_new, Error) {
    failed = true;
    check(at_new ? link.fresh.over() : link.primary.over());
  };
  link.run();
  check(!changed || !link.linked);
  check(changed || !failed);
}

/// Bytes in place of a message, at every stage.
void message_from(ByteView input) {
  if (input.empty()) return;
  const auto choice = std::to_integer<unsigned>(input[0]);
  Linking link((choice & 1) != 0 ? Way::scanned : Way::typed);
  if ((choice & 2) != 0) {
    link.on_the_way = [&](bool, std::size_t index, Bytes message) {
      return index == choice >> 2 ? to_bytes(input.subspan(1)) : message;
    };
    link.run();
    return;
  }
  (void)link.primary.on_message(input.subspan(1), link.random_p);
  (void)link.fresh.on_message(input.subspan(1), link.random_n);
}

/// What stands in the channel: of an authentic liar.
void plaintext_from(ByteView input) {
  if (const auto welcome = internal::decode_welcome(input)) {
    check(equal(internal::encode_welcome(*welcome), input));
  }
  if (const auto keys = internal::decode_keys(input)) {
    Bytes again = internal::encode_keys(*keys);
    append(again, keys->signature);
    check(equal(again, input));
    check(is_device_name(as_text(keys->name)));
  }
}

const Bytes& good_file() {
  static const Bytes file = [] {
    session::testing::TestDevice alice(1);
    SeededRandom random(2);
    return *make_recovery_file({.account_key = alice.account_key,
                                .list = alice.list,
                                .primary = DeviceNumber{1},
                                .created = kStart,
                                .handles = {"anna@example.org"},
                                .cost = {.memory_kib = 8, .passes = 1, .lanes = 1}},
                               as_view("twelve bytes"), random);
  }();
  return file;
}

/// With a right checksum, so that the rest is reached; costs kept low, for the fuzzer's sake.
void recovery_from(Bytes file) {
  (void)open_recovery_file(file, as_view("twelve bytes"));
  if (file.size() < 32 + 26) return;
  Reader costs(ByteView(file).subspan(17, 8));
  const std::uint64_t memory = costs.u32();
  if (memory * costs.u32() > 64 && memory <= kMaxRecoveryMemoryKib) return;
  file.resize(file.size() - 32);
  append(file, crypto::sha256({as_view(internal::kRecoveryChecksumLabel), ByteView(file)}));
  const auto opened = open_recovery_file(file, as_view("twelve bytes"));
  check(!opened || equal(file, good_file()));
}

}  // namespace

void link(ByteView bytes) {
  const auto [what, input] = choose(bytes, 6);
  switch (what) {
    case 0:
      code_from(input);
      break;
    case 1:
      exchange_with(input);
      break;
    case 2:
      message_from(input);
      break;
    case 3:
      plaintext_from(input);
      break;
    case 4:
      recovery_from(to_bytes(input));
      break;
    case 5:
      recovery_from(edited(good_file(), input));
      break;
  }
}

}  // namespace opaline::fuzz
