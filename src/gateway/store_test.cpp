// What survives in a gateway, and what does not: queues, closing, outcomes, expiry by destroyed keys.
#include "gateway/store.hpp"

#include "gateway/away.hpp"

#include <gmock/gmock.h>

#include "gateway/internal/expiry_clock.hpp"
#include "gateway/internal/leftovers.hpp"
#include "store/drivers/memory_disk.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/memory_row_store.hpp"

namespace opaline::gateway {
namespace {

using endpoint::MessageState;
using endpoint::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kMarker = "MARKER: what a person wrote";

store::SealedRows sealed_over(store::RowStore& rows, store::KeyVault& vault, RandomSource& random) {
  return std::move(*store::SealedRows::open(rows, vault, random, tables::kSealCheck));
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { reopen(); }

  /// As after a crash.
  void reopen() {
    store_.reset();
    auto rows = store::JournaledRows::open(sealed_, kJournaledTables, tables::kJournal);
    ASSERT_TRUE(rows);
    rows_ = std::move(*rows);
    auto opened = Store::open(ports(), business_);
    ASSERT_TRUE(opened);
    store_ = std::move(*opened);
  }
  Store::Ports ports() { return {*rows_, vault_, clock_, clock_, random_}; }

  credentials::OpaqueId person() { return credentials::OpaqueId(random_.bytes<credentials::kOpaqueIdBytes>()); }

  static SecretBytes part_of(const credentials::OpaqueId& id, wire::PartKind kind = wire::PartKind::words) {
    SecretBytes out;
    wire::BusinessPart part;
    part.kind = kind;
    part.opaque_id = id.bytes();
    EXPECT_TRUE(wire::encode(out, part));
    return out;
  }
  endpoint::AddIncoming incoming(const AccountId& from, SecretBytes part, std::string_view text = kMarker) {
    endpoint::IncomingMessage message;
    message.id = random_.id<MessageId>();
    message.sender = {from, DeviceNumber{1}};
    message.body.text = to_secret_bytes(as_view(text));
    message.body.part = std::move(part);
    return {std::move(message)};
  }
  void write(const credentials::OpaqueId& from, std::string_view text = kMarker) {
    commit(incoming(from.persona(), part_of(from), text));
  }
  void commit(endpoint::HistoryChange change) {
    endpoint::Batch batch;
    batch.history.push_back(std::move(change));
    ASSERT_TRUE(store_->commit(std::move(batch)));
  }
  std::string front_text(const credentials::OpaqueId& of) {
    const auto front = store_->front(of.persona());
    EXPECT_TRUE(front);
    return front && *front ? to_string((*front)->message.text) : std::string();
  }

  SeededRandom random_{11};
  ManualClock clock_{from_unix_millis(1'780'000'000'000)};
  store::MemoryDisk disk_{random_};
  store::MemoryRowStore raw_{disk_, {kTables.begin(), kTables.end()}};
  store::MemoryKeyVault vault_{random_};
  store::SealedRows sealed_ = sealed_over(raw_, vault_, random_);
  std::unique_ptr<store::JournaledRows> rows_;
  msp::Uuid business_{random_.bytes<16>()};
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, EachPersonsMessagesComeInOrderAlsoAfterARestart) {
  const auto anna = person(), ben = person();
  write(anna, "a1");
  write(ben, "b1");
  write(anna, "a2");
  EXPECT_EQ(front_text(anna), "a1");
  reopen();
  EXPECT_THAT(store_->take_arrived(), ::testing::UnorderedElementsAre(anna.persona(), ben.persona()));
  EXPECT_EQ(store_->waiting(), 3U);
  const auto first = store_->front(anna.persona());
  EXPECT_EQ((*first)->message.opaque_id, anna.text());
  store_->finish(anna.persona(), (*first)->number);
  EXPECT_EQ(front_text(anna), "a2");
  EXPECT_EQ(front_text(ben), "b1");
  write(anna, "a3");
  store_->finish(anna.persona(), (*first)->number);  // a late answer to what is gone changes nothing
  EXPECT_EQ(front_text(anna), "a2");
}

TEST_F(StoreTest, WhatWasTakenIsForgottenByTheNextWriteAndComesAgainIfThereWasNone) {
  const auto anna = person(), ben = person();
  const auto take = [&] { store_->finish(anna.persona(), (*store_->front(anna.persona()))->number); };
  write(anna, "a1");
  take();
  EXPECT_EQ(front_text(anna), "");
  reopen();
  EXPECT_EQ(front_text(anna), "a1") << "nothing was written";
  take();
  ASSERT_TRUE(store_->forget_taken());
  reopen();
  EXPECT_EQ(front_text(anna), "");
  write(anna, "a2");
  take();
  write(ben, "b1");
  reopen();
  EXPECT_EQ(front_text(anna), "") << "another's commit took it along";
  EXPECT_EQ(front_text(ben), "b1");
}

TEST_F(StoreTest, OfAWriteThatFailedNothingIsThereAndWhatComesNextReplacesIt) {
  const auto anna = person();
  const auto message = incoming(anna.persona(), part_of(anna), "a1");
  const auto take = [&] { store_->finish(anna.persona(), (*store_->front(anna.persona()))->number); };
  const auto bring = [&] {
    endpoint::Batch batch;
    batch.history.emplace_back(message);
    return store_->commit(std::move(batch)).has_value();
  };
  for (auto* const fault : {&disk_.faults.unknown_stored, &disk_.faults.unknown_lost}) {
    const auto uncertain = [&](auto&& step) {
      *fault = 1000;
      step();
      disk_.faults = {};
    };
    (void)store_->take_arrived();
    uncertain([&] { EXPECT_FALSE(bring()); });
    EXPECT_THAT(store_->take_arrived(), IsEmpty());
    EXPECT_EQ(store_->waiting(), 0U);
    EXPECT_TRUE(bring()) << "the service brings it again";
    EXPECT_EQ(store_->waiting(), 1U);
    reopen();
    EXPECT_EQ(store_->waiting(), 1U) << "once";
    take();
    uncertain([&] { EXPECT_FALSE(store_->forget_taken()); });
    EXPECT_EQ(front_text(anna), "") << "what was taken is taken";
    ASSERT_TRUE(store_->forget_taken());
    reopen();
    EXPECT_EQ(front_text(anna), "");
    write(anna, "a2");
    uncertain([&] { EXPECT_FALSE(store_->close(anna.persona())); });
    EXPECT_EQ(front_text(anna), "a2");
    ASSERT_TRUE(store_->close(anna.persona()));
    reopen();
    EXPECT_EQ((*store_->front(anna.persona()))->message.kind, Received::Kind::closed);
    EXPECT_EQ(store_->waiting(), 1U);
    take();
    ASSERT_TRUE(store_->forget_taken());
  }
}

TEST_F(StoreTest, AClosingThatCouldNotBeWrittenGoesWithTheNextCommitBeforeWhatThatBrings) {
  for (const bool again : {false, true}) {
    const auto anna = person();
    write(anna, "old");
    disk_.faults.full = true;
    EXPECT_FALSE(store_->close(anna.persona()));
    EXPECT_FALSE(store_->close(anna.persona()));
    disk_.faults.full = false;
    EXPECT_EQ(front_text(anna), "old");
    if (again) ASSERT_TRUE(store_->close(anna.persona()));
    write(anna, "new");
    const auto front = *store_->front(anna.persona());
    ASSERT_TRUE(front);
    EXPECT_EQ(front->message.kind, Received::Kind::closed);
    store_->finish(anna.persona(), front->number);
    EXPECT_EQ(front_text(anna), "new");
    write(anna, "newer");
    EXPECT_EQ(front_text(anna), "new") << "it is not closed twice";
    EXPECT_FALSE(store_->is_closed(anna.persona()));
  }
}

TEST_F(StoreTest, OnceItWasTakenNoTraceOfAMessageStays) {
  const auto anna = person();
  write(anna);
  const auto sealed = raw_.scan(tables::kJournal, {}, {}, 9);
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->size(), 1U) << "one row for the whole commit";
  store_->finish(anna.persona(), (*store_->front(anna.persona()))->number);
  ASSERT_TRUE(store_->forget_taken());
  while (*rows_->settle()) {
  }
  for (const std::string_view table : {tables::kInbox, tables::kJournal})
    EXPECT_THAT(*raw_.scan(table, {}, {}, 9), IsEmpty()) << table;
  reopen();
  EXPECT_EQ(store_->people(), 1U) << "that she wrote is known";
}

TEST_F(StoreTest, WithoutTheKeyOfItsDayAMessageIsGone) {
  const auto anna = person();
  write(anna);
  const Day day = day_of(clock_.now());
  ASSERT_TRUE(vault_.destroy_through(day));
  const auto front = store_->front(anna.persona());
  ASSERT_TRUE(front);
  EXPECT_FALSE(*front);
  EXPECT_EQ(store_->waiting(), 0U);
  ASSERT_EQ(store_->dead_letters().size(), 1U);
  EXPECT_EQ(store_->dead_letters()[0].refusal, Refusal::expired);
}

TEST_F(StoreTest, NothingIsServedAfterThirtyDaysWhateverTheVaultStillHas) {
  const auto anna = person();
  write(anna, "old");
  clock_.advance(std::chrono::days(29));
  EXPECT_EQ(front_text(anna), "old");
  write(anna, "new");
  clock_.advance(std::chrono::days(1));
  EXPECT_EQ(front_text(anna), "new");
}

TEST_F(StoreTest, AClockThatJumpsEndsNothingUntilItIsTrusted) {
  internal::ExpiryClock expiry(clock_);
  expiry.trust(clock_.now());
  store_ = std::move(*Store::open({*rows_, vault_, clock_, expiry, random_}, business_));
  const auto anna = person();
  write(anna, "before");
  endpoint::OutgoingMessage answer;
  answer.id = random_.id<MessageId>();
  answer.peer = anna.persona();
  const msp::Uuid sent(answer.id.view());
  commit(endpoint::AddOutgoing{std::move(answer)});
  clock_.jump(std::chrono::days(400));
  store_->tick();
  EXPECT_EQ(front_text(anna), "before");
  EXPECT_TRUE(*store_->outcome(sent)) << "its id sends nothing twice";
  write(anna, "while it is wrong");
  expiry.trust(clock_.now());
  EXPECT_EQ(front_text(anna), "while it is wrong") << "now the other is over";
}

TEST_F(StoreTest, WhatIsLeftOfABusinessIsErasedADayAfterItWasServedLast) {
  const msp::Uuid other(random_.bytes<16>());
  const auto second = std::move(*Store::open({*rows_, vault_, clock_, clock_, random_}, other));
  for (Store* const each : {store_.get(), second.get()}) {
    endpoint::Batch batch;
    batch.rows.push_back({endpoint::Table::device, to_bytes(as_view("row")), to_secret_bytes(as_view("a key"))});
    ASSERT_TRUE(each->commit(std::move(batch)));
  }
  internal::Leftovers leftovers(*rows_, clock_);
  const std::set<msp::Uuid> both{business_, other}, one{business_};
  EXPECT_THAT(*leftovers.over(both), IsEmpty());
  EXPECT_THAT(*leftovers.over(one), IsEmpty()) << "it may come back";
  clock_.advance(std::chrono::hours(23));
  EXPECT_THAT(*leftovers.over(one), IsEmpty());
  clock_.jump(std::chrono::hours(1'000));
  EXPECT_THAT(*leftovers.over(one), IsEmpty()) << "the wall clock says nothing";
  EXPECT_THAT(*leftovers.over(both), IsEmpty()) << "and it did come back";
  clock_.advance(std::chrono::hours(2));
  EXPECT_THAT(*leftovers.over(one), IsEmpty());
  clock_.advance(std::chrono::hours(24));
  EXPECT_THAT(*leftovers.over(one), ElementsAre(other));
  ASSERT_TRUE(Store::erase(ports(), other));
  EXPECT_THAT(*leftovers.over(one), IsEmpty());
  EXPECT_TRUE(*store_->get(endpoint::Table::device, as_view("row")));
}

TEST_F(StoreTest, WhoIsSomebodyElseOrNobodyIsDropped) {
  const auto anna = person(), ben = person();
  commit(incoming(anna.persona(), part_of(ben)));
  commit(incoming(anna.persona(), {}));
  commit(incoming(anna.persona(), to_secret_bytes(as_view("\xff\xff\xff"))));
  EXPECT_EQ(store_->waiting(), 0U);
  EXPECT_EQ(store_->dropped(), 3U);
  write(anna, "who I am");
  commit(incoming(anna.persona(), {}, "who I was"));  // known by now
  EXPECT_EQ(store_->waiting(), 2U);
}

TEST_F(StoreTest, ClosingDropsWhatWaitsAndIsToldOnce) {
  const auto anna = person(), ben = person();
  write(anna, "never to be told");
  write(ben, "stays");
  commit(incoming(anna.persona(), part_of(anna, wire::PartKind::close), ""));
  ASSERT_TRUE(store_->close(anna.persona())) << "the service says so, too";
  reopen();
  const auto front = store_->front(anna.persona());
  ASSERT_TRUE(*front);
  EXPECT_EQ((*front)->message.kind, Received::Kind::closed);
  store_->finish(anna.persona(), (*front)->number);
  EXPECT_FALSE(*store_->front(anna.persona()));
  ASSERT_TRUE(store_->close(anna.persona()));
  EXPECT_FALSE(store_->has_waiting(anna.persona()));
  EXPECT_EQ(front_text(ben), "stays");
  write(anna, "back again");
  EXPECT_EQ(front_text(anna), "back again");
  ASSERT_TRUE(store_->close(anna.persona()));
  EXPECT_EQ((*store_->front(anna.persona()))->message.kind, Received::Kind::closed);
}

TEST_F(StoreTest, InOneBatchTheOrderCounts) {
  const auto anna = person();
  endpoint::Batch batch;
  batch.history.emplace_back(incoming(anna.persona(), part_of(anna), "before"));
  batch.history.emplace_back(incoming(anna.persona(), part_of(anna, wire::PartKind::close), ""));
  batch.history.emplace_back(incoming(anna.persona(), part_of(anna), "after"));
  ASSERT_TRUE(store_->commit(std::move(batch)));
  for (const bool again : {false, true}) {
    if (again) reopen();
    EXPECT_EQ(store_->waiting(), 2U);
    EXPECT_EQ((*store_->front(anna.persona()))->message.kind, Received::Kind::closed);
  }
  store_->finish(anna.persona(), (*store_->front(anna.persona()))->number);
  EXPECT_EQ(front_text(anna), "after");
  ASSERT_TRUE(store_->close(anna.persona()));
  EXPECT_EQ(store_->waiting(), 1U) << "it was open again";
}

TEST_F(StoreTest, OutcomesAreKnownForSevenDays) {
  const auto id = random_.id<MessageId>();
  const auto anna = person();
  EXPECT_FALSE(*store_->outcome(msp::Uuid(id.view())));
  endpoint::OutgoingMessage message;
  message.id = id;
  message.peer = anna.persona();
  message.body.text = to_secret_bytes(as_view(kMarker));
  commit(endpoint::AddOutgoing{std::move(message)});
  EXPECT_EQ(*store_->outcome(msp::Uuid(id.view())), Outcome::pending);
  EXPECT_EQ(to_string((*store_->outgoing(id))->text), kMarker);
  clock_.advance(std::chrono::days(2));
  commit(endpoint::SetOutgoingState{anna.persona(), id, MessageState::sent, Reason::none, clock_.now()});
  EXPECT_EQ(*store_->outcome(msp::Uuid(id.view())), Outcome::accepted);
  EXPECT_FALSE(*store_->outgoing(id)) << "the text stays no longer than it is needed";
  clock_.advance(std::chrono::days(6));
  store_->tick();
  EXPECT_FALSE(*store_->outcome(msp::Uuid(id.view()))) << "8 days after it was sent";
}

TEST_F(StoreTest, WhyAMessageFailedDecidesItsOutcome) {
  for (const auto& [reason, outcome] : {std::pair{Reason::closed, Outcome::closed},
                                        {Reason::no_such_account, Outcome::unknown},
                                        {Reason::no_device, Outcome::unknown},
                                        {Reason::expired, Outcome::expired}}) {
    endpoint::OutgoingMessage message;
    message.id = random_.id<MessageId>();
    const msp::Uuid id(message.id.view());
    commit(endpoint::AddOutgoing{std::move(message)});
    commit(endpoint::SetOutgoingState{{}, MessageId(id.view()), MessageState::failed, reason, clock_.now()});
    EXPECT_EQ(*store_->outcome(id), outcome);
  }
}

TEST_F(StoreTest, AnOutcomeAndWhatTheBusinessIsToldOfItAreOneCommit) {
  const auto anna = person();
  const auto sent = [&](MessageState state, Reason reason = Reason::none, std::optional<msp::Uuid> known = {}) {
    const msp::Uuid id = known.value_or(msp::Uuid(random_.bytes<16>()));
    commit(endpoint::SetOutgoingState{anna.persona(), MessageId(id.view()), state, reason, clock_.now()});
    return id;
  };
  const auto front = [&] { return std::move(**store_->front(anna.persona())); };
  write(anna, "taken soon");
  store_->finish(anna.persona(), front().number);
  store_->tell_statuses(true);
  const auto read = sent(MessageState::read);
  reopen();  // as after a death right behind the commit
  EXPECT_EQ(front().message.kind, Received::Kind::read);
  EXPECT_EQ(front().message.about, read);
  EXPECT_EQ(*store_->outcome(read), Outcome::read);
  const auto refused = sent(MessageState::failed, Reason::closed);
  reopen();
  EXPECT_EQ(*store_->outcome(refused), Outcome::closed);
  EXPECT_TRUE(store_->is_closed(anna.persona()));
  EXPECT_EQ(store_->waiting(), 1U) << "what waited is dropped";
  EXPECT_EQ(front().message.kind, Received::Kind::closed);
  store_->finish(anna.persona(), front().number);
  store_->tell_statuses(true);
  EXPECT_EQ(*store_->outcome(sent(MessageState::sent)), Outcome::closed) << "accepted too late to reach anybody";
  EXPECT_EQ(*store_->outcome(sent(MessageState::read)), Outcome::read) << "that one was read before";
  sent(MessageState::failed, Reason::closed);
  EXPECT_EQ(store_->waiting(), 0U) << "and the closing is told once";
  const msp::Uuid never(random_.bytes<16>());
  ASSERT_TRUE(store_->refuse(never));
  reopen();
  EXPECT_EQ(*store_->outcome(never), Outcome::closed);
}

TEST_F(StoreTest, AnOutcomeOfTheClosingEndsWhatCameBeforeItAlone) {
  const auto anna = person();
  endpoint::Batch batch;
  batch.history.emplace_back(incoming(anna.persona(), part_of(anna), "before"));
  batch.history.emplace_back(endpoint::SetOutgoingState{anna.persona(), random_.id<MessageId>(), MessageState::failed,
                                                        Reason::closed, clock_.now()});
  batch.history.emplace_back(incoming(anna.persona(), part_of(anna), "opened again"));
  write(anna, "long before");
  ASSERT_TRUE(store_->commit(std::move(batch)));
  EXPECT_EQ(store_->waiting(), 2U);
  store_->finish(anna.persona(), (*store_->front(anna.persona()))->number);
  EXPECT_EQ(front_text(anna), "opened again");
  EXPECT_FALSE(store_->is_closed(anna.persona()));
}

TEST_F(StoreTest, RowsOfTheEndpointAreItsOwnBusinessesAlone) {
  auto other = Store::open(ports(), msp::Uuid(random_.bytes<16>()));
  const auto row = [](std::string_view key, std::string_view value) {
    return endpoint::RowChange{endpoint::Table::session, to_bytes(as_view(key)), to_secret_bytes(as_view(value))};
  };
  endpoint::Batch batch;
  batch.rows.push_back(row("a1", "x"));
  batch.rows.push_back(row("a2", "y"));
  batch.rows.push_back(row("b", "z"));
  ASSERT_TRUE(store_->commit(std::move(batch)));
  EXPECT_EQ(to_string(**store_->get(endpoint::Table::session, as_view("a1"))), "x");
  EXPECT_FALSE(*store_->get(endpoint::Table::outbox, as_view("a1")));
  EXPECT_FALSE(*(*other)->get(endpoint::Table::session, as_view("a1")));
  const auto keys = [](const auto& rows) {
    std::vector<std::string> out;
    for (const auto& one : *rows) out.push_back(to_string(one.key));
    return out;
  };
  EXPECT_THAT(keys(store_->scan(endpoint::Table::session, as_view("a"), {}, 9)), ElementsAre("a1", "a2"));
  EXPECT_THAT(keys(store_->scan(endpoint::Table::session, {}, as_view("a1"), 9)), ElementsAre("a2", "b"));
  EXPECT_THAT(keys(store_->scan(endpoint::Table::session, {}, {}, 1)), ElementsAre("a1"));
  EXPECT_THAT(keys((*other)->scan(endpoint::Table::session, {}, {}, 9)), IsEmpty());
  ASSERT_TRUE(Store::erase(ports(), business_));
  EXPECT_FALSE(*store_->get(endpoint::Table::session, as_view("a1")));
}

TEST_F(StoreTest, AFullDiskChangesNothing) {
  const auto anna = person();
  write(anna, "kept");
  disk_.faults.full = true;
  endpoint::Batch batch;
  batch.history.emplace_back(incoming(anna.persona(), part_of(anna), "not kept"));
  EXPECT_EQ(store_->commit(std::move(batch)).error(), endpoint::StoreError::full);
  disk_.faults.full = false;
  EXPECT_EQ(store_->waiting(), 1U);
  reopen();
  EXPECT_EQ(store_->waiting(), 1U);
  EXPECT_EQ(front_text(anna), "kept");
}

TEST_F(StoreTest, OnAFullDiskWhatWasTakenGoesFromItsPlace) {
  const auto anna = person();
  write(anna, "settled");
  while (*rows_->settle()) {
  }
  write(anna, "fresh");  // in the journal, which can say nothing new now
  disk_.faults.full = true;
  for (int i = 0; i < 2; ++i) store_->finish(anna.persona(), (*store_->front(anna.persona()))->number);
  EXPECT_EQ(store_->forget_taken().error(), endpoint::StoreError::full);
  EXPECT_THAT(*raw_.scan(tables::kInbox, {}, {}, 9), IsEmpty());
  disk_.faults.full = false;
  ASSERT_TRUE(store_->forget_taken());
  reopen();
  EXPECT_EQ(store_->waiting(), 0U);
}

TEST_F(StoreTest, NothingReadableLiesInTheRows) {
  const auto anna = person();
  write(anna);
  endpoint::OutgoingMessage message;
  message.id = random_.id<MessageId>();
  message.body.text = to_secret_bytes(as_view(kMarker));
  commit(endpoint::AddOutgoing{std::move(message)});
  const auto look = [&] {
    const auto rows = disk_.copy().rows;
    for (const auto& [place, value] : rows) {
      EXPECT_EQ(as_text(value).find("MARKER"), std::string_view::npos) << place.first;
      EXPECT_EQ(as_text(value).find(anna.text().substr(9)), std::string_view::npos) << place.first;
      EXPECT_EQ(as_text(value).find(as_text(anna.bytes())), std::string_view::npos) << place.first;
    }
    return rows.size();
  };
  EXPECT_EQ(look(), 3U) << "two commits in the journal, and the check";
  while (*rows_->settle()) {
  }
  EXPECT_EQ(look(), 5U) << "person, message, answer, its outcome, and the check";
}

TEST_F(StoreTest, ADeadLetterComesBackToItsPlaceInTheQueue) {
  const auto anna = person();
  write(anna, "refused");
  write(anna, "second");
  const auto front = store_->front(anna.persona());
  ASSERT_TRUE(store_->bury(anna.persona(), (*front)->number, (*front)->message.id, Refusal::not_found, 3));
  reopen();
  ASSERT_EQ(store_->dead_letters().size(), 1U);
  EXPECT_EQ(store_->dead_letters()[0].attempts, 3U);
  EXPECT_TRUE(store_->dead_letters()[0].kept);
  EXPECT_EQ(*store_->retry(msp::Uuid(random_.bytes<16>())), Store::Retry::unknown);
  EXPECT_EQ(*store_->retry((*front)->message.id), Store::Retry::queued);
  EXPECT_EQ(*store_->retry((*front)->message.id), Store::Retry::unknown) << "it is no dead letter any more";
  EXPECT_THAT(store_->take_arrived(), ::testing::Contains(anna.persona()));
  for (const bool again : {false, true}) {
    if (again) reopen();
    EXPECT_EQ(front_text(anna), "refused");
    EXPECT_EQ((*store_->front(anna.persona()))->message.id, (*front)->message.id) << "by the same id";
    EXPECT_EQ(store_->waiting(), 2U);
    EXPECT_THAT(store_->dead_letters(), IsEmpty());
  }
  // The one behind it was under way when it came back.
  store_->finish(anna.persona(), (*front)->number + 1);
  EXPECT_EQ(front_text(anna), "refused");
}

TEST_F(StoreTest, ADeadLettersPlaceIsNobodyElses) {
  const auto anna = person();
  write(anna, "refused");
  const auto front = store_->front(anna.persona());
  ASSERT_TRUE(store_->bury(anna.persona(), (*front)->number, (*front)->message.id, Refusal::gone, 3));
  reopen();
  write(anna, "newer");
  EXPECT_EQ(*store_->retry((*front)->message.id), Store::Retry::queued);
  EXPECT_EQ(store_->waiting(), 2U);
  EXPECT_EQ(front_text(anna), "refused");
  store_->finish(anna.persona(), (*front)->number);
  EXPECT_EQ(front_text(anna), "newer");
}

TEST_F(StoreTest, ADeadLetterEndsWithItsConversationOrItsDay) {
  const auto anna = person(), ben = person();
  for (const auto& one : {anna, ben}) {
    write(one);
    const auto front = store_->front(one.persona());
    ASSERT_TRUE(store_->bury(one.persona(), (*front)->number, (*front)->message.id, Refusal::bad_request, 3));
  }
  const msp::Uuid of_ben(store_->dead_letters()[1].message);
  ASSERT_TRUE(store_->close(anna.persona()));
  for (const bool again : {false, true}) {
    if (again) reopen();
    ASSERT_EQ(store_->dead_letters().size(), 1U);
    EXPECT_EQ(store_->dead_letters()[0].persona, ben.persona());
  }
  ASSERT_TRUE(vault_.destroy_through(day_of(clock_.now())));
  EXPECT_EQ(*store_->retry(of_ben), Store::Retry::lost);
  clock_.advance(std::chrono::days(30));
  store_->tick();
  EXPECT_THAT(store_->dead_letters(), IsEmpty());
  reopen();
  EXPECT_THAT(store_->dead_letters(), IsEmpty());
}

TEST_F(StoreTest, TheTextOutOfHoursIsForEachPersonOnceADay) {
  const auto anna = person(), ben = person();
  EXPECT_FALSE(*store_->take_away_turn(anna.persona())) << "a stranger";
  write(anna);
  write(ben);
  EXPECT_TRUE(*store_->take_away_turn(anna.persona()));
  for (const bool again : {false, true}) {
    if (again) reopen();
    write(anna);
    EXPECT_FALSE(*store_->take_away_turn(anna.persona()));
  }
  EXPECT_TRUE(*store_->take_away_turn(ben.persona()));
  ASSERT_TRUE(store_->close(anna.persona()));
  write(anna, "again");
  reopen();
  EXPECT_FALSE(*store_->take_away_turn(anna.persona())) << "closing and opening asks for no other";
  clock_.advance(kAwayAgain);
  EXPECT_TRUE(*store_->take_away_turn(anna.persona()));
  clock_.jump(-std::chrono::days(2));
  EXPECT_TRUE(*store_->take_away_turn(anna.persona())) << "a clock that was set right";
}

TEST(Away, ItsIdsAreRecognisedAndOthersAreNot) {
  SeededRandom random(9);
  const MessageId id = make_own_id(random);
  EXPECT_TRUE(is_own_id(id));
  EXPECT_NE(id, make_own_id(random));
  EXPECT_FALSE(is_own_id(random.id<MessageId>()));
  EXPECT_TRUE(wire::decode_business_part(automatic_part())->automatic);
}

TEST_F(StoreTest, ADamagedMessageIsPassedOver) {
  const auto anna = person();
  write(anna, "damaged");
  write(anna, "whole");
  const auto front = store_->front(anna.persona());
  // The row itself stays authentic: what is sealed under the day's key is not (a key that was exchanged).
  Bytes key = to_bytes(business_.view());
  append(key, anna.persona().view());
  for (int i = 7; i >= 0; --i) key.push_back(static_cast<std::byte>((*front)->number >> (8 * i)));
  auto value = rows_->get(tables::kInbox, key);
  ASSERT_TRUE(value && *value);
  (**value).back() ^= std::byte{1};
  store::JournaledRows::Batch changes;
  changes.put(tables::kInbox, key, **value);
  ASSERT_TRUE(rows_->write(std::move(changes)));
  EXPECT_EQ(front_text(anna), "whole");
}

}  // namespace
}  // namespace opaline::gateway
