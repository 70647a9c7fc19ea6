// Copied homes: two states of one device that both were used. What the one that runs has written reaches everybody,
// what came to the other comes from the account's other devices, and all of it comes to rest.
#include <algorithm>
#include <ranges>
#include <set>

#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using testing::Device;
using testing::Texts;

class CopiesTest : public testing::TwoPeople {
 protected:
  using Contents = MemoryEndpointStore::Contents;
  void SetUp() override {
    TwoPeople::SetUp();
    for (const char* name : {"anna's laptop", "anna's tablet"}) annas.push_back(&world.link_live(anna, name));
    for (const char* name : {"ben's laptop", "ben's tablet"}) bens.push_back(&world.link_live(ben, name));
    talk("start", anna, ben);
    for (std::size_t i = 1; i < 3; ++i) talk("start", *annas[i], *bens[i]);
    expect_all();
  }
  /// One text in each direction, kept for expect_all().
  void talk(const std::string& what, Device& a, Device& b) {
    write(what, a, b);
    write(what, b, a);
  }
  void write(const std::string& what, Device& from, const Device& to) {
    const std::string text = what + " " + std::to_string(++number) + " of " + from.name;
    (from.address.account == anna.address.account ? of_anna : of_ben).insert(text);
    say(from, to, text);
    ASSERT_TRUE(world.pass(seconds(40), seconds(10)));
  }
  /// The device goes on with the other state; what it had is in `other` then.
  void turn_to(Device& device, Contents& other) {
    Contents mine = device.store.backup();
    world.restore(device, std::move(other));
    other = std::move(mine);
    world.connect(device);
    ASSERT_TRUE(world.pass(seconds(40), seconds(10)));
  }
  /// The same with no time for what is put off.
  void turn_quickly_to(Device& device, Contents& other) {
    Contents mine = device.store.backup();
    world.restore(device, std::move(other));
    other = std::move(mine);
    world.connect(device);
    ASSERT_TRUE(world.settle());
  }
  void write_quickly(const std::string& what, Device& from, const Device& to) {
    const std::string text = what + " " + std::to_string(++number) + " of " + from.name;
    (from.address.account == anna.address.account ? of_anna : of_ben).insert(text);
    say(from, to, text);
  }
  static std::multiset<std::string> heard(const Device& device) {
    std::multiset<std::string> out;
    for (const std::string& text : device.texts()) out.insert(text);
    return out;
  }
  static std::multiset<std::string> wrote(const Device& device) {
    const Texts texts = written(device);
    return {texts.begin(), texts.end()};
  }
  /// Everything is everywhere, once.
  void expect_all() {
    ASSERT_TRUE(world.pass(std::chrono::hours(2), std::chrono::minutes(5)));
    for (const auto* devices : {&annas, &bens}) {
      const bool annas_side = devices == &annas;
      for (const Device* device : *devices) {
        EXPECT_EQ(heard(*device), annas_side ? of_ben : of_anna) << device->name;
        EXPECT_EQ(wrote(*device), annas_side ? of_anna : of_ben) << device->name;
      }
    }
  }
  void expect_few_lines(std::size_t incidents = 1) {
    for (const auto* devices : {&annas, &bens})
      for (const Device* device : *devices)
        EXPECT_LE(device->notices(NoticeKind::session_healed), incidents) << device->name;
  }
  /// Nothing moves any more, and two texts cost what they should.
  void expect_rest() {
    // What was lost is asked for once more when its sender is heard again.
    for (std::size_t i = 0; i < 3; ++i) talk("everybody is heard", *annas[i], *bens[i]);
    ASSERT_TRUE(world.pass(std::chrono::hours(1), std::chrono::minutes(5)));
    const std::uint64_t before = world.envelopes;
    ASSERT_TRUE(world.pass(std::chrono::hours(2), std::chrono::minutes(5)));
    EXPECT_EQ(world.envelopes, before);
    talk("at last", anna, ben);
    // Each text: five envelopes, two or three states to own devices, and receipts of three devices to three.
    EXPECT_LE(world.envelopes - before, 2u * (5 + 2 + 9));
  }

  std::vector<Device*> annas{&anna}, bens{&ben};
  std::multiset<std::string> of_anna, of_ben;
  int number = 0;
};

TEST_F(CopiesTest, RestoredOnceAndTwice) {
  for (Device* device : {&ben, bens[2]}) {
    const Contents copy = device->store.backup();
    for (int time = 0; time < 2; ++time) {
      talk("goes on", anna, *device);
      talk("goes on", *annas[1], *device);
      Contents again = copy;
      turn_to(*device, again);
      talk("restored", anna, *device);
      talk("restored", *annas[1], *device);
      expect_all();
    }
    ASSERT_TRUE(world.pass(std::chrono::hours(25), std::chrono::minutes(30)));  // so much is not mended in one day
  }
  expect_few_lines(2);
  expect_rest();
}

TEST_F(CopiesTest, BothWereUsedThenTheCopyAlone) {
  for (Device* device : {bens[2], &ben}) {
    Contents other = device->store.backup();
    for (int i = 0; i < 3; ++i) talk("the original goes on", *annas[i], *device);
    turn_to(*device, other);
    write("copy", *device, anna);
    turn_to(*device, other);
    write("to the original", anna, ben);
    turn_to(*device, other);
    write("copy", *device, anna);
    turn_to(*device, other);
    talk("the original once more", anna, *device);
    turn_to(*device, other);
    write("copy alone", *device, anna);
    talk("copy alone", anna, *device);
    expect_all();
  }
  expect_few_lines(2);
  expect_rest();
}

TEST_F(CopiesTest, TheCopyWasUsedThenTheOriginalAlone) {
  for (Device* device : {&ben, bens[2]}) {
    Contents other = device->store.backup();
    turn_to(*device, other);  // the copy
    talk("the copy", anna, *device);
    turn_to(*device, other);
    talk("the original", anna, *device);
    talk("the original", *annas[2], *device);
    expect_all();
  }
  expect_few_lines(2);
  expect_rest();
}

TEST_F(CopiesTest, WhereBothTakeTurnsQuicklyTheQuestionIsPutOnceMore) {
  Contents other = ben.store.backup();
  for (int i = 0; i < 3; ++i) write_quickly("the original goes on", ben, anna);
  for (int i = 0; i < 2; ++i) {
    turn_quickly_to(ben, other);
    write_quickly("copy", ben, anna);
    turn_quickly_to(ben, other);  // takes the questions, which it does not understand
  }
  turn_quickly_to(ben, other);
  write_quickly("to the copy", anna, ben);
  write_quickly("copy alone", ben, anna);
  ASSERT_TRUE(world.pass(seconds(20), seconds(5)));
  write_quickly("copy later", ben, anna);
  expect_all();
  expect_few_lines();
  expect_rest();
}

TEST_F(CopiesTest, WhoWritesAloneFromACopyIsHeard) {
  // Nobody writes to it: nothing but its own texts says that it goes on with another state.
  Contents other = ben.store.backup();
  for (int i = 0; i < 3; ++i) write("the original goes on", ben, anna);
  turn_to(ben, other);
  write("copy", ben, anna);
  turn_to(ben, other);  // takes the question, which it does not understand
  turn_to(ben, other);
  for (int i = 0; i < 3; ++i) write("copy alone", ben, anna);
  expect_all();
  expect_few_lines();
  expect_rest();
}

TEST_F(CopiesTest, WhoRunsIsWrittenToInTheSessionInWhichItWrites) {
  // The sessions that the original has accepted the copy does not know, and what comes in them names no sender.
  Device& laptop = *bens[1];
  Contents other = laptop.store.backup();
  write_quickly("the original goes on", laptop, anna);
  write_quickly("to all", *annas[1], ben);
  write_quickly("to all", ben, anna);
  ASSERT_TRUE(world.pass(seconds(70), seconds(10)));
  turn_quickly_to(laptop, other);
  write_quickly("while the copy runs", ben, anna);
  ASSERT_TRUE(world.pass(seconds(15), seconds(5)));
  turn_quickly_to(laptop, other);
  for (int i = 0; i < 2; ++i) {
    write_quickly("the original again", laptop, anna);
    write_quickly("to the original", anna, ben);
    ASSERT_TRUE(world.pass(seconds(15), seconds(5)));
  }
  turn_quickly_to(laptop, other);
  write_quickly("copy alone", laptop, anna);
  const std::uint64_t orphans = laptop.endpoint->counters().orphans;
  for (Device* from : {&anna, annas[1], &ben}) write_quickly("to the copy", *from, from == &ben ? anna : ben);
  EXPECT_EQ(laptop.endpoint->counters().orphans, orphans);
  expect_all();
  expect_few_lines();
  expect_rest();
}

TEST_F(CopiesTest, WhoCountsLessThanCameIsToldThatItWasSetBack) {
  // Nothing that comes or goes fails: the copy opens what waits, and begins a chain of its own.
  Device& laptop = *bens[1];
  Contents other = laptop.store.backup();
  std::vector<Device*> rest{&anna, annas[1], annas[2], &ben, bens[2]};
  for (Device* device : rest) world.cut(*device);
  for (int i = 0; i < 2; ++i) write_quickly("of the original alone", laptop, anna);
  world.cut(laptop);
  for (Device* device : rest) world.connect(*device);
  write_quickly("waits for the copy", ben, anna);
  turn_quickly_to(laptop, other);
  write_quickly("of the copy", laptop, anna);
  expect_all();
  expect_few_lines();
  expect_rest();
}

TEST_F(CopiesTest, WhatOnlyAContactNoticesTheOwnDevicesGiveBack) {
  // The original has heard a text and said so to its author, and nothing to its own devices.
  Contents other = ben.store.backup();
  write_quickly("to the original", anna, ben);
  turn_quickly_to(ben, other);
  write_quickly("of the copy", ben, anna);
  expect_all();
  expect_few_lines();
  expect_rest();
}

TEST_F(CopiesTest, HistoryHoldsWhatCameInTheRoundThatAsksForIt) {
  Device& tablet = *bens[2];
  const Contents before = tablet.store.backup();
  for (Device* device : {&ben, bens[1]}) world.cut(*device);
  write_quickly("waits for the others", anna, ben);
  world.restore(tablet, before);
  world.connect(tablet);
  write_quickly("tells the tablet that it lacks one", anna, ben);
  world.connect(ben);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(heard(tablet), of_anna);
  world.connect(*bens[1]);
  expect_all();
}

}  // namespace
}  // namespace opaline::endpoint
