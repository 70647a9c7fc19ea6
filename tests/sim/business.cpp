#include "tests/sim/business.hpp"

#include <gtest/gtest.h>

#include "proto/device.pb.h"

namespace opaline::sim {

using gateway::Outcome;

Business::Business(World& world, const std::string& business_name)
    : Line(business_name, world.random, world.clock), world_(world), disk_(world.random), vault_(world.random) {
  account = world.node().found_business(name);
  open_store();
  world.node().enrol_gateway(*store_, account);
  load();
  world.add(*this);
  world.connect(*this);
}

void Business::open_store() {
  raw_ = std::make_unique<store::MemoryRowStore>(
      disk_, std::vector<std::string>(gateway::kTables.begin(), gateway::kTables.end()));
  auto rows = store::SealedRows::open(*raw_, vault_, random_, gateway::tables::kSealCheck);
  ASSERT_TRUE(rows);
  rows_ = std::make_unique<store::SealedRows>(std::move(*rows));
  auto journaled = store::JournaledRows::open(*rows_, gateway::kJournaledTables, gateway::tables::kJournal);
  ASSERT_TRUE(journaled);
  journaled_ = std::move(*journaled);
  auto opened = gateway::Store::open({*journaled_, vault_, clock_, clock_, random_}, msp::Uuid(account.view()));
  ASSERT_TRUE(opened) << name << " cannot read what waits";
  store_ = std::move(*opened);
}

void Business::load() {
  if (!store_) open_store();
  auto loaded = endpoint::Endpoint::load(*store_, random_, clock_, {.serves_strangers = true});
  ASSERT_TRUE(loaded) << name << " cannot load its state";
  use(std::move(*loaded));
  endpoint().set_receipts(true);
}

void Business::crash() {
  ++troubles;
  Line::crash();
  store_.reset();
  journaled_.reset();
  rows_.reset();
  raw_.reset();
  closed_.clear();
  disk_.faults = {};
  disk_.crash();
}

void Business::fail_commit() {
  ++troubles;
  disk_.faults = {};
  if (random_.below(3) == 0) disk_.faults.full = true;
  if (random_.below(3) == 0) disk_.faults.unknown_stored = 300;
  if (random_.below(3) == 0) disk_.faults.unknown_lost = 300;
}

// ---- the gateway

void Business::on_notice(const wire::Notice& notice) {
  wire::v1::PersonaClosed closed;
  if (notice.kind != wire::v1::NOTICE_PERSONA_CLOSED) return;
  ASSERT_TRUE(closed.ParseFromArray(notice.body.data(), static_cast<int>(notice.body.size())));
  closed_.push_back(*AccountId::from(as_view(closed.persona())));
}

void Business::on_committed() {
  if (random_.below(3) == 0) (void)journaled_->settle();  // as the gateway does every second
  for (const AccountId& persona : std::exchange(closed_, {})) (void)store_->close(persona);
}

void Business::on_event(const endpoint::Event& event) {
  const auto* changed = std::get_if<endpoint::MessageStateChanged>(&event);
  if (changed != nullptr && changed->reason == endpoint::Reason::closed) (void)store_->close(changed->peer);
}

// ---- the software

void Business::take(SeededRandom& dice) {
  for (const AccountId& persona : store_->people_waiting()) {
    while (dice.below(5) != 0) {
      const auto front = store_->front(persona);
      if (!front || !*front) break;
      const gateway::Received& message = (*front)->message;
      heard.push_back({message.opaque_id, message.kind, message.id, to_string(message.text)});
      if (dice.below(5) == 0) break;  // its 200 is lost
      store_->finish(persona, (*front)->number);
    }
  }
  if (dice.below(2) == 0) (void)store_->forget_taken();
}

std::size_t Business::say(const credentials::OpaqueId& to, const std::string& text) {
  said.push_back({.id = random_.id<msp::Uuid>(), .to = to, .text = text, .told = std::nullopt});
  post(said.back());
  return said.size() - 1;
}

void Business::post(Said& message) {
  const auto outcome = store_->outcome(message.id);
  if (!outcome) return;
  if (*outcome) {
    if (**outcome != Outcome::pending) message.told = **outcome;
    return;
  }
  const auto sent = endpoint().send(message.to.persona(), {.utf8 = message.text, .id = MessageId(message.id.view())});
  EXPECT_TRUE(sent) << message.text;
  world_.round(*this);
  if (const auto taken = store_->outcome(message.id); taken && *taken) message.place = ++places_;
}

void Business::try_again() {
  for (Said& message : said)
    if (!message.told) post(message);
}

bool Business::settled() const {
  return store_->waiting() == 0 && std::ranges::all_of(said, [](const Said& one) { return one.told.has_value(); });
}

}  // namespace opaline::sim
