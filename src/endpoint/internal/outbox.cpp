// What comes into the outbox, and how it is kept.
#include "endpoint/internal/outbox.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "base/utf8.hpp"

namespace opaline::endpoint::internal {
namespace {

/// Records that one expire() call deletes.
constexpr std::size_t kExpireAtOnce = 256;
/// Newest messages that are looked at to put one more receipt into.
constexpr std::size_t kMergeLook = 8;

bool is_sound(const Attachment& a) {
  return a.key.size() == wire::kAttachmentPartBytes && a.release.size() == wire::kAttachmentPartBytes &&
         a.size_bytes > 0 && a.size_bytes <= wire::kMaxAttachmentBytes && wire::is_file_name(as_view(a.name)) &&
         wire::is_media_type(as_view(a.type));
}

}  // namespace

void Outbox::load() {
  core_.staging.for_each(Table::outbox, {}, {}, [this](ByteView, ByteView value) {
    MessageRecord record;
    if (!decode(value, record)) {
      core_.found_corrupt();
      return false;
    }
    const std::uint64_t sequence = record.sequence;
    Entry& entry = entries_[sequence];
    entry.record = std::move(record);
    Peer& peer = peers_.get(entry.record.peer);
    enqueue(peer, entry);
    // Its devices are all gone: without the next list, which the run before may not have got, it would fail.
    const auto& deliveries = entry.record.deliveries;
    const auto is_gone = [](const Delivery& delivery) { return delivery.state == DeliveryState::gone; };
    if (peer.unfanned.contains(sequence) && !deliveries.empty() && std::ranges::all_of(deliveries, is_gone))
      peers_.want_list(peer);
    return true;
  });
}

void Outbox::enqueue(Peer& peer, Entry& entry) {
  if (entry.record.list_number == ListNumber{0}) peer.unfanned.insert(entry.record.sequence);
  for (const Delivery& delivery : entry.record.deliveries) {
    if (delivery.state != DeliveryState::waiting && delivery.state != DeliveryState::committed) continue;
    peers_.device(peer, delivery.device).queue.insert(entry.record.sequence);
  }
  peers_.busy(peer);
}

Outbox::Entry& Outbox::add(const AccountId& peer, DeviceNumber only, ContentKind kind, Bytes body, const MessageId& id,
                           Time sent_at) {
  const std::uint64_t sequence = core_.next(&LedgerRecord::next_sequence);
  Entry& entry = entries_[sequence];
  entry.record.sequence = sequence;
  entry.record.id = id;
  entry.record.peer = peer;
  entry.record.kind = kind;
  entry.record.sent_at = sent_at;
  entry.record.queued_at = core_.now();
  entry.record.only = only;
  entry.record.body = std::move(body);
  entry.dirty = true;
  return entry;
}

Result<void, Error> Outbox::check(const NewMessage& message) {
  const auto& [utf8, attachments, part, id] = message;
  if (utf8.empty() && attachments.empty() && part.empty()) return fail(Error::too_large);
  if (utf8.size() > wire::kMaxTextBytes || part.size() > wire::kMaxPartBytes ||
      utf8.size() + part.size() > wire::kMaxTextAndPartBytes)
    return fail(Error::too_large);
  if (!is_utf8(as_view(utf8))) return fail(Error::bad_text);
  if (attachments.size() > wire::kMaxAttachments || !std::ranges::all_of(attachments, is_sound))
    return fail(Error::bad_attachment);
  if (id && id->is_zero()) return fail(Error::bad_id);
  if (id && knows(*id)) return fail(Error::repeated);
  return {};
}

bool Outbox::knows(const MessageId& id) {
  // One that failed has no record any more, but stands in the history.
  return core_.staging.has(Table::message_index, id.view()) || core_.staging.outgoing(id).has_value();
}

Result<MessageId, Error> Outbox::add_text(const AccountId& account, NewMessage message) {
  OPALINE_CHECK(check(message));
  if (core_.is_own(account)) return fail(Error::to_self);
  Peer& peer = peers_.get(account);
  if (peer.record.blocked) return fail(Error::blocked);
  if (count_waiting() >= core_.in_all(kMaxOutboxMessages)) return fail(Error::outbox_full);
  const MessageId id = message.id ? *message.id : core_.random.id<MessageId>();
  const Time at = core_.sent_time();
  MessageBody body{to_secret_bytes(as_view(message.utf8)), std::move(message.attachments),
                   to_secret_bytes(message.part)};
  core_.staging.history(AddOutgoing{OutgoingMessage{id, account, std::move(body), at}});
  Entry& entry = add(account, DeviceNumber{0}, ContentKind::text, {}, id, at);
  core_.staging.put(Table::message_index, id.view(), to_secret_bytes(number_key(entry.record.sequence)));
  enqueue(peer, entry);
  if (peer.waits_for != Reason::none) set_state(entry, MessageState::queued, peer.waits_for);
  add_copy(entry.record);
  return id;
}

std::size_t Outbox::count_waiting() const {
  if (entries_.size() < core_.in_all(kMaxOutboxMessages))
    return entries_.size();  // all of them together are seldom many
  return static_cast<std::size_t>(
      std::ranges::count_if(entries_, [](const auto& item) { return !is_sync(item.second.record.kind); }));
}

void Outbox::add_control(Peer& peer, DeviceNumber only, ContentKind kind, Bytes body) {
  if ((kind == ContentKind::hello || kind == ContentKind::newer_list) && waits(peer, only, kind)) return;
  enqueue(peer, add(peer.account, only, kind, std::move(body), core_.random.id<MessageId>(), core_.sent_time()));
}

bool Outbox::waits(const Peer& peer, DeviceNumber only, ContentKind kind) {
  const auto is_that = [&](std::uint64_t sequence) {
    Entry* const entry = open(sequence);
    if (entry == nullptr || entry->record.kind != kind || entry->record.only != only) return false;
    const Delivery* const delivery = delivery_to(*entry, only);
    return delivery == nullptr || delivery->state == DeliveryState::waiting;
  };
  const auto device = peer.devices.find(only);
  return std::ranges::any_of(peer.unfanned, is_that) ||
         (device != peer.devices.end() && std::ranges::any_of(device->second.queue, is_that));
}

void Outbox::add_receipt(const AccountId& peer, wire::ReceiptKind kind, const MessageId& id) {
  PendingReceipts& pending = receipts_[peer];
  (kind == wire::ReceiptKind::read ? pending.read : pending.delivered).push_back(id);
}

void Outbox::make_receipts() {
  // A receipt that has not been encrypted yet takes more ids: one envelope for many.
  const auto open_receipt = [this](Peer& peer, std::byte kind) -> Entry* {
    std::vector<std::uint64_t> newest(peer.unfanned.rbegin(), peer.unfanned.rend());
    if (!peer.devices.empty()) {
      const auto& queue = peer.devices.begin()->second.queue;
      newest.insert(newest.end(), queue.rbegin(), queue.rend());
    }
    if (newest.size() > kMergeLook) newest.resize(kMergeLook);
    for (const std::uint64_t sequence : newest) {
      Entry* const entry = open(sequence);
      if (entry == nullptr || entry->record.kind != ContentKind::receipt || entry->record.body.front() != kind)
        continue;
      const bool untouched = std::ranges::all_of(entry->record.deliveries, [](const Delivery& d) {
        return d.state == DeliveryState::waiting && d.envelopes.empty();
      });
      if (untouched && entry->record.body.size() < 1 + wire::kMaxReceiptIds * MessageId::kSize) return entry;
    }
    return nullptr;
  };
  const auto add_all = [&](Peer& peer, wire::ReceiptKind kind, const std::vector<MessageId>& ids) {
    const auto mark = static_cast<std::byte>(kind);
    Entry* entry = ids.empty() ? nullptr : open_receipt(peer, mark);
    for (const MessageId& id : ids) {
      if (entry == nullptr || entry->record.body.size() >= 1 + wire::kMaxReceiptIds * MessageId::kSize) {
        entry = &add(peer.account, DeviceNumber{0}, ContentKind::receipt, {mark}, core_.random.id<MessageId>(),
                     core_.sent_time());
        enqueue(peer, *entry);
      }
      append(entry->record.body, id.view());
      entry->dirty = true;
    }
  };
  for (const auto& [account, pending] : std::exchange(receipts_, {})) {
    Peer& peer = peers_.get(account);
    add_all(peer, wire::ReceiptKind::delivered, pending.delivered);
    add_all(peer, wire::ReceiptKind::read, pending.read);
  }
}

Outbox::Entry* Outbox::open(std::uint64_t sequence) {
  if (const auto it = entries_.find(sequence); it != entries_.end()) return it->second.gone ? nullptr : &it->second;
  const auto row = core_.staging.get(Table::sent, number_key(sequence));
  if (!row) return nullptr;
  Entry entry;
  if (!decode(*row, entry.record)) {
    core_.found_corrupt();
    return nullptr;
  }
  entry.settled = true;
  return &entries_.emplace(sequence, std::move(entry)).first->second;
}

Outbox::Entry* Outbox::open_by_message(const MessageId& id) {
  const auto row = core_.staging.get(Table::message_index, id.view());
  if (!row) return nullptr;
  Reader in(*row);
  const std::uint64_t sequence = in.u64();
  return in.finished() ? open(sequence) : nullptr;
}

Delivery* Outbox::delivery_to(Entry& entry, DeviceNumber device) {
  const auto it = std::ranges::find(entry.record.deliveries, device, &Delivery::device);
  return it == entry.record.deliveries.end() ? nullptr : &*it;
}

void Outbox::receipt(const session::DeviceAddress& from, wire::ReceiptKind kind, const MessageId& id) {
  const MessageState state = kind == wire::ReceiptKind::read ? MessageState::read : MessageState::delivered;
  Entry* const entry = open_by_message(id);
  if (entry == nullptr) return remember_state(from.account, id, state);
  if (entry->record.peer != from.account) return;
  if (entry->record.kind == ContentKind::text) {
    Delivery* const delivery = delivery_to(*entry, from.device);
    if (delivery == nullptr) return;
    if (!delivery->delivered) {
      delivery->delivered = true;
      entry->dirty = true;
    }
  }
  set_state(*entry, state, Reason::none);
}

bool Outbox::resend(PeerDevice& device, const EnvelopeId& envelope) {
  const auto row = core_.staging.get(Table::envelope_index, envelope.view());
  if (!row) return false;
  const std::uint64_t first = Reader(*row).u64();
  Entry* const entry = open(first);
  if (entry == nullptr || entry->record.peer != device.address.account) return false;
  Delivery* const lost = delivery_to(*entry, device.address.device);
  if (lost == nullptr || lost->envelopes.empty() || lost->envelopes.back() != envelope) return false;
  if (lost->state == DeliveryState::waiting) return true;  // it is on its way again already
  const session::HandshakeHash dead = lost->session;
  if (!resend_one(device, *entry, *lost)) return false;
  sessions_.retire(device, dead);

  std::vector<std::uint64_t> after;
  for (auto it = entries_.upper_bound(first); it != entries_.end(); ++it) after.push_back(it->first);
  std::size_t looked_at = 0;
  core_.staging.for_each(Table::sent, {}, number_key(first), [&](ByteView key, ByteView) {
    after.push_back(Reader(key).u64());
    return ++looked_at < kMaxResendScan;
  });
  std::ranges::sort(after);
  std::size_t again = 0;
  for (const std::uint64_t sequence : after) {
    Entry* const next = open(sequence);
    if (next == nullptr || next->record.peer != device.address.account) continue;
    Delivery* const delivery = delivery_to(*next, device.address.device);
    if (delivery == nullptr || delivery->session != dead || delivery->delivered) continue;
    if (delivery->state != DeliveryState::accepted && delivery->state != DeliveryState::committed) continue;
    if (resend_one(device, *next, *delivery) && ++again == kMaxResendTail) break;
  }
  return true;
}

bool Outbox::resend_before(PeerDevice& device, const EnvelopeId& envelope, std::size_t count) {
  const auto row = core_.staging.get(Table::envelope_index, envelope.view());
  if (!row) return false;
  const std::uint64_t last = Reader(*row).u64();
  Entry* const entry = open(last);
  if (entry == nullptr || entry->record.peer != device.address.account) return false;
  Delivery* const opened = delivery_to(*entry, device.address.device);
  if (opened == nullptr || opened->envelopes.empty() || opened->envelopes.back() != envelope) return false;
  const session::HandshakeHash session = opened->session;

  std::set<std::uint64_t> before;
  for (auto it = entries_.begin(); it != entries_.lower_bound(last); ++it) before.insert(it->first);
  const Bytes from = number_key(last > kMaxResendScan ? last - kMaxResendScan : 0);
  core_.staging.for_each(Table::sent, {}, from, [&](ByteView key, ByteView) {
    const std::uint64_t sequence = Reader(key).u64();
    if (sequence < last) before.insert(sequence);
    return sequence < last;
  });
  std::size_t left = std::min(count, kMaxResendTail);
  for (auto it = before.rbegin(); it != before.rend() && left > 0; ++it) {
    Entry* const earlier = open(*it);
    if (earlier == nullptr || earlier->record.peer != device.address.account) continue;
    Delivery* const delivery = delivery_to(*earlier, device.address.device);
    if (delivery == nullptr || delivery->session != session) continue;
    --left;
    if (delivery->delivered || delivery->state != DeliveryState::accepted) continue;
    (void)resend_one(device, *earlier, *delivery);
  }
  return true;
}

bool Outbox::resend_one(PeerDevice& device, Entry& entry, Delivery& delivery) {
  Peer& peer = peers_.get(device.address.account);
  const session::DeviceEntry* const listed = peer.entry(device.address.device);
  // Only to the device that it was sent to: same number, same keys, still on the list.
  if (listed == nullptr || listed->keys.hash() != delivery.identity) return false;
  if (delivery.resends >= kMaxResends || core_.now() - entry.record.queued_at > kResendFor) return false;
  drop_ciphertext(delivery);
  delivery.state = DeliveryState::waiting;
  delivery.full = false;
  delivery.in_flight = false;
  ++delivery.resends;
  ++core_.counters.resends;
  if (entry.settled) {
    entry.settled = false;
    entry.moved = true;
  }
  entry.dirty = true;
  device.queue.insert(entry.record.sequence);
  peers_.busy(peer);
  return true;
}

wire::Content Outbox::head(const Peer& peer, const MessageId& id, Time sent_at) const {
  return {.message = id,
          .list_number = peer.pinned->list().number,
          .own_list_number = core_.own_list.list().number,
          .list_check = check_of(peer.pinned->hash()),
          .own_list_check = check_of(core_.own_list.hash()),
          .sent_at = sent_at,
          .body = {}};
}

void Outbox::send_typing(Peer& peer, bool active) {
  if (!link_.is_connected() || !peer.pinned || peer.alarmed()) return;
  for (const session::DeviceEntry& listed : peer.pinned->list().devices) {
    const auto it = peer.devices.find(listed.number);
    if (it == peer.devices.end()) continue;
    PeerDevice& device = it->second;
    session::Session* const session = sessions_.sender(device);
    if (session == nullptr || !session->is_established() || device.refused || device.record.token_at == Time{} ||
        core_.instant() < device.not_before || session->peer_identity() != listed.keys.hash()) {
      continue;
    }
    wire::Content content = head(peer, core_.random.id<MessageId>(), core_.now());
    content.body = wire::Typing{active};
    SecretBytes plaintext;
    if (!wire::encode(plaintext, content)) continue;
    const auto id = core_.random.id<EnvelopeId>();
    auto ciphertext = session->encrypt_ephemeral(plaintext, id.view(), core_.now(), core_.random);
    if (!ciphertext) continue;
    sessions_.changed(session->handshake_hash(), device);
    if (!link_.ready(device, ciphertext->size())) continue;
    link_.submit(device, listed.mailbox, wire::EnvelopeClass::ephemeral, id, std::move(*ciphertext), 0);
  }
}

void Outbox::expire() {
  std::vector<std::uint64_t> old;
  for (const auto& [sequence, entry] : entries_) {
    if (old.size() == kExpireAtOnce || core_.now() - entry.record.queued_at <= kMessageLife) break;
    old.push_back(sequence);
  }
  for (const std::uint64_t sequence : old)
    if (Entry* const entry = open(sequence)) give_up(peers_.get(entry->record.peer), *entry, Reason::expired);

  old.clear();
  core_.staging.for_each(Table::sent, {}, {}, [&](ByteView, ByteView value) {
    MessageRecord record;
    if (!decode(value, record)) {
      core_.found_corrupt();
      return false;
    }
    if (old.size() == kExpireAtOnce || core_.now() - record.queued_at <= kResendFor) return false;
    old.push_back(record.sequence);
    return true;
  });
  for (const std::uint64_t sequence : old)
    if (Entry* const entry = open(sequence)) forget(*entry);
}

void Outbox::write() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& entry = it->second;
    const Bytes key = number_key(it->first);
    if (entry.gone) {
      core_.staging.erase(Table::outbox, key);
      core_.staging.erase(Table::sent, key);
    } else if (entry.dirty) {
      core_.staging.put(entry.settled ? Table::sent : Table::outbox, key, encode(entry.record));
      if (entry.moved) core_.staging.erase(entry.settled ? Table::outbox : Table::sent, key);
    }
    entry.dirty = entry.moved = false;
    it = entry.gone || entry.settled ? entries_.erase(it) : std::next(it);
  }
}

std::size_t Outbox::waiting() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(entries_, [](const auto& item) { return !item.second.settled && !item.second.gone; }));
}

std::optional<Time> Outbox::next_deadline() const {
  std::optional<Time> next;
  const auto consider = [&](Instant at) {
    if (at <= core_.instant()) return;
    const Time wall = core_.now() + std::chrono::ceil<milliseconds>(at - core_.instant());
    if (!next || wall < *next) next = wall;
  };
  for (const AccountId& account : peers_.busy()) {
    const auto it = peers_.cached().find(account);
    if (it == peers_.cached().end()) continue;
    consider(it->second.not_before);
    if (it->second.wants_list) consider(it->second.list_not_before);
    for (const auto& [number, device] : it->second.devices) consider(device.not_before);
  }
  return next;
}

}  // namespace opaline::endpoint::internal
