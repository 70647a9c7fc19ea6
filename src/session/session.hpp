#pragma once
// Sessions between two devices (docs/protocol.md): a handshake in the shape of PQXDH, then a Double Ratchet whose root
// key also takes in ML-KEM-768 secrets from time to time. Pure state: time and randomness are arguments, nothing is
// kept outside of the object. Not thread-safe; different sessions are independent.
//
// The caller's duties, without which the promises do not hold:
//  - Commit the state (serialise) before a ciphertext leaves, and together with what was decrypted before acknowledging
//  it. A
//    resend sends the same bytes; it does not encrypt again.
//  - Keep the handshake hash of every accepted session for kPrekeyLife and refuse a handshake whose hash is kept.
//  - Show nothing of an accepted session before the claimed peer was found in its account's device list (check_claim).
#include <memory>
#include <vector>

#include "session/prekeys.hpp"

namespace opaline::session {

/// The first 16 bytes of a message: by it the receiver finds the session. New in each sending chain, random to others.
using SessionTag = ByteId<struct SessionTagTag, 16>;
/// Names a handshake: SHA-256 of its bytes. Of two sessions opened at once, the one with the smaller hash sends.
using HandshakeHash = ByteId<struct HandshakeHashTag, 32>;

/// This device, as it appears in its account's device list. The views must outlive the call they are given to.
struct LocalDevice {
  const DeviceIdentity& identity;
  DeviceAddress address;
  ListReference list;  ///< our own account's current list
};

struct Decrypted {
  SecretBytes plaintext;
  bool ephemeral = false;
  bool stepped = false;   ///< a new chain began: accepted_tags() has changed
  bool set_back = false;  ///< the peer counts fewer messages in its last chain than came: its state is an older one
  std::size_t passed =
      0;  ///< so many messages before it have not come: over a relay that keeps the order they never will
};

/// The longest message that may be decrypted: handshake, header with both KEM fields, padded plaintext.
inline constexpr std::size_t kHandshakeBytes =
    SessionTag::kSize + 1 + 4 + 1 + 2 + crypto::X25519PublicKey::kSize + crypto::MlKem768Ciphertext::kSize +
    (AccountId::kSize + 4 + 4 + 32 + DevicePublicKeys::kSize + 4 + 32 + 16) + (crypto::HybridSignature::kSize + 16);
inline constexpr std::size_t kMessageHeaderBytes = SessionTag::kSize + 16 + 1 + 4 + 4 + crypto::X25519PublicKey::kSize;
inline constexpr std::size_t kMaxMessageBytes = kHandshakeBytes + kMessageHeaderBytes +
                                                crypto::MlKem768EncapsulationKey::kSize +
                                                crypto::MlKem768Ciphertext::kSize + kMaxPlaintextBytes + 2048 + 16;

namespace internal {
struct State;
}

class Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();
  /// A second copy, made knowingly: for tests and for trying. Two copies that both send are one identity with two
  /// mouths.
  [[nodiscard]] Session clone() const;

  /// The next message to the peer. The first ones of an initiator carry the handshake, until the peer has answered. May
  /// begin a new sending chain. too_large, chain_exhausted.
  [[nodiscard]] Result<Bytes, Error> encrypt(ByteView plaintext, ByteView associated_data, Time now,
                                             RandomSource& random);
  /// A message that may be lost without trace (typing): its key comes from a chain of its own. May begin a new sending
  /// chain, so the state is to be committed as for encrypt. too_large, chain_exhausted, not_established.
  [[nodiscard]] Result<Bytes, Error> encrypt_ephemeral(ByteView plaintext, ByteView associated_data, Time now,
                                                       RandomSource& random);
  /// Opens a message of the peer. too_large, malformed, unsupported_version, unknown_tag, replayed, gap_too_large,
  /// authentication_failed, bad_key, encapsulation_missing. On an error nothing has changed.
  [[nodiscard]] Result<Decrypted, Error> decrypt(ByteView message, ByteView associated_data, Time now);

  /// Wipes keys for late messages that are over their time. Opening a message does so too; this is for sessions that
  /// are silent. True if there were any, and the state is to be committed.
  [[nodiscard]] bool wipe_late(Time now);

  /// The tags by which messages for this session are found now: at most kMaxOldChains + 2.
  [[nodiscard]] std::vector<SessionTag> accepted_tags() const;
  [[nodiscard]] const HandshakeHash& handshake_hash() const;
  [[nodiscard]] const DeviceAddress& us() const;
  [[nodiscard]] const DeviceAddress& peer() const;
  /// The peer's keys that the handshake was made with.
  [[nodiscard]] const IdentityHash& peer_identity() const;
  [[nodiscard]] bool is_initiator() const;
  /// The peer has shown that it has this session too: always for a responder, after the first answer for an initiator.
  [[nodiscard]] bool is_established() const;

  /// Stored form, canonical: u8 kVersion, then docs/protocol.md, section Stored state.
  [[nodiscard]] SecretBytes serialise() const;
  /// unsupported_version, bad_state.
  [[nodiscard]] static Result<Session, Error> deserialise(ByteView stored);

 private:
  friend struct SessionFactory;
  explicit Session(std::unique_ptr<internal::State> state);
  std::unique_ptr<internal::State> state_;
};

/// The smaller handshake hash sends: true if `one` is to be used for sending rather than `other`. Both keep receiving.
[[nodiscard]] bool sends_before(const HandshakeHash& one, const HandshakeHash& other);

/// The tag of a message (of the inner one, if a handshake comes first); nullopt if it is too short to have one. Nothing
/// is authentic yet.
[[nodiscard]] std::optional<SessionTag> peek_tag(ByteView message);
/// Whether the message says that it is ephemeral, so that a receiver who cannot open it need not ask for it again;
/// false if it is too short to say. Nothing is authentic yet.
[[nodiscard]] bool peek_ephemeral(ByteView message);
/// True if the message begins with a handshake. A receiver first looks the tag up; only if no session accepts it, it
/// takes the handshake.
[[nodiscard]] bool is_handshake(ByteView message);

}  // namespace opaline::session
