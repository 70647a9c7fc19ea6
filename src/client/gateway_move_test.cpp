// A gateway that moves between the service and the business's own house, as the profile shows it.
#include <gtest/gtest.h>

#include "client/personas.hpp"
#include "proto/device.pb.h"

namespace opaline::client {
namespace {

namespace fs = std::filesystem;

class GatewayMoveTest : public ::testing::Test {
 protected:
  GatewayMoveTest() {
    char path[] = "/tmp/opaline-home.XXXXXX";
    directory_ = mkdtemp(path);
    outer_.emplace(*Home::at(directory_));
    auto created =
        LocalStore::create(*outer_, {std::nullopt, directory_ / "device.key"}, {"https://chat.example.org", ""},
                           random_, {.memory_kib = 64, .passes = 1, .lanes = 1});
    EXPECT_TRUE(created);
    store_.emplace(std::move(*created));
    home_ = std::move(*PersonaHome::open({*outer_, *store_, random_}, random_.id<AccountId>()));
  }
  ~GatewayMoveTest() override {
    home_.reset();
    fs::remove_all(directory_);
  }
  void shown(char key, bool own) {
    wire::v1::BusinessProfile profile;
    profile.set_business(to_string(home_->business().view()));
    profile.set_name("Shop");
    profile.set_own_gateway(own);
    if (key != 0) profile.set_gateway(std::string(32, key));
    ASSERT_TRUE(Personas::keep_profile(*home_, as_view(profile.SerializeAsString())));
  }
  [[nodiscard]] std::optional<bool> moved() const { return *home_->moved_to_own(); }

  SeededRandom random_{18};
  fs::path directory_;
  std::optional<Home> outer_;
  std::optional<LocalStore> store_;
  std::unique_ptr<PersonaHome> home_;
};

TEST_F(GatewayMoveTest, AnotherKeyAtAnotherPlaceIsAMove) {
  shown('a', false);
  EXPECT_FALSE(moved());
  shown('b', true);
  EXPECT_EQ(moved(), true);
  shown('b', true);
  EXPECT_EQ(moved(), true) << "until the person agrees";
  shown('c', false);
  EXPECT_EQ(moved(), false) << "and back";
  ASSERT_TRUE(home_->set_moved_to_own(std::nullopt));
  EXPECT_FALSE(moved());
  shown('c', false);
  EXPECT_FALSE(moved());
}

TEST_F(GatewayMoveTest, AnotherKeyAtTheSamePlaceIsNone) {
  shown(0, true);
  shown('a', true);
  EXPECT_FALSE(moved()) << "set up";
  shown('b', true);
  EXPECT_FALSE(moved()) << "set up anew: an alarm without an explanation";
  shown('b', false);
  EXPECT_FALSE(moved()) << "the operator's word alone, with the same key";
}

}  // namespace
}  // namespace opaline::client
