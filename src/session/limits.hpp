#pragma once
// Every limit of the session protocol, with its reason (docs/protocol.md, section Limits); those of lists and prekey
// sets are in credentials/limits.hpp.
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "credentials/limits.hpp"

namespace opaline::session {

/// The version of handshakes, lists, prekey sets and stored state. Each is in what is signed or in the transcript.
using credentials::kVersion;

using credentials::kMaxDevices;

/// One plaintext: larger things go as attachments. With handshake and headers it stays below a 64 KiB frame.
inline constexpr std::size_t kMaxPlaintextBytes = 32 * 1024;
/// What a caller may bind to a message besides.
inline constexpr std::size_t kMaxAssociatedDataBytes = 256;
/// Padmé pads to at least this, so that short texts, receipts and typing marks look alike.
inline constexpr std::size_t kPaddingFloorBytes = 256;

/// A KEM key is offered with the next sending chain after this many messages, both ways, without one ...
inline constexpr std::uint32_t kKemOfferAfterMessages = 50;
/// ... or after this time.
inline constexpr std::chrono::days kKemOfferAfter{7};

/// Messages that one message may be ahead of the last one of its chain, or that a finished chain may be short of: a
/// month of expired messages of a busy conversation; deriving them costs a forger's victim below a millisecond.
inline constexpr std::uint32_t kMaxSkippedPerChain = 1000;
/// Keys kept for late messages, over all chains of a session; beyond that the oldest are dropped. 80 KB of state.
inline constexpr std::size_t kMaxSkippedPerSession = 2000;
/// Finished receiving chains with keys for late messages; beyond that the oldest is dropped. The relay keeps order, so
/// late messages are rare.
inline constexpr std::size_t kMaxOldChains = 8;
/// Keys for late messages are wiped after this: the relay keeps an envelope for 30 days.
inline constexpr std::chrono::days kSkippedKeyLife{32};
/// Messages in one chain, that is without an answer.
inline constexpr std::uint32_t kMaxChainMessages = 1u << 24;

using credentials::kMaxOneTimePrekeys;
inline constexpr std::size_t kDefaultOneTimePrekeys = 64;
using credentials::kPrekeyOffered;
/// A bundle that somebody cached may be used this much longer than its set is offered ...
inline constexpr std::chrono::hours kPrekeyGrace{24};
/// ... and the private halves are wiped this long after they were first offered: use + 30 days at the relay + slack.
/// Hashes of handshakes are kept as long, so that a replay is refused.
inline constexpr std::chrono::days kPrekeyLife{40};
/// How far the clocks of two devices may be apart before a prekey set seems to come from the future.
inline constexpr std::chrono::hours kClockSkew{24};

}  // namespace opaline::session
