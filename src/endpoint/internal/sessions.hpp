#pragma once
// Sessions: which there are, which one sends, and how a ciphertext's tag leads to one.
#include "endpoint/internal/peers.hpp"

namespace opaline::endpoint::internal {

class Sessions {
 public:
  explicit Sessions(Core& core) : core_(core) {}

  /// Null if there is none. Valid until remove() or write().
  [[nodiscard]] session::Session* find(const session::HandshakeHash& hash);
  [[nodiscard]] std::optional<session::HandshakeHash> by_tag(const session::SessionTag& tag);
  /// The session's state has changed, and perhaps its tags.
  void changed(const session::HandshakeHash& hash, PeerDevice& device);

  /// The session for the next message to this device; null if one has to be opened from a bundle.
  [[nodiscard]] session::Session* sender(PeerDevice& device);
  /// Keeps a session that this device opened with prekeys of `set`: it sends from now on.
  void opened(PeerDevice& device, session::Session session, const session::PrekeySet& set);
  /// Keeps a session that the peer opened, and decides which one sends: where both opened one at once the smaller
  /// handshake hash, else the peer's, which it opened for a reason. Ours counts for so long as it may be on its way:
  /// perhaps it came to another home with the peer's keys, and the one that runs knows nothing of it.
  void accepted(PeerDevice& device, session::Session session);
  /// True if too much time passed without an answer in the session that sends: perhaps the peer does not have it any
  /// more. A fresh one is to be tried, and if there is no bundle for it, keep_going() with this one.
  [[nodiscard]] bool silent(const PeerDevice& device) const;
  void keep_going(PeerDevice& device);
  /// A message was encrypted with it.
  void sent(PeerDevice& device, const session::HandshakeHash& hash);
  enum class Heard : std::uint8_t { as_expected, set_back };
  /// The peer used this session. If none sends and none is to be opened, it does; also if the one that sends is ours
  /// and nobody answers it. Where it was only slow, the smaller handshake hash sends in the end, on both sides. If the
  /// one that sends was answered, that was another home with the peer's keys, as order is kept: the one that runs now
  /// is written to where it writes. `set_back`: there, and it is an older session.
  [[nodiscard]] Heard heard(PeerDevice& device, const session::HandshakeHash& hash);
  /// Nothing is sent with it any more; it goes on receiving. A newer session takes over, if there is one that has
  /// not failed, else the next message opens one.
  void retire(PeerDevice& device, const session::HandshakeHash& hash);
  void remove_all(PeerDevice& device);
  [[nodiscard]] static SessionReference* reference(PeerDevice& device, const session::HandshakeHash& hash);

  /// Wipes keys for late messages that are over their time, in sessions that are silent too.
  void wipe_late();
  void write();
  void evict();

 private:
  struct Cached {
    session::Session session;
    std::vector<session::SessionTag> tags;
    bool dirty = false;
  };
  void keep(PeerDevice& device, session::Session session, Time answer_by);
  void remove(const session::HandshakeHash& hash);
  /// Ours, and without an answer for longer than one takes that is on its way.
  [[nodiscard]] bool unheard(PeerDevice& device);
  /// A session that is younger than the one that sends.
  [[nodiscard]] static bool comes_after(const PeerDevice& device, const session::HandshakeHash& hash);
  void note_tags(const session::HandshakeHash& hash, Cached& cached);
  /// It is written with the next commit.
  void mark(const session::HandshakeHash& hash, Cached& cached);

  Core& core_;
  std::unordered_map<session::HandshakeHash, Cached> cache_;
  std::unordered_map<session::SessionTag, session::HandshakeHash> tags_;  ///< of those in cache_
  std::vector<session::HandshakeHash> dirty_;
};

}  // namespace opaline::endpoint::internal
