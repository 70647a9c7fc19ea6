#pragma once
// What attachments and data references have in common: where a blob is, how large, its checksum and its key.
#include "msp/data_ref.hpp"
#include "msp/internal/reading.hpp"
#include "msp/internal/writing.hpp"

namespace opaline::msp::internal {

/// `signature-base64`, or `signature` (`mmcs-signature-hex`) in hexadecimal of either case; both must agree.
[[nodiscard]] ByteArray<kChecksumBytes> read_signature(const Field& object);
/// `size` (`file-size`): 1 .. kMaxAttachmentBytes.
[[nodiscard]] std::uint64_t read_blob_size(const Field& object);
/// `key` (`decryption-key`).
[[nodiscard]] std::optional<AttachmentKey> read_key(const Field& object, Need need);
/// Printable ASCII without spaces, at most `most` bytes.
[[nodiscard]] std::string read_token(const Field& field, std::size_t most);

/// `signature`, `signature-base64`.
void write_signature(JsonWriter& out, FixedView<kChecksumBytes> signature);
/// `key`.
void write_key(JsonWriter& out, const AttachmentKey& key);

[[nodiscard]] DataRef read_data_ref(const Field& object);
/// The object.
void write_data_ref(JsonWriter& out, const DataRef& ref);

}  // namespace opaline::msp::internal
