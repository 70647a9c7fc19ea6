// What leaves the outbox: fan-out, encryption, submission, and asking for what is missing.
#include <algorithm>

#include "base/codec.hpp"
#include "endpoint/internal/outbox.hpp"
#include "endpoint/internal/text_for_device.hpp"

namespace opaline::endpoint::internal {

void Outbox::pump() {
  make_receipts();
  make_marks();
  if (!link_.is_connected()) return;
  // Whoever was served last comes last, so that credit goes round.
  std::vector<AccountId> order(peers_.busy().begin(), peers_.busy().end());
  if (pumped_last_) std::ranges::rotate(order, std::ranges::upper_bound(order, *pumped_last_));
  for (const AccountId& account : order) {
    const std::uint64_t before = core_.counters.submitted;
    Peer& peer = peers_.get(account);
    pump_peer(peer);
    ask(peer);
    if (core_.counters.submitted != before) pumped_last_ = account;
    const bool devices_done = std::ranges::all_of(
        peer.devices, [](const auto& item) { return item.second.queue.empty() && !item.second.refused; });
    if (peer.unfanned.empty() && !peer.wants_list && devices_done) peers_.idle(peer);
  }
}

void Outbox::pump_peer(Peer& peer) {
  for (auto& [number, device] : peer.devices) {
    device.wants_bundle = device.wants_token = false;
    if (device.refused && device.in_flight == 0) link_.clear(device);
  }
  if (peer.alarmed()) return wait_for(peer, Reason::identity_changed);
  if (peer.waits_for == Reason::identity_changed) peer.waits_for = Reason::none;
  if (!peer.pinned) return;
  fan_out(peer);
  for (auto& [number, device] : peer.devices) pump_device(peer, device);
}

void Outbox::fan_out(Peer& peer) {
  // The account's second device may be there already; whether it is, the service's answer says.
  if (core_.is_own(peer.account) && !core_.has_others() && core_.list_pending) return;
  const std::vector<std::uint64_t> waiting(peer.unfanned.begin(), peer.unfanned.end());
  for (const std::uint64_t sequence : waiting) {
    Entry* const entry = open(sequence);
    // One whose devices are all gone waits for the list that says what became of them.
    if (entry != nullptr && !entry->record.deliveries.empty() && peer.wants_list) continue;
    peer.unfanned.erase(sequence);
    if (entry == nullptr) continue;
    add_deliveries(peer, *entry);
    const bool any = std::ranges::any_of(entry->record.deliveries,
                                         [](const Delivery& d) { return d.state == DeliveryState::waiting; });
    if (!any) give_up(peer, *entry, Reason::no_device);
  }
}

void Outbox::add_deliveries(Peer& peer, Entry& entry) {
  MessageRecord& record = entry.record;
  for (const session::DeviceEntry& listed : peer.pinned->list().devices) {
    if (record.only != DeviceNumber{0} && record.only != listed.number) continue;
    if (is_this_device(peer, listed.number) || delivery_to(entry, listed.number) != nullptr) continue;
    PeerDevice& device = peers_.device(peer, listed.number);
    const bool told = is_sync(record.kind) && record.kind != ContentKind::history_part;
    if (told && device.queue.size() >= kMaxSyncPerDevice) {
      if (device.record.owed_since == Time{}) device.record.owed_since = record.queued_at;
      device.dirty = true;
      continue;
    }
    Delivery& delivery = record.deliveries.emplace_back();
    delivery.device = listed.number;
    delivery.identity = listed.keys.hash();
    device.queue.insert(record.sequence);
    if (device.waits_for != Reason::none) set_state(entry, MessageState::queued, device.waits_for);
  }
  record.list_number = peer.pinned->list().number;
  if (record.kind == ContentKind::text) peers_.meet(peer);
  entry.dirty = true;
  peers_.busy(peer);
}

void Outbox::pump_device(Peer& peer, PeerDevice& device) {
  if (device.queue.empty() || device.refused || core_.instant() < device.not_before) return;
  if (peer.entry(device.address.device) == nullptr) return;
  if (device.record.token_at == Time{} || core_.now() - device.record.token_at >= kTokenRefresh) {
    // A bundle brings a token too.
    (sessions_.sender(device) == nullptr ? device.wants_bundle : device.wants_token) = true;
    return;
  }
  std::uint64_t last = 0;
  while (device.in_flight < kMaxInFlightPerDevice) {
    const auto it = device.queue.upper_bound(last);
    if (it == device.queue.end()) return;
    last = *it;
    Entry* const entry = open(last);
    Delivery* const delivery = entry == nullptr ? nullptr : delivery_to(*entry, device.address.device);
    if (delivery == nullptr) {
      device.queue.erase(last);
      continue;
    }
    if (delivery->in_flight) continue;
    if (send_one(peer, device, *entry, *delivery) == Step::blocked) return;
  }
}

Outbox::Step Outbox::send_one(Peer& peer, PeerDevice& device, Entry& entry, Delivery& delivery) {
  if (!link_.ready(device, 1)) return Step::blocked;
  std::optional<Bytes> ciphertext;
  if (delivery.state == DeliveryState::waiting) {
    ciphertext = encrypt(peer, device, entry, delivery);
    if (entry.gone || entry.settled) return Step::skipped;
    if (!ciphertext) return Step::blocked;
  } else {
    const auto row = core_.staging.get(Table::envelope, delivery.envelopes.back().view());
    if (!row) {
      core_.found_corrupt();
      return Step::blocked;
    }
    ciphertext = to_bytes(*row);
  }
  if (!link_.ready(device, ciphertext->size())) return Step::blocked;
  delivery.in_flight = true;
  link_.submit(device, peer.entry(device.address.device)->mailbox, wire::EnvelopeClass::normal,
               delivery.envelopes.back(), std::move(*ciphertext), entry.record.sequence);
  return Step::submitted;
}

std::optional<Bytes> Outbox::encrypt(Peer& peer, PeerDevice& device, Entry& entry, Delivery& delivery) {
  session::Session* const session = sessions_.sender(device);
  if (session == nullptr || (session->is_established() && sessions_.silent(device))) {
    device.wants_bundle = true;
    return std::nullopt;
  }
  const auto plaintext = content_of(peer, device, entry);
  if (!plaintext) {
    if (!core_.staging.failure()) give_up(peer, entry, Reason::text_missing);
    return std::nullopt;
  }
  const auto id = core_.random.id<EnvelopeId>();
  auto ciphertext = session->encrypt(*plaintext, id.view(), core_.now(), core_.random);
  if (!ciphertext) {  // chain_exhausted: contents are never too large
    device.record.open_new = true;
    device.dirty = true;
    device.wants_bundle = true;
    return std::nullopt;
  }
  ++core_.counters.encrypted;
  sessions_.changed(session->handshake_hash(), device);
  sessions_.sent(device, session->handshake_hash());
  core_.staging.put(Table::envelope, id.view(), to_secret_bytes(*ciphertext));
  core_.staging.put(Table::envelope_index, id.view(), to_secret_bytes(number_key(entry.record.sequence)));
  delivery.state = DeliveryState::committed;
  delivery.session = session->handshake_hash();
  delivery.envelopes.push_back(id);
  entry.dirty = true;
  return std::move(*ciphertext);
}

std::optional<SecretBytes> Outbox::content_of(Peer& peer, const PeerDevice& device, Entry& entry) {
  const MessageRecord& record = entry.record;
  wire::Content content = head(peer, record.id, record.sent_at);
  std::optional<TextForDevice> text;
  Reader body(record.body);
  switch (record.kind) {
    case ContentKind::text: {
      auto found = core_.staging.outgoing(record.id);
      if (!found) return std::nullopt;
      content.body = text.emplace(std::move(*found), device.address).view(core_.ledger.handle);
      break;
    }
    case ContentKind::receipt: {
      wire::Receipt receipt;
      receipt.kind = static_cast<wire::ReceiptKind>(body.u8());
      while (body.left() > 0) receipt.ids.at(receipt.count++) = MessageId(body.array<MessageId::kSize>());
      content.body = receipt;
      break;
    }
    case ContentKind::retry: {
      wire::Retry retry;
      retry.envelope = EnvelopeId(body.array<EnvelopeId::kSize>());
      retry.received_at = from_unix_millis(static_cast<std::int64_t>(body.u64()));
      if (const ByteView more = body.rest(); !more.empty()) retry.passed_over = Reader(more).u32();
      content.body = retry;
      break;
    }
    case ContentKind::hello:
      content.body = wire::SessionHello{};
      break;
    case ContentKind::newer_list:
      content.body = wire::NewerList{core_.own_list.bytes()};
      break;
    case ContentKind::sync:
    case ContentKind::sent_copy:
    case ContentKind::history_part:
    case ContentKind::personas:
      return sync_content(device, record, content);
    case ContentKind::written_elsewhere:
      return std::nullopt;  // has no deliveries
  }
  SecretBytes out;
  const auto encoded = wire::encode(out, content);
  OPALINE_ASSERT(encoded.has_value());  // everything was checked when it was queued
  return out;
}

bool Outbox::within_stranger_budget(Peer& peer) {
  if (core_.options.serves_strangers || peer.pinned || peer.record.met || !peer.record.renewal_token.empty() ||
      core_.is_own(peer.account))
    return true;
  while (!stranger_fetches_.empty() && core_.instant() - stranger_fetches_.front() >= kStrangerWindow)
    stranger_fetches_.pop_front();
  if (stranger_fetches_.size() < kMaxStrangerFetches) {
    stranger_fetches_.push_back(core_.instant());
    return true;
  }
  peer.list_not_before = stranger_fetches_.front() + kStrangerWindow;
  return false;
}

void Outbox::ask(Peer& peer) {
  if (peer.open_request != RequestId{0} || requests_.full() || core_.instant() < peer.not_before) return;
  Requests::Open what{.kind = Requests::Open::Kind::devices, .account = peer.account, .bundles = {}};
  if (peer.pinned) what.known = peer.pinned->list().number;
  bool tokens = false;
  if (!peer.alarmed()) {
    what.all = !peer.pinned && !peer.unfanned.empty();
    for (const auto& [number, device] : peer.devices) {
      if (device.wants_bundle && what.bundles.size() < kMaxBundlesAtOnce) what.bundles.push_back(number);
      tokens = tokens || device.wants_token;
    }
  }
  if (what.all || !what.bundles.empty()) {
    FetchBundles fetch{peer.account, peer.record.renewal_token, what.bundles, what.known};
    peer.open_request = requests_.send(std::move(what), std::move(fetch));
  } else if (tokens || (peer.wants_list && core_.instant() >= peer.list_not_before)) {
    if (!tokens && !within_stranger_budget(peer)) return;
    ask_list(peer, !tokens);
  } else {
    return;
  }
  peer.list_asked_at = core_.instant();
}

void Outbox::ask_list(Peer& peer, bool list_alone) {
  Requests::Open what{
      .kind = Requests::Open::Kind::devices, .account = peer.account, .bundles = {}, .list_alone = list_alone};
  if (peer.pinned) what.known = peer.pinned->list().number;
  FetchSendTokens fetch{peer.account, peer.record.renewal_token, what.known};
  peer.open_request = requests_.send(std::move(what), std::move(fetch));
}

void Outbox::wait_for(PeerDevice& device, Reason reason) {
  if (device.waits_for == reason) return;
  device.waits_for = reason;
  for (const std::uint64_t sequence : device.queue)
    if (Entry* const entry = open(sequence)) set_state(*entry, MessageState::queued, reason);
}

void Outbox::wait_for(Peer& peer, Reason reason) {
  if (peer.waits_for == reason) return;
  peer.waits_for = reason;
  for (const std::uint64_t sequence : peer.unfanned)
    if (Entry* const entry = open(sequence)) set_state(*entry, MessageState::queued, reason);
  for (auto& [number, device] : peer.devices) wait_for(device, reason);
}

}  // namespace opaline::endpoint::internal
