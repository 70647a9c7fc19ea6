#include "relay/test_support/world.hpp"

namespace opaline::relay::testing {

World::World(std::uint64_t seed, NodeConfig node_config, std::size_t count)
    : random(seed), config(std::move(node_config)) {
  random.fill(token_key.fill());
  for (std::size_t i = 0; i < count; ++i) {
    devices.push_back(
        std::make_unique<TestDevice>(static_cast<std::uint32_t>(i), random.id<AccountId>(), random.id<MailboxId>()));
    TestDevice& device = *devices.back();
    device.make_auth = [&device](const wire::Hello& hello) {
      Bytes out;
      const Bytes signature(wire::kAuthSignatureBytes);
      wire::encode(
          out,
          wire::Auth{
              .account = device.account, .device = DeviceNumber(1), .binding = hello.binding, .signature = signature});
      return out;
    };
  }
  connections.resize(count);
}

World::~World() = default;

void World::start() {
  store = std::make_unique<store::MemoryMailboxStore>(disk, vault);
  watched = std::make_unique<WatchedStore>(*store);
  const auto epoch = watched->acquire_all();
  OPALINE_ASSERT(epoch.has_value());
  std::vector<wire::SendTokenKey> keys;
  keys.push_back(token_key.clone());
  node = std::make_unique<RelayNode>(config, RelayNode::Ports{*watched, *epoch, *this, *this, clock, random},
                                     std::move(keys));
  on_start();
}

void World::crash() {
  for (std::size_t i = 0; i < devices.size(); ++i) {
    devices[i]->end();
    connections[i] = {};
  }
  auths.clear();
  node.reset();
  watched.reset();
  store.reset();
  old_links_.clear();
  disk.crash();
}

void World::connect(std::size_t i) {
  if (!node || devices[i]->connected) return;
  auto link = std::make_unique<PipeLink>();
  const auto id = node->open(*link, std::nullopt);
  if (!id) return;
  devices[i]->begin();
  connections[i] = {std::move(link), *id};
}

void World::cut(std::size_t i) {
  Connection& c = connections[i];
  if (!c.id) return;
  devices[i]->end();
  if (node && !c.link->closed) node->on_closed(*c.id);
  old_links_.push_back(std::move(c.link));
  c = {};
}

void World::abandon(std::size_t i) {
  Connection& c = connections[i];
  if (!c.id) return;
  devices[i]->end();
  old_links_.push_back(std::move(c.link));
  c = {};
}

bool World::deliver_up(std::size_t i) {
  TestDevice& device = *devices[i];
  if (!node || !device.connected || device.uplink.empty()) return false;
  const Bytes batch = std::move(device.uplink.front());
  device.uplink.pop_front();
  node->on_batch(*connections[i].id, batch);
  return true;
}

bool World::deliver_down(std::size_t i) {
  Connection& c = connections[i];
  if (!c.id) return false;
  if (c.link->batches.empty()) {
    if (c.link->closed) cut(i);
    return false;
  }
  const Bytes batch = std::move(c.link->batches.front());
  c.link->batches.pop_front();
  c.link->queued -= batch.size();
  const bool was_ready = devices[i]->ready;
  devices[i]->on_batch(batch);
  if (!was_ready && devices[i]->ready && auto_route) route_all(i);
  return true;
}

void World::route_all(std::size_t i) {
  TestDevice& device = *devices[i];
  Bytes batch;
  for (std::size_t p = 0; p < device.peers.size(); ++p) {
    const MailboxId& mailbox = device.peers[p].mailbox;
    wire::encode(batch, wire::Route{.route = static_cast<std::uint16_t>(p),
                                    .mailbox = mailbox,
                                    .token = wire::make_send_token(token_key, device.account, mailbox,
                                                                   clock.now() + wire::kSendTokenLifetime)});
  }
  if (!batch.empty()) device.uplink.push_back(std::move(batch));
}

void World::authenticate(ConnectionId connection, AuthRequest request) {
  for (const auto& device : devices) {
    if (device->account == request.account) {
      auths.emplace_back(connection, Authenticated{device->account, request.device, device->mailbox});
      return;
    }
  }
  auths.emplace_back(connection, std::nullopt);
}

bool World::answer_auth() {
  if (!node || auths.empty()) return false;
  const auto [connection, device] = auths.front();
  auths.pop_front();
  node->on_auth_result(connection, device);
  return true;
}

void World::call(ConnectionId connection, const AccountId&, DeviceNumber, std::uint32_t call, std::uint16_t method,
                 ByteView body) {
  if (method == 7) return;  // never answered
  node->on_reply(connection, call, 0, body);
}

void World::settle() {
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      while (deliver_up(i)) moved = true;
    }
    while (answer_auth()) moved = true;
    end_round();
    while (store && store->step()) moved = true;
    end_round();
    for (std::size_t i = 0; i < devices.size(); ++i) {
      while (deliver_down(i)) moved = true;
    }
  }
}

}  // namespace opaline::relay::testing
