// The device's local store on a real disk: home, key, rows, history, contacts; and what damage and strangers do to it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "client/contacts.hpp"
#include "client/history.hpp"
#include "client/sqlite_endpoint_store.hpp"

namespace opaline::client {
namespace {

namespace fs = std::filesystem;
using endpoint::Table;

constexpr crypto::Argon2Cost kCheap{.memory_kib = 64, .passes = 1, .lanes = 1};
const Settings kSettings{"https://chat.example.org", ""};

class LocalStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/opaline-home.XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    directory_ = path;
  }
  void TearDown() override { fs::remove_all(directory_); }

  Home home() { return *Home::at(directory_); }
  Unlock by_file() { return {std::nullopt, home().key_file()}; }
  Unlock by_passphrase(std::string_view text) { return {to_secret_bytes(as_view(text)), {}}; }
  LocalStore created() {
    auto store = LocalStore::create(home(), by_file(), kSettings, random_, kCheap);
    EXPECT_TRUE(store);
    return std::move(*store);
  }
  std::string all_files() {
    std::string out;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      std::ifstream in(entry.path(), std::ios::binary);
      out.append(std::istreambuf_iterator<char>(in), {});
    }
    return out;
  }

  SeededRandom random_{1};
  fs::path directory_;
};

endpoint::Batch outgoing(const MessageId& id, const AccountId& peer, std::string_view text) {
  endpoint::Batch batch;
  batch.history.emplace_back(
      endpoint::AddOutgoing{{id, peer, {to_secret_bytes(as_view(text)), {}}, from_unix_millis(1000)}});
  return batch;
}

endpoint::Batch incoming(const MessageId& id, const AccountId& peer, std::string_view text) {
  endpoint::Batch batch;
  endpoint::IncomingMessage message;
  message.id = id;
  message.sender = {peer, DeviceNumber(1)};
  message.sent_at = from_unix_millis(2000);
  message.received_at = from_unix_millis(2500);
  message.body.text = to_secret_bytes(as_view(text));
  batch.history.emplace_back(endpoint::AddIncoming{std::move(message)});
  return batch;
}

TEST_F(LocalStoreTest, AHomeThatOthersCanReadIsRefused) {
  ASSERT_TRUE(Home::at(directory_));
  fs::permissions(directory_, fs::perms::group_read, fs::perm_options::add);
  EXPECT_EQ(Home::at(directory_).error(), ClientError::permissions);
}

TEST_F(LocalStoreTest, OneProcessAtATime) {
  const auto lock = home().lock();
  ASSERT_TRUE(lock);
  EXPECT_EQ(home().lock().error(), ClientError::locked);
}

TEST_F(LocalStoreTest, OpensWithItsKeyFileAndNothingElse) {
  EXPECT_EQ(LocalStore::open(home(), by_file()).error(), ClientError::not_registered);
  {
    const LocalStore store = created();
  }
  EXPECT_EQ(LocalStore::create(home(), by_file(), kSettings, random_).error(), ClientError::registered);
  const auto again = LocalStore::open(home(), by_file());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->settings()->server, "https://chat.example.org");
  fs::permissions(home().key_file(), fs::perms::group_read, fs::perm_options::add);
  EXPECT_EQ(LocalStore::open(home(), by_file()).error(), ClientError::permissions);
  fs::permissions(home().key_file(), fs::perms::group_read, fs::perm_options::remove);
  fs::resize_file(home().key_file(), 31);
  EXPECT_EQ(LocalStore::open(home(), by_file()).error(), ClientError::wrong_passphrase);
  fs::remove(home().key_file());
  EXPECT_EQ(LocalStore::open(home(), by_file()).error(), ClientError::wrong_passphrase);
  EXPECT_FALSE(fs::exists(home().key_file())) << "opening makes no key";
}

TEST_F(LocalStoreTest, OpensWithItsPassphraseAndNothingElse) {
  {
    ASSERT_TRUE(LocalStore::create(home(), by_passphrase("correct horse"), kSettings, random_, kCheap));
  }
  EXPECT_TRUE(*LocalStore::wants_passphrase(home()));
  EXPECT_FALSE(fs::exists(home().key_file()));
  EXPECT_TRUE(LocalStore::open(home(), by_passphrase("correct horse")));
  EXPECT_EQ(LocalStore::open(home(), by_passphrase("correct horsf")).error(), ClientError::wrong_passphrase);
  EXPECT_EQ(LocalStore::open(home(), by_file()).error(), ClientError::passphrase_needed);
}

TEST_F(LocalStoreTest, RowsAreThereAgainInKeyOrder) {
  {
    const LocalStore store = created();
    SqliteEndpointStore rows(store, random_);
    endpoint::Batch batch;
    for (const char* key : {"b2", "a", "b", "b1", "c"})
      batch.rows.push_back({Table::session, to_bytes(key), to_secret_bytes(as_view(std::string("value of ") + key))});
    batch.rows.push_back({Table::peer, to_bytes("b"), to_secret_bytes(as_view("other table"))});
    ASSERT_TRUE(rows.commit(std::move(batch)));
  }
  const auto store = LocalStore::open(home(), by_file());
  SqliteEndpointStore rows(*store, random_);
  EXPECT_EQ(as_text(**rows.get(Table::session, as_view("b1"))), "value of b1");
  EXPECT_FALSE(*rows.get(Table::session, as_view("zz")));
  const auto scanned = rows.scan(Table::session, as_view("b"), {}, 10);
  ASSERT_EQ(scanned->size(), 3U);
  EXPECT_EQ(as_text((*scanned)[0].key), "b");
  EXPECT_EQ(as_text((*scanned)[2].key), "b2");
  EXPECT_EQ(rows.scan(Table::session, as_view("b"), as_view("b"), 1)->front().key, to_bytes("b1"));
  EXPECT_EQ(rows.scan(Table::session, {}, {}, 10)->size(), 5U);
  endpoint::Batch erase;
  erase.rows.push_back({Table::session, to_bytes("b"), std::nullopt});
  ASSERT_TRUE(rows.commit(std::move(erase)));
  EXPECT_FALSE(*rows.get(Table::session, as_view("b")));
  EXPECT_TRUE(*rows.get(Table::peer, as_view("b")));
}

TEST_F(LocalStoreTest, ScansWithAPrefixOfAllOnesAreBounded) {
  const LocalStore store = created();
  SqliteEndpointStore rows(store, random_);
  endpoint::Batch batch;
  batch.rows.push_back({Table::seen, Bytes(2, std::byte{0xff}), SecretBytes(1)});
  batch.rows.push_back({Table::seen, Bytes(1, std::byte{0xfe}), SecretBytes(1)});
  ASSERT_TRUE(rows.commit(std::move(batch)));
  EXPECT_EQ(rows.scan(Table::seen, Bytes(1, std::byte{0xff}), {}, 10)->size(), 1U);
}

TEST_F(LocalStoreTest, ABatchIsAllOrNothing) {
  const LocalStore store = created();
  SqliteEndpointStore rows(store, random_);
  const AccountId peer = random_.id<AccountId>();
  const MessageId id = random_.id<MessageId>();
  ASSERT_TRUE(rows.commit(outgoing(id, peer, "first")));
  endpoint::Batch batch = outgoing(id, peer, "the same id again");  // violates a constraint
  batch.rows.push_back({Table::outbox, to_bytes("key"), SecretBytes(3)});
  EXPECT_FALSE(rows.commit(std::move(batch)));
  EXPECT_FALSE(*rows.get(Table::outbox, as_view("key")));
  EXPECT_EQ(as_text((*rows.outgoing(id))->text), "first");
}

TEST_F(LocalStoreTest, HistoryShowsBothDirectionsStatesAndNotices) {
  const LocalStore store = created();
  SqliteEndpointStore rows(store, random_);
  const History history(store);
  const AccountId peer = random_.id<AccountId>(), other = random_.id<AccountId>();
  const MessageId ours = random_.id<MessageId>(), theirs = random_.id<MessageId>();
  ASSERT_TRUE(rows.commit(outgoing(ours, peer, "hello")));
  ASSERT_TRUE(rows.commit(incoming(theirs, peer, "hello yourself")));
  ASSERT_TRUE(rows.commit(outgoing(random_.id<MessageId>(), other, "somebody else")));
  endpoint::Batch batch;
  batch.history.emplace_back(endpoint::SetOutgoingState{peer, ours, endpoint::MessageState::read,
                                                        endpoint::Reason::none, from_unix_millis(3000)});
  batch.history.emplace_back(endpoint::AddNotice{peer, endpoint::NoticeKind::first_contact, from_unix_millis(3001)});
  ASSERT_TRUE(rows.commit(std::move(batch)));

  const auto all = history.entries({}, 100);
  ASSERT_EQ(all->size(), 4U);
  const auto with_peer = history.entries({.peers = {peer}, .unshown_only = false, .after = 0}, 100);
  ASSERT_EQ(with_peer->size(), 3U);
  EXPECT_EQ((*with_peer)[0].state, endpoint::MessageState::read);
  EXPECT_EQ(as_text((*with_peer)[1].text), "hello yourself");
  EXPECT_EQ((*with_peer)[2].notice, endpoint::NoticeKind::first_contact);
  EXPECT_EQ(history.entries({}, 1)->front().id, all->back().id) << "the newest are kept";
  EXPECT_EQ((*history.outgoing(ours))->state, endpoint::MessageState::read);

  const auto unshown = history.entries({.peers = {}, .unshown_only = true, .after = 0}, 100);
  ASSERT_EQ(unshown->size(), 2U);
  const std::int64_t ids[] = {(*unshown)[0].id, (*unshown)[1].id};
  ASSERT_TRUE(history.mark_shown(ids));
  EXPECT_TRUE(history.entries({.peers = {}, .unshown_only = true, .after = 0}, 100)->empty());
}

TEST_F(LocalStoreTest, NoTextHandleOrKeyIsInTheFiles) {
  const LocalStore store = created();
  SqliteEndpointStore rows(store, random_);
  const AccountId peer = random_.id<AccountId>();
  ASSERT_TRUE(rows.commit(outgoing(random_.id<MessageId>(), peer, "meet me at the harbour")));
  ASSERT_TRUE(rows.commit(incoming(random_.id<MessageId>(), peer, "at the lighthouse instead")));
  endpoint::Batch batch;
  batch.rows.push_back({Table::session, to_bytes("k"), to_secret_bytes(as_view("a very secret ratchet key"))});
  ASSERT_TRUE(rows.commit(std::move(batch)));
  const Contacts contacts(store, random_);
  ASSERT_TRUE(contacts.save(
      {"anna@example.org", peer, std::nullopt, to_bytes("token"), from_unix_millis(1), from_unix_millis(1)}));
  const std::string files = all_files();
  for (const char* text : {"harbour", "lighthouse", "ratchet", "anna@example"})
    EXPECT_EQ(files.find(text), std::string::npos) << text;
  EXPECT_NE(files.find("chat.example.org"), std::string::npos) << "the search works: the server's address is in clear";
}

TEST_F(LocalStoreTest, SwappedOrChangedValuesDoNotOpen) {
  const LocalStore store = created();
  SqliteEndpointStore rows(store, random_);
  endpoint::Batch batch;
  batch.rows.push_back({Table::session, to_bytes("a"), to_secret_bytes(as_view("alpha"))});
  batch.rows.push_back({Table::session, to_bytes("b"), to_secret_bytes(as_view("beta"))});
  ASSERT_TRUE(rows.commit(std::move(batch)));
  ASSERT_TRUE(
      store.database().execute("UPDATE row SET value = (SELECT value FROM row WHERE key = x'62') WHERE key = x'61'"));
  EXPECT_EQ(rows.get(Table::session, as_view("a")).error(), endpoint::StoreError::failed);
  EXPECT_TRUE(*rows.get(Table::session, as_view("b")));
  EXPECT_EQ(rows.scan(Table::session, {}, {}, 10).error(), endpoint::StoreError::failed);
}

TEST_F(LocalStoreTest, ADamagedDatabaseIsAnErrorNeverACrash) {
  {
    const LocalStore store = created();
    SqliteEndpointStore rows(store, random_);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(rows.commit(incoming(random_.id<MessageId>(), AccountId(), "some text")));
  }
  std::string original;
  {
    std::ifstream in(home().database_file(), std::ios::binary);
    original.assign(std::istreambuf_iterator<char>(in), {});
  }
  ASSERT_GT(original.size(), 8192U);
  for (int round = 0; round < 300; ++round) {
    std::string bad = original;
    for (int i = 0; i < 1 + round % 40; ++i) bad[random_.below(bad.size())] = static_cast<char>(random_.below(256));
    if (round % 7 == 0) bad.resize(random_.below(bad.size()));
    fs::remove(home().database_file().string() + "-wal");
    fs::remove(home().database_file().string() + "-shm");
    std::ofstream(home().database_file(), std::ios::binary | std::ios::trunc) << bad;
    const auto store = LocalStore::open(home(), by_file());
    if (!store) continue;
    SqliteEndpointStore rows(*store, random_);
    (void)rows.scan(Table::session, {}, {}, 10);
    (void)rows.commit(incoming(random_.id<MessageId>(), AccountId(), "more"));
    (void)History(*store).entries({}, 100);
  }
}

TEST_F(LocalStoreTest, ANewerStoreIsLeftAlone) {
  {
    const LocalStore store = created();
    ASSERT_TRUE(store.database().execute("PRAGMA user_version = 8"));
  }
  EXPECT_EQ(LocalStore::open(home(), by_file()).error(), ClientError::store_newer);
}

TEST_F(LocalStoreTest, WhoLeftStaysPinnedAndWhoIsAcceptedLeavesAFormer) {
  const LocalStore store = created();
  const Contacts contacts(store, random_);
  const AccountId before = random_.id<AccountId>(), now = random_.id<AccountId>();
  for (const char* spelling : {"anna@example.org", "Anna@example.org"}) {
    Contact contact{spelling, before, std::nullopt, to_bytes("t"), from_unix_millis(50), from_unix_millis(40)};
    contact.gone = true;
    ASSERT_TRUE(contacts.save(contact));
    const auto gone = *contacts.find(spelling);
    EXPECT_TRUE(gone->gone);
    EXPECT_EQ(gone->account, before);
    EXPECT_FALSE(gone->pending);
    contact.gone = false;
    contact.pending = now;
    ASSERT_TRUE(contacts.save(contact));
  }
  ASSERT_TRUE(contacts.accept(**contacts.find("anna@example.org")));
  for (const char* spelling : {"anna@example.org", "Anna@example.org"}) {
    EXPECT_EQ((*contacts.find(spelling))->account, now);
    EXPECT_FALSE((*contacts.find(spelling))->pending);
  }
  EXPECT_EQ(*contacts.former_handle(before), "anna@example.org");
  EXPECT_FALSE(*contacts.former_handle(now));
  EXPECT_EQ(*contacts.accounts_of("anna@example.org"), (std::vector{now, before}));
  EXPECT_EQ(*contacts.accounts_of("Anna@example.org"), std::vector{now});
  EXPECT_TRUE(contacts.accounts_of("ben@example.org")->empty());
  EXPECT_EQ(all_files().find("anna@"), std::string::npos);
}

TEST_F(LocalStoreTest, ContactsKeepNegativeAnswersToo) {
  const LocalStore store = created();
  const Contacts contacts(store, random_);
  const AccountId account = random_.id<AccountId>();
  ASSERT_TRUE(contacts.save(
      {"anna@example.org", account, std::nullopt, to_bytes("t1"), from_unix_millis(50), from_unix_millis(40)}));
  ASSERT_TRUE(contacts.save(
      {"nobody@example.org", std::nullopt, std::nullopt, to_bytes("t2"), from_unix_millis(60), from_unix_millis(55)}));
  EXPECT_EQ((*contacts.find("anna@example.org"))->account, account);
  EXPECT_EQ((*contacts.find(account))->handle, "anna@example.org");
  const auto nobody = *contacts.find("nobody@example.org");
  ASSERT_TRUE(nobody);
  EXPECT_FALSE(nobody->account);
  EXPECT_EQ(nobody->refresh_at, from_unix_millis(55));
  EXPECT_FALSE(*contacts.find("stranger@example.org"));
  ASSERT_TRUE(contacts.distrust(account));
  EXPECT_EQ((*contacts.find("anna@example.org"))->refresh_at, from_unix_millis(0));
  EXPECT_EQ((*contacts.find("nobody@example.org"))->refresh_at, from_unix_millis(55));
  Contact moved = **contacts.find("anna@example.org");
  moved.pending = random_.id<AccountId>();
  ASSERT_TRUE(contacts.save(moved));
  EXPECT_EQ((*contacts.find("anna@example.org"))->pending, moved.pending);
  EXPECT_EQ((*contacts.find("anna@example.org"))->account, account);
}

}  // namespace
}  // namespace opaline::client
