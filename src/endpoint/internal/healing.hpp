#pragma once
// Healing: what cannot be opened is asked for again, over a fresh session, without loops (docs/endpoint.md, "Healing").
#include "endpoint/internal/outbox.hpp"
#include "endpoint/internal/prekeys.hpp"

namespace opaline::endpoint::internal {

/// Instead of an envelope: who asks has seen that the state of the device that it asks was set back, or is one of two.
inline constexpr EnvelopeId kSetBackQuestion{ByteArray<EnvelopeId::kSize>{
    std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff},
    std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff},
    std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}}};

class Healing {
 public:
  Healing(Core& core, Peers& peers, Sessions& sessions, Outbox& outbox, Prekeys& prekeys)
      : core_(core), peers_(peers), sessions_(sessions), outbox_(outbox), prekeys_(prekeys) {}
  void load();

  /// This device goes on with an older state than the one that we have heard of: a backup, or another home with its
  /// keys. It is told by a question about kSetBackQuestion.
  void set_back(Peer& peer, PeerDevice& device);
  /// A ciphertext of this session could not be opened.
  void broken(const session::HandshakeHash& hash, const EnvelopeId& envelope, ByteView ciphertext, Time received_at,
              session::Error why);
  /// A ciphertext that belongs to no session that we know: nobody knows whose it is.
  void orphan(const EnvelopeId& envelope, ByteView ciphertext, Time received_at, bool unknown_prekey);
  /// A session with this device has come about: perhaps the orphans are its own. `opened_it`: it did, perhaps without
  /// having heard what it was asked before.
  void met(Peer& peer, PeerDevice& device, bool opened_it);
  /// This device is there: what it was not asked for, because too much had been asked, it is asked for now. What it was
  /// asked for once, kAskAgainAfter ago or longer, it is asked for once more: another home with its keys may have got
  /// the question.
  void heard(Peer& peer, PeerDevice& device);
  /// This envelope was opened, but so many right before it in its session never came.
  void passed_over(Peer& peer, PeerDevice& device, const EnvelopeId& envelope, std::size_t count, Time received_at);
  /// The peer could not open this envelope of ours.
  void asked(Peer& peer, PeerDevice& device, const wire::Retry& retry);

  /// Asks the devices that we last wrote with about orphans, when it is time.
  void probe(bool connected);
  [[nodiscard]] std::optional<Time> next_deadline() const;

 private:
  /// False once too many fresh sessions were wanted of late.
  bool within_budget(PeerDevice& device);
  [[nodiscard]] bool asked_lately(const PeerDevice& device) const;
  void remember_lost(PeerDevice& device, const EnvelopeId& envelope, ByteView ciphertext, Time received_at);
  /// Asks once, and notes it.
  void ask_about(Peer& peer, PeerDevice& device, LostMessage& message);
  /// Asks about all that were not asked for too often.
  void ask_about_lost(Peer& peer, PeerDevice& device, bool new_ones_only);
  void ask_about_orphans(Peer& peer, PeerDevice& device, bool new_ones_only);
  void write_orphans();
  [[nodiscard]] bool probe_wanted() const;
  void ask_again(Peer& peer, PeerDevice& device, const EnvelopeId& envelope, Time received_at,
                 std::uint32_t passed_over = 0);

  Core& core_;
  Peers& peers_;
  Sessions& sessions_;
  Outbox& outbox_;
  Prekeys& prekeys_;
  OrphanRecord orphans_;
};

}  // namespace opaline::endpoint::internal
