#include "tests/sim/world.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace opaline::sim {
namespace {

using namespace std::chrono_literals;
constexpr auto kStart = from_unix_millis(1'800'000'000'000);

}  // namespace

World::World(std::uint64_t seed, std::size_t people, Weather weather)
    : random(seed), clock(kStart), weather_(weather), node_(random, clock) {
  node_.start();
  for (std::size_t i = 0; i < people; ++i) {
    Device& device = add_device(fmt::format("person{}", i));
    node_.enrol(device.store, fmt::format("person{}@example.org", i));
    device.load();
    connect(device);
  }
}

Device& World::add_device(const std::string& name) {
  Device& device = *devices_.emplace_back(std::make_unique<Device>(name, random, clock));
  add(device);
  return device;
}

void World::connect(Line& device) {
  if (device.pipe() || !device.running() || device.removed || !node_.running()) return;
  auto pipe = std::make_shared<Pipe>();
  device.attach(pipe);
  if (!node_.open(pipe)) device.detach();
}

void World::lose(const std::shared_ptr<Pipe>& pipe) {
  if (!pipe) return;
  pipe->cut = true;
  pipe->to_device.clear();
  pipe->to_node.clear();
  node_.closed(*pipe);
}

void World::disconnect(Line& device) {
  const auto pipe = device.pipe();
  device.detach();
  lose(pipe);
}

std::optional<std::size_t> World::start_link(std::size_t primary) {
  Device& old = *devices_[primary];
  if (!old.running() || !node_.running() || old.store.fail_commits > 0 || old.endpoint().list_change_pending())
    return std::nullopt;
  const auto list = old.endpoint().own_list();
  if (!list || list->list().devices.size() >= credentials::kMaxDevices) return std::nullopt;
  const auto exchange = node_.exchange(old.endpoint().address());
  if (!exchange) return std::nullopt;
  Device& fresh = add_device(fmt::format("{}.{}", old.name, devices_.size()));
  const endpoint::Enrolment enrolment{list->list().account, list->list().next_device, exchange->mailbox};
  const auto made = endpoint::Endpoint::create_linked(fresh.store, random, clock, enrolment, *list, fresh.name);
  EXPECT_TRUE(made);
  session::DeviceList next = session::next_device_list(*list, clock.now());
  next.devices.push_back({.number = enrolment.device,
                          .mailbox = enrolment.mailbox,
                          .created = clock.now(),
                          .capabilities = session::kCapabilityMessages | session::kCapabilityEphemeral,
                          .keys = made->keys});
  next.next_device = DeviceNumber{static_cast<std::uint32_t>(enrolment.device) + 1};
  EXPECT_TRUE(old.endpoint().add_device(next, exchange->id, made->prekeys));
  round(old);
  return devices_.size() - 1;
}

bool World::finish_link(std::size_t fresh, std::size_t primary, bool ask_history) {
  Device& device = *devices_[fresh];
  Device& old = *devices_[primary];
  if (device.running() || !old.running()) return device.running();
  const auto list = old.endpoint().own_list();
  // The primary one knows that it is on the list, and tells it so: with the list, or after an accident without.
  const auto identity = endpoint::Endpoint::identity(device.store);
  EXPECT_TRUE(identity);
  const auto listed =
      std::ranges::any_of(list->list().devices, [&](const auto& d) { return d.keys == identity->public_keys(); });
  if (!listed) return false;
  device.store.fail_commits = 0;  // a person whose disk fails here begins again
  if (random.below(2) == 0 || !endpoint::Endpoint::confirm_linked(device.store, list->bytes(), ask_history))
    EXPECT_TRUE(endpoint::Endpoint::confirm_linked(device.store, {}, ask_history));
  device.load();
  connect(device);
  return true;
}

void World::round(Line& device) {
  const auto pipe = device.pipe();
  device.round();
  if (device.pipe() != pipe) lose(pipe);
}

void World::write(std::size_t from, std::size_t to) {
  Device& sender = *devices_[from];
  if (!sender.running()) return;
  const std::string text = fmt::format("marker {} from {} to {}", written_++, from, to);
  const AccountId peer = devices_[to]->running() ? devices_[to]->endpoint().address().account : AccountId();
  if (peer.is_zero()) return;
  const auto id = sender.endpoint().send_text(peer, text);
  ASSERT_TRUE(id);
  const std::uint64_t commits = sender.store.fail_commits;
  const auto pipe = sender.pipe();
  sender.round();
  if (sender.pipe() != pipe) lose(pipe);
  // A commit that failed forgot the message, and the person was told so: nothing is promised about it.
  if (commits == 0 && sender.store.contents().history.find(*id) != nullptr)
    sender.written[peer].emplace_back(*id, text);
}

bool World::deliver(std::size_t which) {
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    Line& device = *lines_[(which + i) % lines_.size()];
    const auto pipe = device.pipe();
    if (!pipe) continue;
    const bool upwards = !pipe->to_node.empty() && (pipe->to_device.empty() || random.below(2) == 0);
    if (upwards && node_.running()) {
      const Bytes batch = std::move(pipe->to_node.front());
      pipe->to_node.pop_front();
      if (record_bytes) append(seen_by_server, batch);
      node_.receive(*pipe, batch);
      return true;
    }
    if (!pipe->to_device.empty()) {
      const Bytes batch = std::move(pipe->to_device.front());
      pipe->to_device.pop_front();
      device.receive(batch);
      if (device.pipe() != pipe) lose(pipe);  // the device hung up
      return true;
    }
    if (pipe->closed_by_node) {
      device.detach();
      lose(pipe);
      return true;
    }
  }
  return false;
}

void World::stop(Line& line) {
  const auto pipe = line.pipe();
  line.crash();
  lose(pipe);
}

void World::crash(Line& line) {
  stop(line);
  line.load();
}

void World::crash_node() {
  node_.crash();
  for (Line* const device : lines_) {
    if (const auto pipe = device->pipe()) {
      device->detach();
      pipe->to_device.clear();
      pipe->to_node.clear();
    }
  }
  node_.start();
}

void World::rough_weather() {
  const std::size_t who = random.below(lines_.size());
  Line& device = *lines_[who];
  if (happens(weather_.cuts)) disconnect(device);
  if (happens(weather_.offline)) {
    device.wants_online = !device.wants_online;
    if (!device.wants_online) disconnect(device);
  }
  if (device.running() && happens(weather_.device_crashes)) crash(device);
  if (happens(weather_.failed_commits)) device.fail_commit();
  if (happens(weather_.node_crashes)) crash_node();
  if (happens(weather_.disk_faults)) {
    auto& faults = node_.mailbox_disk.faults;
    faults = {};
    if (random.below(3) == 0) faults.full = true;
    if (random.below(3) == 0) faults.unknown_stored = 300;
    if (random.below(3) == 0) faults.unknown_lost = 300;
    if (random.below(3) == 0) faults.read_failed = 200;
  }
  if (happens(weather_.clock_jumps))
    clock.jump(milliseconds(static_cast<std::int64_t>(random.below(7'200'000)) - 3'600'000));
}

void World::advance(std::chrono::nanoseconds by) {
  clock.advance(by);
  if (node_.running()) node_.tick();
  for (Line* const device : lines_) {
    if (!device->running()) continue;
    const auto pipe = device->pipe();
    device->endpoint().tick();
    device->round();
    if (pipe && device->pipe() != pipe) lose(pipe);
  }
}

void World::step() {
  rough_weather();
  for (Line* const line : lines_)
    if (line->wants_online && !line->pipe() && random.below(4) == 0) connect(*line);
  const std::uint64_t what = random.below(10);
  if (what < 5 && deliver(random.below(lines_.size()))) return;
  if (what < 8 && node_.running() && node_.step(random.u64())) return;
  advance(milliseconds(random.below(400)));
}

void World::drain() {
  for (int idle = 0; idle < 3;) {
    const bool moved = deliver(random.below(lines_.size())) || (node_.running() && node_.step(random.u64()));
    idle = moved ? 0 : idle + 1;
  }
}

void World::settle() {
  weather_ = {};
  node_.mailbox_disk.faults = {};
  for (Line* const line : lines_) {
    line->mend();
    line->wants_online = true;
  }
  // Long enough for every back-off (docs: an hour at most here); bounded, so that a loop of two devices is a failure.
  for (int round = 0; round < 400; ++round) {
    for (Line* const device : lines_) connect(*device);
    drain();
    std::size_t waiting = 0;
    for (Line* const device : lines_)
      if (device->running() && !device->removed) waiting += device->endpoint().waiting();
    const bool changing = std::ranges::any_of(
        lines_, [](const Line* d) { return d->running() && !d->removed && d->endpoint().list_change_pending(); });
    if (waiting == 0 && !changing && round > 20 && node_.envelopes_on_disk() == 0) return;
    advance(round < 50 ? 1s : 60s);
  }
}

}  // namespace opaline::sim
