// Frames: whatever parses must encode to the very bytes. Send tokens: a changed one is none.
#include <vector>

#include "base/random.hpp"
#include "fuzz/targets.hpp"
#include "wire/frames.hpp"
#include "wire/send_token.hpp"

namespace opaline::fuzz {
namespace {

void frames(ByteView batch) {
  Bytes again;
  std::size_t used = 0;
  for (wire::FrameReader in(batch); !in.done();) {
    const auto frame = in.next();
    if (!frame) break;
    std::visit(
        [&again](const auto& f) {
          if constexpr (std::is_same_v<std::decay_t<decltype(f)>, wire::ResultFrame>) {
            std::vector<wire::ResultRange> ranges;
            for (std::size_t i = 0; i < f.size(); ++i) ranges.push_back(f.at(i));
            wire::encode_results(again, ranges);
          } else {
            wire::encode(again, f);
          }
        },
        *frame);
    used = again.size();
  }
  OPALINE_ASSERT(equal(again, batch.first(used)));
}

void token(ByteView edits) {
  SeededRandom random(1);
  wire::SendTokenKey key;
  random.fill(key.fill());
  const auto sender = random.id<AccountId>();
  const auto mailbox = random.id<MailboxId>();
  constexpr Time kNow = from_unix_millis(1'800'000'000'000);
  const auto right = wire::make_send_token(key, sender, mailbox, kNow + wire::kSendTokenLifetime);
  const Bytes changed = edited(right, edits);
  const auto said = wire::check_send_token(key, to_array<wire::kSendTokenBytes>(changed), sender, mailbox, kNow);
  OPALINE_ASSERT((said == wire::SendTokenCheck::valid) == equal(right, changed));
}

}  // namespace

void wire(ByteView input) {
  frames(input);
  if (input.size() >= 3 && input.size() < 64) token(input);
}

}  // namespace opaline::fuzz
