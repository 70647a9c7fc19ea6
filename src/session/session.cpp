#include "session/session.hpp"

#include "crypto/hash.hpp"
#include "session/handshake.hpp"
#include "session/internal/state.hpp"

namespace opaline::session {

Session::Session(std::unique_ptr<internal::State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Session Session::clone() const {
  return SessionFactory::make(internal::clone_state(*state_));
}

Result<Bytes, Error> Session::encrypt(ByteView plaintext, ByteView associated_data, Time now, RandomSource& random) {
  return internal::seal_message(*state_, false, plaintext, associated_data, now, random);
}

Result<Bytes, Error> Session::encrypt_ephemeral(ByteView plaintext, ByteView associated_data, Time now,
                                                RandomSource& random) {
  return internal::seal_message(*state_, true, plaintext, associated_data, now, random);
}

Result<Decrypted, Error> Session::decrypt(ByteView message, ByteView associated_data, Time now) {
  OPALINE_TRY(const internal::ParsedMessage parsed, internal::parse_message(message));
  if (!parsed.handshake.empty()) {
    // The handshake again, until the initiator has our answer: it must be the one that this session came from.
    if (state_->initiator) return fail(Error::malformed);
    OPALINE_TRY(const HandshakeHash hash, handshake_hash_of(message));
    if (hash != state_->handshake_hash) return fail(Error::authentication_failed);
  }
  return internal::open_message(*state_, parsed, associated_data, now);
}

bool Session::wipe_late(Time now) {
  return internal::wipe_late(*state_, now);
}

std::vector<SessionTag> Session::accepted_tags() const {
  std::vector<SessionTag> tags;
  if (state_->receive) tags.push_back(state_->receive->tag);
  if (state_->send) tags.push_back(state_->next_tag);
  for (const internal::OldChain& chain : state_->old) tags.push_back(chain.tag);
  return tags;
}

const HandshakeHash& Session::handshake_hash() const {
  return state_->handshake_hash;
}
const DeviceAddress& Session::us() const {
  return state_->us;
}
const DeviceAddress& Session::peer() const {
  return state_->peer;
}
const IdentityHash& Session::peer_identity() const {
  return state_->peer_identity;
}
bool Session::is_initiator() const {
  return state_->initiator;
}
bool Session::is_established() const {
  return state_->handshake.empty();
}

SecretBytes Session::serialise() const {
  return internal::serialise_state(*state_);
}

Result<Session, Error> Session::deserialise(ByteView stored) {
  OPALINE_TRY(internal::State state, internal::deserialise_state(stored));
  return SessionFactory::make(std::move(state));
}

}  // namespace opaline::session
