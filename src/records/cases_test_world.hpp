#pragma once
// For tests: cases over rows in memory, a log that is a vector, and officers with their keys.
#include <gtest/gtest.h>

#include <algorithm>

#include "operators/test_support/memory_rows.hpp"
#include "records/canonical.hpp"
#include "records/cases.hpp"
#include "records/verify.hpp"
#include "store/drivers/memory_key_vault.hpp"

namespace opaline::records::testing {

inline const std::string kTarget = "+4915112345678";
inline const std::string kOther = "other@example.org";

inline std::string told(const Verdict& verdict) {
  std::string out;
  for (const auto& check : verdict.checks) out += (check.good ? "good: " : "BAD: ") + check.sentence + "\n";
  return out;
}

class CasesTest : public ::testing::Test {
 protected:
  CasesTest() {
    reopen();
    for (const auto* officer : {"ada", "bob", "eve"}) {
      keys_.emplace(officer, OfficerKey::generate(random_));
      EXPECT_TRUE(
          cases_->register_key(officer, keys_.at(officer).public_key(), registration(officer, officer)).has_value());
    }
    const auto at = [&](int hours) { return clock_.now() - std::chrono::hours(hours); };
    identity::SourceAddress ip;
    ip.ip[15] = std::byte{9};
    log_ = {{.time = at(50),
             .source_handle = kTarget,
             .source = ip,
             .looked_up_handle = "a@example.org",
             .capable_devices = 2},
            {.time = at(49), .source_handle = kTarget, .source = ip, .looked_up_handle = kOther, .capable_devices = 0},
            {.time = at(48),
             .source_handle = "caller@example.org",
             .source = ip,
             .looked_up_handle = kTarget,
             .capable_devices = 1},
            {.time = at(47),
             .source_handle = "x@example.org",
             .source = ip,
             .looked_up_handle = "y@example.org",
             .capable_devices = 1},
            {.time = at(1),
             .source_handle = kTarget,
             .source = ip,
             .looked_up_handle = "late@example.org",
             .capable_devices = 1}};
  }

  void reopen() {
    cases_.reset();
    ledger_.reset();
    auto ledger = ledger::Ledger::open(sealed_, vault_, clock_, random_);
    ASSERT_TRUE(ledger.has_value());
    ledger_.emplace(std::move(*ledger));
    auto cases = Cases::open(
        {.rows = sealed_,
         .ledger = *ledger_,
         .clock = clock_,
         .random = random_,
         .find = [this](const LookupQuery& query, const Cases::Visitor& visit) { return find(query, visit); },
         .aside = [this](Cases::Job job) { aside_ ? aside_->push_back(std::move(job)) : job(); },
         .back = [](Cases::Job job) { job(); },
         .collecting = collecting_,
         .collect = [this](std::vector<CollectTarget> targets) { collecting_.set(std::move(targets)); },
         .is_officer = [this](std::string_view who) { return !revoked_.contains(std::string(who)); },
         .service_name = "chat.example.org",
         .retention = std::chrono::days(30)});
    ASSERT_TRUE(cases.has_value());
    cases_ = std::move(*cases);
  }

  Result<LookupFindings, store::RowError> find(const LookupQuery& query, const Cases::Visitor& visit) {
    if (log_fails_) return fail(store::RowError::failed);
    LookupFindings out = gaps_;
    for (const auto& entry : log_) {
      const auto& side = query.side == LookupSide::by_handle ? entry.source_handle : entry.looked_up_handle;
      if (side != query.handle.text() || entry.time < query.from || entry.time >= query.to) continue;
      ++out.entries;
      if (!visit(entry)) break;
    }
    return out;
  }

  Facts facts() {
    const auto today = std::chrono::floor<std::chrono::days>(clock_.now());
    return {.authority = "Amtsgericht <b>Köln</b>",
            .instrument = Instrument::warrant,
            .reference = "=cmd|' /C calc'!A0",
            .jurisdiction = "DE",
            .handles = {kOther, kTarget},
            .from = start_ - std::chrono::days(10),
            .to = start_ - std::chrono::hours(2),
            .served = today,
            .due = today + std::chrono::days(7),
            .opens = {}};
  }
  Case opened(const Facts& given) {
    auto made = cases_->open_case("ada", given);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().why);
    return made ? *made : Case{};
  }
  crypto::HybridSignature registration(const std::string& officer, const std::string& whose) {
    const auto& key = keys_.at(whose);
    return key.sign(kOfficerKeyLabel, as_view(registration_text(cases_->service(), officer, key.public_key())),
                    random_);
  }
  Cases::Approving approving(const std::string& officer, const CaseId& id) {
    const auto seen = preview(id);
    EXPECT_TRUE(seen.has_value());
    if (!seen) return {};
    const auto text = signed_text({cases_->service(), id, seen->revision, seen->digest, seen->counts});
    return {seen->revision, seen->digest, seen->counts, keys_.at(officer).sign(kApprovalLabel, as_view(text), random_)};
  }
  Result<Preview, Error> preview(const CaseId& id) {
    std::optional<Result<Preview, Error>> out;
    cases_->preview(id, [&](auto seen) { out = std::move(seen); });
    return *out;
  }
  Result<Case, Error> approve(const std::string& officer, const CaseId& id, const Cases::Approving& given) {
    std::optional<Result<Case, Error>> out;
    cases_->approve(officer, id, given, [&](auto done) { out = std::move(done); });
    return *out;
  }
  Result<Case, Error> approve(const std::string& officer, const CaseId& id) {
    return approve(officer, id, approving(officer, id));
  }
  CaseId produced(Instrument instrument) {
    auto given = facts();
    given.instrument = instrument;
    const auto id = opened(given).id;
    EXPECT_TRUE(approve("ada", id).has_value());
    EXPECT_TRUE(approve("bob", id).has_value());
    return id;
  }
  /// As the officer's machine does it; empty: cannot be opened.
  std::vector<File> produce(const std::string& officer, const CaseId& id, std::uint32_t number = 1) {
    const auto handover = cases_->production(id, number);
    EXPECT_TRUE(handover.has_value());
    std::vector<Bytes> pieces;
    for (std::uint32_t i = 0; handover && i < handover->produced.pieces; ++i)
      pieces.push_back(*cases_->piece(id, number, i));
    auto files = open_bundle(pieces, keys_.at(officer));
    if (!files) return {};
    return complete(std::move(*files), handover->ledger).value_or(std::vector<File>{});
  }
  bool has_bundle(const CaseId& id) {
    Bytes prefix;
    for (const auto number : {id.year, id.number})
      for (int shift = 24; shift >= 0; shift -= 8) prefix.push_back(static_cast<std::byte>(number >> shift & 255));
    return !sealed_.scan(tables::kBundles, prefix, {}, 1)->empty();
  }

  const Time start_ = from_unix_millis(1'795'000'000'000);  // 2026-11-18
  static constexpr std::uint64_t officer_count_ = 3;
  ManualClock clock_{start_};
  SeededRandom random_{5};
  operators::MemoryRows rows_;
  store::MemoryKeyVault vault_{random_};
  store::SealedRows sealed_{rows_, store::VaultKey{}, store::VaultKey{}, random_};
  Collecting collecting_{sealed_, random_};
  LookupFindings gaps_;
  std::optional<ledger::Ledger> ledger_;
  std::unique_ptr<Cases> cases_;
  std::map<std::string, OfficerKey> keys_;
  std::set<std::string> revoked_;
  std::vector<identity::LookupLogEntry> log_;
  bool log_fails_ = false;
  std::vector<Cases::Job>* aside_ = nullptr;  ///< where jobs wait, if they are not to run at once
};

}  // namespace opaline::records::testing
