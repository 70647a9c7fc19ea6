// Personas in the local store, what stands beside the words, and a store of the version before them.
#include "client/persona_book.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "client/sqlite_endpoint_store.hpp"
#include "session/identity.hpp"

namespace opaline::client {
namespace {

namespace fs = std::filesystem;
using endpoint::PersonaStanding;
using endpoint::PersonaState;

class PersonaBookTest : public ::testing::Test {
 protected:
  PersonaBookTest() {
    char path[] = "/tmp/opaline-home.XXXXXX";
    directory_ = mkdtemp(path);
    auto created = LocalStore::create(*Home::at(directory_), unlock(), {"https://chat.example.org", ""}, random_,
                                      {.memory_kib = 64, .passes = 1, .lanes = 1});
    EXPECT_TRUE(created);
    store_.emplace(std::move(*created));
    rows_.emplace(*store_, random_);
    rows_->set_own_device(DeviceNumber{1});
  }
  ~PersonaBookTest() override { fs::remove_all(directory_); }

  [[nodiscard]] Unlock unlock() const { return {std::nullopt, directory_ / "device.key"}; }
  PersonaState persona(std::int64_t changed, PersonaStanding state = PersonaStanding::open) {
    PersonaState out{.business = random_.id<AccountId>(), .root = session::AccountKey::generate(random_).serialise()};
    random_.fill(out.opaque_id);
    out.state = state;
    out.changed_at = from_unix_millis(changed);
    return out;
  }
  template <class Change>
  bool apply(Change change) {
    endpoint::Batch batch;
    batch.history.emplace_back(std::move(change));
    return rows_->commit(std::move(batch)).has_value();
  }
  [[nodiscard]] PersonaBook book() { return {*store_, random_}; }
  static void expect_same(const PersonaState& a, const PersonaState& b) {
    EXPECT_EQ(a.business, b.business);
    EXPECT_EQ(a.opaque_id, b.opaque_id);
    EXPECT_EQ(a.root, b.root);
    EXPECT_EQ(a.state, b.state);
    EXPECT_EQ(a.changed_at, b.changed_at);
  }

  SeededRandom random_{17};
  fs::path directory_;
  std::optional<LocalStore> store_;
  std::optional<SqliteEndpointStore> rows_;
};

TEST_F(PersonaBookTest, TheLaterWordIsKept) {
  const PersonaState first = persona(1000);
  EXPECT_FALSE(*book().find(first.business));
  ASSERT_TRUE(book().set(first));
  expect_same(**book().find(first.business), first);

  PersonaState later = persona(1001, PersonaStanding::closed);
  later.business = first.business;
  ASSERT_TRUE(apply(endpoint::AddPersona{later}));
  expect_same(**book().find(first.business), later);
  ASSERT_TRUE(apply(endpoint::AddPersona{first}));
  ASSERT_TRUE(book().set(first));
  expect_same(**book().find(first.business), later);

  const PersonaState other = persona(1, PersonaStanding::blocked);
  ASSERT_TRUE(apply(endpoint::AddPersona{other}));
  ASSERT_EQ(book().list()->size(), 2U);
  ASSERT_EQ(rows_->personas()->size(), 2U);
  expect_same(**book().find(other.business), other);
}

TEST_F(PersonaBookTest, OfTwoWordsOfOneMomentAllDevicesKeepTheSame) {
  PersonaState open = persona(1000), blocked = open, another = open;
  blocked.state = PersonaStanding::blocked;
  another.opaque_id[0] = static_cast<std::byte>(std::to_integer<int>(open.opaque_id[0]) ^ 1);
  std::vector<PersonaState> words{open, another, blocked};
  for (int order = 0; order < 6; ++order) {
    std::next_permutation(words.begin(), words.end(), [](const PersonaState& a, const PersonaState& b) {
      return std::tie(a.state, a.opaque_id) < std::tie(b.state, b.opaque_id);
    });
    ASSERT_TRUE(store_->database().execute("DELETE FROM persona"));
    for (const PersonaState& word : words) ASSERT_TRUE(book().set(word));
    expect_same(**book().find(open.business), blocked);
  }
}

TEST_F(PersonaBookTest, TheNextWordIsLaterThanTheLastWhateverTheClockSays) {
  const Time now = from_unix_millis(5000);
  EXPECT_EQ(PersonaBook::next_word(now, std::nullopt), now);
  EXPECT_EQ(PersonaBook::next_word(now, persona(4000)), now);
  EXPECT_EQ(PersonaBook::next_word(now, persona(5000)), from_unix_millis(5001));
  EXPECT_EQ(PersonaBook::next_word(now, persona(9000)), from_unix_millis(9001));
}

TEST_F(PersonaBookTest, NeitherRootNorOpaqueIdNorPartIsInTheFiles) {
  PersonaState known = persona(1000);
  std::ranges::fill(known.opaque_id, std::byte{'Q'});
  known.root = to_secret_bytes(as_view(std::string(1, '\x01') + std::string(64, 'R')));
  ASSERT_TRUE(session::AccountKey::deserialise(known.root));
  ASSERT_TRUE(book().set(known));
  expect_same(**book().find(known.business), known);
  ASSERT_TRUE(apply(endpoint::AddOutgoing{{.id = random_.id<MessageId>(),
                                           .peer = known.business,
                                           .body = {{}, {}, to_secret_bytes(as_view("interactive marker"))},
                                           .sent_at = from_unix_millis(1)}}));
  std::string all;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    std::ifstream in(entry.path(), std::ios::binary);
    all.append(std::istreambuf_iterator<char>(in), {});
  }
  EXPECT_NE(all.find("chat.example.org"), std::string::npos) << "the search works";
  for (const char* text : {"QQQQQQQQ", "RRRRRRRR", "interactive marker"})
    EXPECT_EQ(all.find(text), std::string::npos) << text;
}

TEST_F(PersonaBookTest, DamagedAndSwappedRowsAreFoundOut) {
  const PersonaState one = persona(1), two = persona(2);
  ASSERT_TRUE(book().set(one));
  ASSERT_TRUE(book().set(two));
  ASSERT_TRUE(store_->database().execute("UPDATE persona SET state = 4 WHERE changed_at = 1"));
  EXPECT_EQ(book().find(one.business).error(), ClientError::store_damaged);
  EXPECT_TRUE(book().find(two.business));
  ASSERT_TRUE(store_->database().execute(
      "UPDATE persona SET state = 1, secret = (SELECT secret FROM persona WHERE changed_at = 2)"));
  EXPECT_EQ(book().find(one.business).error(), ClientError::store_damaged);
  EXPECT_EQ(book().list().error(), ClientError::store_damaged);
  EXPECT_EQ(rows_->personas().error(), endpoint::StoreError::failed);
  EXPECT_FALSE(apply(endpoint::AddPersona{one}));
}

TEST_F(PersonaBookTest, PartsAreKeptBothWaysAndGoWithTheHistory) {
  const AccountId business = random_.id<AccountId>();
  const MessageId ours = random_.id<MessageId>(), theirs = random_.id<MessageId>();
  const SecretBytes part = to_secret_bytes(as_view("a list picker"));
  ASSERT_TRUE(apply(
      endpoint::AddOutgoing{{.id = ours, .peer = business, .body = {{}, {}, part}, .sent_at = from_unix_millis(1)}}));
  endpoint::IncomingMessage came{.id = theirs,
                                 .sender = {business, DeviceNumber{1}},
                                 .sent_at = from_unix_millis(2),
                                 .received_at = from_unix_millis(2),
                                 .body = {to_secret_bytes(as_view("choose")), {}, part}};
  ASSERT_TRUE(apply(endpoint::AddIncoming{came}));
  EXPECT_EQ((*rows_->outgoing(ours))->part, part);
  const auto entries = History(*store_).entries({}, 10);
  ASSERT_EQ(entries->size(), 2U);
  for (const Entry& entry : *entries) EXPECT_EQ(entry.part, part);

  const auto pages = rows_->history_pages({});
  ASSERT_EQ(pages->size(), 1U);
  auto page = rows_->history_page(pages->front());
  ASSERT_TRUE(store_->database().execute("DELETE FROM entry"));
  ASSERT_TRUE(apply(endpoint::AddHistory{std::move(*page)}));
  const auto again = History(*store_).entries({}, 10);
  ASSERT_EQ(again->size(), 2U);
  for (const Entry& entry : *again) EXPECT_EQ(entry.part, part);

  ASSERT_TRUE(store_->database().execute("UPDATE entry SET part = text"));
  EXPECT_EQ(rows_->outgoing(ours).error(), endpoint::StoreError::failed) << "not sealed for this place";
  EXPECT_EQ(History(*store_).entries({}, 10).error(), ClientError::store_damaged);
}

TEST_F(PersonaBookTest, PagesStayWithinTheirLimitWithParts) {
  for (int i = 0; i < 6; ++i) {
    endpoint::MessageBody body{SecretBytes(9000, std::byte{'x'}), {}, SecretBytes(9000, std::byte{'p'})};
    ASSERT_TRUE(apply(endpoint::AddOutgoing{{.id = random_.id<MessageId>(),
                                             .peer = AccountId(),
                                             .body = std::move(body),
                                             .sent_at = from_unix_millis(i)}}));
  }
  const auto pages = rows_->history_pages({});
  EXPECT_EQ(pages->size(), 6U);
  for (const auto& page : *pages) {
    const auto bytes = rows_->history_page(page);
    EXPECT_LE(bytes->size(), 30'000U);
    EXPECT_GT(bytes->size(), 18'000U);
  }
}

TEST_F(PersonaBookTest, AStoreOfVersionFourIsBroughtUp) {
  const MessageId id = random_.id<MessageId>();
  const AccountId ben = random_.id<AccountId>();
  ASSERT_TRUE(apply(endpoint::AddOutgoing{
      {.id = id, .peer = ben, .body = {to_secret_bytes(as_view("before")), {}}, .sent_at = from_unix_millis(1)}}));
  ASSERT_TRUE(store_->database().execute(
      "DROP TABLE persona; DROP TABLE shared; DROP TABLE part_file; "
      "ALTER TABLE entry DROP COLUMN part; ALTER TABLE contact DROP COLUMN asked_at; PRAGMA user_version = 4"));
  for (int time = 0; time < 2; ++time) {
    const auto store = LocalStore::open(*Home::at(directory_), unlock());
    ASSERT_TRUE(store);
    const auto entry = History(*store).outgoing(id);
    ASSERT_TRUE(entry && *entry);
    EXPECT_EQ(as_text((*entry)->text), "before");
    EXPECT_TRUE((*entry)->part.empty());
    EXPECT_EQ(PersonaBook(*store, random_).list()->size(), static_cast<std::size_t>(time)) << "and once";
    ASSERT_TRUE(PersonaBook(*store, random_).set(persona(1)));
  }
}

}  // namespace
}  // namespace opaline::client
