// What another device of this account says: what it sent, and what the person did there.
#include <algorithm>

#include "endpoint/internal/inbox.hpp"
#include "endpoint/internal/text_for_device.hpp"

namespace opaline::endpoint::internal {
namespace {

std::vector<MessageId> to_vector(const wire::MessageIds& ids) {
  return {ids.ids.begin(), ids.ids.begin() + static_cast<std::ptrdiff_t>(ids.count)};
}

}  // namespace

void Inbox::sync(PeerDevice& device, const wire::Content& content, const wire::Sync& sync) {
  // Each counts once, also when healing brings it again.
  const Bytes key = message_key(device.address.account, content.message);
  if (core_.seen(SeenKind::message, key)) {
    ++core_.counters.duplicates;
    return;
  }
  core_.remember(SeenKind::message, key, core_.now() + kSeenFor);
  struct Visitor {
    Inbox& inbox;
    PeerDevice& device;
    void operator()(const wire::UnknownBody&) const {}
    void operator()(const wire::SentCopy& copy) const { inbox.sent_copy(device, copy); }
    void operator()(const wire::StateMarks& marks) const { inbox.states(marks); }
    void operator()(const wire::ReadMarks& marks) const { inbox.reads(marks); }
    void operator()(const wire::Deletion& deletion) const { inbox.deletion(deletion); }
    void operator()(const wire::Contacts& contacts) const { inbox.contacts(contacts); }
    void operator()(const wire::Personas& personas) const { inbox.personas(personas); }
    void operator()(const wire::DeviceInfo& info) const { inbox.own_devices_.told(device.address.device, info); }
    void operator()(const wire::HistoryRequest& request) const {
      inbox.own_devices_.history_wanted(device.address.device, request.since);
    }
    void operator()(const wire::HistoryPart& part) const {
      if (!part.entries.empty()) inbox.core_.staging.history(AddHistory{to_secret_bytes(part.entries)});
      if (part.index + 1 == part.parts) inbox.own_devices_.history_came();
      const bool nothing = part.parts == 1 && part.entries.empty();
      inbox.core_.events.emplace_back(nothing ? HistoryArrived{} : HistoryArrived{part.index + 1, part.parts});
    }
  };
  std::visit(Visitor{*this, device}, sync.what);
}

void Inbox::sent_copy(PeerDevice& device, const wire::SentCopy& copy) {
  if (core_.is_own(copy.peer)) return;
  const Bytes key = message_key(copy.peer, copy.message);
  // The index knows those that this device wrote itself, and those that came before.
  if (core_.staging.has(Table::message_index, copy.message.view()) || core_.seen(SeenKind::deleted, key)) return;
  // A clock that is far ahead would keep it below everything that comes.
  const Time sent_at = std::min<Time>(copy.sent_at, core_.now() + kMaxClockAhead);
  core_.staging.history(
      AddOutgoing{OutgoingMessage{copy.message, copy.peer, to_body(copy.text), sent_at, device.address.device}});
  outbox_.written_elsewhere(copy.peer, copy.message, sent_at, device.address.device);
  core_.events.emplace_back(MessageCopied{copy.message, copy.peer});
}

void Inbox::states(const wire::StateMarks& marks) {
  const MessageState state = marks.state == wire::SentState::sent ? MessageState::sent : MessageState::failed;
  for (const MessageId& id : to_vector(marks.messages)) outbox_.state_elsewhere(marks.peer, id, state);
}

void Inbox::reads(const wire::ReadMarks& marks) {
  MarkRead change{marks.peer, to_vector(marks.messages)};
  for (const MessageId& id : change.ids) {
    // What has not come yet is read already when it does.
    const Bytes key = message_key(marks.peer, id);
    if (!core_.seen(SeenKind::message, key)) core_.remember(SeenKind::read, key, core_.now() + kSeenFor);
  }
  core_.staging.history(std::move(change));
  core_.events.emplace_back(ConversationChanged{marks.peer});
}

void Inbox::deletion(const wire::Deletion& deletion) {
  if (deletion.messages.count == 0) {
    // Not what is written later than a clock can be ahead: a time without end would end the conversation for good.
    core_.staging.history(
        DeleteConversation{deletion.peer, std::min<Time>(deletion.through, core_.now() + kMaxClockAhead)});
  } else {
    DeleteMessages change{deletion.peer, to_vector(deletion.messages)};
    for (const MessageId& id : change.ids)
      core_.remember(SeenKind::deleted, message_key(deletion.peer, id), core_.now() + kSeenFor);
    core_.staging.history(std::move(change));
  }
  core_.events.emplace_back(ConversationChanged{deletion.peer});
}

void Inbox::contacts(const wire::Contacts& contacts) {
  for (std::size_t i = 0; i < contacts.count; ++i) contact(contacts.contacts[i]);
}

void Inbox::personas(const wire::Personas& personas) {
  bool any = false;
  for (std::size_t i = 0; i < personas.count; ++i) {
    const wire::PersonaState& p = personas.personas.at(i);
    if (p.changed_at > core_.now() + kMaxClockAhead || !session::AccountKey::deserialise(p.root)) continue;
    core_.staging.history(AddPersona{{.business = p.business,
                                      .opaque_id = to_array<wire::kOpaqueIdBytes>(p.opaque_id),
                                      .root = to_secret_bytes(p.root),
                                      .state = static_cast<PersonaStanding>(p.state),
                                      .changed_at = p.changed_at}});
    any = true;
  }
  if (any) core_.events.emplace_back(PersonasChanged{});
}

void Inbox::contact(const wire::Contact& contact) {
  if (core_.is_own(contact.account)) return;
  Peer& peer = peers_.get(contact.account);
  core_.staging.history(AddContact{contact.account, to_string(contact.handle), contact.active_at});
  const bool later = contact.changed_at > peer.record.changed_at && contact.changed_at <= core_.now() + kMaxClockAhead;
  const auto key = AccountKeyHash::from(contact.account_key_hash);
  if (key) {
    peers_.told_key(peer, *key);
    // That the other device has pinned it says nothing: it may have met it for the first time, and been lied to.
    if (contact.accepted && later) peer.record.accepted_key = *key;
    if (Peers::accepted_elsewhere(peer)) {
      accept_candidate(peer);
    } else if (peer.pinned && Peers::pinned_key(peer) != *key) {
      peers_.want_list(peer);  // accepted there, or the directory shows two of us different keys
    }
  }
  // Said on two devices in one millisecond: all of them take the same.
  const auto word = [](bool blocked, bool verified) { return (blocked ? 2 : 0) + (verified ? 1 : 0); };
  const bool at_once = contact.changed_at == peer.record.changed_at &&
                       word(contact.blocked, contact.verified) > word(peer.record.blocked, peer.record.verified);
  if (later || at_once) {
    const AccountKeyHash pinned = Peers::pinned_key(peer);
    const bool same_key = key && (pinned.is_zero() || pinned == *key);
    peer.record.verified = contact.verified && same_key && !peer.alarmed();
    if (peer.record.verified) peer.record.verify_again = false;
    peer.record.blocked = contact.blocked;
    peer.record.changed_at = contact.changed_at;
    peers_.changed(peer);
  }
  core_.events.emplace_back(ConversationChanged{contact.account});
}

}  // namespace opaline::endpoint::internal
