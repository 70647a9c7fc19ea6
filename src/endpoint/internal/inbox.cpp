#include "endpoint/internal/inbox.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "endpoint/internal/text_for_device.hpp"

namespace opaline::endpoint::internal {

using session::ClaimCheck;

void Inbox::load() {
  core_.staging.for_each(Table::parked, {}, {}, [this](ByteView key, ByteView value) {
    ParkedRecord record;
    if (!decode(value, record)) {
      core_.found_corrupt();
      return false;
    }
    const auto hash = session::handshake_hash_of(record.ciphertext);
    if (!hash) {
      core_.found_corrupt();
      return false;
    }
    add_parked(Reader(key).u64(), {record.claimed, record.received_at, record.ciphertext.size(), *hash});
    return true;
  });
}

void Inbox::receive(const EnvelopeId& id, ByteView ciphertext) {
  ++core_.counters.received;
  if (core_.seen(SeenKind::envelope, id.view())) {
    ++core_.counters.duplicates;
    return;
  }
  core_.remember(SeenKind::envelope, id.view(), core_.now() + kSeenFor);
  static_cast<void>(open(id, ciphertext, core_.now(), Knowledge::pinned));
}

Inbox::Outcome Inbox::open(const EnvelopeId& id, ByteView ciphertext, Time received_at, Knowledge knowledge) {
  if (const auto tag = session::peek_tag(ciphertext)) {
    if (const auto hash = sessions_.by_tag(*tag)) {
      open_in_session(*hash, id, ciphertext, received_at);
      return Outcome::done;
    }
  }
  if (session::is_handshake(ciphertext)) return open_handshake(id, ciphertext, received_at, knowledge);
  orphan(id, ciphertext, received_at, false);
  return Outcome::done;
}

void Inbox::orphan(const EnvelopeId& id, ByteView ciphertext, Time received_at, bool unknown_prekey) {
  healing_.orphan(id, ciphertext, received_at, unknown_prekey);
  // Perhaps our state was set back: then what came since is at our other devices.
  if (!session::peek_ephemeral(ciphertext)) own_devices_.missed_something();
}

void Inbox::open_in_session(const session::HandshakeHash& hash, const EnvelopeId& id, ByteView ciphertext,
                            Time received_at) {
  session::Session* const session = sessions_.find(hash);
  if (session == nullptr) return core_.found_corrupt();
  const bool was_established = session->is_established();
  const auto opened = session->decrypt(ciphertext, id.view(), core_.now());
  if (!opened) {
    healing_.broken(hash, id, ciphertext, received_at, opened.error());
    // Perhaps who wrote it cannot write it again, but another device of ours could open its own.
    if (!session::peek_ephemeral(ciphertext)) own_devices_.missed_of_late();
    return;
  }
  PeerDevice* const device = peers_.find(session->peer());
  if (device == nullptr) {
    ++core_.counters.unconfirmed;
    return;
  }
  sessions_.changed(hash, *device);
  Peer& peer = peers_.get(session->peer().account);
  const session::DeviceEntry* const listed = peer.entry(device->address.device);
  if (listed == nullptr || listed->keys.hash() != session->peer_identity()) {
    ++core_.counters.unconfirmed;  // it left the list
    return;
  }
  const SessionReference* const ref = Sessions::reference(*device, hash);
  passed_over(peer, *device, id, ref != nullptr && ref->failed, opened->passed, received_at);
  const bool set_back = sessions_.heard(*device, hash) == Sessions::Heard::set_back;
  healing_.heard(peer, *device);
  if (set_back || opened->set_back) healing_.set_back(peer, *device);
  if (!was_established) healing_.met(peer, *device, false);
  dispatch(peer, *device, *opened, received_at);
}

void Inbox::passed_over(Peer& peer, PeerDevice& device, const EnvelopeId& id, bool failed, std::size_t count,
                        Time received_at) {
  if (count == 0) return;
  // Either may be switched off for long, or lack it. What a session lacks that failed was asked for.
  own_devices_.missed_something();
  if (!failed) healing_.passed_over(peer, device, id, count, received_at);
}

Inbox::Outcome Inbox::open_handshake(const EnvelopeId& id, ByteView ciphertext, Time received_at, Knowledge knowledge) {
  const auto hash = session::handshake_hash_of(ciphertext);
  if (!hash) {
    ++core_.counters.malformed;
    return Outcome::done;
  }
  if (core_.seen(SeenKind::handshake, hash->view())) {  // accepted before: its session does not know this message
    if (sessions_.find(*hash) != nullptr) {
      healing_.broken(*hash, id, ciphertext, received_at, session::Error::replayed);
    } else {
      orphan(id, ciphertext, received_at, false);
    }
    return Outcome::done;
  }
  if (const auto waiting = parked_handshakes_.find(*hash); waiting != parked_handshakes_.end()) {
    park(waiting->second, *hash, id, ciphertext, received_at, knowledge);
    return Outcome::waits;
  }
  auto accepted = session::accept_session(core_.local(), prekeys_, ciphertext, id.view(), core_.now());
  if (!accepted) {
    orphan(id, ciphertext, received_at, accepted.error() == session::Error::unknown_prekey);
    return Outcome::done;
  }
  const session::PeerClaim& claim = accepted->claim;
  Peer& peer = peers_.get(claim.address.account);
  const ClaimCheck check = peer.pinned ? session::check_claim(*peer.pinned, claim) : ClaimCheck::newer_list;
  if (check != ClaimCheck::confirmed) {
    const bool by_candidate = peer.candidate && session::check_claim(*peer.candidate, claim) == ClaimCheck::confirmed;
    // A list that its devices go by, but the directory does not show: it will be shown by them (list_shown).
    const bool hidden = check == ClaimCheck::newer_list && claim.list.number <= peer.record.told_list;
    if (knowledge == Knowledge::fetched && !by_candidate && !hidden) {
      ++core_.counters.unconfirmed;
      // Said by the device that we know, it means that its account's list is shown in two versions.
      const session::DeviceEntry* const listed = peer.entry(claim.address.device);
      if (check == ClaimCheck::forked_list && listed != nullptr && listed->keys == claim.keys)
        peers_.forked(peer, claim.list.hash);
      return Outcome::done;
    }
    park(peer.account, *hash, id, ciphertext, received_at, knowledge);
    return Outcome::waits;
  }
  peers_.own_list_claimed(claim.our_list, claim.address.account);  // which list of ours the initiator saw

  // For as long as its prekeys could answer it again, which is longer than 40 days if our clock is behind.
  const session::PrekeySecrets* const set = prekeys_.find_set(accepted->prekey_set);
  const Time until = core_.now() + session::kPrekeyLife;
  core_.remember(SeenKind::handshake, hash->view(), set == nullptr ? until : std::max(until, set->wipe_after()));
  if (accepted->one_time) prekeys_.use_up(accepted->prekey_set, *accepted->one_time);
  PeerDevice& device = peers_.device(peer, claim.address.device);
  sessions_.accepted(device, std::move(accepted->session));
  healing_.met(peer, device, true);
  passed_over(peer, device, id, false, accepted->first.passed, received_at);
  dispatch(peer, device, accepted->first, received_at);
  return Outcome::done;
}

void Inbox::add_parked(std::uint64_t number, Parked parked) {
  Share& share = parked_of_[parked.account];
  share.numbers.insert(number);
  share.bytes += parked.size_bytes;
  parked_bytes_ += parked.size_bytes;
  parked_handshakes_.emplace(parked.handshake, parked.account);
  parked_.emplace(number, parked);
}

void Inbox::remove_parked(std::uint64_t number) {
  const Parked parked = parked_.extract(number).mapped();
  Share& share = parked_of_[parked.account];
  share.numbers.erase(number);
  share.bytes -= parked.size_bytes;
  parked_bytes_ -= parked.size_bytes;
  if (share.numbers.empty()) parked_of_.erase(parked.account);
  parked_handshakes_.erase(parked.handshake);
  core_.staging.erase(Table::parked, number_key(number));
}

void Inbox::park(const AccountId& account, const session::HandshakeHash& handshake, const EnvelopeId& id,
                 ByteView ciphertext, Time received_at, Knowledge knowledge) {
  Peer& peer = peers_.get(account);
  const Share& share = parked_of_[account];
  // After the list was fetched, and without an alarm, it waits for one that only a device's word says there is.
  const bool hidden = knowledge == Knowledge::fetched && !peer.alarmed();
  if (parked_.size() >= core_.in_all(kMaxParked) || parked_bytes_ + ciphertext.size() > core_.in_all(kMaxParkedBytes) ||
      share.numbers.size() >= (hidden ? kMaxParkedHidden : kMaxParkedPerAccount) ||
      share.bytes + ciphertext.size() > kMaxParkedBytesPerAccount) {
    if (share.numbers.empty()) parked_of_.erase(account);
    ++core_.counters.unconfirmed;
    core_.events.emplace_back(StrangersDropped{1});
    return;
  }
  const std::uint64_t number = core_.next(&LedgerRecord::next_parked);
  core_.staging.put(Table::parked, number_key(number),
                    encode(ParkedRecord{account, id, received_at, to_bytes(ciphertext)}));
  add_parked(number, {account, received_at, ciphertext.size(), handshake});
  if (!peer.alarmed() && knowledge == Knowledge::pinned) peers_.want_list(peer);
  peers_.busy(peer);
}

void Inbox::list_known(Peer& peer, std::uint64_t asked_for) {
  // All are taken off first: those that go on waiting are parked anew, behind.
  std::vector<std::pair<Knowledge, ParkedRecord>> waiting;
  for (const std::uint64_t number : parked_by(peer.account)) {
    const auto row = core_.staging.get(Table::parked, number_key(number));
    ParkedRecord record;
    if (!row || !decode(*row, record)) return core_.found_corrupt();
    remove_parked(number);
    waiting.emplace_back(number < asked_for ? Knowledge::fetched : Knowledge::pinned, std::move(record));
  }
  for (const auto& [knowledge, record] : waiting)
    static_cast<void>(open(record.envelope, record.ciphertext, record.received_at, knowledge));
}

void Inbox::list_unknown(Peer& peer) {
  const std::vector<std::uint64_t> dropped = parked_by(peer.account);
  for (const std::uint64_t number : dropped) remove_parked(number);
  if (!dropped.empty()) core_.events.emplace_back(StrangersDropped{static_cast<std::uint32_t>(dropped.size())});
  core_.counters.unconfirmed += dropped.size();
}

std::vector<std::uint64_t> Inbox::parked_by(const AccountId& account) const {
  const auto share = parked_of_.find(account);
  if (share == parked_of_.end()) return {};
  return {share->second.numbers.begin(), share->second.numbers.end()};
}

void Inbox::connected() {
  for (const auto& [account, share] : parked_of_) {
    Peer& peer = peers_.get(account);
    if (!peer.alarmed()) peers_.want_list(peer);
    peers_.busy(peer);
  }
}

void Inbox::expire() {
  std::set<AccountId> over;
  for (const auto& [number, parked] : parked_)
    if (core_.now() - parked.received_at > kMessageLife) over.insert(parked.account);
  for (const AccountId& account : over) list_unknown(peers_.get(account));
}

void Inbox::dispatch(Peer& peer, PeerDevice& device, const session::Decrypted& opened, Time received_at) {
  const auto content = wire::decode_content(opened.plaintext);
  if (!content) {
    ++core_.counters.malformed;
    return;
  }
  compare_list_numbers(peer, device, *content);
  struct Visitor {
    Inbox& inbox;
    Peer& peer;
    PeerDevice& device;
    const wire::Content& content;
    Time received_at;
    void operator()(const wire::UnknownBody&) const { inbox.text(peer, device, content, received_at); }
    void operator()(const wire::Text&) const { inbox.text(peer, device, content, received_at); }
    void operator()(const wire::Receipt& receipt) const { inbox.receipt(device, receipt); }
    void operator()(const wire::Retry& retry) const {
      const bool told = retry.envelope == kSetBackQuestion;
      if (!told) inbox.healing_.asked(peer, device, retry);
      // Another device of ours could not open what this one wrote: perhaps the state that was set back is this one's.
      if (told || inbox.core_.is_own(peer.account)) inbox.own_devices_.missed_something();
    }
    void operator()(const wire::NewerList& list) const { inbox.newer_list(peer, list); }
    void operator()(const wire::Typing& typing) const {
      if (!peer.record.blocked) inbox.core_.events.emplace_back(TypingChanged{device.address, typing.active});
    }
    void operator()(const wire::SessionHello&) const {}
    void operator()(const wire::Sync& sync) const {
      if (inbox.core_.is_own(device.address.account)) inbox.sync(device, content, sync);
    }
  };
  if (core_.is_own(peer.account)) own_devices_.heard(device.address.device);
  std::visit(Visitor{*this, peer, device, *content, received_at}, content->body);
}

void Inbox::text(Peer& peer, PeerDevice& device, const wire::Content& content, Time received_at) {
  if (core_.is_own(peer.account)) return;  // one writes to others; what one sent them comes as a Sync
  const bool silent = peer.alarmed() || peer.record.blocked;
  if (core_.ledger.receipts && !silent)
    outbox_.add_receipt(peer.account, wire::ReceiptKind::delivered, content.message);
  const Bytes key = message_key(peer.account, content.message);
  if (core_.seen(SeenKind::message, key)) {
    ++core_.counters.duplicates;
    return;
  }
  core_.remember(SeenKind::message, key, core_.now() + kSeenFor);
  if (received_at - core_.ledger.heard_at >= kHeardGrain || core_.ledger.heard_at > core_.now()) {
    core_.ledger.heard_at = received_at;
    core_.ledger_dirty = true;
  }
  const bool late = content.sent_at <= device.record.newest_sent_at;
  if (!late) {
    device.record.newest_sent_at = content.sent_at;
    device.dirty = true;
  }
  if (peer.record.blocked || core_.seen(SeenKind::deleted, key)) return;
  IncomingMessage message{.id = content.message,
                          .sender = device.address,
                          .sent_at = content.sent_at,
                          .received_at = received_at,
                          .kind = IncomingKind::newer_version,
                          .body = {},
                          .sender_handle = {},
                          .read = core_.seen(SeenKind::read, key),
                          .late = late};
  if (const auto* text = std::get_if<wire::Text>(&content.body)) {
    message.kind = IncomingKind::text;
    message.body = to_body(*text);
    message.sender_handle = to_string(text->sender_handle);
  }
  peers_.meet(peer);
  core_.events.emplace_back(MessageReceived{message.id, message.sender, message.kind, message.late});
  const bool read = message.read;
  core_.staging.history(AddIncoming{std::move(message)});
  // A page of another device's history may have brought it before, unread.
  if (read) core_.staging.history(MarkRead{peer.account, {content.message}});
}

void Inbox::receipt(PeerDevice& device, const wire::Receipt& receipt) {
  for (std::size_t i = 0; i < receipt.count; ++i) outbox_.receipt(device.address, receipt.kind, receipt.ids.at(i));
}

void Inbox::newer_list(Peer& peer, const wire::NewerList& list) {
  if (peer.alarmed()) return;
  const auto before = peer.pinned->reference();
  // Another account key is for the directory to show: any device could make one up, and nobody would take it back.
  const auto shown = session::load_device_list(list.signed_list);
  const bool same_key = shown && shown->list().account_key == peer.pinned->list().account_key;
  const ListOutcome outcome = same_key ? peers_.take_list(peer, list.signed_list, {}, {}) : ListOutcome::refused;
  if (outcome == ListOutcome::refused || outcome == ListOutcome::invalid || outcome == ListOutcome::behind) {
    peers_.want_list_by_word(peer);  // the directory has those in between
  } else if (peer.pinned->reference() != before) {
    peer.wants_list = false;  // this is the list
    outbox_.list_changed(peer);
    list_known(peer, 0);  // the directory may have a newer one yet
  }
}

void Inbox::accept_candidate(Peer& peer) {
  outbox_.start_over(peer);
  peers_.accept_candidate(peer);
  peers_.drop_unlisted(peer);
  list_known(peer, UINT64_MAX);
}

void Inbox::compare_list_numbers(Peer& peer, PeerDevice& device, const wire::Content& content) {
  if (peer.alarmed()) return;
  peers_.lists_said(peer, content);
  if (content.own_list_number > peer.pinned->list().number) {
    if (content.own_list_number > peer.record.told_list) {
      peer.record.told_list = content.own_list_number;
      peers_.changed(peer);
    }
    peer.told_by = device.address.device;
    peers_.want_list_by_word(peer);
  }
  if (content.list_number > core_.own_list.list().number) {
    // It goes by a list of ours that we do not know: another device of ours may have made it.
    peers_.want_list_by_word(peers_.get(core_.address.account));
  }
  const bool silent = std::holds_alternative<wire::Typing>(content.body) ||
                      std::holds_alternative<wire::NewerList>(content.body) ||
                      std::holds_alternative<wire::Retry>(content.body);
  if (silent || peer.record.blocked || content.list_number == ListNumber{} ||
      content.list_number >= core_.own_list.list().number)
    return;
  const milliseconds since = core_.now() - device.record.newer_list_at;
  if (since >= milliseconds(0) && since < kNewerListEvery) return;
  device.record.newer_list_at = core_.now();
  device.dirty = true;
  outbox_.add_control(peer, device.address.device, ContentKind::newer_list, {});
}

void Inbox::list_shown(Peer& peer) {
  peers_.compare_with_others(peer);
  if (core_.is_own(peer.account)) peers_.check_claimed(peer);
  if (peer.alarmed() || peer.told_by == DeviceNumber{} || peer.record.told_list <= peer.pinned->list().number) return;
  // The directory does not show what the account's own device goes by. That device has the list: it is asked.
  peers_.hidden(peer);
  const DeviceNumber said = std::exchange(peer.told_by, DeviceNumber{});
  if (!peer.record.blocked) outbox_.add_control(peer, said, ContentKind::hello, {});
}

}  // namespace opaline::endpoint::internal
