#pragma once
// Peers: pinned device lists and the alarms about them.
#include <unordered_map>

#include "endpoint/internal/core.hpp"
#include "wire/contents.hpp"

namespace opaline::endpoint::internal {

/// What became of a list that was shown.
enum class ListOutcome : std::uint8_t {
  pinned,   ///< it is the pinned list now, or was already
  waiting,  ///< another account key: it waits for the person
  partly,   ///< it follows the pinned list, but some in between are still missing: those that came are pinned
  behind,   ///< it follows the pinned list later, and none of those in between came: nothing is pinned
  refused,  ///< an older or a forked one
  invalid,  ///< not a list of this account that its account key has signed
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
  /// For the own account: the list becomes Core::own_list. `known`: the number of the list that was pinned when the
  /// directory was asked; one that is older than that is an alarm, one that merely was overtaken is not.
  [[nodiscard]] ListOutcome take_list(Peer& peer, ByteView signed_list, const std::vector<Bytes>& between,
                                      ListNumber known);
  /// The directory was asked for a list and those in between, had room for them, and gave none that follows (`behind`).
  /// If there are so many that it does not keep them, the list is pinned, with a line: the account key signed it, and
  /// no rule speaks against it. `pinned`, else `behind`.
  [[nodiscard]] ListOutcome take_over_gap(Peer& peer, ByteView signed_list);
  /// A device of the pinned list named, in what it signed, another list with the pinned one's number.
  void forked(Peer& peer, const session::ListHash& other) { alarm(peer, other, NoticeKind::list_forked); }
  /// Somebody says that this is the list of our own account. If it is no list of ours, and the directory, asked if need
  /// be, does not have it either, that is told to the person.
  void own_list_claimed(const session::ListReference& reference, const AccountId& by);
  /// By which lists a device of the pinned list has written: another one with a number of these is an alarm.
  void lists_said(Peer& peer, const wire::Content& content);
  /// The directory's answer about our own account is here.
  void check_claimed(Peer& own);
  /// The directory showed us one account key, and another device of ours has pinned another: an alarm, once.
  void compare_with_others(Peer& peer);
  /// One of its devices goes by a newer list than the directory shows.
  void hidden(Peer& peer) { alarm(peer, peer.pinned->hash(), NoticeKind::list_rolled_back); }
  /// The directory showed what is no list of this account: an alarm, once in kUnsignedListEvery.
  void shown_invalid(const Peer& peer);
  /// The directory is asked for the list.
  void want_list(Peer& peer);
  /// The same, once in kListFetchEvery: only somebody's word says that there is another one.
  void want_list_by_word(Peer& peer);
  /// Accounts that the person has blocked, known or not.
  [[nodiscard]] std::vector<AccountId> blocked();
  /// A text goes to this peer or came from it: the first time that is worth a line.
  void meet(Peer& peer);
  /// The candidate becomes the pinned list. There must be one (asserted).
  void accept_candidate(Peer& peer);
  /// Another device of ours has pinned this account key. Does nothing about a list that is pinned here already.
  void told_key(Peer& peer, const AccountKeyHash& key);
  /// What other devices of ours are to know of a peer. Borrows `handle` and `key`, which is filled.
  [[nodiscard]] static wire::Contact contact_of(const Peer& peer, std::string_view handle, Time active_at,
                                                AccountKeyHash& key);
  /// Whether the candidate is what the person accepted on another device.
  [[nodiscard]] static bool accepted_elsewhere(const Peer& peer);
  /// The person has just said something of this peer: later than everything said before.
  void decided(Peer& peer);
  /// Hash of the pinned account key; zero: none is pinned.
  [[nodiscard]] static AccountKeyHash pinned_key(const Peer& peer);

  /// Peers with something to be done: pump() looks at these alone.
  void busy(const Peer& peer) { busy_.insert(peer.account); }
  void idle(const Peer& peer) { busy_.erase(peer.account); }
  [[nodiscard]] const std::set<AccountId>& busy() const { return busy_; }

  /// Devices that are not on the pinned list are not kept; their sessions must be gone.
  void drop_unlisted(Peer& peer);

  void disconnected();
  /// Stages what has changed.
  void write();
  /// Forgets peers that nothing is going on with, once there are too many. After a commit.
  void evict();
  [[nodiscard]] std::unordered_map<AccountId, Peer>& cached() { return peers_; }

 private:
  void pin(Peer& peer, session::VerifiedDeviceList list);
  void pin_own(Peer& peer, session::VerifiedDeviceList list);
  ListOutcome first_list(Peer& peer, session::VerifiedDeviceList shown);
  ListOutcome new_key(Peer& peer, session::VerifiedDeviceList shown);
  ListOutcome new_root(Peer& own, session::VerifiedDeviceList shown);
  /// `claimed_by`: of the own list, where only a contact's word says so.
  void alarm(Peer& peer, const session::ListHash& list, NoticeKind kind, const AccountId& claimed_by = {});
  Core& core_;
  std::unordered_map<AccountId, Peer> peers_;
  std::set<AccountId> busy_;
};

}  // namespace opaline::endpoint::internal
