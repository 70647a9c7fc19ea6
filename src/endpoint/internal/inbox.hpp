#pragma once
// The inbox: opens what comes, checks who sent it, and acts on it.
#include "endpoint/internal/healing.hpp"
#include "endpoint/internal/own_devices.hpp"

namespace opaline::endpoint::internal {

class Inbox {
 public:
  Inbox(Core& core, Peers& peers, Sessions& sessions, Outbox& outbox, Prekeys& prekeys, Healing& healing,
        OwnDevices& own_devices)
      : core_(core),
        peers_(peers),
        sessions_(sessions),
        outbox_(outbox),
        prekeys_(prekeys),
        healing_(healing),
        own_devices_(own_devices) {}
  void load();

  void receive(const EnvelopeId& id, ByteView ciphertext);
  /// What waited for this account's device list, once a list came or none will. What has a number below `asked_for`
  /// came before that list was asked for.
  void list_known(Peer& peer, std::uint64_t asked_for);
  void list_unknown(Peer& peer);
  /// The directory showed the list that is pinned now: does what others say fit to it?
  void list_shown(Peer& peer);
  /// The candidate becomes the peer's identity: the person agreed, here or on another device. There must be one.
  void accept_candidate(Peer& peer);
  [[nodiscard]] bool waits_for(const Peer& peer) const { return parked_of_.contains(peer.account); }
  /// Asks again for the lists that something waits for.
  void connected();
  void expire();

 private:
  struct Parked {
    AccountId account;
    Time received_at{};
    std::size_t size_bytes = 0;
    session::HandshakeHash handshake;
  };
  /// What a claim is held against: the list that happens to be pinned, or one that was asked for since it came.
  enum class Knowledge : std::uint8_t { pinned, fetched };
  enum class Outcome : std::uint8_t { done, waits };

  Outcome open(const EnvelopeId& id, ByteView ciphertext, Time received_at, Knowledge knowledge);
  void open_in_session(const session::HandshakeHash& hash, const EnvelopeId& id, ByteView ciphertext, Time received_at);
  Outcome open_handshake(const EnvelopeId& id, ByteView ciphertext, Time received_at, Knowledge knowledge);
  void orphan(const EnvelopeId& id, ByteView ciphertext, Time received_at, bool unknown_prekey);
  void park(const AccountId& account, const session::HandshakeHash& handshake, const EnvelopeId& id,
            ByteView ciphertext, Time received_at, Knowledge knowledge);
  void add_parked(std::uint64_t number, Parked parked);
  void remove_parked(std::uint64_t number);
  [[nodiscard]] std::vector<std::uint64_t> parked_by(const AccountId& account) const;
  /// So many messages right before this one, in its session, never came.
  void passed_over(Peer& peer, PeerDevice& device, const EnvelopeId& id, bool failed, std::size_t count,
                   Time received_at);
  void dispatch(Peer& peer, PeerDevice& device, const session::Decrypted& opened, Time received_at);
  void text(Peer& peer, PeerDevice& device, const wire::Content& content, Time received_at);
  void receipt(PeerDevice& device, const wire::Receipt& receipt);
  void newer_list(Peer& peer, const wire::NewerList& list);
  void compare_list_numbers(Peer& peer, PeerDevice& device, const wire::Content& content);

  // inbox_sync.cpp: what another device of this account says
  void sync(PeerDevice& device, const wire::Content& content, const wire::Sync& sync);
  void sent_copy(PeerDevice& device, const wire::SentCopy& copy);
  void states(const wire::StateMarks& marks);
  void reads(const wire::ReadMarks& marks);
  void deletion(const wire::Deletion& deletion);
  void contacts(const wire::Contacts& contacts);
  void personas(const wire::Personas& personas);
  void contact(const wire::Contact& contact);

  Core& core_;
  Peers& peers_;
  Sessions& sessions_;
  Outbox& outbox_;
  Prekeys& prekeys_;
  Healing& healing_;
  OwnDevices& own_devices_;
  std::map<std::uint64_t, Parked> parked_;
  struct Share {
    std::set<std::uint64_t> numbers;  ///< in the order in which they came
    std::size_t bytes = 0;
  };
  std::map<AccountId, Share> parked_of_;
  std::size_t parked_bytes_ = 0;
  /// Whose a handshake says it is, of those that wait: what follows in the same session waits with it, unopened.
  std::map<session::HandshakeHash, AccountId> parked_handshakes_;
};

}  // namespace opaline::endpoint::internal
