#pragma once
// UUIDs (RFC 9562) as the MSP API writes message and business ids.
#include "base/ids.hpp"

namespace opaline::msp {

/// Any 16 bytes: the version is not looked at, since connectors make them in many ways.
using Uuid = ByteId<struct UuidTag, 16>;

/// 8-4-4-4-12 hexadecimal digits of either case, nothing else; nullopt otherwise.
[[nodiscard]] std::optional<Uuid> parse_uuid(std::string_view text);
/// In lower case (RFC 9562 section 4).
[[nodiscard]] std::string to_text(const Uuid& uuid);

}  // namespace opaline::msp
