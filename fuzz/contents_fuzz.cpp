// Whatever parses means the same to libprotobuf, and is written down in one way.
#include "fuzz/targets.hpp"
#include "second/content.pb.h"
#include "wire/business_part.hpp"

namespace opaline::fuzz {

namespace {

/// What stands beside the words: of a kind that we know it is written down in one way, too.
void part(ByteView input) {
  const auto read = wire::decode_business_part(input);
  if (!read) return;
  SecretBytes again;
  const auto written = wire::encode(again, *read);
  OPALINE_ASSERT(written.has_value() == (read->kind != wire::PartKind::unknown));
  if (!written) return;
  opaline::content::v1::BusinessPart theirs;
  if (theirs.ParseFromArray(input.data(), static_cast<int>(input.size()))) {
    theirs.DiscardUnknownFields();
    OPALINE_ASSERT(theirs.SerializeAsString() == as_text(again));
  }
  const auto second = wire::decode_business_part(again);
  OPALINE_ASSERT(second && second->kind == read->kind && second->answers == read->answers);
  SecretBytes third;
  OPALINE_ASSERT(wire::encode(third, *second).has_value() && equal(third, again));
}

}  // namespace

void contents(ByteView input) {
  part(input);
  const auto content = wire::decode_content(input);
  if (!content) return;
  if (const auto* text = std::get_if<wire::Text>(&content->body)) part(text->part);
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
