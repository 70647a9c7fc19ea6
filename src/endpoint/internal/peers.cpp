#include "endpoint/internal/peers.hpp"

#include "base/codec.hpp"

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
  core_.staging.for_each(Table::peer_device, account.view(), {}, [&](ByteView key, ByteView value) {
    Reader in(key.subspan(AccountId::kSize));
    const DeviceNumber number{in.u32()};
    PeerDevice& found = peer.devices[number];
    found.address = {account, number};
    if (!in.finished() || !decode(value, found.record)) core_.found_corrupt();
    return true;
  });
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
  peer.record.pinned = list.bytes();
  peer.pinned = std::move(list);
  changed(peer);
}

void Peers::alarm(Peer& peer, const session::ListHash& list, NoticeKind kind) {
  if (peer.record.noticed == list) return;
  peer.record.noticed = list;
  changed(peer);
  core_.notice(peer.account, kind);
}

ListOutcome Peers::take_list(Peer& peer, ByteView signed_list, const std::vector<Bytes>& between) {
  using session::ListChange;
  auto shown = session::verify_device_list(signed_list);
  if (!shown || shown->list().account != peer.account) return ListOutcome::refused;
  if (!peer.pinned) {
    pin(peer, std::move(*shown));
    return ListOutcome::pinned;
  }
  // Lists in between are taken one by one; each must follow the one before it.
  for (const Bytes& bytes : between) {
    if (session::compare_lists(*peer.pinned, *shown) != ListChange::gap) break;
    auto step = session::verify_device_list(bytes);
    if (!step || session::compare_lists(*peer.pinned, *step) != ListChange::successor) break;
    pin(peer, std::move(*step));
  }
  switch (session::compare_lists(*peer.pinned, *shown)) {
    case ListChange::unchanged:
    case ListChange::successor: {
      const bool grew = shown->hash() != peer.pinned->hash();
      if (grew) {
        pin(peer, std::move(*shown));
        core_.notice(peer.account, NoticeKind::device_list_changed);
      }
      if (peer.candidate) {  // the directory went back to the identity that we know: the alarm stands in the history
        peer.candidate.reset();
        peer.record.candidate.clear();
        changed(peer);
      }
      return ListOutcome::pinned;
    }
    case ListChange::new_account_key:
      if (!peer.candidate || peer.candidate->hash() != shown->hash()) {
        peer.record.candidate = shown->bytes();
        changed(peer);
        alarm(peer, shown->hash(), NoticeKind::identity_changed);
        if (peer.record.verified) {
          peer.record.verified = false;
          peer.record.verify_again = true;
          core_.notice(peer.account, NoticeKind::verify_again);
        }
        peer.candidate = std::move(*shown);
      }
      return ListOutcome::waiting;
    case ListChange::older:
      alarm(peer, shown->hash(), NoticeKind::list_rolled_back);
      return ListOutcome::refused;
    case ListChange::forked:
    case ListChange::rule_broken:
      alarm(peer, shown->hash(), NoticeKind::list_forked);
      return ListOutcome::refused;
    case ListChange::gap:
    case ListChange::other_account:
      return ListOutcome::refused;
  }
  return ListOutcome::refused;
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
  pin(peer, std::move(accepted));
}

void Peers::disconnected() {
  for (auto& [account, peer] : peers_) {
    peer.open_request = RequestId{0};
    for (auto& [number, device] : peer.devices) {
      device.route.reset();
      device.in_flight = 0;
      device.refused = false;
      device.wants_bundle = false;
      device.wants_token = false;
    }
  }
}

void Peers::write() {
  for (auto& [account, peer] : peers_) {
    if (peer.dirty) core_.staging.put(Table::peer, account.view(), encode(peer.record));
    peer.dirty = false;
    for (auto& [number, device] : peer.devices) {
      if (device.dirty) core_.staging.put(Table::peer_device, device_key(device.address), encode(device.record));
      device.dirty = false;
    }
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
