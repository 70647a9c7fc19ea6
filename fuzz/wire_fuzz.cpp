// Frames and contents: whatever parses must encode to the very bytes (frames) or to something that parses alike (contents).
#include <cstdint>

#include "wire/contents.hpp"
#include "wire/frames.hpp"

namespace {

using namespace opaline;

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

void contents(ByteView bytes) {
  const auto content = wire::decode_content(bytes);
  if (!content) return;
  SecretBytes again;
  OPALINE_ASSERT(wire::encode(again, *content).has_value());
  const auto second = wire::decode_content(again);
  OPALINE_ASSERT(second && second->message == content->message && second->body.index() == content->body.index());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(reinterpret_cast<const std::byte*>(data), size);
  frames(input);
  contents(input);
  return 0;
}
