#include "records/cases.hpp"

#include <gmock/gmock.h>

#include "ledger/tables.hpp"
#include "records/cases_test_world.hpp"

namespace opaline::records {
namespace {

using testing::CasesTest, testing::kOther, testing::kTarget, testing::told;

// ---------------------------------------------------------------- opening

TEST_F(CasesTest, CasesAreNumberedInTheirYear) {
  EXPECT_EQ(to_text(opened(facts()).id), "2026-0001");
  EXPECT_EQ(to_text(opened(facts()).id), "2026-0002");
  clock_.advance(std::chrono::days(60));
  EXPECT_EQ(to_text(opened(facts()).id), "2027-0001");
  reopen();
  EXPECT_EQ(to_text(opened(facts()).id), "2027-0002");
  EXPECT_EQ(cases_->list(std::nullopt)->size(), 4u);
  EXPECT_EQ(cases_->list(CaseId{2026, 2})->front().id, (CaseId{2027, 1}));
}

TEST_F(CasesTest, FactsHaveLimits) {
  const auto wrong = [&](auto change, const char* field) {
    auto given = facts();
    change(given);
    const auto made = cases_->open_case("ada", given);
    ASSERT_FALSE(made) << field;
    EXPECT_EQ(made.error().error, Error::invalid);
    EXPECT_THAT(made.error().why, ::testing::StartsWith(field));
  };
  wrong([](Facts& f) { f.authority.clear(); }, "authority");
  wrong([](Facts& f) { f.authority = std::string(201, 'x'); }, "authority");
  wrong([](Facts& f) { f.authority = "a\nb"; }, "authority");
  wrong([](Facts& f) { f.reference = "\xff"; }, "reference");
  wrong([](Facts& f) { f.reference = "a\xe2\x80\xae"; }, "reference");  // right-to-left override
  wrong([](Facts& f) { f.jurisdiction = "Germany"; }, "jurisdiction");
  wrong([](Facts& f) { f.handles.clear(); }, "handles");
  wrong([](Facts& f) { f.handles = {"not a handle"}; }, "handles");
  wrong([](Facts& f) { f.handles = {kTarget, "+49 151 1234 5678"}; }, "handles");
  wrong([](Facts& f) { f.handles.assign(101, "a@example.org"); }, "handles");
  wrong([](Facts& f) { f.to = f.from; }, "from");
  wrong([](Facts& f) { f.from += milliseconds(1); }, "from");
  wrong([&](Facts& f) { f.to = clock_.now() + seconds(1); }, "to");
  wrong([](Facts& f) { f.due = f.served - std::chrono::days(1); }, "due");
  wrong([&](Facts& f) { f.served += std::chrono::days(30), f.due = f.served; }, "served");
  wrong([](Facts& f) { f.opens = CaseId{2026, 9}; }, "opens");
  wrong([](Facts& f) { f.instrument = Instrument::pen_register; }, "to");
  EXPECT_TRUE(cases_->list(std::nullopt)->empty());
  EXPECT_EQ(ledger_->size(), officer_count_);
}

// ---------------------------------------------------------------- two officers

TEST_F(CasesTest, TwoOfficersProduceAndEitherCanOpenIt) {
  const auto id = opened(facts()).id;
  const auto preview = this->preview(id);
  EXPECT_EQ(preview->counts, (Counts{{kTarget, 2, 1}, {kOther, 0, 1}}));
  auto made = approve("ada", id);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->state, State::open);
  EXPECT_EQ(cases_->production(id, 1).error(), Error::not_found);
  made = approve("bob", id);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->state, State::produced);
  for (const auto* officer : {"ada", "bob"}) {
    const auto files = produce(officer, id);
    ASSERT_EQ(files.size(), 4u);
    const auto verdict = verify(files, cases_->service());
    EXPECT_TRUE(verdict.good()) << told(verdict);
  }
  EXPECT_TRUE(produce("eve", id).empty()) << "it is not sealed to her";
  reopen();
  EXPECT_TRUE(verify(produce("ada", id), cases_->service()).good());
  EXPECT_TRUE(cases_->verify_ledger(std::nullopt).intact);
}

TEST_F(CasesTest, OneOfficerIsNotTwo) {
  const auto id = opened(facts()).id;
  ASSERT_TRUE(approve("ada", id));
  EXPECT_EQ(approve("ada", id).error(), Error::same_officer);
  EXPECT_EQ(cases_->show(id)->state, State::open);
  EXPECT_EQ(cases_->register_key("ada", keys_.at("eve").public_key(), registration("ada", "eve")).error(),
            Error::exists)
      << "another key is another officer";
  EXPECT_EQ(cases_->register_key("dan", keys_.at("ada").public_key(), registration("dan", "ada")).error(),
            Error::exists)
      << "nobody has two names";
}

TEST_F(CasesTest, AKeyIsRegisteredByWhoHasIt) {
  keys_.emplace("dan", OfficerKey::generate(random_));
  EXPECT_EQ(cases_->register_key("dan", keys_.at("dan").public_key(), registration("eve", "dan")).error(),
            Error::bad_signature);
  EXPECT_EQ(approve("dan", opened(facts()).id).error(), Error::no_key);
  EXPECT_TRUE(cases_->register_key("dan", keys_.at("dan").public_key(), registration("dan", "dan")));
}

TEST_F(CasesTest, ForgedAndMisplacedSignaturesAreRefused) {
  const auto id = opened(facts()).id, another = opened(facts()).id;
  const auto good = approving("ada", id);
  EXPECT_EQ(approve("bob", id, good).error(), Error::bad_signature) << "ada's";
  EXPECT_EQ(approve("ada", another, good).error(), Error::stale) << "another case's facts";
  auto bad = good;
  bad.counts[0].by += 1;
  EXPECT_EQ(approve("ada", id, bad).error(), Error::bad_signature);
  for (const std::size_t at : {0u, 63u, 64u, 3372u}) {
    auto bytes = good.signature.array();
    bytes[at] ^= std::byte{1};
    bad = good;
    bad.signature = crypto::HybridSignature(bytes);
    EXPECT_EQ(approve("ada", id, bad).error(), Error::bad_signature) << at;
  }
  EXPECT_TRUE(approve("ada", id, good));
}

TEST_F(CasesTest, ANarrowerRevisionNeedsBothAgain) {
  const auto id = opened(facts()).id;
  const auto early = approving("bob", id);
  ASSERT_TRUE(approve("ada", id));
  auto less = cases_->show(id)->facts;
  less.handles = {kTarget};
  const auto narrowed = cases_->narrow("bob", id, less, "only one number is named in the order");
  ASSERT_TRUE(narrowed);
  EXPECT_EQ(narrowed->revision, 2u);
  EXPECT_TRUE(narrowed->approvals.empty());
  EXPECT_EQ(approve("bob", id, early).error(), Error::stale);
  ASSERT_TRUE(approve("bob", id));
  EXPECT_EQ(cases_->show(id)->state, State::open) << "ada's was for the revision before";
  ASSERT_TRUE(approve("ada", id));
  EXPECT_TRUE(verify(produce("ada", id), cases_->service()).good());
  auto more = facts();
  EXPECT_EQ(cases_->narrow("bob", id, more, "more").error().error, Error::not_possible);
}

TEST_F(CasesTest, ARevisionNeverAsksForMore) {
  const auto id = opened(facts()).id;
  const auto wrong = [&](auto change) {
    auto given = cases_->show(id)->facts;
    change(given);
    const auto done = cases_->narrow("ada", id, given, "reason");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().error, Error::invalid);
  };
  wrong([](Facts&) {});
  wrong([](Facts& f) { f.handles.emplace_back("+4915100000000"); });
  wrong([](Facts& f) { f.from -= seconds(1); });
  wrong([](Facts& f) { f.to += seconds(1); });
  wrong([](Facts& f) { f.authority = "Somebody else", f.handles = {kTarget}; });
  auto less = cases_->show(id)->facts;
  less.to -= seconds(60);
  EXPECT_EQ(cases_->narrow("ada", id, less, "").error().error, Error::invalid) << "no reason";
  EXPECT_TRUE(cases_->narrow("ada", id, less, "reason"));
}

TEST_F(CasesTest, ChangedNumbersAreRefusedAndOldApprovalsLapse) {
  const auto id = opened(facts()).id;
  ASSERT_TRUE(approve("ada", id));
  const auto seen = approving("bob", id);
  log_.erase(log_.begin());  // expired
  EXPECT_EQ(approve("bob", id, seen).error(), Error::changed);
  const auto again = approve("bob", id);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->state, State::open) << "what ada signed is not there any more";
  ASSERT_EQ(again->approvals.size(), 1u);
  EXPECT_EQ(again->approvals[0].officer, "bob");
  ASSERT_TRUE(approve("ada", id));
  EXPECT_EQ(cases_->show(id)->state, State::produced);
}

TEST_F(CasesTest, ARevokedOfficersApprovalLapses) {
  const auto id = opened(facts()).id;
  ASSERT_TRUE(approve("ada", id));
  revoked_.insert("ada");
  ASSERT_TRUE(approve("bob", id));
  EXPECT_EQ(cases_->show(id)->state, State::open);
  ASSERT_TRUE(approve("eve", id));
  EXPECT_EQ(cases_->show(id)->state, State::produced);
  EXPECT_TRUE(produce("ada", id).empty());
  EXPECT_TRUE(verify(produce("eve", id), cases_->service()).good());
}

TEST_F(CasesTest, WhatIsRefusedOrClosedIsNotApproved) {
  const auto id = opened(facts()).id;
  const auto ready = approving("ada", id);
  EXPECT_EQ(cases_->refuse("bob", id, "").error(), Error::invalid);
  ASSERT_TRUE(cases_->refuse("bob", id, "the court has no jurisdiction here"));
  EXPECT_EQ(approve("ada", id, ready).error(), Error::not_possible);
  EXPECT_EQ(preview(id).error(), Error::not_possible);
  EXPECT_EQ(cases_->refuse("bob", id, "again").error(), Error::not_possible);
  EXPECT_TRUE(cases_->answer("bob", id, "Nothing was handed out.\nThere is an account."));
  ASSERT_TRUE(cases_->close("ada", id, "done"));
  EXPECT_EQ(cases_->close("ada", id, "again").error(), Error::not_possible);
  EXPECT_EQ(cases_->answer("bob", id, "more").error(), Error::not_possible);
  EXPECT_EQ(approve("ada", {2026, 99}, ready).error(), Error::not_found);
}

TEST_F(CasesTest, AnEmergencyNeedsTwoOfficersToo) {
  auto urgent = facts();
  urgent.instrument = Instrument::emergency;
  const auto id = opened(urgent).id;
  ASSERT_TRUE(approve("ada", id));
  EXPECT_EQ(cases_->production(id, 1).error(), Error::not_found);
}

TEST_F(CasesTest, MoreThanOneProductionHoldsIsRefused) {
  const auto one = log_.front();
  log_.assign(kMaxRows + 1, one);
  const auto id = opened(facts()).id;
  EXPECT_EQ(approve("ada", id).error(), Error::too_large);
}

// ---------------------------------------------------------------- preservation

TEST_F(CasesTest, APreservationIsHandedOutOnlyToAnOrder) {
  const auto kept = produced(Instrument::preservation);
  EXPECT_EQ(cases_->show(kept)->state, State::preserved);
  EXPECT_EQ(cases_->production(kept, 1).error(), Error::not_possible);
  EXPECT_EQ(cases_->piece(kept, 1, 0).error(), Error::not_possible);
  const auto entries = log_;
  log_.clear();  // the log goes its way
  auto order = facts();
  order.opens = kept;
  auto narrow = order;
  narrow.handles = {kTarget};
  EXPECT_EQ(cases_->open_case("ada", narrow).error().error, Error::invalid) << "it does not cover what is kept";
  const auto id = opened(order).id;
  ASSERT_TRUE(approve("ada", id));
  EXPECT_EQ(cases_->production(kept, 1).error(), Error::not_possible) << "one officer is not enough";
  ASSERT_TRUE(approve("eve", id));
  EXPECT_TRUE(verify(produce("eve", id), cases_->service()).good());
  const auto files = produce("bob", kept);
  const auto verdict = verify(files, cases_->service());
  EXPECT_TRUE(verdict.good()) << told(verdict);
  EXPECT_THAT(told(verdict), ::testing::HasSubstr("opened for case 2026-0002"));
  ASSERT_TRUE(cases_->close("ada", id, "done"));
  clock_.advance(std::chrono::days(90));
  ASSERT_TRUE(cases_->tick());
  EXPECT_EQ(cases_->production(kept, 1).error(), Error::gone);
  EXPECT_EQ(cases_->production(id, 1).error(), Error::gone);
  EXPECT_TRUE(cases_->verify_ledger(std::nullopt).intact) << cases_->verify_ledger(std::nullopt).why;
}

TEST_F(CasesTest, APreservationEndsAndIsRenewedOnce) {
  const auto once = produced(Instrument::preservation), twice = produced(Instrument::preservation);
  ASSERT_TRUE(cases_->renew("ada", twice, "the order is on its way"));
  EXPECT_EQ(cases_->renew("ada", twice, "again").error(), Error::not_possible);
  clock_.advance(std::chrono::days(90) - seconds(1));
  ASSERT_TRUE(cases_->tick());
  EXPECT_TRUE(has_bundle(once));
  clock_.advance(seconds(1));
  ASSERT_TRUE(cases_->tick());
  EXPECT_FALSE(has_bundle(once));
  EXPECT_TRUE(has_bundle(twice));
  clock_.advance(std::chrono::days(90));
  ASSERT_TRUE(cases_->tick());
  EXPECT_FALSE(has_bundle(twice));
  EXPECT_EQ(cases_->show(twice)->state, State::closed);
  auto late = facts();
  late.opens = twice;
  EXPECT_EQ(cases_->open_case("ada", late).error().error, Error::invalid);
}

// ---------------------------------------------------------------- pen registers

TEST_F(CasesTest, APenRegisterCollectsWhatComesIntoDailyProductions) {
  auto given = facts();
  given.instrument = Instrument::pen_register;
  const Time end = std::chrono::floor<std::chrono::days>(start_) + std::chrono::days(2) + std::chrono::hours(5);
  given.to = end;
  const auto seen = [&](Time time, const std::string& by, const std::string& of) {
    const std::vector<identity::LookupLogEntry> entries{
        {.time = time, .source_handle = by, .source = {}, .looked_up_handle = of, .capable_devices = 1}};
    collecting_.collect(entries);
  };
  const auto id = opened(given).id;
  EXPECT_TRUE(preview(id)->counts.empty()) << "nothing of the past";
  ASSERT_TRUE(approve("ada", id));
  EXPECT_EQ(cases_->collections(), 0u);
  EXPECT_TRUE(collecting_.handles().empty());
  ASSERT_TRUE(approve("bob", id));
  EXPECT_EQ(cases_->show(id)->state, State::collecting);
  EXPECT_EQ(cases_->collections(), 1u);
  EXPECT_EQ(collecting_.handles(), (std::set<std::string, std::less<>>{kTarget, kOther}));
  const auto began = clock_.now();
  seen(began - seconds(1), kTarget, "before@example.org");
  seen(began + seconds(1), kTarget, "first@example.org");
  seen(began + seconds(2), kTarget, kOther);
  seen(began + seconds(3), "x@example.org", "y@example.org");
  ASSERT_TRUE(cases_->tick());
  EXPECT_TRUE(cases_->show(id)->productions.empty()) << "the day is not over";
  reopen();  // what was collected is not lost, and it goes on
  EXPECT_FALSE(collecting_.handles().empty());
  clock_.advance(std::chrono::days(1));
  seen(clock_.now(), "caller@example.org", kTarget);
  ASSERT_TRUE(cases_->tick());
  ASSERT_EQ(cases_->show(id)->productions.size(), 1u);
  EXPECT_EQ(cases_->show(id)->productions[0].rows, 3u) << "one between two of them is there twice";
  const auto verdict = verify(produce("ada", id), cases_->service());
  EXPECT_TRUE(verdict.good()) << told(verdict);
  EXPECT_EQ(sealed_.scan(tables::kCollected, {}, {}, 9)->size(), 1u) << "of today alone";
  clock_.advance(std::chrono::days(5));
  seen(end, kTarget, "late@example.org");
  ASSERT_TRUE(cases_->tick());
  const auto done = *cases_->show(id);
  EXPECT_EQ(done.state, State::collected);
  ASSERT_EQ(done.productions.size(), 3u);
  EXPECT_EQ(done.productions[1].rows, 1u);
  EXPECT_EQ(done.productions[2].rows, 0u);
  EXPECT_EQ(done.productions[2].to, end);
  for (const std::uint32_t number : {2u, 3u}) EXPECT_TRUE(verify(produce("bob", id, number), cases_->service()).good());
  EXPECT_TRUE(sealed_.scan(tables::kCollected, {}, {}, 9)->empty());
  EXPECT_EQ(cases_->collections(), 0u);
  EXPECT_TRUE(collecting_.handles().empty());
  ASSERT_TRUE(cases_->close("ada", id, "done"));
  clock_.advance(std::chrono::days(90));
  ASSERT_TRUE(cases_->tick());
  EXPECT_FALSE(has_bundle(id));
  EXPECT_TRUE(cases_->verify_ledger(std::nullopt).intact);
}

TEST_F(CasesTest, APenRegisterEndsBeforeItsTimeWhenOfficersSaySo) {
  auto given = facts();
  given.instrument = Instrument::pen_register;
  given.to = start_ + std::chrono::days(60);
  const auto id = opened(given).id;
  EXPECT_EQ(cases_->end("ada", id, "the order was lifted").error(), Error::not_possible);
  ASSERT_TRUE(approve("ada", id));
  ASSERT_TRUE(approve("bob", id));
  EXPECT_EQ(cases_->close("ada", id, "x").error(), Error::not_possible);
  ASSERT_TRUE(cases_->end("eve", id, "the order was lifted"));
  EXPECT_TRUE(collecting_.handles().empty());
  EXPECT_EQ(cases_->collections(), 0u);
  EXPECT_EQ(cases_->end("eve", id, "again").error(), Error::not_possible);
  clock_.advance(seconds(1));
  ASSERT_TRUE(cases_->tick());
  EXPECT_EQ(cases_->show(id)->state, State::collected);
  given.to = start_ + std::chrono::days(61);
  EXPECT_EQ(cases_->open_case("ada", given).error().error, Error::invalid) << "60 days";
}

TEST_F(CasesTest, WhatCouldNotBeReadIsSaid) {
  gaps_ = {.entries = 0, .damaged = 1, .unreadable_days = {Day(20'760)}};
  const auto id = produced(Instrument::warrant);
  const auto files = produce("ada", id);
  EXPECT_TRUE(verify(files, cases_->service()).good());
  const auto page = to_string(std::ranges::find(files, kStatementName, &File::name)->content);
  EXPECT_THAT(page, ::testing::HasSubstr("4 entries of those that were searched could not be read"));
  EXPECT_THAT(page, ::testing::HasSubstr("of these days:</b> 2026-11-03."));
}

// ---------------------------------------------------------------- the end

TEST_F(CasesTest, WhatWasProducedIsDestroyedNinetyDaysAfterTheCaseWasClosed) {
  const auto id = produced(Instrument::warrant);
  clock_.advance(std::chrono::days(400));
  ASSERT_TRUE(cases_->tick());
  EXPECT_TRUE(has_bundle(id)) << "not closed";
  ASSERT_TRUE(cases_->close("ada", id, "answered"));
  clock_.advance(std::chrono::days(90) - milliseconds(1));
  ASSERT_TRUE(cases_->tick());
  EXPECT_FALSE(produce("ada", id).empty());
  reopen();
  clock_.advance(milliseconds(1));
  ASSERT_TRUE(cases_->tick());
  EXPECT_FALSE(has_bundle(id));
  EXPECT_EQ(cases_->production(id, 1).error(), Error::gone);
  EXPECT_THAT(cases_->events(id)->back().text, ::testing::HasSubstr(R"("event":"destroyed")"));
}

TEST_F(CasesTest, NothingReadableStaysAfterTheExtraction) {
  const auto id = produced(Instrument::warrant);
  std::size_t pieces = 0;
  const auto rows = sealed_.scan(tables::kBundles, {}, {}, 100);
  for (const auto& row : *rows) {
    EXPECT_EQ(as_text(row.value).find("caller@example.org"), std::string_view::npos);
    ++pieces;
  }
  EXPECT_EQ(pieces, cases_->show(id)->productions[0].pieces);
  for (const auto& table : {tables::kCases, tables::kEvents}) {
    const auto all = sealed_.scan(table, {}, {}, 100);
    for (const auto& row : *all)
      EXPECT_EQ(as_text(row.value).find("caller@example.org"), std::string_view::npos) << table;
  }
}

TEST_F(CasesTest, AStoreThatFailsChangesNothing) {
  const auto id = opened(facts()).id;
  const auto size = ledger_->size();
  for (const auto error : {store::RowError::full, store::RowError::failed, store::RowError::unknown}) {
    rows_.fail_next = error;
    EXPECT_EQ(approve("ada", id).error(), Error::unavailable);
    EXPECT_TRUE(cases_->show(id)->approvals.empty());
  }
  rows_.fail_next = store::RowError::unknown;
  rows_.unknown_was_written = true;
  EXPECT_EQ(approve("ada", id).error(), Error::unavailable);
  EXPECT_EQ(cases_->show(id)->approvals.size(), 1u) << "it was written after all";
  ASSERT_TRUE(approve("bob", id));
  EXPECT_EQ(ledger_->size(), size + 2);
  EXPECT_TRUE(cases_->verify_ledger(std::nullopt).intact);
  log_fails_ = true;
  const auto other = cases_->open_case("ada", facts());
  EXPECT_EQ(preview(other->id).error(), Error::unavailable);
}

// ---------------------------------------------------------------- changed records are found

TEST_F(CasesTest, AChangedOrRemovedCaseIsFound) {
  const auto id = produced(Instrument::warrant);
  const auto other = opened(facts()).id;
  const auto head = *ledger_->head();
  EXPECT_TRUE(cases_->verify_ledger(head).intact);
  const auto before = rows_.tables;
  for (const auto& table : {tables::kCases, tables::kEvents, ledger::tables::kLeaves}) {
    const auto rows = before.at(std::string(table));
    for (const auto& [key, value] : rows) {
      rows_.tables = before;
      rows_.tables[std::string(table)].erase(key);
      EXPECT_FALSE(cases_->verify_ledger(head).intact) << table << " " << to_hex(key);
    }
  }
  rows_.tables = before;
  // Somebody who has the vault writes rows that open.
  const auto rewrite = [&](std::string_view table, std::string_view from, std::string_view to) {
    rows_.tables = before;
    const auto rows = sealed_.scan(table, {}, {}, 100);
    for (const auto& row : *rows) {
      auto text = to_string(row.value);
      const auto at = text.find(from);
      if (at == std::string::npos) continue;
      text.replace(at, from.size(), to);
      auto batch = sealed_.batch();
      batch.put(table, store::clear(row.key), as_view(text));
      ASSERT_TRUE(sealed_.write(std::move(batch)));
      EXPECT_FALSE(cases_->verify_ledger(std::nullopt).intact) << table << ": " << to;
      return;
    }
    ADD_FAILURE() << from << " is not in " << table;
  };
  rewrite(tables::kCases, "Amtsgericht", "Amtsgerecht");
  rewrite(tables::kCases, R"("state":"produced")", R"("state":"refused")");
  rewrite(tables::kEvents, "Amtsgericht", "Amtsgerecht");
  rows_.tables = before;
  EXPECT_TRUE(cases_->verify_ledger(head).intact);
  (void)id, (void)other;
}

TEST_F(CasesTest, ALedgerMadeAnewDoesNotGoOnFromAKeptHead) {
  const auto before = rows_.tables;
  opened(facts());
  const auto head = *ledger_->head();
  rows_.tables = before;  // set back to before the case
  reopen();
  EXPECT_TRUE(cases_->verify_ledger(std::nullopt).intact) << "alone it looks right";
  EXPECT_FALSE(cases_->verify_ledger(head).intact);
  auto another = facts();
  another.authority = "Somebody else";
  opened(another);
  EXPECT_FALSE(cases_->verify_ledger(head).intact);
}

}  // namespace
}  // namespace opaline::records
