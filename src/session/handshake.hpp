#pragma once
// Opening sessions (docs/protocol.md, section Handshake).
#include "session/session.hpp"

namespace opaline::session {

/// Opens a session with a device from its bundle. Costs one hybrid signature; the first message is to follow by
/// encrypt. wrong_device (the bundle is our own), bad_key (the peer certified a key that gives no secret).
[[nodiscard]] Result<Session, Error> start_session(const LocalDevice& us, const VerifiedBundle& peer, Time now,
                                                   RandomSource& random);

/// Who the initiator says it is. Its signature fits `keys`; whether these are the account's is for check_claim.
struct PeerClaim {
  DeviceAddress address;
  ListReference list;  ///< the initiator's own list when it began
  DevicePublicKeys keys;
  ListReference our_list;  ///< our list as the initiator saw it: a number with another hash is a forked view of us
};

struct AcceptedSession {
  Session session;
  PeerClaim claim;
  Decrypted first;  ///< the message that came with the handshake
  PrekeySetId prekey_set{};
  std::optional<OneTimeIndex> one_time;  ///< to be deleted in the same commit
};

/// The hash of the handshake that `message` begins with; malformed if none does. To be looked up before accept_session.
[[nodiscard]] Result<HandshakeHash, Error> handshake_hash_of(ByteView message);

/// Answers a handshake and opens the message in it. Refuses without change: too_large, malformed, unsupported_version,
/// unknown_prekey, bad_key, authentication_failed (also: a signature that does not verify), wrong_device (from
/// ourselves), gap_too_large.
[[nodiscard]] Result<AcceptedSession, Error> accept_session(const LocalDevice& us, PrekeySource& prekeys,
                                                            ByteView message, ByteView associated_data, Time now);

/// What a device list says of a claim.
enum class ClaimCheck : std::uint8_t {
  confirmed,      ///< the list has this device with these keys
  newer_list,     ///< the claim names a higher number than this list's: fetch and look again
  not_in_list,    ///< the account has no such device (any more)
  wrong_keys,     ///< the device has other keys: somebody else is speaking
  forked_list,    ///< the same number with another hash: an alarm
  other_account,  ///< the list is another account's
};
[[nodiscard]] ClaimCheck check_claim(const VerifiedDeviceList& list, const PeerClaim& claim);

}  // namespace opaline::session
