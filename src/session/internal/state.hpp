#pragma once
// What a session is (docs/protocol.md, section State). Between calls exactly one side's step is the last one: `send`
// has a value if it was ours, so that the peer's next chain will have `next_tag`; else our next message begins a chain
// with `next_tag`.
#include "session/internal/keys.hpp"

namespace opaline::session::internal {

/// An ML-KEM key that we offered and the peer's next chain must answer.
struct KemOffer {
  crypto::MlKem768PrivateKey seed;
  crypto::MlKem768EncapsulationKey key;
  /// The decoded seed, unless this state was loaded since: kept because decoding costs twice what using it does.
  std::optional<crypto::MlKem768Decapsulator> decoded;
};

/// An ML-KEM key that the peer offered, checked, and our next chain must answer.
struct PeerOffer {
  crypto::MlKem768EncapsulationKey key;
  crypto::MlKem768Encapsulator decoded;
};

struct SendChain {
  ChainKey key;
  EphemeralKey ephemeral;
  SessionTag tag;
  std::uint32_t next = 0;
  std::uint32_t next_ephemeral = 0;
  crypto::X25519PrivateKey ratchet_private;
  crypto::X25519PublicKey ratchet_public;
  std::unique_ptr<KemOffer> offer;                     ///< repeated in every message of the chain
  std::unique_ptr<crypto::MlKem768Ciphertext> answer;  ///< repeated likewise
};

/// The key of a message that did not come yet.
struct SkippedKey {
  std::uint32_t number = 0;
  Day since{};  ///< when it was passed over
  MessageSeed seed;
};

/// A receiving chain that the peer has finished, by what is still missing of it.
struct OldChain {
  SessionTag tag;
  std::vector<SkippedKey> skipped;  ///< by rising number; not empty
};

struct ReceiveChain {
  ChainKey key;
  EphemeralKey ephemeral;
  SessionTag tag;
  std::uint32_t next = 0;
  std::uint32_t next_ephemeral = 0;
  std::unique_ptr<PeerOffer> offer;  ///< to be answered by our next chain
  std::vector<SkippedKey> skipped;   ///< by rising number
};

struct State {
  bool initiator = false;
  DeviceAddress us;
  DeviceAddress peer;
  IdentityHash peer_identity;
  HandshakeHash handshake_hash;
  ByteArray<32> context{};  ///< session_context(...)
  Bytes handshake;          ///< an initiator's, until the peer has answered

  RootKey root;
  SessionTag next_tag;
  crypto::X25519PublicKey peer_ratchet;  ///< the peer's latest ratchet key; at first its signed prekey
  std::optional<SendChain> send;
  std::uint32_t sent_before = 0;  ///< messages in our sending chain before the current or coming one
  std::optional<ReceiveChain> receive;
  std::vector<OldChain> old;  ///< oldest first

  std::uint32_t since_kem = 0;  ///< messages, both ways, since a KEM secret went into the root key
  Time last_kem;
};

/// Binds messages to the two devices and their handshake.
[[nodiscard]] ByteArray<32> session_context(const DeviceAddress& initiator, const DeviceAddress& responder,
                                            const HandshakeHash& handshake);

[[nodiscard]] State clone_state(const State& state);
[[nodiscard]] SecretBytes serialise_state(const State& state);
/// unsupported_version, bad_state.
[[nodiscard]] Result<State, Error> deserialise_state(ByteView stored);

/// Session::encrypt and encrypt_ephemeral.
[[nodiscard]] Result<Bytes, Error> seal_message(State& state, bool ephemeral, ByteView plaintext,
                                                ByteView associated_data, Time now, RandomSource& random);
/// Session::wipe_late.
[[nodiscard]] bool wipe_late(State& state, Time now);
/// Session::decrypt, after parsing and checking of the handshake.
[[nodiscard]] Result<Decrypted, Error> open_message(State& state, const ParsedMessage& message,
                                                    ByteView associated_data, Time now);

}  // namespace opaline::session::internal

namespace opaline::session {

/// How this room makes sessions from states.
struct SessionFactory {
  [[nodiscard]] static Session make(internal::State state) {
    return Session(std::make_unique<internal::State>(std::move(state)));
  }
};

}  // namespace opaline::session
