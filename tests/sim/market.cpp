#include "tests/sim/market.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace opaline::sim {

using endpoint::MessageState;
using gateway::Outcome;
using Kind = gateway::Received::Kind;

namespace {

bool is_ok(const Business::Said& said) {
  return said.told == Outcome::accepted || said.told == Outcome::delivered || said.told == Outcome::read;
}
std::string to_text(const endpoint::IncomingMessage& message) {
  return to_string(message.body.text);
}

}  // namespace

Market::Market(World& world, std::size_t count) : world_(world) {
  for (std::size_t i = 0; i < count; ++i) shops.push_back(std::make_unique<Business>(world, fmt::format("shop{}", i)));
  const std::size_t people = world.size();
  for (std::size_t person = 0; person < people; ++person) {
    for (std::size_t shop = 0; shop < count; ++shop)
      pairs.push_back(std::unique_ptr<Pair>(new Pair{
          person,
          shop,
          {world, world.device(person), shops[shop]->account, fmt::format("person{} at shop{}", person, shop)}}));
  }
  world.drain();
}

// ---- what they do

void Market::write(std::size_t pair) {
  Pair& one = *pairs[pair];
  one.persona.write(fmt::format("marker {} of {}", texts_++, one.persona.device.name));
}

void Market::say_to_somebody(std::size_t shop, SeededRandom& dice) {
  std::vector<std::size_t> known;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (pairs[i]->shop == shop && !heard_of(*pairs[i]).empty()) known.push_back(i);
  if (!known.empty()) say(known[dice.below(known.size())]);
}

void Market::say(std::size_t pair) {
  Business& business = *shops[pairs[pair]->shop];
  const Persona& persona = pairs[pair]->persona;
  // The service answers a closing when it has ordered the relay to destroy the mailbox: what comes before the relay has
  // done so is of the time before.
  const bool under_way = persona.is_closed() && world_.node().has_orders();
  Answer answer{.shop = pairs[pair]->shop,
                .pair = pair,
                .era = persona.era - (under_way ? 1 : 0),
                .openings = persona.openings,
                .open = persona.is_open(),
                .closed = persona.is_closed() && !under_way};
  answer.said = business.say(*persona.opaque_id(), fmt::format("marker {} of {}", texts_++, business.name));
  answers_.push_back(answer);
}

void Market::note_answers() {
  for (Answer& answer : answers_) {
    if (answer.told || !shops[answer.shop]->said[answer.said].told) continue;
    answer.told = true;
    answer.in_closed = answer.closed && pairs[answer.pair]->persona.openings == answer.openings;
  }
}

void Market::go_on(SeededRandom& dice) {
  for (auto& pair : pairs) pair->persona.go_on();
  for (auto& shop : shops) {
    shop->take(dice);
    if (dice.below(4) == 0) shop->try_again();
  }
  note_answers();
}

void Market::settle() {
  SeededRandom dice(texts_);
  const auto done = [](const auto& shop) { return shop->settled(); };
  for (int round = 0; round < 40; ++round) {
    world_.settle();
    go_on(dice);
    for (auto& shop : shops) shop->try_again();
    note_answers();
    if (round > 1 && std::ranges::all_of(shops, done) &&
        std::ranges::all_of(pairs, [](const auto& pair) { return pair->persona.settled(); }))
      return world_.settle();
  }
  ADD_FAILURE() << "something does not end";
}

Market::Tally& Market::Tally::operator+=(const Tally& more) {
  heard += more.heard;
  again += more.again;
  accepted += more.accepted;
  refused += more.refused;
  closings += more.closings;
  return *this;
}

Market::Tally Market::tally() const {
  Tally out;
  for (const auto& shop : shops) {
    std::set<msp::Uuid> ids;
    for (const auto& heard : shop->heard) ids.insert(heard.id);
    out.heard += ids.size();
    out.again += shop->heard.size() - ids.size();
  }
  for (const Answer& answer : answers_) {
    out.accepted += is_ok(shops[answer.shop]->said[answer.said]);
    out.refused += answer.in_closed;
  }
  for (const auto& pair : pairs) out.closings += pair->persona.left.size();
  return out;
}

// ---- what must be true

std::vector<Business::Heard> Market::heard_of(const Pair& pair) const {
  std::vector<Business::Heard> out;
  if (!pair.persona.opaque_id()) return out;
  std::ranges::copy_if(shops[pair.shop]->heard, std::back_inserter(out),
                       [id = pair.persona.opaque_id()->text()](const auto& one) { return one.opaque_id == id; });
  return out;
}

void Market::check() const {
  check_ids();
  for (const auto& pair : pairs) {
    check_heard(*pair);
    check_conversation(*pair);
  }
  check_answers();
}

/// Each business knows each person by one id, and no other business by the same.
void Market::check_ids() const {
  std::set<std::string> ids;
  std::set<AccountId> personas;
  std::map<std::string, std::string> owner;
  for (const auto& pair : pairs) {
    if (!pair->persona.opaque_id()) continue;
    const auto& id = *pair->persona.opaque_id();
    EXPECT_TRUE(ids.insert(id.text()).second) << pair->persona.device.name << " has somebody else's id";
    EXPECT_TRUE(personas.insert(id.persona()).second);
    EXPECT_NE(id.persona(), world_.device(pair->person).endpoint().address().account);
    owner[id.text()] = pair->persona.device.name;
  }
  for (const auto& shop : shops) {
    for (const auto& heard : shop->heard) {
      EXPECT_TRUE(owner[heard.opaque_id].ends_with(shop->name)) << "an id of another business";
      if (heard.kind == Kind::message) EXPECT_TRUE(heard.text.ends_with(owner[heard.opaque_id])) << heard.text;
    }
  }
}

/// Promises 1 and 10 towards the business's software: what was `sent` comes, in order, and again only by the same id.
void Market::check_heard(const Pair& pair) const {
  const Persona& persona = pair.persona;
  std::map<std::string, msp::Uuid> ids;
  std::vector<std::string> order;
  for (const auto& heard : heard_of(pair)) {
    if (heard.kind != Kind::message) continue;
    const auto [known, fresh] = ids.emplace(heard.text, heard.id);
    EXPECT_EQ(known->second, heard.id) << heard.text << " came again by another id";
    if (fresh) order.push_back(heard.text);
  }
  std::vector<std::string> wrote;
  for (const auto& text : persona.written) {
    const auto came = ids.find(text.text);
    if (came != ids.end()) {
      wrote.push_back(text.text);
      EXPECT_EQ(came->second, msp::Uuid(text.id.view()));
      continue;
    }
    EXPECT_NE(text.era, persona.era) << text.text << " was lost";
  }
  EXPECT_EQ(order, wrote) << persona.device.name;
  for (const auto& text : persona.written) {
    const auto* found = persona.device.store.history().find(text.id);
    ASSERT_NE(found, nullptr);
    if (text.era != persona.era) continue;
    EXPECT_GE(found->state, MessageState::sent) << text.text;
    EXPECT_NE(found->state, MessageState::failed) << text.text;
  }
}

/// Promises 1 and 7 towards the person: each 200 arrives, and nothing that was said after a closing.
void Market::check_answers() const {
  for (const Answer& answer : answers_) {
    const Business::Said& said = shops[answer.shop]->said[answer.said];
    const Persona& persona = pairs[answer.pair]->persona;
    const auto count = std::ranges::count(persona.device.store.history().incoming, MessageId(said.id.view()),
                                          &endpoint::IncomingMessage::id);
    EXPECT_LE(count, 1) << said.text << " came twice";
    if (is_ok(said) && answer.era == persona.era) EXPECT_EQ(count, 1) << said.text << " was lost";
    if (answer.era == persona.era && answer.open)
      EXPECT_TRUE(is_ok(said)) << said.text << " was refused: " << gateway::name(*said.told);
    if (!answer.in_closed) continue;
    EXPECT_EQ(said.told, Outcome::closed) << said.text;
    EXPECT_EQ(count, 0) << said.text << " came after the closing";
    // That it is told is a write of its own, after the one of the outcome.
    if (!persona.is_closed() || shops[answer.shop]->troubles > 0) continue;
    const auto heard = heard_of(*pairs[answer.pair]);
    EXPECT_EQ(heard.back().kind, Kind::closed) << pairs[answer.pair]->persona.device.name;
  }
}

/// What came of the business to the person: in order, and nothing waits at mailboxes that a closing took away.
void Market::check_conversation(const Pair& pair) const {
  const Persona& persona = pair.persona;
  std::uint64_t last = 0;
  const auto& said = shops[pair.shop]->said;
  for (const auto& message : persona.device.store.history().incoming) {
    const auto one = std::ranges::find(said, to_text(message), &Business::Said::text);
    ASSERT_NE(one, said.end()) << persona.device.name << " got what nobody said to it";
    EXPECT_EQ(one->to, *persona.opaque_id());
    if (message.late) continue;
    EXPECT_GT(one->place, last) << one->text << " is out of order";
    last = one->place;
  }
  const auto disk = world_.node().mailbox_disk.copy();
  for (const MailboxId& mailbox : persona.left) {
    const auto found = disk.mailboxes.find(mailbox);
    EXPECT_TRUE(found == disk.mailboxes.end() || found->second.empty()) << persona.device.name << " left something";
  }
}

}  // namespace opaline::sim
