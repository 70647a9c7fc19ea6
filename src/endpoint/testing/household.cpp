#include "endpoint/testing/household.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace opaline::endpoint::testing {

Household::Household(World& world, SeededRandom& dice, std::size_t number) : world_(world), dice_(dice) {
  people.resize(number);
  for (std::size_t i = 0; i < number; ++i) {
    Device& device = world.add("person " + std::to_string(i));
    people[i].account = device.address.account;
    people[i].primary = &device;
    people[i].devices = {&device};
  }
}

Person& Household::person_of(const Device& device) {
  return *std::ranges::find(people, device.address.account, &Person::account);
}

Person& Household::other_than(const Person& person) {
  const auto own = static_cast<std::size_t>(&person - people.data());
  return people[(own + 1 + dice_.below(people.size() - 1)) % people.size()];
}

bool Household::listed(const Device& device) const {
  const auto list = session::load_device_list(world_.accounts.at(device.address.account).lists.back());
  const session::DeviceEntry* const entry = list->find(device.address.device);
  return entry != nullptr && entry->mailbox == device.mailbox;
}

bool Household::is_live(const Device& device) const {
  return device.endpoint != nullptr && listed(device);
}

std::vector<Device*> Household::live_of(const Person& person) const {
  std::vector<Device*> out;
  std::ranges::copy_if(person.devices, std::back_inserter(out), [&](Device* d) { return is_live(*d); });
  return out;
}

std::vector<Device*> Household::live() const {
  std::vector<Device*> out;
  for (const Person& person : people) std::ranges::copy(live_of(person), std::back_inserter(out));
  return out;
}

Device& Household::any() {
  const auto all = live();
  return *all[dice_.below(all.size())];
}

void Household::say(Device& from, const AccountId& to) {
  Person& author = person_of(from);
  const std::string text = "text " + std::to_string(texts.size());
  const auto id = from.endpoint->send_text(to, text);
  if (!id) {
    EXPECT_EQ(id.error(), Error::blocked);
    return;
  }
  WrittenText written{
      .id = *id, .from = &from, .by = author.account, .to = to, .at = world_.clock.now(), .text = text, .audience = {}};
  for (const Person& person : people)
    for (Device* device : person.devices)
      if ((person.account == to || person.account == author.account) && listed(*device))
        written.audience.insert(device);
  world_.round(from);
  if (from.store.history().find(*id) != nullptr) texts.push_back(std::move(written));
}

void Household::read_some(Device& device) {
  if (device.store.fail_commits > 0) return;
  std::map<AccountId, std::vector<MessageId>> ids;
  for (const IncomingMessage& message : device.store.history().incoming)
    if (dice_.below(3) == 0) ids[message.sender.account].push_back(message.id);
  for (const auto& [peer, some] : ids) {
    device.endpoint->mark_read(peer, some);
    world_.round(device);
    for (WrittenText& text : texts)
      if (std::ranges::find(some, text.id) != some.end() && person_of(device).devices.front() == &device)
        text.marked_read = true;
  }
}

void Household::delete_some(Device& device) {
  if (device.store.fail_commits > 0) return;
  std::map<AccountId, std::vector<MessageId>> ids;
  for (const auto& m : device.store.history().incoming)
    if (dice_.below(8) == 0) ids[m.sender.account].push_back(m.id);
  for (const auto& o : device.store.history().outgoing)
    if (dice_.below(12) == 0) ids[o.message.peer].push_back(o.message.id);
  for (const auto& [peer, some] : ids) {
    device.endpoint->delete_messages(peer, some);
    world_.round(device);
    for (const MessageId& id : some) person_of(device).deleted[id] = &device;
  }
}

void Household::delete_conversation(Device& device) {
  if (device.store.fail_commits > 0) return;
  Person& person = person_of(device);
  const AccountId peer = other_than(person).account;
  device.endpoint->delete_conversation(peer, world_.clock.now());
  for (const WrittenText& text : texts) person.perhaps_deleted.insert(text.id);
  world_.round(device);
  world_.clock.advance(seconds(1));  // what is written next is later
}

void Household::block(Device& device, const AccountId& whom, bool blocked) {
  if (device.store.fail_commits > 0) return;
  Person& person = person_of(device);
  person.ever_blocked.insert(whom);
  // The later word counts; in one millisecond, on two devices, nobody can say which.
  world_.clock.advance(milliseconds(1));
  device.endpoint->set_blocked(whom, blocked);
  world_.round(device);
  person.blocked[whom] = {blocked, &device};
}

void Household::start_link(Person& person) {
  Device& primary = *person.primary;
  const auto list = session::load_device_list(world_.accounts.at(person.account).lists.back());
  if (primary.endpoint->list_change_pending() || primary.store.fail_commits > 0 || !person.linking.empty()) return;
  // What the service has is not what the primary one has, for as long as its answer is under way.
  if (list->list().devices.size() >= 10 || primary.endpoint->own_list()->hash() != list->hash()) return;
  Device& device = world_.start_link(primary, primary.name + "." + std::to_string(person.devices.size()));
  person.devices.push_back(&device);
  person.linking.push_back(&device);
}

void Household::finish_links(Person& person, bool told) {
  std::erase_if(person.linking, [&](Device* device) {
    if (!listed(*device)) return !person.primary->endpoint->list_change_pending();
    // It is told the list that it came with; of another one it cannot say that it follows.
    const auto& lists = world_.accounts.at(person.account).lists;
    const bool first = session::load_device_list(lists[lists.size() - 2])->find(device->address.device) == nullptr;
    world_.finish_link(*device, dice_.below(2) == 0, told && first);
    if (dice_.below(2) == 0) world_.connect(*device);
    return true;
  });
}

void Household::unlink_one(Person& person) {
  const auto all = live_of(person);
  Device* const device = all[dice_.below(all.size())];
  if (device == person.primary) return;
  if (person.primary->endpoint->remove_device(device->address.device)) world_.round(*person.primary);
}

// ---------------------------------------------------------------- after the calm

void Household::check(const Expect& expect) const {
  for (const WrittenText& text : texts) check_text(text, expect);
  for (const Person& person : people) check_agreement(person);
  for (const Device* device : live()) check_order(*device, expect.late);
}

void Household::check_text(const WrittenText& text, const Expect& expect) const {
  const Person& author = *std::ranges::find(people, text.by, &Person::account);
  const Person& reader = *std::ranges::find(people, text.to, &Person::account);
  const auto gone_at = [&](const Person& person) {
    return person.deleted.contains(text.id) || person.perhaps_deleted.contains(text.id);
  };
  const bool blocked = reader.ever_blocked.contains(text.by) || author.ever_blocked.contains(text.to);
  // What its author deleted before it went out does not go out; a device that was taken off the list is not heard.
  const bool held = gone_at(author) || blocked || text.at < expect.since;
  const bool author_left = !is_live(*text.from);
  for (Device* const device : text.audience) {
    if (!is_live(*device)) continue;
    const bool own = device->address.account == text.by;
    const auto& h = device->store.history();
    const auto count = own ? std::ranges::count(h.outgoing, text.id, [](const auto& o) { return o.message.id; })
                           : std::ranges::count(h.incoming, text.id, &IncomingMessage::id);
    EXPECT_LE(count, 1) << text.text << " at " << device->name;
    const Person& person = own ? author : reader;
    if (const auto deleted = person.deleted.find(text.id); deleted != person.deleted.end()) {
      // A device that was taken off may not have told it any more.
      if (is_live(*deleted->second) && device != expect.set_back && deleted->second != expect.set_back)
        EXPECT_EQ(count, 0) << text.text << " was deleted, and is still at " << device->name;
    } else if (!held && !author_left && !gone_at(person)) {
      EXPECT_EQ(count, 1) << text.text << " of " << text.from->name << " at " << device->name;
      if (own && count == 1 && expect.states) {
        const MessageState least = text.marked_read ? MessageState::read : MessageState::delivered;
        EXPECT_GE(device->state_of(text.id), least) << text.text << " of " << text.from->name << " at " << device->name;
        EXPECT_NE(device->state_of(text.id), MessageState::failed) << text.text << " at " << device->name;
      }
      if (!own && count == 1 && text.marked_read && device != reader.primary && device != expect.set_back) {
        EXPECT_TRUE(std::ranges::find(h.incoming, text.id, &IncomingMessage::id)->read)
            << text.text << " at " << device->name;
      }
    }
  }
}

void Household::check_agreement(const Person& person) const {
  const auto list = session::load_device_list(world_.accounts.at(person.account).lists.back());
  for (Device* const device : live_of(person)) {
    EXPECT_EQ(device->endpoint->own_list()->hash(), list->hash()) << device->name << " has another list";
    EXPECT_EQ(device->count_events<OwnListForged>(), 0u) << device->name;
    for (const auto& [whom, word] : person.blocked) {
      const auto& [blocked, by] = word;
      if (!is_live(*by)) continue;  // it may have been taken off before it could tell
      const auto status = device->endpoint->peer_status(whom);
      if (!status) continue;  // never heard of
      EXPECT_EQ(status->blocked, blocked) << device->name;
    }
    for (const Person& peer : people) {
      if (peer.account == person.account) continue;
      const auto status = device->endpoint->peer_status(peer.account);
      if (!status) continue;
      EXPECT_FALSE(status->alarmed) << device->name;
    }
  }
}

void Household::check_order(const Device& device, bool late) const {
  for (const Event& event : device.events)
    if (const auto* received = std::get_if<MessageReceived>(&event))
      EXPECT_TRUE(late || !received->late) << device.name;
  std::map<session::DeviceAddress, Time> last;
  for (const IncomingMessage& message : device.store.history().incoming) {
    if (message.late) continue;  // or a page of the history brought it
    Time& before = last[message.sender];
    EXPECT_GT(message.sent_at, before) << device.name;
    before = message.sent_at;
  }
}

}  // namespace opaline::endpoint::testing
