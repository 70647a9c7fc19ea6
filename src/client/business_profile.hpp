#pragma once
// What the service says of a business, as this device believes it: a hostile service, or an operator who types badly,
// can show neither more nor other than this.
#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "client/error.hpp"
#include "client/replies.hpp"

namespace opaline::client {

inline constexpr std::size_t kMaxProfileBytes = 64 * 1024;  ///< a logo of 48 KiB, and the rest
inline constexpr std::size_t kMaxProfileNameCharacters = 100;
inline constexpr std::size_t kMaxProfileAwayTextCharacters = 2'048;

/// All texts are one line, and say what they show: what is_plain_text() (msp/text.hpp) refuses stands as U+FFFD.
struct BusinessProfile {
  std::string name;          ///< of at most kMaxProfileNameCharacters; never empty: the urn, if it has no name
  std::string website;       ///< a host name in ASCII; empty: none, or something else than that
  std::string away_text;     ///< of at most kMaxProfileAwayTextCharacters
  ByteArray<32> gateway{};   ///< of its key; zero: none is enrolled
  bool own_gateway = false;  ///< says the operator
  bool carrier = false;      ///< says the service: what is written to it becomes short messages

  [[nodiscard]] bool has_gateway() const { return gateway != ByteArray<32>{}; }
};

/// protocol: it is no profile of this business, or its fingerprint or size cannot be.
[[nodiscard]] Result<BusinessProfile, Failure> read_profile(const AccountId& business, ByteView body);

/// As a line of a list: what is no plain text stands as U+FFFD, line feeds and tabs as blanks; cut after so many
/// characters. Bytes that are no UTF-8 end it.
[[nodiscard]] std::string one_line(std::string_view utf8, std::size_t max_characters);

}  // namespace opaline::client
