#include "server/ledger_page.hpp"

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "msp/base64.hpp"
#include "operators/test_support/memory_rows.hpp"
#include "store/drivers/memory_key_vault.hpp"

namespace opaline::server {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

class LedgerPageTest : public testing::Test {
 protected:
  void record(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(ledger_.append(1, as_view("the event's own text"), [](const auto&, auto&) {}));
    }
  }
  net::HttpResponse ask(const std::string& target, std::string method = "GET") {
    return page_.serve({.method = std::move(method), .target = target});
  }
  json::object asked(const std::string& target) {
    const auto answer = ask(target);
    EXPECT_EQ(answer.status, 200U);
    return json::parse(as_text(answer.body)).as_object();
  }
  static ledger::SignedHead head_of(const json::value& value) {
    ledger::SignedHead out;
    out.head.size = value.at("size").to_number<std::uint64_t>();
    const auto root = from_hex(std::string_view(value.at("root").as_string()));
    std::copy(root->begin(), root->end(), out.head.root.begin());
    out.head.time = from_unix_millis(value.at("time_ms").as_int64());
    const auto signature = msp::from_base64(std::string_view(value.at("signature").as_string()));
    out.signature = *crypto::HybridSignature::from(*signature);
    return out;
  }

  operators::MemoryRows rows_;
  SeededRandom random_{1};
  store::SealedRows sealed_{rows_, store::VaultKey{}, store::VaultKey{}, random_};
  store::MemoryKeyVault vault_{random_};
  ManualClock clock_{from_unix_millis(1'767'225'600'000)};
  ledger::Ledger ledger_ = std::move(ledger::Ledger::open(sealed_, vault_, clock_, random_).value());
  LedgerPage page_{ledger_, {.service = "x<b>.example", .collections = [] { return std::size_t{3}; }}};
};

TEST_F(LedgerPageTest, WhoKeepsAHeadCanCheckLaterThatTheLedgerGoesOnFromIt) {
  record(5);
  const auto early = asked("/v1/ledger/heads");
  const auto kept = head_of(early.at("heads").as_array().back());
  const auto key = crypto::HybridPublicKey::from(*msp::from_base64(std::string_view(early.at("key").as_string())));
  ASSERT_TRUE(key);
  EXPECT_EQ(early.at("fingerprint").as_string(), ledger::fingerprint(*key));
  EXPECT_TRUE(ledger::verify_head(kept, *key));
  record(8);
  const auto late = asked("/v1/ledger/heads?after=12");
  ASSERT_EQ(late.at("heads").as_array().size(), 1U);
  const auto now = head_of(late.at("heads").as_array().front());
  ledger::Proof proof;
  for (const auto& hash : asked("/v1/ledger/consistency?first=5&second=13").at("proof").as_array()) {
    const auto bytes = from_hex(std::string_view(hash.as_string()));
    std::copy(bytes->begin(), bytes->end(), proof.emplace_back().begin());
  }
  EXPECT_TRUE(ledger::verify_head(now, *key));
  EXPECT_TRUE(ledger::verify_consistency(5, 13, kept.head.root, now.head.root, proof));
}

TEST_F(LedgerPageTest, ThePageShowsHeadsAndCollectionsAndNothingOfTheEvents) {
  record(2);
  const auto answer = ask("/v1/ledger");
  EXPECT_EQ(answer.status, 200U);
  const std::string text(as_text(answer.body));
  EXPECT_THAT(text, HasSubstr("are on now: 3."));
  EXPECT_THAT(text, HasSubstr(to_hex(ledger_.head()->head.root)));
  EXPECT_THAT(text, Not(HasSubstr("<b>")));
  EXPECT_THAT(text, Not(HasSubstr("the event's own text")));
  EXPECT_EQ(asked("/v1/ledger/heads").at("collections").as_int64(), 3);
}

TEST_F(LedgerPageTest, AnswersAreBounded) {
  record(static_cast<int>(kMaxHeads) + 5);
  EXPECT_EQ(asked("/v1/ledger/heads").at("heads").as_array().size(), kMaxHeads);
  EXPECT_EQ(asked("/v1/ledger/heads").at("heads").as_array().back().at("size").to_number<std::size_t>(), kMaxHeads + 5);
  EXPECT_EQ(asked("/v1/ledger/heads?after=0").at("heads").as_array().size(), kMaxHeads);
  EXPECT_EQ(asked("/v1/ledger/heads?after=18446744073709551615").at("heads").as_array().size(), 0U);
}

TEST_F(LedgerPageTest, WhatIsWrongIsSaid) {
  record(2);
  EXPECT_EQ(ask("/v1/ledger", "POST").status, 405U);
  EXPECT_EQ(ask("/v1/ledger/leaves").status, 404U);
  EXPECT_EQ(ask("/v1/ledgers").status, 404U);
  for (const auto* query : {"", "?first=1", "?first=0&second=2", "?first=2&second=1", "?first=1&second=3",
                            "?first=-1&second=2", "?first=1&second=99999999999999999999"}) {
    EXPECT_EQ(ask(std::string("/v1/ledger/consistency") + query).status, 400U) << query;
  }
  EXPECT_EQ(ask("/v1/ledger/heads?after=x").status, 400U);
  rows_.unreadable = true;
  EXPECT_EQ(ask("/v1/ledger").status, 503U);
  EXPECT_EQ(ask("/v1/ledger/heads").status, 503U);
  EXPECT_EQ(ask("/v1/ledger/consistency?first=1&second=2").status, 503U);
}

}  // namespace
}  // namespace opaline::server
