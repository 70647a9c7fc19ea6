// When a device joins the conversations with businesses that another device of its person opened (docs/adr/0015):
// within 48 hours, at a random moment each, so that businesses cannot tell people by when their devices change.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "client/personas.hpp"
#include "client/sqlite_endpoint_store.hpp"

namespace opaline::client {
namespace {

namespace fs = std::filesystem;
using endpoint::PersonaStanding;
using endpoint::PersonaState;

constexpr std::size_t kBusinesses = 120;
constexpr Time kStart = from_unix_millis(1'800'000'000'000);

/// A device that is offline, with a book that another device's words are in.
class PersonaJoinsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/opaline-joins.XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    directory_ = path;
    home_.emplace(std::move(*Home::at(directory_)));
    const Settings settings{"https://localhost:1", ""};
    auto created = LocalStore::create(*home_, {std::nullopt, directory_ / "device.key"}, settings, random_,
                                      {.memory_kib = 64, .passes = 1, .lanes = 1});
    ASSERT_TRUE(created);
    store_.emplace(std::move(*created));
    {
      SqliteEndpointStore rows(*store_, random_);
      ASSERT_TRUE(endpoint::Endpoint::create(rows, random_, clock_,
                                             {random_.id<AccountId>(), DeviceNumber{1}, random_.id<MailboxId>()}));
      ASSERT_TRUE(endpoint::Endpoint::confirm_registration(rows));
    }
    auto service = Service::create(loop_, settings);
    ASSERT_TRUE(service);
    service_ = std::move(*service);
    auto client = Client::open(loop_, clock_, random_, *store_, *service_, {});
    ASSERT_TRUE(client);
    client_ = std::move(*client);
  }
  void TearDown() override {
    personas_.reset();
    client_.reset();
    service_.reset();
    store_.reset();
    fs::remove_all(directory_);
  }

  void say(const AccountId& business, PersonaStanding standing) {
    PersonaState state{.business = business, .root = session::AccountKey::generate(random_).serialise()};
    random_.fill(state.opaque_id);
    state.state = standing;
    state.changed_at = clock_.now();
    ASSERT_TRUE(PersonaBook(*store_, random_).set(state));
  }
  /// The program begins, and looks at what there is to do.
  void start() {
    personas_.reset();
    personas_ = std::make_unique<Personas>(
        Personas::Parts{loop_, clock_, random_, *home_, *store_, *service_, *client_}, Personas::Events{});
    personas_->start();
  }
  [[nodiscard]] std::optional<Time> join_at(const AccountId& business) {
    const auto home = personas_->home(business);
    if (!home || *home == nullptr) return std::nullopt;
    return *(*home)->join_at();
  }

  ManualClock clock_{kStart};
  SeededRandom random_{48};
  net::EventLoop loop_{clock_};
  fs::path directory_;
  std::optional<Home> home_;
  std::optional<LocalStore> store_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Personas> personas_;
};

TEST_F(PersonaJoinsTest, AreSpreadOver48HoursAndStayAsTheyWerePlanned) {
  std::vector<AccountId> businesses;
  for (std::size_t i = 0; i < kBusinesses; ++i) {
    businesses.push_back(random_.id<AccountId>());
    ASSERT_NO_FATAL_FAILURE(say(businesses.back(), PersonaStanding::open));
  }
  start();
  std::map<AccountId, Time> planned;
  std::array<std::size_t, 4> quarters{};
  std::set<Time> moments;
  for (const AccountId& business : businesses) {
    const auto at = join_at(business);
    ASSERT_TRUE(at);
    ASSERT_GE(*at, kStart) << "a business would see both devices change at once";
    ASSERT_LT(*at, kStart + std::chrono::hours(48));
    planned[business] = *at;
    moments.insert(*at);
    ++quarters[static_cast<std::size_t>((*at - kStart) / std::chrono::hours(12))];
  }
  EXPECT_EQ(moments.size(), kBusinesses) << "each by itself: two at one moment would link two personas";
  for (const std::size_t each : quarters) {  // 30 are expected, 4.7 is the deviation
    EXPECT_GT(each, 10U);
    EXPECT_LT(each, 50U);
  }
  // Starting anew draws no new moments: else who starts often would join early.
  for (const auto pause : {std::chrono::hours(0), std::chrono::hours(20), std::chrono::hours(100)}) {
    clock_.advance(pause);
    start();
    for (const auto& [business, at] : planned) EXPECT_EQ(join_at(business), at);
  }
}

TEST_F(PersonaJoinsTest, AreForgottenWhenTheConversationIsClosedAndDrawnAnewWhenItIsOpenedAgain) {
  const auto business = random_.id<AccountId>();
  ASSERT_NO_FATAL_FAILURE(say(business, PersonaStanding::open));
  start();
  const auto first = join_at(business);
  ASSERT_TRUE(first);
  clock_.advance(seconds(1));
  ASSERT_NO_FATAL_FAILURE(say(business, PersonaStanding::closed));
  start();
  EXPECT_FALSE(join_at(business));
  clock_.advance(std::chrono::hours(72));
  ASSERT_NO_FATAL_FAILURE(say(business, PersonaStanding::open));
  start();
  const auto second = join_at(business);
  ASSERT_TRUE(second);
  EXPECT_GE(*second, clock_.now());
  EXPECT_LT(*second, clock_.now() + std::chrono::hours(48));
}

}  // namespace
}  // namespace opaline::client
