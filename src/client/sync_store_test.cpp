// What other devices of the account bring into the local store, deletions that stay, and stores of older versions.
#include <gtest/gtest.h>

#include <array>

#include "client/contacts.hpp"
#include "client/history_codec.hpp"
#include "client/sqlite_endpoint_store.hpp"
#include "wire/contents.hpp"

namespace opaline::client {
namespace {

namespace fs = std::filesystem;
using endpoint::Batch;
using endpoint::MessageState;

constexpr crypto::Argon2Cost kCheap{.memory_kib = 64, .passes = 1, .lanes = 1};
const Settings kSettings{"https://chat.example.org", ""};
constexpr DeviceNumber kThis{2}, kOther{1};

// The schemas as they were: never changed again.
constexpr const char* kFirstSchema = R"sql(
CREATE TABLE setting(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE row(place INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY(place, key)) WITHOUT ROWID;
CREATE TABLE entry(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  peer BLOB NOT NULL,
  message BLOB,
  device INTEGER NOT NULL DEFAULT 0,
  sent_at INTEGER NOT NULL,
  at INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,
  reason INTEGER NOT NULL DEFAULT 0,
  detail INTEGER NOT NULL DEFAULT 0,
  late INTEGER NOT NULL DEFAULT 0,
  shown INTEGER NOT NULL DEFAULT 0,
  text BLOB);
CREATE UNIQUE INDEX entry_message ON entry(kind, peer, message) WHERE message IS NOT NULL;
CREATE INDEX entry_peer ON entry(peer, id);
CREATE INDEX entry_unshown ON entry(shown, id) WHERE shown = 0;
CREATE TABLE contact(
  blind BLOB PRIMARY KEY,
  handle BLOB NOT NULL,
  account BLOB,
  pending BLOB,
  token BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  refresh_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE claim(account BLOB PRIMARY KEY, handle BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX contact_account ON contact(account) WHERE account IS NOT NULL;
)sql";
constexpr const char* kSecondSchema = R"sql(
CREATE TABLE former(account BLOB PRIMARY KEY, handle BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 2;
)sql";

Time at(std::int64_t seconds) {
  return from_unix_millis(1'700'000'000'000 + seconds * 1000);
}

/// A home with its open store.
class Device {
 public:
  Device(RandomSource& random, DeviceNumber number) : random_(random) {
    char path[] = "/tmp/opaline-home.XXXXXX";
    directory_ = mkdtemp(path);
    auto created = LocalStore::create(*Home::at(directory_), unlock(), kSettings, random, kCheap);
    EXPECT_TRUE(created);
    store_.emplace(std::move(*created));
    rows_.emplace(*store_, random);
    rows_->set_own_device(number);
  }
  ~Device() { fs::remove_all(directory_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] Unlock unlock() const { return {std::nullopt, directory_ / "device.key"}; }
  SqliteEndpointStore& rows() { return *rows_; }
  [[nodiscard]] const LocalStore& store() const { return *store_; }
  [[nodiscard]] History history() const { return History(*store_); }
  [[nodiscard]] Contacts contacts() const { return {*store_, random_}; }
  template <class Change>
  void apply(Change change) {
    Batch batch;
    batch.history.emplace_back(std::move(change));
    ASSERT_TRUE(rows_->commit(std::move(batch)));
  }
  MessageId sent(const AccountId& peer, std::string_view text, Time when, DeviceNumber by = {}) {
    const MessageId id = random_.id<MessageId>();
    apply(endpoint::AddOutgoing{{id, peer, {to_secret_bytes(as_view(text)), {}}, when, by}});
    return id;
  }
  MessageId came(const AccountId& peer, std::string_view text, Time when, MessageId id = {}) {
    if (id.is_zero()) id = random_.id<MessageId>();
    endpoint::IncomingMessage message;
    message.id = id;
    message.sender = {peer, DeviceNumber{1}};
    message.sent_at = message.received_at = when;
    message.body.text = to_secret_bytes(as_view(text));
    apply(endpoint::AddIncoming{std::move(message)});
    return id;
  }
  /// All pages since then go to another device.
  void give(Device& to, Time since = {}) {
    const auto pages = rows_->history_pages(since);
    ASSERT_TRUE(pages);
    for (const auto& page : *pages) {
      auto entries = rows_->history_page(page);
      ASSERT_TRUE(entries);
      EXPECT_LE(entries->size(), wire::kMaxHistoryPartBytes);
      to.apply(endpoint::AddHistory{std::move(*entries)});
    }
  }
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> out;
    const auto all = history().entries({}, 1000);
    EXPECT_TRUE(all);
    for (const Entry& e : *all) out.emplace_back(as_text(e.text));
    return out;
  }

 private:
  RandomSource& random_;
  fs::path directory_;
  std::optional<LocalStore> store_;
  std::optional<SqliteEndpointStore> rows_;
};

class SyncStoreTest : public testing::Test {
 protected:
  SeededRandom random_{7};
  Device here_{random_, kThis}, there_{random_, kOther};
  const AccountId ben_ = random_.id<AccountId>(), eve_ = random_.id<AccountId>();
};

using Texts = std::vector<std::string>;

TEST_F(SyncStoreTest, AStoreOfAnEarlierVersionIsBroughtUp) {
  for (const int version : {1, 2}) {
    Device old(random_, kThis);
    const MessageId first = old.sent(ben_, "first", at(10));
    old.came(ben_, "second", at(5));  // the clock was set back
    const Database& database = old.store().database();
    ASSERT_TRUE(database.execute(
        "CREATE TABLE entries_then AS SELECT id, kind, peer, message, device, sent_at, at, state, reason, detail, "
        "late, "
        "shown, text FROM entry; CREATE TABLE settings_then AS SELECT * FROM setting; DROP TABLE setting; "
        "DROP TABLE row; DROP TABLE entry; DROP TABLE contact; DROP TABLE claim; DROP TABLE former; "
        "DROP TABLE deleted_message; DROP TABLE deleted_conversation; DROP TABLE progress; "
        "DROP TABLE upload; DROP TABLE download; DROP TABLE errand; DROP TABLE persona; "
        "DROP TABLE shared; DROP TABLE part_file"));
    ASSERT_TRUE(database.execute(kFirstSchema));
    if (version == 2) ASSERT_TRUE(database.execute(kSecondSchema));
    ASSERT_TRUE(database.execute(
        "INSERT INTO entry SELECT * FROM entries_then; INSERT INTO setting SELECT * FROM settings_then"));
    ASSERT_TRUE(database.execute(version == 1 ? "PRAGMA user_version = 1" : "PRAGMA user_version = 2"));
    const Home home = *Home::at(old.unlock().key_file.parent_path());
    const auto store = LocalStore::open(home, old.unlock());
    ASSERT_TRUE(store);
    const auto entries = History(*store).entries({}, 10);
    ASSERT_TRUE(entries);
    ASSERT_EQ(entries->size(), 2U);
    EXPECT_EQ((*entries)[0].message, first) << "in the order of their arrival, also where the clock went back";
    EXPECT_EQ(as_text((*entries)[1].text), "second");
    EXPECT_EQ((*entries)[1].placed, at(10));
    EXPECT_TRUE((*entries)[1].attachments.empty());
    SqliteEndpointStore rows(*store, random_);
    EXPECT_EQ(as_text((*rows.outgoing(first))->text), "first");
    EXPECT_FALSE(*Contacts(*store, random_).former_handle(ben_));
    ASSERT_TRUE(LocalStore::open(home, old.unlock())) << "and once";
  }
}

TEST_F(SyncStoreTest, AttachmentsAreKeptSealed) {
  endpoint::Attachment file;
  file.blob = random_.id<endpoint::BlobId>();
  file.key = to_secret_bytes(as_view("a key that nobody may see: 32 by"));
  file.size_bytes = 3;
  file.name = "harbour.jpg";
  file.type = "image/jpeg";
  file.release = to_secret_bytes(random_.bytes<32>());
  const MessageId id = random_.id<MessageId>();
  here_.apply(endpoint::AddOutgoing{{id, ben_, {{}, {file}}, at(1)}});
  const auto body = here_.rows().outgoing(id);
  ASSERT_TRUE(body && *body);
  ASSERT_EQ((*body)->attachments.size(), 1U);
  EXPECT_EQ((*body)->attachments[0].release, file.release);
  EXPECT_EQ((*here_.history().outgoing(id))->attachments[0].name, "harbour.jpg");
  ASSERT_TRUE(here_.store().database().execute("UPDATE entry SET files = x'00'"));
  EXPECT_EQ(here_.rows().outgoing(id).error(), endpoint::StoreError::failed);
}

TEST_F(SyncStoreTest, WhatOtherDevicesWroteIsHereOnce) {
  const MessageId id = there_.sent(ben_, "from the laptop", at(1));
  here_.apply(endpoint::AddOutgoing{{id, ben_, {to_secret_bytes(as_view("from the laptop")), {}}, at(1), kOther}});
  const auto entry = here_.history().outgoing(id);
  ASSERT_TRUE(entry && *entry);
  EXPECT_EQ((*entry)->device, kOther);
  EXPECT_EQ((*entry)->state, MessageState::queued);
  there_.apply(endpoint::SetOutgoingState{ben_, id, MessageState::read, {}, at(2)});
  there_.give(here_);
  EXPECT_EQ(here_.texts(), Texts{"from the laptop"});
  EXPECT_EQ((*here_.history().outgoing(id))->state, MessageState::queued) << "what is here stays as it is";
}

TEST_F(SyncStoreTest, StatesOfWhatThePageBroughtRiseAndNeverFall) {
  using enum MessageState;
  const MessageId id = there_.sent(ben_, "from the laptop", at(1));
  there_.give(here_);
  const auto raise = [&](const AccountId& peer, MessageState state) {
    here_.apply(endpoint::RaiseOutgoingState{peer, id, state, at(5)});
    return (*here_.history().outgoing(id))->state;
  };
  EXPECT_EQ(raise(eve_, read), queued) << "it was not for her";
  EXPECT_EQ(raise(ben_, failed), failed);
  EXPECT_EQ(raise(ben_, sent), failed);
  EXPECT_EQ(raise(ben_, delivered), delivered);
  EXPECT_EQ(raise(ben_, failed), delivered);
  EXPECT_EQ(raise(ben_, sent), delivered);
  EXPECT_EQ(raise(ben_, read), read);
  EXPECT_EQ(raise(ben_, delivered), read);
  here_.apply(endpoint::RaiseOutgoingState{ben_, random_.id<MessageId>(), read, at(6)});  // what is not here
  const MessageId other = there_.sent(ben_, "another", at(2));
  there_.give(here_);
  here_.apply(endpoint::RaiseOutgoingState{ben_, other, sent, at(7)});
  EXPECT_EQ((*here_.history().outgoing(other))->state, sent);
}

TEST_F(SyncStoreTest, AMessageThatThePageBroughtMayComeAgain) {
  const MessageId id = there_.came(ben_, "hello", at(1));
  const MessageId ours = there_.sent(ben_, "hello yourself", at(2));
  there_.give(here_);
  here_.came(ben_, "hello", at(3), id);
  here_.apply(endpoint::AddOutgoing{{ours, ben_, {to_secret_bytes(as_view("hello yourself")), {}}, at(2), kOther}});
  EXPECT_EQ(here_.texts(), (Texts{"hello", "hello yourself"}));
}

TEST_F(SyncStoreTest, HistoryComesWhereItBelongs) {
  here_.came(ben_, "three", at(30));
  there_.came(ben_, "one", at(10));
  there_.sent(eve_, "two", at(20));
  there_.give(here_);
  EXPECT_EQ(here_.texts(), (Texts{"one", "two", "three"}));
  const auto two = here_.history().entries({.peers = {eve_}}, 10);
  EXPECT_EQ((*two)[0].device, kOther);
  here_.give(there_);
  EXPECT_EQ(there_.texts(), (Texts{"one", "two", "three"}));
  EXPECT_EQ((*there_.history().entries({.peers = {eve_}}, 10))[0].device, DeviceNumber{}) << "its own again";
}

TEST_F(SyncStoreTest, LiveMessagesKeepTheOrderOfArrival) {
  here_.came(ben_, "a", at(50));
  here_.came(ben_, "b", at(40));  // the clock went back
  here_.sent(ben_, "c", at(45), kOther);
  EXPECT_EQ(here_.texts(), (Texts{"a", "b", "c"}));
}

TEST_F(SyncStoreTest, PagesHoldWhatIsNewEnoughAndFit) {
  const std::string large(wire::kMaxTextBytes, 'x');
  for (int i = 0; i < 5; ++i) there_.came(ben_, large, at(i));
  for (int i = 0; i < 500; ++i) there_.came(ben_, "short", at(100 + i));
  const auto pages = there_.rows().history_pages({});
  ASSERT_TRUE(pages);
  EXPECT_GE(pages->size(), 6U);
  EXPECT_LE(pages->size(), 9U);
  there_.give(here_);
  EXPECT_EQ(here_.texts().size(), 505U);
  EXPECT_EQ(there_.rows().history_pages(at(599))->size(), 1U);
  EXPECT_EQ(decode_page(*there_.rows().history_page(there_.rows().history_pages(at(598))->front()))->size(), 2U);
  EXPECT_TRUE(there_.rows().history_pages(at(600))->empty());
  // What came in by a page is older than what was here: it is no part of what is new, wherever its id is.
  Device third(random_, DeviceNumber{3});
  third.came(eve_, "first here", at(300));
  there_.give(third);
  third.came(eve_, "last here", at(700));
  Device fourth(random_, DeviceNumber{4});
  third.give(fourth, at(598));
  EXPECT_EQ(fourth.texts(), (Texts{"short", "short", "last here"}));
}

TEST_F(SyncStoreTest, APageOfWhatWasDeletedMeanwhileIsSmaller) {
  const MessageId id = there_.came(ben_, "gone", at(1));
  there_.came(ben_, "stays", at(2));
  const auto pages = there_.rows().history_pages({});
  there_.apply(endpoint::DeleteMessages{ben_, {id}});
  here_.apply(endpoint::AddHistory{*there_.rows().history_page(pages->front())});
  EXPECT_EQ(here_.texts(), Texts{"stays"});
  there_.apply(endpoint::DeleteConversation{ben_, at(5)});
  EXPECT_TRUE(there_.rows().history_page(pages->front())->empty());
}

TEST_F(SyncStoreTest, ADamagedPageChangesNothing) {
  there_.came(ben_, "hello", at(1));
  SecretBytes page = *there_.rows().history_page(there_.rows().history_pages({})->front());
  here_.apply(endpoint::AddHistory{to_secret_bytes(ByteView(page).first(page.size() - 1))});
  page[0] = std::byte{9};
  here_.apply(endpoint::AddHistory{page});
  here_.apply(endpoint::AddHistory{});
  EXPECT_TRUE(here_.texts().empty());
}

TEST_F(SyncStoreTest, ReadOnOneDeviceIsReadOnAll) {
  const MessageId id = here_.came(ben_, "hello", at(1));
  here_.apply(endpoint::MarkRead{eve_, {id}});
  EXPECT_EQ(here_.history().entries({.unshown_only = true}, 10)->size(), 1U) << "of somebody else";
  here_.apply(endpoint::MarkRead{ben_, {id, random_.id<MessageId>()}});
  EXPECT_TRUE(here_.history().entries({.unshown_only = true}, 10)->empty());
}

TEST_F(SyncStoreTest, LinesBeforeWhatWasReadElsewhereAreReadAndAlarmsAreNot) {
  using endpoint::NoticeKind;
  const auto unshown = [&] {
    std::vector<NoticeKind> out;
    for (const Entry& entry : *here_.history().entries({.unshown_only = true}, 10))
      if (entry.kind == EntryKind::notice) out.push_back(entry.notice);
    return out;
  };
  for (const NoticeKind kind : {NoticeKind::first_contact, NoticeKind::device_list_changed,
                                NoticeKind::identity_changed, NoticeKind::list_forked, NoticeKind::verify_again})
    here_.apply(endpoint::AddNotice{ben_, kind, at(1)});
  here_.apply(endpoint::AddNotice{eve_, NoticeKind::first_contact, at(1)});
  const MessageId id = here_.came(ben_, "hello", at(2));
  here_.apply(endpoint::AddNotice{ben_, NoticeKind::messages_expired, at(3)});
  here_.apply(endpoint::MarkRead{ben_, {random_.id<MessageId>()}});
  EXPECT_EQ(unshown().size(), 7U) << "of a message that is not here";
  here_.apply(endpoint::MarkRead{ben_, {id}});
  EXPECT_EQ(unshown(), (std::vector{NoticeKind::identity_changed, NoticeKind::list_forked, NoticeKind::verify_again,
                                    NoticeKind::first_contact, NoticeKind::messages_expired}));
}

TEST_F(SyncStoreTest, TheLatestWithSomebodyAndWhatIsThere) {
  const AccountId nobody = random_.id<AccountId>();
  EXPECT_EQ(*here_.history().latest(std::array{nobody}), std::nullopt);
  EXPECT_EQ(*here_.history().latest({}), std::nullopt);
  const MessageId id = here_.came(ben_, "first", at(9));
  here_.came(ben_, "second", at(3));
  here_.sent(eve_, "third", at(20));
  EXPECT_EQ(*here_.history().latest(std::array{nobody, ben_}), at(9)) << "by the sender's clock";
  EXPECT_EQ(*here_.history().latest(std::array{eve_, ben_}), at(20));
  const auto beginning = [&](std::initializer_list<AccountId> peers, std::string_view begin) {
    return *here_.history().beginning(std::vector(peers), begin);
  };
  EXPECT_EQ(beginning({nobody, ben_}, id.hex()), std::vector{id});
  EXPECT_EQ(beginning({ben_, ben_}, id.hex().substr(0, 8)), std::vector{id}) << "once";
  EXPECT_TRUE(beginning({eve_}, id.hex()).empty()) << "of somebody else";
  EXPECT_TRUE(beginning({ben_}, random_.id<MessageId>().hex()).empty());
  EXPECT_TRUE(beginning({}, id.hex()).empty());
  EXPECT_EQ(beginning({ben_}, "").size(), 2U) << "two are as good as more";
}

TEST_F(SyncStoreTest, WhatWasDeletedDoesNotComeBack) {
  const MessageId gone = there_.came(ben_, "gone", at(1));
  there_.came(ben_, "stays", at(2));
  there_.sent(eve_, "old", at(3));
  there_.sent(eve_, "new", at(9));
  here_.apply(endpoint::DeleteMessages{ben_, {gone}});
  here_.apply(endpoint::DeleteConversation{eve_, at(8)});
  here_.apply(endpoint::DeleteConversation{eve_, at(3)});  // an older one does not take that back
  there_.give(here_);
  EXPECT_EQ(here_.texts(), (Texts{"stays", "new"}));
  here_.apply(endpoint::DeleteConversation{eve_, at(9)});
  here_.apply(endpoint::DeleteMessages{ben_, {(*here_.history().entries({}, 1))[0].message}});
  EXPECT_TRUE(here_.texts().empty());
  there_.give(here_);
  EXPECT_TRUE(here_.texts().empty());
}

TEST_F(SyncStoreTest, ContactsOfAnotherDeviceAreTakenWhereNothingIsKnown) {
  here_.apply(endpoint::AddContact{ben_, "ben@example.org", at(1)});
  const auto contact = here_.contacts().find("ben@example.org");
  ASSERT_TRUE(contact && *contact);
  EXPECT_EQ((*contact)->account, ben_);
  EXPECT_EQ((*contact)->refresh_at, from_unix_millis(0)) << "asked for again before it is used";
  EXPECT_TRUE(here_.rows().take_alarms().empty());
  here_.apply(endpoint::AddContact{ben_, "ben@example.org", at(1)});
  here_.apply(endpoint::AddContact{eve_, "", at(1)});
  EXPECT_TRUE(here_.rows().take_alarms().empty());
  EXPECT_EQ(here_.contacts().all()->size(), 1U);
}

TEST_F(SyncStoreTest, AContactThatIsSomebodyElseHereIsAnAlarm) {
  here_.apply(endpoint::AddContact{ben_, "ben@example.org", at(1)});
  here_.apply(endpoint::AddContact{eve_, "ben@example.org", at(2)});
  EXPECT_EQ(here_.rows().take_alarms(), std::vector{ben_});
  EXPECT_TRUE(here_.rows().take_alarms().empty());
  here_.apply(endpoint::AddContact{eve_, "ben@example.org", at(2)});
  EXPECT_TRUE(here_.rows().take_alarms().empty()) << "once";
  const auto contact = here_.contacts().find("ben@example.org");
  EXPECT_EQ((*contact)->account, ben_);
  EXPECT_EQ((*contact)->pending, eve_);
  ASSERT_TRUE(here_.contacts().accept(**contact));
  here_.apply(endpoint::AddContact{ben_, "ben@example.org", at(1)});  // from a device that knows nothing of it yet
  EXPECT_TRUE(here_.rows().take_alarms().empty());
  EXPECT_EQ((*here_.contacts().find("ben@example.org"))->account, eve_);
  EXPECT_FALSE((*here_.contacts().find("ben@example.org"))->pending);
}

TEST_F(SyncStoreTest, ContactsAreHandlesAndConversations) {
  ASSERT_TRUE(here_.contacts().save({"+49 151 23", ben_, std::nullopt, {}, {}, {}}));
  ASSERT_TRUE(here_.contacts().save({"+4915123", ben_, std::nullopt, {}, {}, {}}));
  ASSERT_TRUE(here_.contacts().save({"nobody@example.org", std::nullopt, std::nullopt, {}, {}, {}}));
  here_.came(eve_, "hello", at(4));
  const auto contacts = here_.rows().contacts();
  ASSERT_TRUE(contacts);
  ASSERT_EQ(contacts->size(), 2U);
  for (const auto& contact : *contacts) {
    EXPECT_EQ(contact.handle, contact.account == ben_ ? "+4915123" : "");
    EXPECT_EQ(contact.active_at, contact.account == ben_ ? Time{} : at(4));
  }
  const auto talks = here_.history().conversations();
  ASSERT_EQ(talks->size(), 1U);
  EXPECT_EQ((*talks)[0].unread, 1U);
}

}  // namespace
}  // namespace opaline::client
