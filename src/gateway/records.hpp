#pragma once
// The rows of gateway/tables.hpp as bytes: u8 version (1), then the fields in order; integers are big-endian.
#include "gateway/outcome.hpp"
#include "gateway/translate.hpp"

namespace opaline::gateway {

/// A message as it waits: what is sealed under the key of its day.
struct WaitingRecord {
  Time received_at;
  Received message;
};
[[nodiscard]] SecretBytes encode(const WaitingRecord& record);
[[nodiscard]] std::optional<WaitingRecord> decode_waiting(ByteView bytes);

[[nodiscard]] SecretBytes encode(const endpoint::MessageBody& body);
[[nodiscard]] std::optional<endpoint::MessageBody> decode_body(ByteView bytes);

struct PersonRecord {
  credentials::OpaqueId id;
  bool closed = false;
  Time away_told{};  ///< when the text out of hours was last sent; zero: never
};
[[nodiscard]] Bytes encode(const PersonRecord& record);
[[nodiscard]] std::optional<PersonRecord> decode_person(ByteView bytes);

}  // namespace opaline::gateway
