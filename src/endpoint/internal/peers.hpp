#pragma once
// Peers: pinned device lists and the alarms about them.
#include <unordered_map>

#include "endpoint/internal/core.hpp"

namespace opaline::endpoint::internal {

/// What became of a list that was shown.
enum class ListOutcome : std::uint8_t {
  pinned,   ///< it is the pinned list now, or was already
  waiting,  ///< another account key: it waits for the person
  refused,  ///< not a list of this account, an older or a forked one, or one with lists missing in between
};

class Peers {
 public:
  explicit Peers(Core& core) : core_(core) {}

  /// Loads what is known; a peer that nothing is known of is made empty. Valid until write().
  [[nodiscard]] Peer& get(const AccountId& account);
  /// Null if this device of the peer was never dealt with and is not in its list.
  [[nodiscard]] PeerDevice* find(const session::DeviceAddress& address);
  /// The same, made empty.
  [[nodiscard]] PeerDevice& device(Peer& peer, DeviceNumber number);
  void changed(Peer& peer) { peer.dirty = true; }
  void changed(PeerDevice& device) { device.dirty = true; }

  /// A list of this account that the directory or one of its devices showed, with those between the pinned one and it.
  [[nodiscard]] ListOutcome take_list(Peer& peer, ByteView signed_list, const std::vector<Bytes>& between);
  /// A device of the pinned list named, in what it signed, another list with the pinned one's number.
  void forked(Peer& peer, const session::ListHash& other) { alarm(peer, other, NoticeKind::list_forked); }
  /// A text goes to this peer or came from it: the first time that is worth a line.
  void meet(Peer& peer);
  /// The candidate becomes the pinned list. There must be one (asserted).
  void accept_candidate(Peer& peer);

  /// Peers with something to be done: pump() looks at these alone.
  void busy(const Peer& peer) { busy_.insert(peer.account); }
  void idle(const Peer& peer) { busy_.erase(peer.account); }
  [[nodiscard]] const std::set<AccountId>& busy() const { return busy_; }

  void disconnected();
  /// Stages what has changed.
  void write();
  /// Forgets peers that nothing is going on with, once there are too many. After a commit.
  void evict();
  [[nodiscard]] std::unordered_map<AccountId, Peer>& cached() { return peers_; }

 private:
  void pin(Peer& peer, session::VerifiedDeviceList list);
  void alarm(Peer& peer, const session::ListHash& list, NoticeKind kind);

  Core& core_;
  std::unordered_map<AccountId, Peer> peers_;
  std::set<AccountId> busy_;
};

}  // namespace opaline::endpoint::internal
