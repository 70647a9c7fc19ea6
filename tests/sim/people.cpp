#include "tests/sim/people.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace opaline::sim {

using namespace std::chrono_literals;
using endpoint::MessageState;

People::People(World& world) : world_(world) {
  for (std::size_t i = 0; i < world.size(); ++i)
    all.push_back({world.device(i).endpoint().address().account, i, {i}, {}});
}

bool People::is_live(std::size_t index) const {
  const Device& device = world_.device(index);
  if (!device.running() || device.removed) return false;
  const auto& address = world_.device(index).endpoint().address();
  const auto person = std::ranges::find(all, address.account, &Person::account);
  const auto list = world_.device(person->primary).endpoint().own_list();
  return list && list->find(address.device) != nullptr;
}

std::vector<std::size_t> People::live_of(const Person& person) const {
  std::vector<std::size_t> out;
  std::ranges::copy_if(person.devices, std::back_inserter(out), [&](std::size_t i) { return is_live(i); });
  return out;
}

std::size_t People::any_of(std::size_t person, SeededRandom& dice) const {
  const auto live = live_of(all[person]);
  return live[dice.below(live.size())];
}

bool People::write(std::size_t from, std::size_t person) {
  Device& sender = world_.device(from);
  if (!is_live(from) || sender.store.fail_commits > 0) return false;
  Text text{.id = {},
            .text = fmt::format("marker {} of {}", texts.size(), sender.name),
            .from = from,
            .by = sender.endpoint().address().account,
            .to = all[person].account,
            .audience = {}};
  for (const Person& some : all) {
    if (some.account != text.by && some.account != text.to) continue;
    const auto list = world_.device(some.primary).endpoint().own_list();
    // Also those that are on the list and do not run yet.
    for (const std::size_t i : some.devices) {
      const auto identity = endpoint::Endpoint::identity(world_.device(i).store);
      const auto& devices = list->list().devices;
      if (std::ranges::any_of(devices, [&](const auto& d) { return d.keys == identity->public_keys(); }))
        text.audience.insert(i);
    }
  }
  const auto id = sender.endpoint().send_text(text.to, text.text);
  EXPECT_TRUE(id);
  text.id = *id;
  world_.round(sender);
  texts.push_back(std::move(text));
  return true;
}

void People::read_all(std::size_t index) {
  Device& device = world_.device(index);
  std::map<AccountId, std::vector<MessageId>> ids;
  for (const auto& message : device.store.contents().history.incoming)
    ids[message.sender.account].push_back(message.id);
  for (const auto& [peer, some] : ids) device.endpoint().mark_read(peer, some);
  world_.round(device);
}

void People::unlink_one(std::size_t person, SeededRandom& dice) {
  const std::size_t which = any_of(person, dice);
  Device& primary = world_.device(all[person].primary);
  if (which == all[person].primary || primary.store.fail_commits > 0) return;
  if (primary.endpoint().remove_device(world_.device(which).endpoint().address().device)) world_.round(primary);
}

void People::start_link(std::size_t person) {
  if (!all[person].linking.empty()) return;
  if (const auto fresh = world_.start_link(all[person].primary)) {
    all[person].devices.push_back(*fresh);
    all[person].linking.push_back(*fresh);
  }
}

void People::finish_links(bool ask_history) {
  for (Person& person : all) {
    std::erase_if(person.linking, [&](std::size_t fresh) {
      if (world_.finish_link(fresh, person.primary, ask_history)) return true;
      // Refused, or the exchange was over: the person begins again.
      return !world_.device(person.primary).endpoint().list_change_pending();
    });
  }
}

std::size_t People::link(std::size_t person, bool ask_history) {
  start_link(person);
  EXPECT_FALSE(all[person].linking.empty());
  world_.drain();
  finish_links(ask_history);
  EXPECT_TRUE(all[person].linking.empty());
  world_.drain();
  const std::size_t fresh = all[person].devices.back();
  EXPECT_TRUE(is_live(fresh));
  return fresh;
}

void People::settle() {
  for (int round = 0; round < 3; ++round) {
    world_.settle();
    finish_links(false);
  }
  world_.settle();
}

std::multiset<std::string> People::came_to(std::size_t index) const {
  std::multiset<std::string> out;
  for (const auto& message : world_.device(index).store.contents().history.incoming)
    out.insert(to_string(message.body.text));
  return out;
}

void People::check(bool late, std::size_t from) const {
  for (std::size_t i = from; i < texts.size(); ++i) check_text(texts[i], late);
  for (const Person& person : all) {
    const auto list = world_.device(person.primary).endpoint().own_list();
    for (const std::size_t index : live_of(person)) {
      const Device& device = world_.device(index);
      EXPECT_EQ(world_.device(index).endpoint().own_list()->hash(), list->hash()) << device.name;
      std::map<session::DeviceAddress, Time> last;
      for (const auto& message : device.store.contents().history.incoming) {
        if (message.late) continue;
        EXPECT_GT(message.sent_at, last[message.sender]) << device.name << " got something out of order";
        last[message.sender] = message.sent_at;
      }
      for (const auto& event : device.events) {
        EXPECT_FALSE(std::holds_alternative<endpoint::OwnListForged>(event)) << device.name;
        if (const auto* received = std::get_if<endpoint::MessageReceived>(&event))
          EXPECT_TRUE(late || !received->late) << device.name;
      }
    }
  }
}

void People::check_text(const Text& text, bool late) const {
  const bool author_left = !is_live(text.from);
  for (const std::size_t index : text.audience) {
    if (!is_live(index)) continue;
    const Device& device = world_.device(index);
    const auto& h = device.store.contents().history;
    const bool own = world_.device(index).endpoint().address().account == text.by;
    const auto count = own ? std::ranges::count(h.outgoing, text.id, [](const auto& o) { return o.message.id; })
                           : std::ranges::count(h.incoming, text.id, &endpoint::IncomingMessage::id);
    EXPECT_LE(count, 1) << text.text << " at " << device.name;
    if (author_left) continue;  // it may have been taken off before it could say more
    EXPECT_EQ(count, 1) << text.text << " at " << device.name;
    if (!own || count != 1 || late) continue;
    EXPECT_GE(h.find(text.id)->state, MessageState::delivered) << text.text << " at " << device.name;
    EXPECT_NE(h.find(text.id)->state, MessageState::failed) << text.text << " at " << device.name;
  }
}

}  // namespace opaline::sim
