// Every body at its smallest and largest, one beyond, cut and flipped; libprotobuf reads along.
#include <gtest/gtest.h>

#include "session/limits.hpp"
#include "wire/contents_test_support.hpp"

namespace opaline::wire {
namespace {

using namespace testing;

SecretBytes encoded(const Content& content) {
  SecretBytes out;
  EXPECT_TRUE(encode(out, content));
  return out;
}
ContentError refusal(const Content& content) {
  SecretBytes out = to_secret_bytes(as_view("before"));
  const auto result = encode(out, content);
  EXPECT_EQ(as_text(out), "before");
  EXPECT_FALSE(result);
  return result ? ContentError{255} : result.error();
}
std::vector<Content> every_kind(Bodies& bodies) {
  std::vector<Content> out = bodies.smallest();
  for (Content& content : bodies.largest()) out.push_back(std::move(content));
  return out;
}

TEST(Bodies, RoundTripAndAreTheSameBytesToTheSecondImplementation) {
  Bodies bodies(11);
  for (const Content& content : every_kind(bodies)) {
    const SecretBytes out = encoded(content);
    EXPECT_LE(out.size(), session::kMaxPlaintextBytes);
    second::Content theirs;
    ASSERT_TRUE(theirs.ParseFromArray(out.data(), static_cast<int>(out.size())));
    EXPECT_EQ(theirs.SerializeAsString(), as_text(out)) << content.body.index();
    const auto back = decode_content(out);
    ASSERT_TRUE(back) << content.body.index();
    EXPECT_EQ(kind(*back), kind(content));
    EXPECT_TRUE(equal(encoded(*back), out));
  }
}

TEST(Bodies, TheLargestCopyOfASentMessageFitsASession) {
  Bodies bodies(12);
  const Content content =
      bodies.sync(SentCopy{bodies.account(), bodies.message(), Bodies::latest(), bodies.largest_text()});
  const std::size_t size = encoded(content).size();
  EXPECT_LE(size, session::kMaxPlaintextBytes);
  EXPECT_GT(size,
            kMaxTextBytes + kMaxAttachments * (4 * kAttachmentPartBytes + kMaxFileNameBytes + kMaxMediaTypeBytes));
}

TEST(Bodies, FieldsArriveAsTheyWereSent) {
  Bodies bodies(13);
  const Content sent =
      bodies.sync(SentCopy{bodies.account(), bodies.message(), from_unix_millis(77), bodies.largest_text()});
  const auto& in = std::get<SentCopy>(std::get<Sync>(sent.body).what);
  const SecretBytes out = encoded(sent);
  const auto back = decode_content(out);
  ASSERT_TRUE(back);
  const auto& copy = std::get<SentCopy>(std::get<Sync>(back->body).what);
  EXPECT_EQ(copy.peer, in.peer);
  EXPECT_EQ(copy.message, in.message);
  EXPECT_EQ(copy.sent_at, in.sent_at);
  EXPECT_TRUE(equal(copy.text.utf8, in.text.utf8));
  ASSERT_EQ(copy.text.attachment_count, kMaxAttachments);
  for (std::size_t i = 0; i < kMaxAttachments; ++i) {
    const Attachment &a = in.text.attachments[i], &b = copy.text.attachments[i];
    EXPECT_TRUE(equal(a.blob, b.blob) && equal(a.key, b.key) && equal(a.sha256, b.sha256));
    EXPECT_TRUE(equal(a.name, b.name) && equal(a.type, b.type) && equal(a.release, b.release));
    EXPECT_EQ(a.size_bytes, b.size_bytes);
  }
  second::Content theirs;
  ASSERT_TRUE(theirs.ParseFromArray(out.data(), static_cast<int>(out.size())));
  const auto& file = theirs.sync().sent().text().attachments(7);
  EXPECT_EQ(file.blob(), as_text(in.text.attachments[7].blob));
  EXPECT_EQ(file.key(), as_text(in.text.attachments[7].key));
  EXPECT_EQ(file.sha256(), as_text(in.text.attachments[7].sha256));
  EXPECT_EQ(file.release(), as_text(in.text.attachments[7].release));
  EXPECT_EQ(file.name(), as_text(in.text.attachments[7].name));
  EXPECT_EQ(file.type(), as_text(in.text.attachments[7].type));

  Contacts list{.contacts = {}, .count = 2};
  list.contacts[0] = bodies.contact(true);
  list.contacts[1] = bodies.contact(false);
  list.contacts[1].blocked = true;
  list.contacts[1].accepted = true;
  const SecretBytes contacts = encoded(bodies.sync(list));
  const auto read = decode_content(contacts);
  ASSERT_TRUE(read);
  const auto& known = std::get<Contacts>(std::get<Sync>(read->body).what);
  ASSERT_EQ(known.count, 2U);
  EXPECT_EQ(known.contacts[0].account, list.contacts[0].account);
  EXPECT_TRUE(equal(known.contacts[0].handle, list.contacts[0].handle));
  EXPECT_TRUE(equal(known.contacts[0].account_key_hash, list.contacts[0].account_key_hash));
  EXPECT_TRUE(known.contacts[0].verified && known.contacts[0].blocked);
  EXPECT_EQ(known.contacts[0].active_at, Bodies::latest());
  EXPECT_TRUE(!known.contacts[0].accepted && known.contacts[1].accepted);
  EXPECT_TRUE(!known.contacts[1].verified && known.contacts[1].blocked && known.contacts[1].account_key_hash.empty());
}

TEST(Bodies, OneBeyondALimitIsNotEncoded) {
  Bodies b(14);
  const auto peer = b.account();
  EXPECT_EQ(refusal(b.content(NewerList{b.bytes(kMaxContentListBytes + 1)})), ContentError::oversized);
  EXPECT_EQ(refusal(b.content(Receipt{.ids = {}, .count = kMaxReceiptIds + 1})), ContentError::oversized);
  EXPECT_EQ(refusal(b.sync(StateMarks{peer, SentState::sent, b.ids(kMaxSyncIds + 1)})), ContentError::oversized);
  EXPECT_EQ(refusal(b.sync(StateMarks{peer, SentState::sent, {}})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(StateMarks{peer, SentState{}, b.ids(1)})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(ReadMarks{peer, b.ids(kMaxSyncIds + 1)})), ContentError::oversized);
  EXPECT_EQ(refusal(b.sync(ReadMarks{peer, {}})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(Deletion{peer, b.ids(kMaxSyncIds + 1)})), ContentError::oversized);
  EXPECT_EQ(refusal(b.sync(Deletion{peer, {}, from_unix_millis(-1)})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(DeviceInfo{b.text(kMaxDeviceNameBytes + 1)})), ContentError::oversized);
  EXPECT_EQ(refusal(b.sync(DeviceInfo{b.text("\xff")})), ContentError::bad_utf8);
  EXPECT_EQ(refusal(b.sync(HistoryRequest{from_unix_millis(-1)})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(HistoryPart{0, 1, b.bytes(kMaxHistoryPartBytes + 1)})), ContentError::oversized);
  EXPECT_EQ(refusal(b.sync(HistoryPart{1, 1, {}})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(HistoryPart{0, 0, {}})), ContentError::malformed);
  Content early = b.content(Typing{});
  early.sent_at = from_unix_millis(-1);
  EXPECT_EQ(refusal(early), ContentError::malformed);
}

TEST(Bodies, IdsOfZerosAreRefused) {
  Bodies b(15);
  const auto peer = b.account();
  auto with_zero = b.ids(3);
  with_zero.ids[1] = {};
  EXPECT_EQ(refusal(b.content(Retry{})), ContentError::malformed);
  EXPECT_EQ(refusal(b.content(Receipt{.kind = ReceiptKind::read, .ids = with_zero.ids, .count = 3})),
            ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(SentCopy{{}, b.message(), {}, Text{b.text(1), {}}})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(SentCopy{peer, {}, {}, Text{b.text(1), {}}})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(StateMarks{{}, SentState::sent, b.ids(1)})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(StateMarks{peer, SentState::sent, with_zero})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(ReadMarks{{}, b.ids(1)})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(ReadMarks{peer, with_zero})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(Deletion{{}, b.ids(1)})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(Deletion{peer, with_zero})), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(Contacts{.contacts = {}, .count = 1})), ContentError::malformed);
}

TEST(Bodies, ContactsOutsideTheirLimitsAreRefused) {
  Bodies b(16);
  const auto with = [&b](auto change) {
    Contacts out{.contacts = {}, .count = 2};
    out.contacts[0] = b.contact(true);
    out.contacts[1] = b.contact(true);
    change(out.contacts[1]);
    return b.sync(out);
  };
  EXPECT_TRUE(decode_content(encoded(with([](Contact&) {}))));
  EXPECT_EQ(refusal(with([&](Contact& c) { c.handle = b.text(kMaxHandleBytes + 1); })), ContentError::oversized);
  EXPECT_EQ(refusal(with([&](Contact& c) { c.handle = b.text("\xed\xa0\x80"); })), ContentError::bad_utf8);
  EXPECT_EQ(refusal(with([&](Contact& c) { c.account_key_hash = b.bytes(31); })), ContentError::malformed);
  EXPECT_EQ(refusal(with([&](Contact& c) { c.account_key_hash = b.bytes(33); })), ContentError::malformed);
  EXPECT_EQ(refusal(with([](Contact& c) { c.changed_at = from_unix_millis(-1); })), ContentError::malformed);
  EXPECT_EQ(refusal(with([](Contact& c) { c.active_at = from_unix_millis(-1); })), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(Contacts{})), ContentError::malformed);
  Contacts many{.contacts = {}, .count = kMaxContacts + 1};
  for (auto& c : many.contacts) c = b.contact(false);
  EXPECT_EQ(refusal(b.sync(many)), ContentError::oversized);
}

TEST(Bodies, PersonasArriveAsTheyWereSentAndOutsideTheirLimitsNotAtAll) {
  Bodies b(19);
  const auto with = [&b](auto change) {
    Personas out{.personas = {}, .count = 2};
    out.personas[0] = b.persona(false);
    out.personas[1] = b.persona(true);
    change(out.personas[1]);
    return b.sync(out);
  };
  const Content sent = with([](PersonaState&) {});
  const SecretBytes bytes = encoded(sent);
  const auto back = decode_content(bytes);
  ASSERT_TRUE(back);
  const auto& in = std::get<Personas>(std::get<Sync>(sent.body).what);
  const auto& out = std::get<Personas>(std::get<Sync>(back->body).what);
  ASSERT_EQ(out.count, 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(out.personas.at(i).business, in.personas.at(i).business);
    EXPECT_TRUE(equal(out.personas.at(i).opaque_id, in.personas.at(i).opaque_id));
    EXPECT_TRUE(equal(out.personas.at(i).root, in.personas.at(i).root));
    EXPECT_EQ(out.personas.at(i).state, in.personas.at(i).state);
    EXPECT_EQ(out.personas.at(i).changed_at, in.personas.at(i).changed_at);
  }
  for (const std::size_t size : {0, 36, 38})
    EXPECT_EQ(refusal(with([&](PersonaState& p) { p.opaque_id = b.bytes(size); })), ContentError::malformed);
  for (const std::size_t size : {0, 64, 66})
    EXPECT_EQ(refusal(with([&](PersonaState& p) { p.root = b.bytes(size); })), ContentError::malformed);
  for (const int state : {0, 4})
    EXPECT_EQ(refusal(with([&](PersonaState& p) { p.state = PersonaStanding(state); })), ContentError::malformed);
  EXPECT_EQ(refusal(with([](PersonaState& p) { p.business = {}; })), ContentError::malformed);
  EXPECT_EQ(refusal(with([](PersonaState& p) { p.changed_at = from_unix_millis(-1); })), ContentError::malformed);
  EXPECT_EQ(refusal(b.sync(Personas{})), ContentError::malformed);
  Personas many{.personas = {}, .count = kMaxPersonas + 1};
  for (auto& p : many.personas) p = b.persona(false);
  EXPECT_EQ(refusal(b.sync(many)), ContentError::oversized);
}

// ---- what another implementation may send

second::Content theirs_with_id() {
  second::Content out;
  out.set_message_id(std::string(16, 'm'));
  return out;
}
std::optional<ContentError> answer(const second::Content& theirs) {
  const auto read = decode_content(as_view(theirs.SerializeAsString()));
  if (read) return std::nullopt;
  return read.error();
}

TEST(Bodies, WhatAnotherImplementationSendsIsHeldToTheSameRules) {
  const std::string id(16, 'i');
  second::Content c = theirs_with_id();
  auto* reads = c.mutable_sync()->mutable_reads();
  EXPECT_EQ(answer(c), ContentError::malformed) << "no peer, no message";
  reads->set_peer(id);
  EXPECT_EQ(answer(c), ContentError::malformed) << "no message";
  for (std::size_t i = 0; i < kMaxSyncIds; ++i) reads->add_message_ids(id);
  EXPECT_EQ(answer(c), std::nullopt);
  reads->add_message_ids(id);
  EXPECT_EQ(answer(c), ContentError::malformed) << "one id too many";
  reads->mutable_message_ids()->RemoveLast();
  reads->set_message_ids(5, std::string(15, 'i'));
  EXPECT_EQ(answer(c), ContentError::malformed) << "a short id";
  reads->set_message_ids(5, std::string(16, '\0'));
  EXPECT_EQ(answer(c), ContentError::malformed) << "an id of zeros";

  c = theirs_with_id();
  auto* states = c.mutable_sync()->mutable_states();
  states->set_peer(id);
  states->add_message_ids(id);
  EXPECT_EQ(answer(c), ContentError::malformed) << "no state";
  states->set_state(second::States::SENT);
  EXPECT_EQ(answer(c), std::nullopt);
  states->set_state(static_cast<second::States::State>(3));
  EXPECT_EQ(answer(c), ContentError::malformed) << "a state of the future";

  c = theirs_with_id();
  auto* sent = c.mutable_sync()->mutable_sent();
  sent->set_peer(id);
  sent->set_message_id(id);
  EXPECT_EQ(answer(c), ContentError::malformed) << "no text";
  sent->mutable_text()->set_text("hi");
  EXPECT_EQ(answer(c), std::nullopt);
  sent->set_sent_at_ms(std::uint64_t{1} << 63);
  EXPECT_EQ(answer(c), ContentError::malformed) << "a time after the last";

  c = theirs_with_id();
  for (std::size_t i = 0; i < kMaxContacts; ++i) c.mutable_sync()->mutable_contacts()->add_contacts()->set_account(id);
  EXPECT_EQ(answer(c), std::nullopt);
  c.mutable_sync()->mutable_contacts()->add_contacts()->set_account(id);
  EXPECT_EQ(answer(c), ContentError::malformed) << "one contact too many";

  c = theirs_with_id();
  second::Persona persona;
  persona.set_business(id);
  persona.set_opaque_id(std::string(kOpaqueIdBytes, 'o'));
  persona.set_root(std::string(kPersonaRootBytes, 'r'));
  for (std::size_t i = 0; i < kMaxPersonas; ++i) *c.mutable_sync()->mutable_personas()->add_personas() = persona;
  EXPECT_EQ(answer(c), ContentError::malformed) << "no state";
  for (auto& p : *c.mutable_sync()->mutable_personas()->mutable_personas()) p.set_state(second::Persona::OPEN);
  EXPECT_EQ(answer(c), std::nullopt);
  auto* first = c.mutable_sync()->mutable_personas()->mutable_personas(0);
  first->set_state(static_cast<second::Persona::State>(4));
  EXPECT_EQ(answer(c), ContentError::malformed) << "a state of the future";
  first->set_state(second::Persona::CLOSED);
  first->set_root(std::string(kPersonaRootBytes - 1, 'r'));
  EXPECT_EQ(answer(c), ContentError::malformed) << "a short root";
  *first = c.sync().personas().personas(1);
  *c.mutable_sync()->mutable_personas()->add_personas() = *first;
  EXPECT_EQ(answer(c), ContentError::malformed) << "one persona too many";
}

TEST(Bodies, TwoBodiesOfASyncAreMalformedAndAFutureOneIsUnknown) {
  second::Content one = theirs_with_id();
  one.mutable_sync()->mutable_device()->set_name("laptop");
  ASSERT_EQ(answer(one), std::nullopt);
  second::Content two = one;
  two.mutable_sync()->mutable_history_request();
  EXPECT_EQ(answer(two), ContentError::malformed);
  EXPECT_FALSE(decode_content(as_view(one.SerializeAsString() + one.SerializeAsString()))) << "the same one twice";

  const std::string start = theirs_with_id().SerializeAsString();
  for (const std::string& sync :
       {std::string("\x5a\x00", 2), std::string("\x5a\x04\x7a\x02hi", 6)}) {  // none; field 15
    const std::string bytes = start + sync;
    const auto content = decode_content(as_view(bytes));
    ASSERT_TRUE(content);
    EXPECT_TRUE(std::holds_alternative<UnknownBody>(std::get<Sync>(content->body).what));
  }
}

// ---- damage

/// Whatever is accepted means the same to both implementations, and is written down in one way.
void read_by_both(ByteView bytes) {
  const auto ours = decode_content(bytes);
  if (!ours) return;
  const SecretBytes again = encoded(*ours);
  second::Content theirs;
  ASSERT_TRUE(theirs.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  theirs.DiscardUnknownFields();
  EXPECT_EQ(theirs.SerializeAsString(), as_text(again));
}

TEST(Bodies, CutShortTheyAreAnErrorOrNoBody) {
  Bodies bodies(17);
  for (const Content& content : every_kind(bodies)) {
    const SecretBytes out = encoded(content);
    const std::size_t step = out.size() < 2000 ? 1 : 61;
    for (std::size_t size = 0; size < out.size(); size += step) {
      const auto cut = decode_content(ByteView(out).first(size));
      if (cut) EXPECT_TRUE(std::holds_alternative<UnknownBody>(cut->body)) << content.body.index() << ' ' << size;
    }
  }
}

TEST(Bodies, WithAFlippedBitTheyMeanTheSameToBothOrNothing) {
  Bodies bodies(18);
  for (const Content& content : every_kind(bodies)) {
    SecretBytes out = encoded(content);
    const std::size_t step = out.size() < 2000 ? 1 : 131;
    for (std::size_t bit = 0; bit < out.size() * 8; bit += step) {
      out[bit / 8] ^= std::byte(1U << bit % 8);
      read_by_both(out);
      out[bit / 8] ^= std::byte(1U << bit % 8);
    }
  }
}

TEST(Bodies, ANumberWhereBytesShouldBeIsMalformed) {
  // nanopb hands such a number over in a buffer on its stack: a view of it would outlive it.
  const std::string start = theirs_with_id().SerializeAsString();
  for (const std::string_view body : {std::string_view("\x2a\x02\x08\x41", 4),  // Text.text
                                      std::string_view("\x28\x41", 2),          // Content.text
                                      std::string_view("\x42\x02\x08\x41", 4),  // DeviceList.signed_list
                                      std::string_view("\x58\x41", 2),          // Content.sync
                                      std::string_view("\x5a\x0a\x32\x08\x09"
                                                       "abcdefg",
                                                       12),                        // DeviceInfo.name, 8 bytes
                                      std::string_view("\x5a\x02\x30\x41", 4)}) {  // Sync.device
    const std::string bytes = start + std::string(body);
    EXPECT_FALSE(decode_content(as_view(bytes))) << to_hex(as_view(body));
  }
}

}  // namespace
}  // namespace opaline::wire
