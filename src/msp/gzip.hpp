#pragma once
// gzip (RFC 1952) through zlib, whose memory is wiped when freed. Thread-safe.
#include "base/secret.hpp"
#include "msp/error.hpp"

namespace opaline::msp {

/// One member without name, time or comment: the same input gives the same bytes.
[[nodiscard]] SecretBytes gzip(ByteView plain);
/// The plaintext of exactly one member, at most `max_bytes` long. oversized: it would be longer; no more than max_bytes
/// were ever made. malformed: cut short, damaged (CRC-32 and length are checked), or something follows the member, be
/// it another one: two readers would not agree what the message is.
[[nodiscard]] Result<SecretBytes, Error> gunzip(ByteView compressed, std::size_t max_bytes);
/// Begins as gzip does (RFC 1952 section 2.3.1).
[[nodiscard]] bool is_gzip(ByteView bytes);

}  // namespace opaline::msp
