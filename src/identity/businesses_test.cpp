// Businesses as operators make them, their gateways, and what two of them see of the same people.
#include "identity/personas_test_world.hpp"

#include <algorithm>
#include <set>

namespace opaline::identity {
namespace {

using namespace testing;

constexpr std::string_view kSettings = "settings of the gateway";

class Businesses : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(world.enrol(ada, "ada@example.org")); }
  [[nodiscard]] Answer<calls::BusinessProfile> profile(const AccountId& id, const std::string& known = {}) {
    calls::BusinessProfileRequest request;
    request.set_business(text(id.view()));
    request.set_known_version(known);
    return world.service->business_profile(ada.caller(), request);
  }
  BusinessWorld world;
  Person ada{7}, gateway{20}, other{21};
};

const Bytes kPng = to_bytes("\x89PNG\r\n\x1a\n and the rest");

TEST_F(Businesses, AreKeptOverARestartAndShown) {
  const BusinessDetails details{.name = "Corner Shop äöü",
                                .logo = kPng,
                                .logo_type = "image/png",
                                .own_gateway = true,
                                .website = "shop.example.org",
                                .away_text = "Tomorrow.\nAt nine."};
  const auto id = world.service->create_business(details, as_view(kSettings));
  ASSERT_TRUE(id);
  EXPECT_EQ(std::to_integer<int>(id->view()[6]) >> 4, 4) << "a UUID of version 4";
  EXPECT_EQ(std::to_integer<int>(id->view()[8]) >> 6, 2);
  world.restart();
  const auto business = world.service->business(*id);
  ASSERT_TRUE(business);
  EXPECT_EQ(business->details, details);
  EXPECT_EQ(as_text(ByteView(business->settings)), kSettings);
  EXPECT_FALSE(business->enrolled);
  EXPECT_EQ(world.service->businesses()->size(), 1u);
  EXPECT_EQ(world.service->counters().businesses, 1u);

  const auto shown = profile(*id);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->name(), details.name);
  EXPECT_EQ(shown->logo(), text(kPng));
  EXPECT_EQ(shown->logo_type(), "image/png");
  EXPECT_TRUE(shown->own_gateway());
  EXPECT_TRUE(shown->gateway().empty());
  EXPECT_EQ(shown->website(), details.website);
  EXPECT_EQ(shown->away_text(), details.away_text);
  EXPECT_EQ(shown->version().size(), 8u);
  const auto again = profile(*id, shown->version());
  EXPECT_TRUE(again->logo().empty()) << "it is known";
  EXPECT_EQ(again->version(), shown->version());

  ASSERT_TRUE(world.enrol_gateway(gateway, *id));
  const auto enrolled = profile(*id, shown->version());
  EXPECT_EQ(enrolled->gateway(), text(crypto::sha256(gateway.account_key.public_key().view())));
  EXPECT_NE(enrolled->version(), shown->version());
  EXPECT_FALSE(enrolled->logo().empty());
  EXPECT_TRUE(world.service->business(*id)->enrolled);
  EXPECT_EQ(status(profile(ada.account)), calls::CALL_STATUS_NOT_FOUND);
  EXPECT_EQ(status(profile(ada.random.id<AccountId>())), calls::CALL_STATUS_NOT_FOUND);
}

TEST_F(Businesses, TheCarrierIsShownAsThat) {
  const AccountId shop = world.create("Shop"), carrier = world.create("Carrier");
  EXPECT_FALSE(profile(carrier)->carrier());
  const std::string version = profile(carrier)->version();
  world.config.carrier = carrier;
  world.restart();
  EXPECT_TRUE(profile(carrier)->carrier());
  EXPECT_NE(profile(carrier)->version(), version);
  EXPECT_FALSE(profile(shop)->carrier());
}

TEST_F(Businesses, AnUpdateChangesTheVersions) {
  const AccountId id = world.create("Shop");
  const auto before = *world.service->business(id);
  auto details = before.details;
  details.name = "Shop & Sons";
  ASSERT_TRUE(world.service->update_business(id, details, before.settings));
  const auto after = *world.service->business(id);
  EXPECT_EQ(after.details.name, "Shop & Sons");
  EXPECT_NE(after.version, before.version);
  ASSERT_TRUE(world.service->update_business(id, details, as_view(std::string_view("others"))));
  EXPECT_NE(world.service->business(id)->version, after.version);
  EXPECT_EQ(status(world.service->update_business(ada.account, details, {})), calls::CALL_STATUS_NOT_FOUND);
}

TEST_F(Businesses, WhatIsRefusedIsNotStored) {
  const auto refused = [&](const std::function<void(BusinessDetails&)>& change) {
    BusinessDetails details;
    details.name = "Shop";
    change(details);
    const auto writes = world.rows.writes;
    EXPECT_EQ(status(world.service->create_business(details, as_view(kSettings))), calls::CALL_STATUS_BAD_REQUEST);
    EXPECT_EQ(world.rows.writes, writes);
  };
  refused([](auto& d) { d.name.clear(); });
  refused([](auto& d) { d.name = std::string(101, 'x'); });
  refused([](auto& d) { d.name = "a\nb"; });
  refused([](auto& d) { d.name = "\xff"; });
  refused([](auto& d) {
    d.name =
        "moc.\xe2\x80\xae"
        "b";
  });
  refused([](auto& d) { d.logo = to_bytes("GIF89a"); });
  refused([](auto& d) { d.logo = kPng, d.logo_type = "image/jpeg"; });
  refused([](auto& d) { d.logo_type = "image/png"; });
  refused([](auto& d) { d.logo = kPng, d.logo_type = "image/png", d.logo.resize(kMaxLogoBytes + 1); });
  for (const auto* website :
       {"https://example.org", "example", "a..b", "-a.org", "a-.org", "A.org", "a.org/x", ".a.org", "a.org."})
    refused([&](auto& d) { d.website = website; });
  refused([](auto& d) { d.away_text = std::string(kMaxAwayTextBytes + 1, 'x'); });
  refused([](auto& d) { d.away_text = "\xc0"; });
  BusinessDetails details;
  details.name = "Shop";
  EXPECT_EQ(status(world.service->create_business(details, Bytes(kMaxBusinessSettingsBytes + 1))),
            calls::CALL_STATUS_BAD_REQUEST);
  for (int i = 0; i < 33; ++i) details.name += "ä€𝄞";
  details.name = details.name.substr(4);
  details.name += "x";
  details.logo = kPng;
  details.logo.resize(kMaxLogoBytes);
  details.logo_type = "image/png";
  details.away_text = std::string(kMaxAwayTextBytes, 'x');
  const auto largest = world.service->create_business(details, Bytes(kMaxBusinessSettingsBytes));
  ASSERT_TRUE(largest);
  EXPECT_LT(profile(*largest)->ByteSizeLong(), 65'526u) << "it fits a REPLY";
}

TEST_F(Businesses, TheLimitsOfWhatIsWrittenByAFullDisk) {
  BusinessDetails details;
  details.name = "Shop";
  world.rows.next_write = {{.error = store::RowError::full, .stored = false}};
  EXPECT_EQ(status(world.service->create_business(details, {})), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_TRUE(world.service->businesses()->empty());
  const AccountId id = world.create();
  world.rows.next_write = {{.error = store::RowError::full, .stored = false}};
  EXPECT_EQ(status(world.service->remove_business(id)), calls::CALL_STATUS_UNAVAILABLE);
  EXPECT_TRUE(profile(id));
}

// ---------------------------------------------------------------- gateways

TEST_F(Businesses, AnEnrolmentIsGoodOnceAndForADay) {
  const AccountId id = world.create();
  const auto enrolment = *world.service->enrol_business(id);
  EXPECT_EQ(enrolment.business, id);
  const auto request = world.enrol_request(gateway, enrolment);
  const auto reply = world.service->complete(request);
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->handle().empty());
  EXPECT_GT(reply->server_time_ms(), 0u);
  EXPECT_TRUE(world.service->complete(request)) << "a lost answer";
  EXPECT_EQ(status(world.service->complete(world.enrol_request(other, enrolment))), calls::CALL_STATUS_CONFLICT);
  EXPECT_TRUE(world.authenticate(gateway));

  const auto late = *world.service->enrol_business(id);
  world.clock.advance(kEnrolmentLifetime);
  EXPECT_EQ(status(world.service->complete(world.enrol_request(other, late))), calls::CALL_STATUS_EXPIRED);
  const auto first = *world.service->enrol_business(id), second = *world.service->enrol_business(id);
  EXPECT_EQ(status(world.service->complete(world.enrol_request(other, first))), calls::CALL_STATUS_EXPIRED);
  world.restart();
  EXPECT_EQ(status(world.service->complete(world.enrol_request(other, second))), calls::CALL_STATUS_EXPIRED);
  EXPECT_EQ(status(world.service->enrol_business(ada.account)), calls::CALL_STATUS_NOT_FOUND);
  const auto removed = *world.service->enrol_business(id);
  ASSERT_TRUE(world.service->remove_business(id));
  EXPECT_EQ(status(world.service->complete(world.enrol_request(other, removed))), calls::CALL_STATUS_EXPIRED);
}

TEST_F(Businesses, ADamagedEnrolmentIsRefusedAndTheHonestOneStillGood) {
  const AccountId id = world.create();
  const auto enrolment = *world.service->enrol_business(id);
  const auto honest = world.enrol_request(gateway, enrolment);
  const auto refused = [&](const calls::CompleteRequest& request) {
    const auto writes = world.rows.writes;
    EXPECT_FALSE(world.service->complete(request));
    EXPECT_EQ(world.rows.writes, writes);
  };
  auto bad = honest;
  (*bad.mutable_ticket())[3] ^= 1;
  refused(bad);
  bad = honest;
  bad.mutable_ticket()->pop_back();
  refused(bad);
  for (const std::size_t at : {std::size_t{1}, std::size_t{20}, std::size_t{2'500}, honest.device_list().size() - 1}) {
    bad = honest;
    (*bad.mutable_device_list())[at] ^= 1;
    refused(bad);
  }
  auto elsewhere = enrolment;
  elsewhere.mailbox = ada.mailbox;
  refused(world.enrol_request(gateway, elsewhere));
  elsewhere = enrolment;
  elsewhere.business = ada.account;
  refused(world.enrol_request(gateway, elsewhere));
  bad = honest;
  *bad.mutable_prekeys() = ada.make_prekeys(world.clock.now());
  refused(bad);
  EXPECT_TRUE(world.service->complete(world.enrol_request(gateway, enrolment)));
}

TEST_F(Businesses, EnrollingAgainReplacesTheGateway) {
  const AccountId id = world.create();
  ASSERT_TRUE(world.enrol_gateway(gateway, id));
  Person root(30), there(31);
  ASSERT_TRUE(world.join(ada, id, root, there));
  ASSERT_TRUE(world.enrol_gateway(other, id));
  EXPECT_TRUE(world.relay.has("destroy " + gateway.mailbox.hex()));
  EXPECT_TRUE(world.relay.has("disconnect " + id.hex() + " removed"));
  EXPECT_FALSE(world.authenticate(gateway));
  EXPECT_TRUE(world.authenticate(other));
  const auto seen = world.bundles(there, id);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->devices(0).mailbox(), text(other.mailbox.view()));
  EXPECT_TRUE(world.bundles(other, there.account));
}

TEST_F(Businesses, AnEnrolmentWhoseOutcomeIsUnknownIsSentAgain) {
  const AccountId id = world.create();
  for (const bool stored : {true, false}) {
    const auto request = world.enrol_request(gateway, *world.service->enrol_business(id));
    world.rows.next_write = {{.error = store::RowError::unknown, .stored = stored}};
    EXPECT_EQ(status(world.service->complete(request)), calls::CALL_STATUS_UNAVAILABLE);
    EXPECT_TRUE(world.service->complete(request));
    EXPECT_TRUE(world.authenticate(gateway));
  }
}

TEST(Enrolments, AreOneStringForTheOperator) {
  BusinessEnrolment enrolment;
  enrolment.ticket.fill(std::byte{1});
  const std::string shown = reveal_text(enrolment);
  EXPECT_TRUE(shown.starts_with("opaline-enrol-AQEBAQEB"));
  EXPECT_EQ(from_base64url(shown.substr(14))->size(), 64u);
}

// ---------------------------------------------------------------- two businesses compare

/// Where a window of this many bytes of one business's records is found in the other's, it is no chance: 2^48 against
/// some 10^9 pairs.
constexpr std::size_t kWindow = 6;

std::set<std::string> windows(const std::vector<std::string>& records) {
  std::set<std::string> out;
  for (const std::string& record : records) {
    for (std::size_t at = 0; at + kWindow <= record.size(); ++at) out.insert(record.substr(at, kWindow));
  }
  return out;
}

/// Who copies the data files, without the vault, sees tables and clear keys, and what was written together.
TEST_F(Businesses, WhatIsWrittenForTwoPersonasOfOnePersonHasNothingInCommon) {
  std::vector<std::vector<std::string>> written;
  for (int i = 0; i < 2; ++i) {
    const AccountId business = world.create();
    Person root(30 + static_cast<std::uint64_t>(i)), there(40 + static_cast<std::uint64_t>(i));
    ASSERT_TRUE(world.join(ada, business, root, there));
    auto& keys = written.emplace_back();
    for (const store::RowChange& change : world.rows.last_write) {
      if (change.table != tables::kDevices) keys.push_back(text(change.key));
    }
    ASSERT_GE(keys.size(), 4u);
    for (const std::string& key : keys) EXPECT_EQ(key.find(text(ada.account.view())), std::string::npos);
  }
  const auto one = windows(written[0]), other = windows(written[1]);
  std::vector<std::string> common;
  std::ranges::set_intersection(one, other, std::back_inserter(common));
  EXPECT_TRUE(common.empty());
}

TEST_F(Businesses, TwoOfThemSeeNothingInCommonOfAThousandAccounts) {
  constexpr std::size_t kAccounts = 1'000;
  const AccountId shop = world.create("Shop"), bank = world.create("Bank");
  std::array<std::vector<std::string>, 2> records, ids;
  for (std::size_t i = 0; i < kAccounts; ++i) {
    const std::string handle = "person" + std::to_string(i) + "@example.org";
    const auto checked = world.verify(handle, ipv4(static_cast<std::uint8_t>(i % 250)));
    ASSERT_TRUE(checked);
    ASSERT_TRUE(world.service->complete(ada.complete_request(*checked, world.clock.now(), 0)));
    if (i % 20 == 0) world.clock.advance(std::chrono::hours(1));  // for the quotas of sources
    for (const std::size_t at : {0u, 1u}) {
      const auto& business = at == 0 ? shop : bank;
      const auto opened = world.open(ada, business), again = world.open(ada, business);
      ASSERT_TRUE(opened);
      EXPECT_EQ(opened->opaque_id(), again->opaque_id()) << "the same person, the same id";
      ids[at].push_back(opened->opaque_id());
      // All that there is before keys: the id without its version, the persona that it gives, the mailbox.
      records[at].push_back(opened->opaque_id().substr(1));
      records[at].push_back(text(BusinessWorld::opaque_id(*opened).persona().view()));
      records[at].push_back(opened->mailbox());
    }
  }
  std::set<std::string> all;
  for (const auto& of_one : ids) all.insert(of_one.begin(), of_one.end());
  EXPECT_EQ(all.size(), 2 * kAccounts) << "all differ";
  const auto at_shop = windows(records[0]), at_bank = windows(records[1]);
  std::vector<std::string> common;
  std::ranges::set_intersection(at_shop, at_bank, std::back_inserter(common));
  EXPECT_TRUE(common.empty()) << common.size();
  // Nor does the order of one's ids tell the order of the other's (Spearman's rank correlation; 0.032 is one sigma),
  // nor do bytes at the same place agree more often than 1 in 256.
  const auto ranks = [](const std::vector<std::string>& of) {
    std::vector<std::size_t> order(of.size()), out(of.size());
    for (std::size_t i = 0; i < of.size(); ++i) order[i] = i;
    std::ranges::sort(order, {}, [&](std::size_t i) { return of[i]; });
    for (std::size_t i = 0; i < of.size(); ++i) out[order[i]] = i;
    return out;
  };
  const auto left = ranks(ids[0]), right = ranks(ids[1]);
  double squares = 0;
  std::size_t equal_bytes = 0;
  for (std::size_t i = 0; i < kAccounts; ++i) {
    const double apart = static_cast<double>(left[i]) - static_cast<double>(right[i]);
    squares += apart * apart;
    for (std::size_t at = 1; at < ids[0][i].size(); ++at) equal_bytes += ids[0][i][at] == ids[1][i][at] ? 1 : 0;
  }
  constexpr double kCount = kAccounts;
  EXPECT_NEAR(1 - 6 * squares / (kCount * (kCount * kCount - 1)), 0, 0.13);
  EXPECT_NEAR(static_cast<double>(equal_bytes), kCount * 36 / 256, 60);
}

}  // namespace
}  // namespace opaline::identity
