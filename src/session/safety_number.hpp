#pragma once
// What two people compare to know that nobody stands between them (docs/protocol.md, section Safety numbers).
#include "session/identity.hpp"

namespace opaline::session {

struct SafetyParty {
  AccountId account;
  crypto::HybridPublicKey account_key;
};

inline constexpr std::size_t kSafetyDigits = 60;

/// 60 decimal digits, the same whichever party is named first: 12 groups of 5, each a big-endian 40-bit number modulo
/// 100,000 from SHA-512("opaline/1 safety number" || lower party || higher party), parties as account id || account
/// key, ordered as byte strings.
[[nodiscard]] ByteArray<kSafetyDigits> safety_number(const SafetyParty& one, const SafetyParty& other);

}  // namespace opaline::session
