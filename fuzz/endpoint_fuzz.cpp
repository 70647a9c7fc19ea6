// The rows of a device's store: what is read is written back as it was, or, of an earlier version, reads alike again.
#include "endpoint/internal/records.hpp"
#include "fuzz/targets.hpp"

namespace opaline::fuzz {
namespace {

namespace rows = opaline::endpoint::internal;

template <class Record>
void row(ByteView bytes) {
  Record record;
  if (!rows::decode(bytes, record)) return;
  const SecretBytes again = rows::encode(record);
  if (std::to_integer<std::uint8_t>(bytes[0]) == rows::kRecordVersion) OPALINE_ASSERT(equal(again, bytes));
  Record second;
  OPALINE_ASSERT(rows::decode(again, second) && equal(rows::encode(second), again));
}

}  // namespace

void endpoint(ByteView input) {
  const auto [what, rest] = choose(input, 11);
  switch (what) {
    case 0:
      return row<rows::OwnRecord>(rest);
    case 1:
      return row<rows::LedgerRecord>(rest);
    case 2:
      return row<rows::PrekeyRecord>(rest);
    case 3:
      return row<rows::OrphanRecord>(rest);
    case 4:
      return row<rows::PeerRecord>(rest);
    case 5:
      return row<rows::DeviceRecord>(rest);
    case 6:
      return row<rows::SessionRow>(rest);
    case 7:
      return row<rows::MessageRecord>(rest);
    case 8:
      return row<rows::ParkedRecord>(rest);
    case 9:
      return row<rows::NextListRecord>(rest);
    default:
      return row<rows::OwnDeviceRecord>(rest);
  }
}

}  // namespace opaline::fuzz
