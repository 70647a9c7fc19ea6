#pragma once
// The outbox: what this device has to say, in order, to every device that has to hear it, until each has it.
#include <algorithm>

#include "endpoint/internal/link.hpp"
#include "endpoint/internal/requests.hpp"
#include "endpoint/internal/sessions.hpp"
#include "wire/contents.hpp"

namespace opaline::endpoint::internal {

class Outbox {
 public:
  Outbox(Core& core, Peers& peers, Sessions& sessions, Link& link, Requests& requests)
      : core_(core), peers_(peers), sessions_(sessions), link_(link), requests_(requests) {}

  /// Reads what had not gone out when this device stopped.
  void load();

  // ---- in
  [[nodiscard]] Result<MessageId, Error> add_text(const AccountId& account, NewMessage message);
  /// A content that no person wrote. `only`: 0 for all devices of the peer.
  void add_control(Peer& peer, DeviceNumber only, ContentKind kind, Bytes body);
  /// Collected until the end of the round.
  void add_receipt(const AccountId& peer, wire::ReceiptKind kind, const MessageId& id);
  void send_typing(Peer& peer, bool active);

  // ---- for the account's other devices (outbox_sync.cpp). Without any, or with too much waiting for them: nothing
  void tell(const wire::Sync& what, DeviceNumber only = {});
  /// The same of any number of messages, in portions that a Sync takes: `make` turns wire::MessageIds into one.
  template <class Make>
  void tell_of(std::span<const MessageId> ids, const Make& make) {
    for (; !ids.empty(); ids = ids.subspan(std::min(ids.size(), wire::kMaxSyncIds))) {
      wire::MessageIds some;
      some.count = std::min(ids.size(), wire::kMaxSyncIds);
      std::ranges::copy(ids.first(some.count), some.ids.begin());
      tell({make(some)});
    }
  }
  /// What is known and wanted of this peer; `handle` may be empty.
  void tell_contact(const Peer& peer, std::string_view handle);
  /// What personas() says of this business then.
  void tell_persona(const AccountId& business) { tell_personas(business.view(), {}); }
  /// Collected until the end of the round.
  void tell_read(const AccountId& peer, const MessageId& id) { marks_[peer].read.push_back(id); }
  /// The history since then, and all contacts, for one device.
  void give_history(DeviceNumber device, Time since);
  /// Another device of ours sent this text: receipts for it come here too.
  void written_elsewhere(const AccountId& peer, const MessageId& id, Time sent_at, DeviceNumber author);
  /// It says what became of it.
  void state_elsewhere(const AccountId& peer, const MessageId& id, MessageState state);

  // ---- out
  /// Fans out, encrypts and submits what can go now, and asks for what is missing.
  void pump();
  /// Asks the directory for the list, without bundles: its answer has room for the lists in between.
  void ask_list(Peer& peer, bool list_alone);
  /// One answer to a submit.
  void answered(const Link::InFlight& submit, wire::SubmitStatus status);
  /// The peer's pinned list is another now: messages follow it.
  void list_changed(Peer& peer);
  /// The directory says that there is no such account (any more): what waits for it fails.
  void account_gone(Peer& peer, Reason reason);
  /// Whatever is sent to it next, the directory is asked first.
  void ask_anew(Peer& peer);
  /// The peer has a new identity: everything that waits is made again for its devices.
  void start_over(Peer& peer);
  void disconnected();

  /// Says of the texts that are queued there why they are.
  void wait_for(PeerDevice& device, Reason reason);
  void wait_for(Peer& peer, Reason reason);

  // ---- receipts and retries of the peer
  void receipt(const session::DeviceAddress& from, wire::ReceiptKind kind, const MessageId& id);
  /// Sends the message of this envelope again, and those that went the same way after it. False: refused.
  [[nodiscard]] bool resend(PeerDevice& device, const EnvelopeId& envelope);
  /// Sends again what of the `count` messages right before this one, in its session, is not known to be there. False:
  /// refused.
  [[nodiscard]] bool resend_before(PeerDevice& device, const EnvelopeId& envelope, std::size_t count);

  /// Messages that are too old fail; records that are too old go. At most a bounded number a call.
  void expire();
  void write();
  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] bool busy() const { return link_.in_flight() > 0 || requests_.has(Requests::Open::Kind::devices); }
  /// Bound of what tick() has to wait for; nullopt: nothing.
  [[nodiscard]] std::optional<Time> next_deadline() const;

 private:
  struct Entry {
    MessageRecord record;
    bool settled = false;  ///< in Table::sent, not in Table::outbox
    bool dirty = false;
    bool moved = false;  ///< the other table has the row
    bool gone = false;   ///< to be deleted
  };
  using Entries = std::map<std::uint64_t, Entry>;

  Entry& add(const AccountId& peer, DeviceNumber only, ContentKind kind, Bytes body, const MessageId& id, Time sent_at);
  /// In memory or from Table::sent; null if there is none.
  Entry* open(std::uint64_t sequence);
  Entry* open_by_message(const MessageId& id);
  static Delivery* delivery_to(Entry& entry, DeviceNumber device);
  /// One of this kind for this device alone that is not encrypted yet: what it says is made when it is.
  [[nodiscard]] bool waits(const Peer& peer, DeviceNumber only, ContentKind kind);
  void make_receipts();
  void enqueue(Peer& peer, Entry& entry);
  [[nodiscard]] Result<void, Error> check(const NewMessage& message);
  /// Whether a message of this id is there already.
  [[nodiscard]] bool knows(const MessageId& id);
  /// A content from us to this peer, without its body.
  [[nodiscard]] wire::Content head(const Peer& peer, const MessageId& id, Time sent_at) const;
  /// What waits for others than our own devices; exact once it is many.
  [[nodiscard]] std::size_t count_waiting() const;
  [[nodiscard]] bool is_this_device(const Peer& peer, DeviceNumber number) const {
    return core_.is_own(peer.account) && number == core_.address.device;
  }

  // outbox_sync.cpp
  [[nodiscard]] bool may_tell();
  void add_copy(const MessageRecord& text);
  /// `businesses`: ids, one after the other.
  void tell_personas(ByteView businesses, DeviceNumber only);
  /// False: nothing is known of these businesses (any more).
  [[nodiscard]] bool fill_personas(wire::Personas& out, ByteView businesses, const std::vector<PersonaState>& known);
  void make_marks();
  /// What devices of ours wrote that are not on the list any more: they say no more what became of it.
  void give_up_authors();
  /// Of a text of another device of ours whose copy is not here yet: they come by different ways.
  void remember_state(const AccountId& peer, const MessageId& id, MessageState state);
  /// The content of a record of sync for this device; nullopt: what it was about is gone.
  std::optional<SecretBytes> sync_content(const PeerDevice& device, const MessageRecord& record,
                                          const wire::Content& head);

  // outbox_pump.cpp
  void fan_out(Peer& peer);
  void add_deliveries(Peer& peer, Entry& entry);
  void pump_peer(Peer& peer);
  void pump_device(Peer& peer, PeerDevice& device);
  enum class Step : std::uint8_t { submitted, skipped, blocked };
  Step send_one(Peer& peer, PeerDevice& device, Entry& entry, Delivery& delivery);
  std::optional<Bytes> encrypt(Peer& peer, PeerDevice& device, Entry& entry, Delivery& delivery);
  std::optional<SecretBytes> content_of(Peer& peer, const PeerDevice& device, Entry& entry);
  void ask(Peer& peer);
  /// Whether a list may be fetched for no other reason than that its account wrote.
  bool within_stranger_budget(Peer& peer);

  // outbox_settle.cpp
  void not_accepted(Peer& peer, PeerDevice& device, Entry* entry, Delivery* delivery, wire::SubmitStatus status);
  /// The device is gone, and so is what waits for it.
  void drop_deliveries(Peer& peer, PeerDevice& device);
  void set_state(Entry& entry, MessageState state, Reason reason);
  /// After any delivery of it changed.
  void review(Peer& peer, Entry& entry);
  void settle(Peer& peer, Entry& entry);
  void give_up(Peer& peer, Entry& entry, Reason reason);
  void drop_ciphertext(Delivery& delivery);
  void forget_envelopes(Entry& entry);
  void forget(Entry& entry);
  bool resend_one(PeerDevice& device, Entry& entry, Delivery& delivery);

  Core& core_;
  Peers& peers_;
  Sessions& sessions_;
  Link& link_;
  Requests& requests_;
  Entries entries_;
  struct PendingReceipts {
    std::vector<MessageId> delivered, read;
  };
  std::map<AccountId, PendingReceipts> receipts_;
  struct PendingMarks {
    std::vector<MessageId> read, sent, failed;
  };
  std::map<AccountId, PendingMarks> marks_;
  std::optional<AccountId> pumped_last_;
  std::deque<Instant> stranger_fetches_;  ///< within kStrangerWindow
};

}  // namespace opaline::endpoint::internal
