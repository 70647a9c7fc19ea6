// Texts between a person's device and the carrier: what parses is written back alike, and costs something.
#include "base/utf8.hpp"
#include "carrier/line.hpp"
#include "carrier/short_message.hpp"
#include "fuzz/targets.hpp"

namespace opaline::fuzz {

void carrier(ByteView input) {
  namespace c = opaline::carrier;
  const auto to = c::parse_to_carrier(input);
  if (to) {
    OPALINE_ASSERT(c::is_number(to->number));
    OPALINE_ASSERT(equal(c::write(*to), input));
    if (const auto shape = c::shape_of(to->text)) {
      OPALINE_ASSERT(shape->parts >= 1 && shape->parts <= c::kMaxParts);
      const auto back = c::from_utf16(c::to_utf16(to->text));
      OPALINE_ASSERT(back && equal(*back, to->text));
    }
    OPALINE_ASSERT(c::sms_link(to->number, to->text).size() >= to->text.size());
  }
  if (const auto text = c::from_utf16(input)) OPALINE_ASSERT(is_utf8(*text) && text->size() <= input.size() * 3 / 2);
  const auto from = c::parse_from_carrier(input);
  if (from) {
    OPALINE_ASSERT(!to);  // nobody takes one for the other
    OPALINE_ASSERT(equal(c::write(*from), input));
  }
}

}  // namespace opaline::fuzz
