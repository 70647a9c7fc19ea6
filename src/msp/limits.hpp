#pragma once
// Every bound of the MSP API in one place. "contract": a size that connectors are known to reach (docs/business-api.md,
// "Limits"); the others are ours, large enough for whatever keeps to the contract.
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace opaline::msp {

// ---- JSON as it comes
/// A rich link with a 200 kB image, or a list picker with some 40 images of the largest size, in base64.
inline constexpr std::size_t kMaxBodyBytes = std::size_t{4} * 1024 * 1024;
/// What contract messages need is 9: interactiveData, data, dynamic, data, pages, page, items, item, value.
inline constexpr std::size_t kMaxJsonDepth = 24;
/// Values and members together: 20 x 20 items of 6 members are 3,200. Bounds the memory of a body: 100 bytes a node.
inline constexpr std::size_t kMaxJsonNodes = 20'000;
inline constexpr std::size_t kMaxJsonMembers = 128;  // of one object; duplicates are looked for among them
inline constexpr std::size_t kMaxJsonKeyBytes = 128;

// ---- messages
inline constexpr std::size_t kMaxTextCharacters = 10'000;  // contract; code points
inline constexpr std::size_t kMaxAttachments = 8;          // as wire::kMaxAttachments; the gateway has a test for both
inline constexpr std::uint64_t kMaxAttachmentBytes = 104'857'600;  // contract: 100 MB, read as MiB
inline constexpr std::size_t kMaxFileNameBytes = 200;              // as wire::kMaxFileNameBytes
inline constexpr std::size_t kMaxMediaTypeBytes = 100;
inline constexpr std::size_t kMaxUrlBytes = 2'048;
inline constexpr std::size_t kMaxOwnerBytes = 256;
inline constexpr std::size_t kChecksumBytes = 32;       // SHA-256 of the ciphertext
inline constexpr std::size_t kAttachmentKeyBytes = 32;  // AES-256
inline constexpr std::size_t kMaxOpaqueIdBytes = 256;
inline constexpr std::size_t kMaxTagCharacters = 256;  // group, intent
inline constexpr std::size_t kMaxLocaleBytes = 35;     // RFC 5646 section 4.4.1
inline constexpr std::size_t kMaxDataRefSignatureBytes = 1'024;

// ---- interactive messages
inline constexpr std::size_t kMaxSections = 20;      // contract
inline constexpr std::size_t kMaxSectionItems = 20;  // contract
inline constexpr std::size_t kMaxTimeSlots = 10;     // contract
inline constexpr std::size_t kMinQuickReplies = 2;   // contract
inline constexpr std::size_t kMaxQuickReplies = 5;   // contract
inline constexpr std::size_t kMaxFormPages = 50;
inline constexpr std::size_t kMaxFormItems = 100;
inline constexpr std::size_t kMaxFormAnswerCharacters = 10'000;
inline constexpr std::size_t kMaxScopes = 32;
inline constexpr std::size_t kMaxImages = 64;
inline constexpr std::size_t kMaxImageBytes = std::size_t{64} * 1024;  // contract: 64 KB, decoded
inline constexpr std::size_t kMaxLabelCharacters = 512;                // titles, subtitles and the like
inline constexpr std::size_t kMaxIdentifierCharacters = 128;
inline constexpr std::size_t kMaxBidBytes = 256;
inline constexpr std::size_t kMaxCustomUrlBytes = std::size_t{64} * 1024;   // contract
inline constexpr std::size_t kMaxRichImageBytes = std::size_t{200} * 1024;  // contract: 200 kB, decoded
/// Interactive JSON above this travels as a reference. Contract: 10 KB.
inline constexpr std::size_t kMaxInlineInteractiveBytes = 10'240;
/// Canonical JSON, and what a payload may grow to when its gzip is opened: a body, whose numbers may have become
/// longer.
inline constexpr std::size_t kMaxPayloadBytes = kMaxBodyBytes + 64 * 1024;

// ---- tokens
inline constexpr std::size_t kMaxTokenBytes = 4'096;
inline constexpr std::size_t kMaxTokenNodes = 64;
inline constexpr std::size_t kMaxMspIdBytes = 128;
/// RFC 7518 section 3.2: a key of HS256 has at least the size of its hash.
inline constexpr std::size_t kMinSecretBytes = 32;
inline constexpr std::size_t kMaxSecretBytes = 256;

// ---- settings
inline constexpr std::size_t kMaxSettingsBytes = std::size_t{64} * 1024;
inline constexpr std::size_t kMaxAwayTextBytes = 2'048;            // as identity::kMaxAwayTextBytes; a profile shows it
inline constexpr std::chrono::seconds kMaxTokenAge{366 * 86'400};  // longer than any connector's token is in use

// ---- headers and links
inline constexpr std::size_t kMaxHeaderBytes = 4'096;
inline constexpr std::size_t kMaxEntryLinkBytes = 8'192;
inline constexpr std::size_t kMaxPrefillCharacters = 2'000;

}  // namespace opaline::msp
