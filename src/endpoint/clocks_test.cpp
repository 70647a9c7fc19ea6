// Clocks that are up to a day wrong: nothing is lost by it.
#include "endpoint/testing/rogue.hpp"
#include "endpoint/testing/two_people.hpp"

namespace opaline::endpoint {
namespace {

using std::chrono::hours;
using testing::Device;
using testing::Rogue;
using testing::Texts;

class ClocksTest : public testing::TwoPeople {
 protected:
  /// Ben knows Anna's list 1, and writes when there is list 2.
  Device& write_by_an_old_list() {
    say(anna, ben, "hello");
    say(ben, anna, "hi");
    world.clock.advance(hours(1));
    say(ben, anna, "before there was a tablet");
    world.clock.advance(hours(1));
    Device& tablet = world.link_live(anna, "tablet");
    world.clock.advance(seconds(10));
    say(ben, anna, "do you read me on all of them?");
    EXPECT_TRUE(world.pass(hours(1)));
    EXPECT_EQ(ben.endpoint->peer_status(anna.address.account)->devices, 2u);
    return tablet;
  }
  void set_wrong(Device& device, milliseconds by) {
    device.clock.wrong_by = by;
    world.connect(device);
    ASSERT_TRUE(world.settle());
  }
};

TEST_F(ClocksTest, WhoseClockIsBehindWritesToNewDevicesToo) {
  set_wrong(ben, -hours(23));
  EXPECT_EQ(write_by_an_old_list().texts(), Texts{"do you read me on all of them?"});
}

TEST_F(ClocksTest, WhoseClockIsAheadWritesToNoDeviceThatWasNotThere) {
  set_wrong(ben, hours(23));
  EXPECT_EQ(write_by_an_old_list().texts(), Texts{"do you read me on all of them?"});
}

TEST_F(ClocksTest, ADeviceThatWasLinkedByAClockThatIsAheadHearsEverything) {
  set_wrong(anna, hours(23));
  EXPECT_EQ(write_by_an_old_list().texts(), Texts{"do you read me on all of them?"});
}

TEST_F(ClocksTest, ADeviceThatWasLinkedByAClockThatIsBehindHearsNothingOfBefore) {
  set_wrong(anna, -hours(23));
  EXPECT_EQ(write_by_an_old_list().texts(), Texts{"do you read me on all of them?"});
}

TEST_F(ClocksTest, ACopyIsNotPlacedInTheFarFuture) {
  Device& tablet = world.link_live(anna, "tablet");
  wire::SentCopy copy{.peer = ben.address.account,
                      .message = world.random.id<MessageId>(),
                      .sent_at = world.clock.now() + std::chrono::days(1000),
                      .text = {as_view("from the future"), {}}};
  Rogue rogue(world, tablet, anna);
  rogue.say(wire::Sync{copy});
  ASSERT_EQ(written(anna), Texts{"from the future"});
  EXPECT_LE(anna.store.history().outgoing.back().message.sent_at, world.clock.now() + kMaxClockAhead);
  copy.message = world.random.id<MessageId>();
  copy.sent_at = world.clock.now() + hours(1);
  rogue.say(wire::Sync{copy});
  EXPECT_EQ(anna.store.history().outgoing.back().message.sent_at, copy.sent_at);
}

}  // namespace
}  // namespace opaline::endpoint
