#pragma once
// What is too large for a message between a person and a business: the last attachment holds it (BusinessPart.in_file).
#include "client/blob_service.hpp"
#include "client/persona_home.hpp"

namespace opaline::client {

/// Longest ciphertext that is fetched: no JSON and no text needs more.
inline constexpr std::uint64_t kMaxPartFileBytes = 5 << 20;

/// Fetches the last attachment of a message into the home, checked by its hash: the JSON opened from its gzip, or a
/// text. Then the service is told that this device has it (best effort). All outlive the call's answer. file_gone,
/// file_damaged (its size, hash, gzip or encoding is wrong: nothing is kept), connect_failed, store_*; and what the
/// service says.
void fetch_part_file(BlobService& blobs, const PersonaHome& home, const Entry& entry,
                     std::function<void(Result<void, Failure>)> done);

}  // namespace opaline::client
