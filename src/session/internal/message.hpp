#pragma once
// The bytes of a message (docs/protocol.md, section Messages).
#include "session/internal/padding.hpp"
#include "session/session.hpp"

namespace opaline::session::internal {

inline constexpr std::uint8_t kFlagOffer = 1;   ///< an encapsulation key for the peer's next chain follows the header
inline constexpr std::uint8_t kFlagAnswer = 2;  ///< an encapsulation to the key that the peer offered follows
inline constexpr std::uint8_t kFlagEphemeral = 4;  ///< keyed by the ephemeral chain
inline constexpr std::uint8_t kFlagHandshake = 8;  ///< a handshake came before the header
inline constexpr std::uint8_t kKnownFlags = 15;

inline constexpr std::size_t kSaltBytes = 16;
inline constexpr std::size_t kSealOverheadBytes = 16;

/// What stands in the clear before the sealed part.
struct Header {
  SessionTag tag;
  ByteArray<kSaltBytes> salt{};  ///< random, goes into key and nonce
  std::uint8_t flags = 0;
  std::uint32_t number = 0;    ///< of this message in its chain, or of this ephemeral message in its own
  std::uint32_t previous = 0;  ///< messages in the sender's chain before this one
  crypto::X25519PublicKey ratchet_key;

  [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

/// A message taken apart; views into it.
struct ParsedMessage {
  ByteView handshake;  ///< kHandshakeBytes or empty
  Header header;
  ByteView header_bytes;  ///< with the KEM fields: what is authenticated
  ByteView offer;         ///< encapsulation key, or empty
  ByteView answer;        ///< ciphertext, or empty
  ByteView sealed;
};

/// Size limit and structure. too_large, malformed, unsupported_version.
[[nodiscard]] Result<ParsedMessage, Error> parse_message(ByteView message);

/// Writes the fixed part of a header: exactly kMessageHeaderBytes.
void write_header(const Header& header, std::span<std::byte, kMessageHeaderBytes> out);

/// Size of the header with the KEM fields that `flags` announce.
[[nodiscard]] constexpr std::size_t header_bytes(std::uint8_t flags) {
  return kMessageHeaderBytes + ((flags & kFlagOffer) != 0 ? crypto::MlKem768EncapsulationKey::kSize : 0) +
         ((flags & kFlagAnswer) != 0 ? crypto::MlKem768Ciphertext::kSize : 0);
}

}  // namespace opaline::session::internal
