#pragma once
// Large interactive payloads travel as a reference to a blob.
#include "base/secret.hpp"
#include "msp/error.hpp"
#include "msp/limits.hpp"
#include "msp/text.hpp"

namespace opaline::msp {

/// AES-256-CTR with a zero counter block, used once. On the wire "00" and 64 hexadecimal digits.
using AttachmentKey = Secret<struct MspAttachmentKeyTag, kAttachmentKeyBytes>;
/// nullopt unless it is "00" and 64 hexadecimal digits of either case.
[[nodiscard]] std::optional<AttachmentKey> parse_attachment_key(std::string_view text);
/// "00" and UPPERCASE hexadecimal.
[[nodiscard]] Text write_attachment_key(const AttachmentKey& key);

struct DataRef {
  std::string bid, owner, url;
  Text title;
  std::uint64_t size_bytes = 0;  ///< of ciphertext
  ByteArray<kChecksumBytes> signature{};
  /// dataRefSig: the service's own, opaque to the MSP; base64 on the wire. Empty: none.
  Bytes service_signature;
  std::optional<AttachmentKey> key;
};
/// An interactiveDataRef object from its JSON. Pointers of problems begin with `at`.
[[nodiscard]] Result<DataRef, Problem> parse_data_ref(ByteView json, std::string_view at = {});
/// The object as the service writes it: numbers as numbers, UPPERCASE hexadecimal, both spellings of the signature, and
/// `key` if there is one.
[[nodiscard]] SecretBytes write_data_ref(const DataRef& ref);
/// `{"dataRef": {...}}`, the answer to a message.
[[nodiscard]] SecretBytes write_data_ref_answer(const DataRef& ref);

}  // namespace opaline::msp
