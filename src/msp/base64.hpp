#pragma once
// Base64 with the standard alphabet (RFC 4648 section 4).
#include "base/secret.hpp"

namespace opaline::msp {

[[nodiscard]] std::string to_base64(ByteView bytes);
/// As to_base64, to where other bytes are.
void append_base64(SecretBytes& out, ByteView bytes);
/// Canonical only: padded, no stray bits, no white space; nullopt otherwise. Takes no memory beyond its result.
[[nodiscard]] std::optional<SecretBytes> from_base64(std::string_view text);
/// How long a canonical text is when decoded, without decoding it; nullopt: it is not canonical.
[[nodiscard]] std::optional<std::size_t> base64_size(std::string_view text);

}  // namespace opaline::msp
