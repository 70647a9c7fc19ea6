#include <gtest/gtest.h>

#include "wire/contents_test_support.hpp"

namespace opaline::wire {
namespace {

using namespace testing;
using namespace std::string_view_literals;

/// The answer to a text with one attachment that was changed, the same in both directions.
class AttachmentRules : public ::testing::Test {
 protected:
  std::optional<ContentError> with(auto change) {
    Text text{};
    text.attachment_count = 2;
    text.attachments[0] = bodies_.attachment(false);
    text.attachments[1] = bodies_.attachment(true);
    change(text.attachments[1]);
    SecretBytes out;
    const auto sent = encode(out, bodies_.content(text));
    second::Content theirs;
    theirs.set_message_id(std::string(16, 'm'));
    for (std::size_t i = 0; i < 2; ++i) {
      const Attachment& a = text.attachments.at(i);
      auto* to = theirs.mutable_text()->add_attachments();
      to->set_blob(to_string(a.blob));
      to->set_key(to_string(a.key));
      to->set_sha256(to_string(a.sha256));
      to->set_size(a.size_bytes);
      to->set_name(to_string(a.name));
      to->set_type(to_string(a.type));
      to->set_release(to_string(a.release));
    }
    const std::string bytes = theirs.SerializeAsString();
    const auto received = decode_content(as_view(bytes));
    EXPECT_EQ(sent.has_value(), received.has_value());
    if (sent || received) return std::nullopt;
    EXPECT_EQ(sent.error(), received.error());
    return sent.error();
  }
  Bodies bodies_{21};
};

TEST_F(AttachmentRules, SizesAreExactAndLimitsHoldBothWays) {
  EXPECT_EQ(with([](Attachment&) {}), std::nullopt);
  for (const auto part : {&Attachment::blob, &Attachment::key, &Attachment::sha256, &Attachment::release}) {
    for (const std::size_t size : {0, 31, 33})
      EXPECT_EQ(with([&](Attachment& a) { a.*part = bodies_.bytes(size); }), ContentError::malformed) << size;
  }
  EXPECT_EQ(with([](Attachment& a) { a.size_bytes = 0; }), ContentError::malformed);
  EXPECT_EQ(with([](Attachment& a) { a.size_bytes = kMaxAttachmentBytes + 1; }), ContentError::oversized);
  EXPECT_EQ(with([](Attachment& a) { a.size_bytes = UINT64_MAX; }), ContentError::oversized);
  EXPECT_EQ(with([](Attachment& a) { a.name = {}; }), ContentError::malformed);
  EXPECT_EQ(with([&](Attachment& a) { a.name = bodies_.text(kMaxFileNameBytes + 1); }), ContentError::oversized);
  EXPECT_EQ(with([&](Attachment& a) { a.name = bodies_.text("\xff.txt"); }), ContentError::bad_utf8);
  EXPECT_EQ(with([&](Attachment& a) { a.name = bodies_.text("../x"); }), ContentError::malformed);
  EXPECT_EQ(with([&](Attachment& a) { a.type = bodies_.text(kMaxMediaTypeBytes + 1); }), ContentError::oversized);
  EXPECT_EQ(with([&](Attachment& a) { a.type = bodies_.text("text/plain\n"); }), ContentError::malformed);
}

TEST_F(AttachmentRules, NineAreOneTooMany) {
  second::Content theirs;
  theirs.set_message_id(std::string(16, 'm'));
  second::Attachment one;
  for (auto* part : {one.mutable_blob(), one.mutable_key(), one.mutable_sha256(), one.mutable_release()})
    *part = std::string(32, 'p');
  one.set_size(1);
  one.set_name("a");
  for (std::size_t i = 0; i < kMaxAttachments; ++i) *theirs.mutable_text()->add_attachments() = one;
  EXPECT_TRUE(decode_content(as_view(theirs.SerializeAsString())));
  *theirs.mutable_text()->add_attachments() = one;
  EXPECT_FALSE(decode_content(as_view(theirs.SerializeAsString())));
  Text text = bodies_.largest_text();
  text.attachment_count = kMaxAttachments + 1;
  SecretBytes out;
  EXPECT_EQ(encode(out, bodies_.content(text)).error(), ContentError::oversized);
}

TEST_F(AttachmentRules, ATextIsEmptyOnlyBesideAFile) {
  SecretBytes out;
  EXPECT_EQ(encode(out, bodies_.content(Text{})).error(), ContentError::malformed);
  second::Content theirs;
  theirs.set_message_id(std::string(16, 'm'));
  theirs.mutable_text()->set_sender_handle("anna@example.org");
  EXPECT_EQ(decode_content(as_view(theirs.SerializeAsString())).error(), ContentError::malformed);
}

TEST(FileNames, HostileOnesAreRefused) {
  for (const std::string_view bad : {""sv,
                                     "."sv,
                                     ".."sv,
                                     "/"sv,
                                     "a/b"sv,
                                     "../a"sv,
                                     "/etc/passwd"sv,
                                     "a/"sv,
                                     "\\"sv,
                                     "a\\b"sv,
                                     "..\\a"sv,
                                     "a\0b"sv,
                                     "\0"sv,
                                     "a\nb"sv,
                                     "a\r"sv,
                                     "\ta"sv,
                                     "\x1b[2Ja"sv,
                                     "a\x7f"sv,
                                     "\x1f"sv,
                                     "\xc2\x80"sv,
                                     "a\xc2\x9b"
                                     "2J"sv,
                                     "\xc2\x9f"sv,  // U+0080, U+009B (CSI), U+009F
                                     "a\xd8\x9c"sv,
                                     "\xe2\x80\x8e"sv,
                                     "\xe2\x80\x8f"sv,  // U+061C, U+200E, U+200F
                                     "\xe2\x80\xa8"sv,
                                     "\xe2\x80\xa9"sv,  // U+2028, U+2029
                                     "\xe2\x80\xaa"sv,
                                     "photo\xe2\x80\xae"
                                     "gpj.exe"sv,
                                     "\xe2\x81\xa6"sv,
                                     "\xe2\x81\xa9"sv,  // U+202A, U+202E, U+2066, U+2069
                                     "\xc0\xaf"sv,
                                     "\xe0\x80\xaf"sv,
                                     "\xff"sv,
                                     "a\xc3"sv,
                                     "\xed\xa0\x80"sv})  // overlong '/', cut, surrogate
    EXPECT_FALSE(is_file_name(as_view(bad))) << to_hex(as_view(bad));
  for (const std::string_view good :
       {"a"sv, "..."sv, ".profile"sv, "..a"sv, " "sv, "report (final).pdf"sv, "Grüße 世界 🦊.txt"sv, "~"sv, "a:b"sv,
        "\xc2\xa0"sv, "\xe2\x80\x8d"sv, "\xe2\x80\xa7"sv, "\xe2\x80\xaf"sv, "\xe2\x81\xa5"sv,
        "\xe2\x81\xaa"sv})  // the neighbours; U+200D joins emoji
    EXPECT_TRUE(is_file_name(as_view(good))) << to_hex(as_view(good));
  EXPECT_TRUE(is_file_name(Bytes(kMaxFileNameBytes, std::byte{'a'})));
  EXPECT_FALSE(is_file_name(Bytes(kMaxFileNameBytes + 1, std::byte{'a'})));
}

TEST(MediaTypes, ArePrintableAscii) {
  for (const std::string_view good : {"", "image/png", "text/plain; charset=utf-8", " ~"})
    EXPECT_TRUE(is_media_type(as_view(good)));
  for (const std::string_view bad : {"a\x7f"sv, "\x1f"sv, "\0"sv, "caf\xc3\xa9"sv})
    EXPECT_FALSE(is_media_type(as_view(bad)));
  EXPECT_TRUE(is_media_type(Bytes(kMaxMediaTypeBytes, std::byte{'a'})));
  EXPECT_FALSE(is_media_type(Bytes(kMaxMediaTypeBytes + 1, std::byte{'a'})));
}

}  // namespace
}  // namespace opaline::wire
