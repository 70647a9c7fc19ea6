// Random schedules: two devices, a network that loses, repeats, delays and damages, devices that reload their state,
// days that pass; compared with a model that says of every delivery whether it must open. The seed of a failure is
// printed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "session/internal/message.hpp"
#include "session/testing.hpp"

namespace opaline::session {
namespace {

using testing::kStart;
using testing::TestDevice;

constexpr int kSteps = 1000;

struct Flying {
  Bytes bytes;
  std::string text;
  bool ephemeral = false;
  std::uint32_t number = 0;
  SessionTag tag;
  std::size_t chain = 0;  ///< of its sender
  bool opened = false;
};

/// One side with what the model knows of it.
struct Side {
  TestDevice* device = nullptr;
  std::optional<Session> session;
  std::vector<Flying> towards;                    ///< messages under way to this side
  std::map<SessionTag, std::size_t> chains_seen;  ///< receiving chains that began here, in order
  SessionTag current;                             ///< the receiving chain that is current
  std::uint32_t next_ephemeral = 0;
  std::size_t chains_sent = 0;
  SessionTag last_sent;
};

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : random_(seed), a_(seed * 2 + 1), b_(seed * 2 + 2) {
    sides_[0].device = &a_;
    sides_[1].device = &b_;
    const std::optional<std::size_t> one_time = random_.below(2) == 0 ? std::optional<std::size_t>(0) : std::nullopt;
    sides_[0].session = std::move(*start_session(a_.local(), b_.bundle(one_time), kStart, a_.random));
  }

  void run() {
    for (int step = 0; step < kSteps && !::testing::Test::HasFailure(); ++step) {
      const std::size_t who = random_.below(2);
      switch (random_.below(16)) {
        case 0:
          now_ += std::chrono::hours(random_.below(30));
          break;
        case 1:
          reload(sides_[who]);
          break;
        case 2:
        case 3:
          damage(sides_[who]);
          break;
        case 4:
          lose(sides_[who]);
          break;
        case 5:
          send(who, true);
          break;
        case 6:
        case 7:
        case 8:
        case 9:
          send(who, false);
          break;
        default:
          deliver(sides_[who]);
      }
    }
    for (Side& side : sides_) {
      while (!side.towards.empty() && !::testing::Test::HasFailure()) deliver(side);
    }
  }

  std::size_t opened = 0, replays = 0, late = 0, offers = 0, answers = 0, damaged = 0;

 private:
  void send(std::size_t who, bool ephemeral) {
    Side& side = sides_[who];
    if (!side.session || (ephemeral && !side.session->is_established())) return;
    Flying message{.bytes = {}, .text = std::to_string(random_.u64()), .ephemeral = ephemeral, .tag = {}};
    const auto text = as_view(message.text);
    message.bytes = ephemeral ? *side.session->encrypt_ephemeral(text, {}, now_, side.device->random)
                              : *side.session->encrypt(text, {}, now_, side.device->random);
    const internal::Header header = internal::parse_message(message.bytes)->header;
    message.number = header.number;
    message.tag = header.tag;
    if (header.tag != side.last_sent) ++side.chains_sent;
    side.last_sent = header.tag;
    message.chain = side.chains_sent;
    offers += header.has(internal::kFlagOffer);
    answers += header.has(internal::kFlagAnswer);
    sides_[1 - who].towards.push_back(std::move(message));
  }

  void lose(Side& side) {
    if (!side.towards.empty()) side.towards.erase(pick(side));
  }

  std::vector<Flying>::iterator pick(Side& side) {
    // Mostly in order, sometimes from anywhere.
    const std::size_t at = random_.below(3) != 0 ? 0 : random_.below(side.towards.size());
    return side.towards.begin() + static_cast<std::ptrdiff_t>(at);
  }

  void damage(Side& side) {
    if (side.towards.empty()) return;
    Bytes bytes = pick(side)->bytes;
    const std::size_t bit = random_.below(8 * bytes.size());
    bytes[bit / 8] ^= std::byte(1u << bit % 8);
    if (!side.session) {
      EXPECT_FALSE(accept_session(side.device->local(), side.device->prekeys, bytes, {}, now_).has_value());
      return;
    }
    const SecretBytes before = side.session->serialise();
    EXPECT_FALSE(side.session->decrypt(bytes, {}, now_).has_value());
    EXPECT_TRUE(equal(side.session->serialise(), before));
    ++damaged;
  }

  void reload(Side& side) {
    if (side.session) side.session = std::move(*Session::deserialise(side.session->serialise()));
  }

  /// Whether the message must open now.
  bool expected(const Side& side, const Flying& message) const {
    if (message.opened) return false;
    const bool begins = !side.chains_seen.contains(message.tag);
    if (!message.ephemeral) return true;
    return begins || (message.tag == side.current && message.number >= side.next_ephemeral);
  }

  /// Not what the limits would drop: keys of chains long over, or of long ago.
  bool within_limits(const Side& side, const Flying& message) const {
    const auto seen = side.chains_seen.find(message.tag);
    return seen == side.chains_seen.end() || side.chains_seen.size() - seen->second < kMaxOldChains;
  }

  void deliver(Side& side) {
    if (side.towards.empty()) return;
    const auto it = pick(side);
    Flying message = *it;
    if (random_.below(5) == 0) {
      it->opened = true;  // a copy stays under way
    } else {
      side.towards.erase(it);
    }
    if (!within_limits(side, message)) {
      ++late;
      return;
    }
    const bool must = expected(side, message);
    if (!side.session) {
      auto accepted = accept_session(side.device->local(), side.device->prekeys, message.bytes, {}, now_);
      ASSERT_TRUE(accepted.has_value());
      side.session = std::move(accepted->session);
      check(side, message, std::move(accepted->first));
      return;
    }
    const auto tags = side.session->accepted_tags();
    auto result = side.session->decrypt(message.bytes, {}, now_);
    ASSERT_EQ(result.has_value(), must) << "number " << message.number << " ephemeral " << message.ephemeral
                                        << " error " << (result ? -1 : static_cast<int>(result.error()));
    if (!must) {
      ++replays;
      return;
    }
    EXPECT_NE(std::find(tags.begin(), tags.end(), message.tag), tags.end());
    check(side, message, std::move(*result));
  }

  void check(Side& side, const Flying& message, Decrypted got) {
    EXPECT_EQ(to_string(got.plaintext), message.text);
    EXPECT_EQ(got.ephemeral, message.ephemeral);
    const bool begins = !side.chains_seen.contains(message.tag);
    EXPECT_EQ(got.stepped, begins);
    if (begins) {
      side.chains_seen.emplace(message.tag, side.chains_seen.size());
      side.current = message.tag;
      side.next_ephemeral = 0;
    }
    if (message.ephemeral) side.next_ephemeral = message.number + 1;
    ++opened;
  }

  SeededRandom random_;
  Time now_ = kStart;
  TestDevice a_;
  TestDevice b_;
  Side sides_[2];
};

TEST(SessionSchedule, ThousandRandomStepsFollowTheModel) {
  std::size_t opened = 0, replays = 0, late = 0, offers = 0, answers = 0, damaged = 0;
  const std::uint64_t first = 1;
  for (std::uint64_t seed = first; seed < first + 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule schedule(seed);
    schedule.run();
    ASSERT_FALSE(HasFailure());
    opened += schedule.opened;
    replays += schedule.replays;
    late += schedule.late;
    offers += schedule.offers;
    answers += schedule.answers;
    damaged += schedule.damaged;
  }
  // The rare paths were reached.
  EXPECT_GT(opened, 5000u);
  EXPECT_GT(replays, 500u);
  EXPECT_GT(offers, 50u);
  EXPECT_GT(answers, 50u);
  EXPECT_GT(damaged, 500u);
  RecordProperty("opened", static_cast<int>(opened));
  RecordProperty("late", static_cast<int>(late));
}

}  // namespace
}  // namespace opaline::session
