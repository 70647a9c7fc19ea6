#include "endpoint/internal/peers.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "crypto/hash.hpp"

namespace opaline::endpoint::internal {
namespace {

std::optional<session::VerifiedDeviceList> load_list(Core& core, const Bytes& bytes) {
  if (bytes.empty()) return std::nullopt;
  auto list = session::load_device_list(bytes);
  if (!list) {
    core.found_corrupt();
    return std::nullopt;
  }
  return std::move(*list);
}

/// What a content says of a list's hash, in the place of the hash.
session::ListHash shortened(std::uint64_t check) {
  Bytes bytes;
  Writer(bytes).u64(check).u64(0).u64(0).u64(0);
  return *session::ListHash::from(bytes);
}

/// Of one of the two perhaps only the beginning is known.
bool same(const session::ListHash& a, const session::ListHash& b) {
  return check_of(a) == check_of(b);
}

bool same(const session::ListReference& a, const session::ListReference& b) {
  return a.number == b.number && same(a.hash, b.hash);
}

AccountKeyHash hash_of(const session::VerifiedDeviceList& list) {
  return AccountKeyHash(crypto::sha256(list.list().account_key.view()));
}

}  // namespace

Peer& Peers::get(const AccountId& account) {
  const auto [it, fresh] = peers_.try_emplace(account);
  Peer& peer = it->second;
  if (!fresh) return peer;
  peer.account = account;
  if (const auto row = core_.staging.get(Table::peer, account.view())) {
    if (!decode(*row, peer.record)) core_.found_corrupt();
    peer.pinned = load_list(core_, peer.record.pinned);
    peer.candidate = load_list(core_, peer.record.candidate);
  }
  if (core_.is_own(account)) peer.pinned = core_.own_list;
  core_.staging.for_each(Table::peer_device, account.view(), {}, [&](ByteView key, ByteView value) {
    Reader in(key.subspan(AccountId::kSize));
    const DeviceNumber number{in.u32()};
    PeerDevice& found = peer.devices[number];
    found.address = {account, number};
    if (!in.finished() || !decode(value, found.record)) core_.found_corrupt();
    return true;
  });
  if (peer.pinned) drop_unlisted(peer);  // rows that an earlier version left
  return peer;
}

PeerDevice* Peers::find(const session::DeviceAddress& address) {
  Peer& peer = get(address.account);
  const auto it = peer.devices.find(address.device);
  if (it != peer.devices.end()) return &it->second;
  return peer.entry(address.device) == nullptr ? nullptr : &device(peer, address.device);
}

PeerDevice& Peers::device(Peer& peer, DeviceNumber number) {
  const auto [it, fresh] = peer.devices.try_emplace(number);
  if (fresh) it->second.address = {peer.account, number};
  return it->second;
}

void Peers::pin(Peer& peer, session::VerifiedDeviceList list) {
  if (core_.is_own(peer.account)) return pin_own(peer, std::move(list));
  peer.record.pinned = list.bytes();
  peer.pinned = std::move(list);
  changed(peer);
}

void Peers::pin_own(Peer& peer, session::VerifiedDeviceList list) {
  const session::VerifiedDeviceList before = std::exchange(core_.own_list, std::move(list));
  core_.own.signed_list = core_.own_list.bytes();
  core_.own_dirty = true;
  peer.pinned = core_.own_list;
  // For a service that is set back.
  const auto number = static_cast<std::uint32_t>(before.list().number);
  core_.staging.put(Table::device, earlier_list_key(number), to_secret_bytes(before.bytes()));
  if (number > kListsKept) core_.staging.erase(Table::device, earlier_list_key(number - kListsKept));
  const auto beyond = [](const session::VerifiedDeviceList& some, const session::VerifiedDeviceList& others) {
    return std::ranges::any_of(some.list().devices, [&](const auto& d) { return others.find(d.number) == nullptr; });
  };
  if (beyond(core_.own_list, before)) {
    core_.notice(peer.account, NoticeKind::own_device_added);
    core_.ledger.told_at = {};  // the new one is to know who else there is
    core_.ledger_dirty = true;
  }
  if (beyond(before, core_.own_list)) core_.notice(peer.account, NoticeKind::own_device_removed);
  for (const session::DeviceEntry& entry : before.list().devices)
    if (core_.own_list.find(entry.number) == nullptr)
      core_.staging.erase(Table::own_device, own_device_key(entry.number));
  core_.events.emplace_back(OwnDevicesChanged{});
  if (core_.own_list.find(core_.address.device) == nullptr) core_.events.emplace_back(ThisDeviceRemoved{});
}

void Peers::alarm(Peer& peer, const session::ListHash& list, NoticeKind kind, const AccountId& claimed_by) {
  if (same(peer.record.noticed, list)) return;
  // Anybody can claim anything: each contact is heard once in this time, and few of them.
  if (!claimed_by.is_zero() &&
      !core_.may_say(SeenKind::forged_claim, claimed_by.view(), kForgedClaimWindow, kMaxForgedClaims))
    return;
  peer.record.noticed = list;
  changed(peer);
  if (core_.is_own(peer.account)) {
    core_.events.emplace_back(OwnListForged{claimed_by});
    core_.notice(claimed_by.is_zero() ? peer.account : claimed_by, NoticeKind::own_list_forged);
  } else {
    core_.notice(peer.account, kind);
  }
}

void Peers::shown_invalid(const Peer& peer) {
  if (core_.may_say(SeenKind::unsigned_list, peer.account.view(), kUnsignedListEvery, kMaxUnsignedLists))
    core_.notice(peer.account, NoticeKind::list_unsigned);
}

AccountKeyHash Peers::pinned_key(const Peer& peer) {
  return peer.pinned ? hash_of(*peer.pinned) : AccountKeyHash{};
}

void Peers::told_key(Peer& peer, const AccountKeyHash& key) {
  if (core_.is_own(peer.account) || key.is_zero() || peer.record.told_key == key) return;
  peer.record.told_key = key;
  changed(peer);
}

wire::Contact Peers::contact_of(const Peer& peer, std::string_view handle, Time active_at, AccountKeyHash& key) {
  key = pinned_key(peer);
  return {.account = peer.account,
          .handle = as_view(handle),
          .account_key_hash = key.is_zero() ? ByteView() : ByteView(key.view()),
          .verified = peer.record.verified,
          .blocked = peer.record.blocked,
          .changed_at = peer.record.changed_at,
          .active_at = active_at,
          .accepted = !key.is_zero() && key == peer.record.accepted_key};
}

bool Peers::accepted_elsewhere(const Peer& peer) {
  return peer.candidate && hash_of(*peer.candidate) == peer.record.accepted_key;
}

void Peers::compare_with_others(Peer& peer) {
  const AccountKeyHash& told = peer.record.told_key;
  if (core_.is_own(peer.account) || !peer.pinned || told.is_zero() || told == hash_of(*peer.pinned)) return;
  alarm(peer, session::ListHash(told.array()), NoticeKind::list_forked);
}

void Peers::own_list_claimed(const session::ListReference& reference, const AccountId& by) {
  Peer& own = get(core_.address.account);
  if (reference.number < core_.own_list.list().number || same(reference, core_.own_list.reference())) return;
  if (get(by).record.blocked) return;  // nothing of it is shown
  own.claimed = reference;
  own.claimed_by = by;
  if (reference.number == core_.own_list.list().number) return check_claimed(own);
  want_list_by_word(own);  // another device may have made it: the directory knows
}

void Peers::lists_said(Peer& peer, const wire::Content& content) {
  const session::ListReference said{content.own_list_number, shortened(content.own_list_check)};
  const bool other = content.own_list_check != 0 && peer.pinned->list().number == said.number &&
                     !same(said, peer.pinned->reference()) && !same(said.hash, peer.record.noticed);
  // It may say something else in each message.
  if (other && core_.may_say(SeenKind::forked_list, peer.account.view(), kForkedListEvery, kMaxForkedLists))
    alarm(peer, said.hash, NoticeKind::list_forked);
  // One's own device: that was its list.
  if (content.list_check != 0 && !core_.is_own(peer.account))
    own_list_claimed({content.list_number, shortened(content.list_check)}, peer.account);
}

void Peers::want_list(Peer& peer) {
  peer.wants_list = true;
  peer.wanted_again = peer.open_request != RequestId{0};
  busy(peer);
}

void Peers::want_list_by_word(Peer& peer) {
  want_list(peer);
  peer.list_not_before = peer.list_asked_at ? *peer.list_asked_at + kListFetchEvery : Instant{};
}

void Peers::check_claimed(Peer& own) {
  const auto claimed = std::exchange(own.claimed, std::nullopt);
  if (!claimed || claimed->number < core_.own_list.list().number || same(*claimed, core_.own_list.reference())) return;
  alarm(own, claimed->hash, NoticeKind::list_forked, own.claimed_by);
}

void Peers::decided(Peer& peer) {
  const Time now = core_.now();
  const Time last = peer.record.changed_at;
  peer.record.changed_at = last > now + kMaxClockAhead ? now : std::max(now, last + milliseconds(1));
  changed(peer);
}

ListOutcome Peers::first_list(Peer& peer, session::VerifiedDeviceList shown) {
  // Another device of ours has met this account under another key: that is no first contact.
  if (!peer.record.told_key.is_zero() && peer.record.told_key != hash_of(shown)) return new_key(peer, std::move(shown));
  pin(peer, std::move(shown));
  return ListOutcome::pinned;
}

/// Of a persona's own list. The root is told by the person's other devices, perhaps later than the service shows it.
ListOutcome Peers::new_root(Peer& own, session::VerifiedDeviceList shown) {
  const auto row = core_.staging.get(Table::device, as_view(kAccountKeyKey));
  const auto root = row ? session::AccountKey::deserialise(*row) : fail(session::Error::malformed);
  if (root && root->public_key() == shown.list().account_key && session::renews_account_key(core_.own_list, shown)) {
    own.strange_since.reset();
    pin(own, std::move(shown));
    return ListOutcome::pinned;
  }
  core_.events.emplace_back(RootUnknown{shown.list().number < core_.own_list.list().number});
  if (!own.strange_since) own.strange_since = core_.instant();
  if (core_.instant() - *own.strange_since >= kNewRootWithin) {
    alarm(own, shown.hash(), NoticeKind::identity_changed);
    return ListOutcome::refused;
  }
  want_list(own);
  own.list_not_before = *own.strange_since + kNewRootWithin;
  return ListOutcome::refused;
}

ListOutcome Peers::new_key(Peer& peer, session::VerifiedDeviceList shown) {
  if (core_.options.serves_strangers && peer.pinned && session::renews_account_key(*peer.pinned, shown)) {
    // A person's device was removed, or all of them were new: the service says so, and nobody else can.
    peer.candidate.reset();
    peer.record.candidate.clear();
    pin(peer, std::move(shown));
    core_.notice(peer.account, NoticeKind::device_list_changed);
    return ListOutcome::pinned;
  }
  if (core_.is_own(peer.account)) {
    if (core_.options.persona) return new_root(peer, std::move(shown));
    alarm(peer, shown.hash(), NoticeKind::identity_changed);
    return ListOutcome::refused;
  }
  if (peer.candidate && peer.candidate->hash() == shown.hash()) return ListOutcome::waiting;
  peer.record.candidate = shown.bytes();
  changed(peer);
  alarm(peer, shown.hash(), NoticeKind::identity_changed);
  if (peer.record.verified) {
    peer.record.verified = false;
    peer.record.verify_again = true;
    core_.notice(peer.account, NoticeKind::verify_again);
  }
  peer.candidate = std::move(shown);
  return ListOutcome::waiting;
}

ListOutcome Peers::take_list(Peer& peer, ByteView signed_list, const std::vector<Bytes>& between, ListNumber known) {
  using session::ListChange;
  auto shown = session::verify_device_list(signed_list);
  if (!shown || shown->list().account != peer.account) return ListOutcome::invalid;
  if (!peer.pinned) return first_list(peer, std::move(*shown));
  // Lists in between are taken one by one; each must follow the one before it.
  const session::ListHash before = peer.pinned->hash();
  for (const Bytes& bytes : between) {
    if (session::compare_lists(*peer.pinned, *shown) != ListChange::gap) break;
    auto step = session::verify_device_list(bytes);
    if (!step) break;
    const ListChange change = session::compare_lists(*peer.pinned, *step);
    if (change == ListChange::unchanged || change == ListChange::older) continue;  // more than we asked for
    if (change == ListChange::forked || change == ListChange::rule_broken) {
      alarm(peer, step->hash(), NoticeKind::list_forked);
      return ListOutcome::refused;
    }
    if (change != ListChange::successor) break;
    pin(peer, std::move(*step));
  }
  const ListChange change = session::compare_lists(*peer.pinned, *shown);
  switch (change) {
    case ListChange::unchanged:
    case ListChange::successor:
      if (change == ListChange::successor) pin(peer, std::move(*shown));
      if (peer.pinned->hash() != before && !core_.is_own(peer.account))
        core_.notice(peer.account, NoticeKind::device_list_changed);
      if (peer.candidate) {  // the directory went back to the identity that we know: the alarm stands in the history
        peer.candidate.reset();
        peer.record.candidate.clear();
        changed(peer);
      }
      return ListOutcome::pinned;
    case ListChange::new_account_key:
      return new_key(peer, std::move(*shown));
    case ListChange::older:
      if (shown->list().number >= known) return ListOutcome::pinned;
      alarm(peer, shown->hash(), NoticeKind::list_rolled_back);
      return ListOutcome::refused;
    case ListChange::forked:
    case ListChange::rule_broken:
      alarm(peer, shown->hash(), NoticeKind::list_forked);
      return ListOutcome::refused;
    case ListChange::gap:
      return peer.pinned->hash() != before ? ListOutcome::partly : ListOutcome::behind;
    case ListChange::other_account:
      return ListOutcome::refused;
  }
  return ListOutcome::refused;
}

ListOutcome Peers::take_over_gap(Peer& peer, ByteView signed_list) {
  auto shown = session::verify_device_list(signed_list);
  if (!shown || session::compare_lists(*peer.pinned, *shown) != session::ListChange::gap) return ListOutcome::behind;
  const auto number = [](const session::VerifiedDeviceList& l) { return static_cast<std::uint32_t>(l.list().number); };
  if (number(*shown) - number(*peer.pinned) - 1 <= kListsKept) return ListOutcome::behind;  // it must have them
  pin(peer, std::move(*shown));
  core_.notice(peer.account, NoticeKind::list_gap);
  if (peer.candidate) {
    peer.candidate.reset();
    peer.record.candidate.clear();
    changed(peer);
  }
  return ListOutcome::pinned;
}

std::vector<AccountId> Peers::blocked() {
  std::vector<AccountId> out;
  core_.staging.for_each(Table::peer, {}, {}, [&](ByteView key, ByteView value) {
    const auto account = AccountId::from(key);
    PeerRecord record;
    if (!account || !decode(value, record)) {
      core_.found_corrupt();
      return false;
    }
    if (record.blocked && !peers_.contains(*account)) out.push_back(*account);
    return true;
  });
  // What this round has changed is not staged yet.
  for (const auto& [account, peer] : peers_)
    if (peer.record.blocked) out.push_back(account);
  std::ranges::sort(out);
  return out;
}

void Peers::meet(Peer& peer) {
  if (peer.record.met) return;
  peer.record.met = true;
  changed(peer);
  core_.notice(peer.account, NoticeKind::first_contact);
}

void Peers::accept_candidate(Peer& peer) {
  OPALINE_ASSERT(peer.candidate.has_value());
  session::VerifiedDeviceList accepted = std::move(*peer.candidate);
  peer.candidate.reset();
  peer.record.candidate.clear();
  peer.record.told_key = peer.record.accepted_key = hash_of(accepted);
  pin(peer, std::move(accepted));
}

void Peers::disconnected() {
  for (auto& [account, peer] : peers_) {
    peer.open_request = RequestId{0};
    peer.wanted_again = false;
    for (auto& [number, device] : peer.devices) {
      device.route.reset();
      device.in_flight = 0;
      device.refused = false;
      device.wants_bundle = false;
      device.wants_token = false;
    }
  }
}

void Peers::drop_unlisted(Peer& peer) {
  for (auto& [number, device] : peer.devices) {
    // Sessions name their device: the one does not go before the other.
    const bool gone = peer.entry(number) == nullptr && device.record.sessions.empty();
    const bool was = std::exchange(device.removed, gone);
    if (was && !device.removed) device.record = {};  // another identity's, with that number
  }
}

void Peers::write() {
  for (auto& [account, peer] : peers_) {
    if (peer.dirty) core_.staging.put(Table::peer, account.view(), encode(peer.record));
    peer.dirty = false;
    for (auto& [number, device] : peer.devices) {
      if (device.removed) {
        core_.staging.erase(Table::peer_device, device_key(device.address));
      } else if (device.dirty) {
        core_.staging.put(Table::peer_device, device_key(device.address), encode(device.record));
      }
      device.dirty = false;
    }
    // Its route goes with the connection, and what is in flight wants an answer.
    std::erase_if(peer.devices, [](const auto& item) { return item.second.removed && !item.second.route; });
  }
}

void Peers::evict() {
  if (peers_.size() <= kMaxCachedPeers) return;
  std::erase_if(peers_, [this](const auto& item) {
    const Peer& peer = item.second;
    if (busy_.contains(peer.account) || peer.open_request != RequestId{0} || !peer.unfanned.empty()) return false;
    for (const auto& [number, device] : peer.devices)
      if (!device.queue.empty() || device.in_flight > 0 || device.route || device.not_before > core_.instant())
        return false;
    return true;
  });
}

}  // namespace opaline::endpoint::internal
