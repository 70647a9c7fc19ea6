// Whatever parses means the same to libprotobuf, and is written down in one way.
#include "fuzz/targets.hpp"
#include "second/content.pb.h"
#include "wire/contents.hpp"

namespace opaline::fuzz {

void contents(ByteView input) {
  const auto content = wire::decode_content(input);
  if (!content) return;
  SecretBytes again;
  OPALINE_ASSERT(wire::encode(again, *content).has_value());
  // In a field that neither knows, nanopb takes a number of more than 64 bits, which libprotobuf refuses.
  opaline::content::v1::Content theirs;
  if (theirs.ParseFromArray(input.data(), static_cast<int>(input.size()))) {
    theirs.DiscardUnknownFields();
    OPALINE_ASSERT(theirs.SerializeAsString() == as_text(again));
  }
  const auto second = wire::decode_content(again);
  OPALINE_ASSERT(second && second->message == content->message && second->body.index() == content->body.index());
  SecretBytes third;
  OPALINE_ASSERT(wire::encode(third, *second).has_value() && equal(third, again));
}

}  // namespace opaline::fuzz
