#pragma once
// The errors of this room (docs/protocol.md, section Errors). Whatever is returned, nothing has changed: state, keys
// and the random source's use aside, a failed call leaves everything as it was.
#include <cstdint>

#include "base/result.hpp"
#include "credentials/error.hpp"

namespace opaline::session {

enum class Error : std::uint8_t {
  too_large,            ///< longer than the limit that stands for it in limits.hpp
  malformed,            ///< the structure is not as docs/protocol.md says, or bytes are left over
  unsupported_version,  ///< a version that this code does not speak
  bad_signature,        ///< a list or prekey set is not signed by the key that it should be
  expired,              ///< a prekey set outside of the times it was signed for
  wrong_device,         ///< made for or by another (account, device) than the one given; or a device and itself
  bad_key,              ///< a peer's public key that gives no secret
  unknown_prekey,  ///< a handshake with a prekey that we never had or have wiped: the peer heals with a new handshake
  unknown_tag,     ///< no chain of this session has this tag
  replayed,        ///< this message was opened before, or its key was dropped with what had expired
  gap_too_large,   ///< more messages are missing than limits.hpp lets skip: heals with a new handshake
  authentication_failed,  ///< damaged, forged, reflected, or meant for another: all alike
  encapsulation_missing,  ///< authentic by X25519 alone where ML-KEM was offered: a downgrade. Drop the session and
                          ///< heal
  not_established,        ///< an ephemeral message before the peer has answered for the first time
  chain_exhausted,        ///< kMaxChainMessages went out without an answer: open a new session
  bad_state,              ///< stored state that this code did not write
  wrong_kind,             ///< not a link code, or not a recovery file, at all
  out_of_turn,            ///< linking: nothing of this kind is to come now, or it is over: begin again
  too_costly,             ///< a recovery file that asks for more work than is believed, or memory that is not there
};

/// The same reason in this room's words.
[[nodiscard]] constexpr Error to_error(credentials::Error error) {
  switch (error) {
    case credentials::Error::too_large:
      return Error::too_large;
    case credentials::Error::malformed:
      return Error::malformed;
    case credentials::Error::unsupported_version:
      return Error::unsupported_version;
    case credentials::Error::bad_signature:
      return Error::bad_signature;
    case credentials::Error::wrong_device:
      return Error::wrong_device;
  }
  return Error::malformed;
}
template <class T>
[[nodiscard]] Result<T, Error> lift(Result<T, credentials::Error> result) {
  if (!result) return fail(to_error(result.error()));
  return std::move(*result);
}

}  // namespace opaline::session
