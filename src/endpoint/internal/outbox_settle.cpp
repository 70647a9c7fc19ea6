// How messages end: accepted, gone, given up; and how they follow a peer whose devices change.
#include <algorithm>

#include "endpoint/internal/outbox.hpp"

namespace opaline::endpoint::internal {
namespace {

bool is_open(const Delivery& delivery) {
  return delivery.state == DeliveryState::waiting || delivery.state == DeliveryState::committed;
}
bool is_accepted(const Delivery& delivery) {
  return delivery.state == DeliveryState::accepted;
}

/// Goes to devices that are on the list since before it was written, also when we learn of them later.
bool follows(const MessageRecord& record) {
  // Receipts too: a device that is not known of yet has its copies of what they are about.
  return record.kind == ContentKind::text || record.kind == ContentKind::receipt ||
         (is_sync(record.kind) && record.only == DeviceNumber{0});
}

/// States rise; what a receipt says is true of a message that we had given up too.
bool may_follow(MessageState now, MessageState next) {
  if (now == MessageState::failed) return next == MessageState::delivered || next == MessageState::read;
  if (next == MessageState::failed) return now == MessageState::queued;
  return next > now;
}

}  // namespace

void Outbox::set_state(Entry& entry, MessageState state, Reason reason) {
  MessageRecord& record = entry.record;
  if (record.kind != ContentKind::text && record.kind != ContentKind::written_elsewhere) return;
  const bool other_reason = state == MessageState::queued && record.state == state && record.reason != reason;
  if (!other_reason && !may_follow(record.state, state)) return;
  record.state = state;
  record.reason = reason;
  entry.dirty = true;
  core_.staging.history(SetOutgoingState{record.peer, record.id, state, reason, core_.now()});
  core_.events.emplace_back(MessageStateChanged{record.id, record.peer, state, reason});
  if (record.kind != ContentKind::text) return;
  if (state == MessageState::sent) marks_[record.peer].sent.push_back(record.id);
  if (state == MessageState::failed) marks_[record.peer].failed.push_back(record.id);
}

void Outbox::drop_ciphertext(Delivery& delivery) {
  if (delivery.state == DeliveryState::committed)
    core_.staging.erase(Table::envelope, delivery.envelopes.back().view());
}

void Outbox::answered(const Link::InFlight& submit, wire::SubmitStatus status) {
  PeerDevice* const device = peers_.find(submit.device);
  if (device == nullptr) return;
  Peer& peer = peers_.get(submit.device.account);
  --device->in_flight;
  peers_.busy(peer);
  Entry* entry = submit.sequence == 0 ? nullptr : open(submit.sequence);
  Delivery* delivery = entry == nullptr ? nullptr : delivery_to(*entry, submit.device.device);
  // It may have been encrypted again meanwhile, or given up.
  if (delivery != nullptr && (delivery->envelopes.empty() || delivery->envelopes.back() != submit.envelope ||
                              delivery->state != DeliveryState::committed)) {
    delivery = nullptr;
  }
  if (delivery != nullptr) delivery->in_flight = false;
  if (status != wire::SubmitStatus::accepted) return not_accepted(peer, *device, entry, delivery, status);
  device->failures = 0;
  device->waits_for = Reason::none;
  if (delivery == nullptr) return;
  drop_ciphertext(*delivery);
  delivery->state = DeliveryState::accepted;
  delivery->full = false;
  entry->dirty = true;
  device->queue.erase(submit.sequence);
  review(peer, *entry);
}

void Outbox::not_accepted(Peer& peer, PeerDevice& device, Entry* entry, Delivery* delivery, wire::SubmitStatus status) {
  using wire::SubmitStatus;
  device.refused = true;
  switch (status) {
    case SubmitStatus::accepted:
    case SubmitStatus::held_back:
      return;
    case SubmitStatus::full:
      device.not_before = core_.instant() + back_off(++device.failures, kFirstBackOff, core_.random);
      wait_for(device, Reason::mailbox_full);
      if (delivery == nullptr) return;
      delivery->full = true;
      entry->dirty = true;
      return review(peer, *entry);
    case SubmitStatus::gone:
      peers_.want_list(peer);
      // What became of the mailbox is news: it is asked for at once, once.
      peer.not_before = peer.list_not_before = {};
      return drop_deliveries(peer, device);
    case SubmitStatus::refresh:
    case SubmitStatus::refused:
      device.record.token_at = {};
      device.dirty = true;
      // The first fresh token is tried at once.
      if (++device.failures > 1)
        device.not_before = core_.instant() + back_off(device.failures - 1, kFirstRetryDelay, core_.random);
      return;
    case SubmitStatus::retry:
      device.not_before = core_.instant() + back_off(++device.failures, kFirstRetryDelay, core_.random);
      return;
  }
}

void Outbox::drop_deliveries(Peer& peer, PeerDevice& device) {
  peers_.busy(peer);
  for (const std::uint64_t sequence : std::exchange(device.queue, {})) {
    Entry* const entry = open(sequence);
    Delivery* const delivery = entry == nullptr ? nullptr : delivery_to(*entry, device.address.device);
    if (delivery == nullptr) continue;
    drop_ciphertext(*delivery);
    delivery->state = DeliveryState::gone;
    entry->dirty = true;
    review(peer, *entry);
  }
}

void Outbox::review(Peer& peer, Entry& entry) {
  const auto& deliveries = entry.record.deliveries;
  const bool one_accepted = std::ranges::any_of(deliveries, is_accepted);
  const bool all_answered = std::ranges::all_of(deliveries, [](const Delivery& d) { return !is_open(d) || d.full; });
  if (one_accepted && all_answered) set_state(entry, MessageState::sent, Reason::none);
  if (std::ranges::none_of(deliveries, is_open)) settle(peer, entry);
}

void Outbox::settle(Peer& peer, Entry& entry) {
  if (std::ranges::any_of(entry.record.deliveries, is_accepted)) {
    entry.settled = entry.moved = entry.dirty = true;
    return;
  }
  if (entry.record.kind != ContentKind::text) return forget(entry);
  // Every device that it was for is gone: the next list says where it goes, if anywhere.
  entry.record.list_number = ListNumber{0};
  entry.dirty = true;
  peer.unfanned.insert(entry.record.sequence);
}

void Outbox::give_up(Peer& peer, Entry& entry, Reason reason) {
  set_state(entry, MessageState::failed, reason);
  peer.unfanned.erase(entry.record.sequence);
  for (Delivery& delivery : entry.record.deliveries) {
    peers_.device(peer, delivery.device).queue.erase(entry.record.sequence);
    if (!is_open(delivery)) continue;
    drop_ciphertext(delivery);
    delivery.state = DeliveryState::gone;
  }
  if (std::ranges::any_of(entry.record.deliveries, is_accepted) && core_.now() - entry.record.queued_at <= kResendFor) {
    entry.settled = entry.moved = entry.dirty = true;
  } else {
    forget(entry);
  }
}

void Outbox::forget_envelopes(Entry& entry) {
  for (const Delivery& delivery : entry.record.deliveries) {
    for (const EnvelopeId& id : delivery.envelopes) {
      core_.staging.erase(Table::envelope, id.view());
      core_.staging.erase(Table::envelope_index, id.view());
    }
  }
}

void Outbox::forget(Entry& entry) {
  // Its author has given it up by now, or did not live to say what became of it.
  if (entry.record.kind == ContentKind::written_elsewhere && entry.record.state == MessageState::queued)
    set_state(entry, MessageState::failed, Reason::not_confirmed);
  entry.gone = true;
  forget_envelopes(entry);
  if (entry.record.kind == ContentKind::text || entry.record.kind == ContentKind::written_elsewhere)
    core_.staging.erase(Table::message_index, entry.record.id.view());
}

void Outbox::list_changed(Peer& peer) {
  if (core_.is_own(peer.account)) give_up_authors();
  for (auto& [number, device] : peer.devices) {
    const session::DeviceEntry* const listed = peer.entry(number);
    if (listed != nullptr) continue;
    drop_deliveries(peer, device);
    sessions_.remove_all(device);
    device.record.token_at = {};
  }
  peers_.drop_unlisted(peer);
  // What is on its way goes to new devices too, and what was sent since they are there.
  std::set<std::uint64_t> missed;
  const auto misses = [&](const MessageRecord& record) {
    return record.peer == peer.account && follows(record) &&
           std::ranges::any_of(peer.pinned->list().devices, [&](const session::DeviceEntry& listed) {
             const bool has =
                 std::ranges::find(record.deliveries, listed.number, &Delivery::device) != record.deliveries.end();
             return !has && listed.created <= core_.by_service(record.queued_at) &&
                    !is_this_device(peer, listed.number);
           });
  };
  for (auto& [sequence, entry] : entries_) {
    const MessageRecord& record = entry.record;
    if (entry.gone) continue;
    if (entry.settled) {  // in this round: Table::sent does not have it yet
      if (misses(record)) missed.insert(sequence);
    } else if (record.peer == peer.account && record.list_number != ListNumber{0} && follows(record)) {
      add_deliveries(peer, entry);
    }
  }
  const std::uint64_t newest = core_.ledger.next_sequence;
  const Bytes from = number_key(newest > kMaxResendScan ? newest - kMaxResendScan : 0);
  core_.staging.for_each(Table::sent, {}, from, [&](ByteView, ByteView value) {
    MessageRecord record;
    if (decode(value, record) && misses(record)) missed.insert(record.sequence);
    return true;  // at most kMaxResendScan
  });
  for (const std::uint64_t sequence : missed) {
    Entry* const entry = open(sequence);
    if (entry == nullptr) continue;
    if (entry->settled) entry->moved = true;
    entry->settled = false;
    add_deliveries(peer, *entry);
  }
}

void Outbox::account_gone(Peer& peer, Reason reason) {
  std::vector<std::uint64_t> waiting(peer.unfanned.begin(), peer.unfanned.end());
  for (const auto& [number, device] : peer.devices)
    waiting.insert(waiting.end(), device.queue.begin(), device.queue.end());
  for (const std::uint64_t sequence : waiting)
    if (Entry* const entry = open(sequence)) give_up(peer, *entry, reason);
}

void Outbox::ask_anew(Peer& peer) {
  peer.failures = 0;
  peer.waits_for = Reason::none;
  for (auto& [number, device] : peer.devices) {
    device.record.token_at = {};
    device.dirty = true;
    device.not_before = {};
    device.failures = 0;
    device.waits_for = Reason::none;
  }
}

void Outbox::start_over(Peer& peer) {
  std::set<std::uint64_t> waiting = peer.unfanned;
  for (auto& [number, device] : peer.devices) {
    waiting.merge(std::exchange(device.queue, {}));
    sessions_.remove_all(device);
    device.record = {};
    device.route_token = {};  // another mailbox: the route is to be opened anew
    device.dirty = true;
    device.not_before = {};
    device.failures = 0;
    device.waits_for = Reason::none;
  }
  for (const std::uint64_t sequence : waiting) {
    Entry* const entry = open(sequence);
    if (entry == nullptr) continue;
    auto& deliveries = entry->record.deliveries;
    if (entry->record.kind != ContentKind::text || std::ranges::any_of(deliveries, is_accepted)) {
      give_up(peer, *entry, Reason::no_device);  // the old identity has it, or alone would have understood it
      continue;
    }
    forget_envelopes(*entry);
    deliveries.clear();
    entry->record.list_number = ListNumber{0};
    entry->dirty = true;
    peer.unfanned.insert(sequence);
  }
  peer.waits_for = Reason::none;
  peers_.busy(peer);
}

void Outbox::disconnected() {
  for (auto& [sequence, entry] : entries_)
    for (Delivery& delivery : entry.record.deliveries) delivery.in_flight = false;
}

}  // namespace opaline::endpoint::internal
