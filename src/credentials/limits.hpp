#pragma once
// Every limit of signed public objects, with its reason (docs/protocol.md, section Limits).
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace opaline::credentials {

/// The version of lists and prekey sets (and of everything else that docs/protocol.md describes).
inline constexpr std::uint8_t kVersion = 1;

/// Devices of one account: each message becomes one envelope per device, and the list travels to every contact.
inline constexpr std::size_t kMaxDevices = 10;

/// One-time prekeys in a set: 0 or a power of two. The Merkle path in a bundle has log2 of it hashes.
inline constexpr std::size_t kMaxOneTimePrekeys = 256;
/// A prekey set is offered this long.
inline constexpr std::chrono::days kPrekeyOffered{7};

}  // namespace opaline::credentials
