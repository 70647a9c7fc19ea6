// Attachments' descriptors and pages of the history: what goes in comes out, and nothing else comes in.
#include "client/history_codec.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "base/utf8.hpp"
#include "wire/contents.hpp"

namespace opaline::client {
namespace {

endpoint::Attachment attachment(RandomSource& random, std::size_t name_bytes) {
  endpoint::Attachment out;
  out.blob = random.id<endpoint::BlobId>();
  out.key = to_secret_bytes(random.bytes<32>());
  out.sha256 = random.bytes<32>();
  out.size_bytes = wire::kMaxAttachmentBytes;
  out.name = std::string(name_bytes, 'n');
  out.type = std::string(wire::kMaxMediaTypeBytes, 't');
  out.release = to_secret_bytes(random.bytes<32>());
  return out;
}

Entry message(RandomSource& random, EntryKind kind, std::string_view text) {
  Entry out;
  out.kind = kind;
  out.peer = random.id<AccountId>();
  out.message = random.id<MessageId>();
  out.device = DeviceNumber{2};
  out.sent_at = from_unix_millis(1'700'000'000'001);
  out.placed = from_unix_millis(1'700'000'000'002);
  out.at = from_unix_millis(1'700'000'000'003);
  out.incoming = endpoint::IncomingKind::text;
  out.text = to_secret_bytes(as_view(text));
  if (kind == EntryKind::outgoing) {
    out.state = endpoint::MessageState::failed;
    out.reason = endpoint::Reason::expired;
    out.shown = true;
  } else {
    out.late = true;
  }
  return out;
}

SecretBytes page_of(const std::vector<Entry>& entries) {
  PageWriter out;
  for (const Entry& entry : entries) out.add(entry, DeviceNumber{7});
  return out.take();
}

TEST(HistoryCodec, AttachmentsComeBackWithTheirTokens) {
  SeededRandom random(1);
  const std::vector<endpoint::Attachment> two{attachment(random, 200), attachment(random, 1)};
  const auto back = decode_attachments(encode_attachments(two));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*back)[i].blob, two[i].blob);
    EXPECT_EQ((*back)[i].key, two[i].key);
    EXPECT_EQ((*back)[i].sha256, two[i].sha256);
    EXPECT_EQ((*back)[i].size_bytes, two[i].size_bytes);
    EXPECT_EQ((*back)[i].name, two[i].name);
    EXPECT_EQ((*back)[i].type, two[i].type);
    EXPECT_EQ((*back)[i].release, two[i].release);
  }
}

TEST(HistoryCodec, AttachmentsThatAreNotExactlyThatAreRefused) {
  SeededRandom random(2);
  const SecretBytes good = encode_attachments({attachment(random, 5)});
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_FALSE(decode_attachments(ByteView(good).first(cut))) << cut;
  SecretBytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_attachments(longer));
  SecretBytes version = good;
  version[0] = std::byte{2};
  EXPECT_FALSE(decode_attachments(version));
  endpoint::Attachment bad = attachment(random, 5);
  bad.name = "../up";
  EXPECT_FALSE(decode_attachments(encode_attachments({bad})));
  bad = attachment(random, 5);
  bad.size_bytes = 0;
  EXPECT_FALSE(decode_attachments(encode_attachments({bad})));
}

TEST(HistoryCodec, PagesSayAllButReleaseTokens) {
  SeededRandom random(3);
  std::vector<Entry> entries{message(random, EntryKind::incoming, "in"), message(random, EntryKind::outgoing, "out")};
  entries[0].attachments.push_back(attachment(random, 9));
  Entry own = message(random, EntryKind::outgoing, "written here");
  own.device = DeviceNumber{};
  entries.push_back(own);
  Entry unknown = message(random, EntryKind::incoming, "");
  unknown.incoming = endpoint::IncomingKind::newer_version;
  entries.push_back(unknown);
  entries[1].part = to_secret_bytes(as_view("what stands beside it"));
  Entry part_alone = message(random, EntryKind::incoming, "");
  part_alone.part = to_secret_bytes(as_view("p"));
  entries.push_back(part_alone);
  const auto back = decode_page(page_of(entries));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry &a = entries[i], &b = (*back)[i];
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.peer, b.peer);
    EXPECT_EQ(a.message, b.message);
    EXPECT_EQ(b.device, i == 2 ? DeviceNumber{7} : DeviceNumber{2}) << "who wrote it is said by number";
    EXPECT_EQ(a.sent_at, b.sent_at);
    EXPECT_EQ(a.placed, b.placed);
    EXPECT_EQ(a.at, b.at);
    EXPECT_EQ(a.state, b.state);
    EXPECT_EQ(a.reason, b.reason);
    EXPECT_EQ(a.incoming, b.incoming);
    EXPECT_EQ(a.late, b.late);
    EXPECT_EQ(a.shown, b.shown);
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.part, b.part);
    EXPECT_EQ(a.attachments.size(), b.attachments.size());
  }
  EXPECT_EQ((*back)[0].attachments[0].key, entries[0].attachments[0].key);
  EXPECT_TRUE((*back)[0].attachments[0].release.empty()) << "a token is for one device alone";
  EXPECT_TRUE(page_of({}).empty());
}

TEST(HistoryCodec, TheLargestMessageFitsAPageAndItsSizeIsForeseen) {
  SeededRandom random(4);
  Entry entry = message(random, EntryKind::incoming, std::string(wire::kMaxTextBytes, 'x'));
  for (std::size_t i = 0; i < wire::kMaxAttachments; ++i)
    entry.attachments.push_back(attachment(random, wire::kMaxFileNameBytes));
  const SecretBytes page = page_of({entry});
  EXPECT_LE(page.size(), wire::kMaxHistoryPartBytes);
  EXPECT_GE(kPageHeadBytes + page_entry_bytes(entry.text.size(), encode_attachments(entry.attachments).size(), 0),
            page.size())
      << "stored descriptors have their release tokens, those of a page do not";
  EXPECT_TRUE(decode_page(page));
  const Entry small = message(random, EntryKind::incoming, "x");
  EXPECT_EQ(kPageHeadBytes + page_entry_bytes(1, 0, 0), page_of({small}).size());

  entry.text.resize(wire::kMaxTextAndPartBytes - wire::kMaxPartBytes);
  entry.part = SecretBytes(wire::kMaxPartBytes, std::byte{'p'});
  EXPECT_LE(page_of({entry}).size(), wire::kMaxHistoryPartBytes);
  EXPECT_TRUE(decode_page(page_of({entry})));
  Entry beside = small;
  beside.part = SecretBytes(9);
  EXPECT_EQ(kPageHeadBytes + page_entry_bytes(1, 0, 9), page_of({beside}).size());
}

TEST(HistoryCodec, PartsBeyondTheirLimitsAndPartsOfNothingAreRefused) {
  SeededRandom random(6);
  Entry entry = message(random, EntryKind::incoming, "x");
  entry.part = SecretBytes(wire::kMaxPartBytes + 1);
  EXPECT_FALSE(decode_page(page_of({entry})));
  entry.part = SecretBytes(wire::kMaxPartBytes);
  entry.text.resize(wire::kMaxTextAndPartBytes - wire::kMaxPartBytes + 1);
  EXPECT_FALSE(decode_page(page_of({entry})));
  entry.text.resize(1);
  entry.incoming = endpoint::IncomingKind::newer_version;
  entry.text.clear();
  EXPECT_FALSE(decode_page(page_of({entry}))) << "of a kind that is not known there is nothing";
  // The flag alone, and a part of no bytes.
  entry = message(random, EntryKind::incoming, "x");
  SecretBytes page = page_of({entry});
  const std::size_t flags = kPageHeadBytes + 1 + 16 + 16 + 4 + 8 + 8 + 8 + 1 + 1;
  ASSERT_EQ(page[flags], std::byte{1});
  page[flags] = std::byte{9};
  EXPECT_FALSE(decode_page(page));
  page.insert(page.end(), 4, std::byte{0});
  EXPECT_FALSE(decode_page(page));
}

TEST(HistoryCodec, DamagedPagesAreRefusedWholeOrMeanSomething) {
  SeededRandom random(5);
  std::vector<Entry> entries{message(random, EntryKind::incoming, "one"), message(random, EntryKind::outgoing, "two")};
  entries[1].attachments.push_back(attachment(random, 3));
  entries[1].part = to_secret_bytes(as_view("beside"));
  const SecretBytes good = page_of(entries);
  const std::size_t first = page_of({entries[0]}).size();
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_EQ(decode_page(ByteView(good).first(cut)).has_value(), cut == first) << cut;
  SecretBytes longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_page(longer));
  EXPECT_FALSE(decode_page(SecretBytes(wire::kMaxHistoryPartBytes + 1)));
  for (int i = 0; i < 20'000; ++i) {
    SecretBytes bad = good;
    for (std::uint64_t n = 0; n <= random.below(3); ++n)
      bad[random.below(bad.size())] = static_cast<std::byte>(random.below(256));
    const auto read = decode_page(bad);
    if (!read) continue;
    for (const Entry& e : *read) {
      EXPECT_TRUE(is_utf8(e.text));
      EXPECT_LE(e.text.size(), wire::kMaxTextBytes);
      EXPECT_LE(unix_millis(e.sent_at), 253'402'300'799'999);
      EXPECT_TRUE(e.kind == EntryKind::incoming || e.kind == EntryKind::outgoing);
      EXPECT_LE(static_cast<int>(e.state), 5);
    }
  }
}

TEST(HistoryCodec, EachRuleOfAnEntryIsChecked) {
  SeededRandom random(6);
  const auto refused = [&](const std::function<void(Entry&)>& spoil, EntryKind kind) {
    Entry entry = message(random, kind, "text");
    spoil(entry);
    return !decode_page(page_of({entry}));
  };
  EXPECT_FALSE(refused([](Entry&) {}, EntryKind::incoming));
  EXPECT_TRUE(refused([](Entry& e) { e.peer = {}; }, EntryKind::incoming));
  EXPECT_TRUE(refused([](Entry& e) { e.message = {}; }, EntryKind::incoming));
  EXPECT_TRUE(refused([](Entry& e) { e.device = {}; }, EntryKind::incoming));
  EXPECT_TRUE(refused([](Entry& e) { e.text.clear(); }, EntryKind::outgoing));
  EXPECT_TRUE(refused([](Entry& e) { e.text.resize(wire::kMaxTextBytes + 1); }, EntryKind::incoming));
  EXPECT_TRUE(refused([](Entry& e) { e.text = to_secret_bytes(as_view("\xff")); }, EntryKind::incoming));
  EXPECT_TRUE(refused([](Entry& e) { e.state = endpoint::MessageState::read; }, EntryKind::incoming));
  EXPECT_TRUE(refused([](Entry& e) { e.state = endpoint::MessageState{6}; }, EntryKind::outgoing));
  EXPECT_TRUE(refused([](Entry& e) { e.state = endpoint::MessageState{0}; }, EntryKind::outgoing));
  EXPECT_TRUE(refused([](Entry& e) { e.reason = endpoint::Reason{11}; }, EntryKind::outgoing));
  EXPECT_TRUE(refused([](Entry& e) { e.late = true; }, EntryKind::outgoing));
  EXPECT_TRUE(refused([](Entry& e) { e.sent_at = from_unix_millis(253'402'300'800'000); }, EntryKind::incoming));
  EXPECT_TRUE(refused([](Entry& e) { e.incoming = endpoint::IncomingKind::newer_version; }, EntryKind::incoming));
}

}  // namespace
}  // namespace opaline::client
