#include "msp/headers.hpp"

#include "msp/base64.hpp"
#include "msp/msp_test_support.hpp"

namespace opaline::msp {
namespace {

using testing::kBusinessId;
using testing::kMessageId;
using testing::kPersonId;

template <class T>
void expect_header(const Result<T, Problem>& result, unsigned status, Error error, std::string_view header) {
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().status, status);
  EXPECT_EQ(name(result.error().error), name(error));
  EXPECT_EQ(result.error().header, header);
  EXPECT_TRUE(to_json(result.error()).find("\"header\":\"" + std::string(header)) != std::string::npos);
}
using Fields = std::vector<HeaderField>;
Fields replaced(Fields fields, std::string_view name, std::string_view value) {
  for (auto& field : fields) {
    if (field.name == name) field.value = value;
  }
  return fields;
}
Fields removed(Fields fields, std::string_view name) {
  std::erase_if(fields, [&](const auto& field) { return field.name == name; });
  return fields;
}

TEST(Headers, OfAMessage) {
  Fields fields{{"ID", kMessageId},     {"Source-ID", kBusinessId},   {"DESTINATION-id", kPersonId},
                {"Auto-Reply", "TRUE"}, {"include-data-ref", "true"}, {"msp-agent", "anything"}};
  const auto headers = parse_message_headers(fields);
  ASSERT_TRUE(headers.has_value());
  EXPECT_EQ(to_text(headers->id), kMessageId);
  EXPECT_EQ(to_text(headers->source), kBusinessId);
  EXPECT_EQ(headers->destination, kPersonId);
  EXPECT_TRUE(headers->auto_reply);
  EXPECT_TRUE(headers->include_data_ref);

  expect_header(parse_message_headers(removed(fields, "ID")), 400, Error::missing, "id");
  expect_header(parse_message_headers(removed(fields, "Source-ID")), 400, Error::missing, "source-id");
  expect_header(parse_message_headers(removed(fields, "DESTINATION-id")), 400, Error::missing, "destination-id");
  expect_header(parse_message_headers(replaced(fields, "ID", "17")), 400, Error::malformed, "id");
  expect_header(parse_message_headers(replaced(fields, "Source-ID", "urn:biz:0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f8")),
                400, Error::malformed, "source-id");
  expect_header(parse_message_headers(replaced(fields, "Auto-Reply", "perhaps")), 400, Error::malformed, "auto-reply");
  for (const std::string_view nobody : {"urn:mbid:", "tel:+15551234567", "anna@example.org", "urn:mbid:a b"}) {
    expect_header(parse_message_headers(replaced(fields, "DESTINATION-id", nobody)), 404, Error::unknown,
                  "destination-id");
  }
  fields.push_back({"Id", kMessageId});
  expect_header(parse_message_headers(fields), 400, Error::malformed, "id");
}

TEST(Headers, FlagsInEveryWriting) {
  const auto flag = [](std::string_view value) {
    const Fields fields{{"auto-reply", value}};
    return find_flag(fields, "auto-reply");
  };
  for (const std::string_view yes : {"true", "True", "1", "yes"}) EXPECT_TRUE(flag(yes).value()) << yes;
  for (const std::string_view no : {"false", "FALSE", "0", "no", ""}) EXPECT_FALSE(flag(no).value()) << no;
  EXPECT_FALSE(find_flag({}, "auto-reply").value());
  EXPECT_FALSE(flag("2").has_value());
  EXPECT_FALSE(flag("true\n").has_value());
}

TEST(Headers, Authorization) {
  const auto token = [](std::string_view value) {
    const Fields fields{{"authorization", value}};
    return bearer_token(fields);
  };
  EXPECT_EQ(token("Bearer abc").value(), "abc");
  EXPECT_EQ(token("bearer  abc").value(), "abc");
  expect_header(token(""), 401, Error::unauthorized, "authorization");
  expect_header(bearer_token({}), 401, Error::unauthorized, "authorization");
  for (const std::string_view wrong : {"Basic abc", "Bearer", "Bearer ", "abc", "Bearerabc"}) {
    expect_header(token(wrong), 403, Error::forbidden, "authorization");
  }
  const Fields twice{{"Authorization", "Bearer a"}, {"authorization", "Bearer b"}};
  expect_header(bearer_token(twice), 403, Error::forbidden, "authorization");
}

TEST(Headers, OfAPreUploadInBothDialects) {
  for (const std::string_view size : {"size", "Size", "MMCS-Size", "mmcs-size"}) {
    const Fields fields{{"source-id", kBusinessId}, {size, "1048576"}};
    const auto wanted = parse_pre_upload(fields);
    ASSERT_TRUE(wanted.has_value()) << size;
    EXPECT_EQ(wanted->size_bytes, 1048576U);
  }
  const auto with = [](std::string_view value) {
    const Fields fields{{"source-id", kBusinessId}, {"size", value}};
    return parse_pre_upload(fields);
  };
  EXPECT_TRUE(with("104857600").has_value());
  expect_header(with("104857601"), 413, Error::oversized, "size");
  expect_header(with("99999999999999999999999"), 413, Error::oversized, "size");
  for (const std::string_view bad : {"0", "-1", "1.5", "0x10", "1 ", "+1", "one"}) {
    expect_header(with(bad), 400, Error::malformed, "size");
  }
  const Fields both{{"source-id", kBusinessId}, {"size", "1"}, {"MMCS-Size", "2"}};
  expect_header(parse_pre_upload(both), 400, Error::mismatch, "size");
  const Fields none{{"source-id", kBusinessId}};
  expect_header(parse_pre_upload(none), 400, Error::missing, "size");
}

TEST(Headers, OfAPreDownloadInBothDialects) {
  const Bytes checksum(kChecksumBytes, std::byte{0xab});
  const std::string base64 = to_base64(checksum);
  const std::string hex = to_hex(checksum);
  for (const std::string prefix : {"", "MMCS-", "mmcs-"}) {
    for (const std::string& signature : {base64, hex}) {
      const std::string url = prefix + "Url", owner = prefix + "Owner", name = prefix + "Signature";
      const Fields fields{{"Source-Id", kBusinessId}, {url, "https://s.example/b/1"}, {name, signature}, {owner, "o"}};
      const auto wanted = parse_pre_download(fields);
      ASSERT_TRUE(wanted.has_value()) << prefix;
      EXPECT_EQ(wanted->url, "https://s.example/b/1");
      EXPECT_EQ(wanted->owner, "o");
      EXPECT_TRUE(equal(wanted->signature, checksum));
    }
  }
  const Fields fields{{"source-id", kBusinessId}, {"url", "u"}, {"signature", base64}, {"owner", "o"}};
  expect_header(parse_pre_download(removed(fields, "url")), 400, Error::missing, "url");
  expect_header(parse_pre_download(removed(fields, "owner")), 400, Error::missing, "owner");
  expect_header(parse_pre_download(removed(fields, "signature")), 400, Error::missing, "signature");
  const std::string not_hex = std::string(63, 'a') + "g";
  const std::string long_one = to_base64(Bytes(kChecksumBytes + 1));
  for (const std::string_view bad : {std::string_view(base64).substr(1), std::string_view("AAAA"),
                                     std::string_view(not_hex), std::string_view(long_one)}) {
    expect_header(parse_pre_download(replaced(fields, "signature", bad)), 400, Error::malformed, "signature");
  }
  const std::string long_url(kMaxUrlBytes + 1, 'u');
  expect_header(parse_pre_download(replaced(fields, "url", long_url)), 400, Error::oversized, "url");
}

TEST(Headers, OfADecodePayload) {
  const Fields fields{{"Source-Id", kBusinessId}, {"BID", testing::kBid}};
  EXPECT_EQ(parse_decode_payload(fields).value(), testing::kBid);
  expect_header(parse_decode_payload(removed(fields, "BID")), 400, Error::missing, "bid");
  expect_header(parse_decode_payload(removed(fields, "Source-Id")), 400, Error::missing, "source-id");
  expect_header(parse_decode_payload(replaced(fields, "Source-Id", "else")), 400, Error::malformed, "source-id");
  EXPECT_TRUE(parse_decode_payload(replaced(fields, "Source-Id", testing::kBid)).has_value());  // one connector does
}

TEST(Headers, CapabilitiesAreASet) {
  const auto set = parse_capabilities(" list, TIME ,Quick,auth2,form,,FUTURE");
  EXPECT_TRUE(set.has(Capability::list) && set.has(Capability::time) && set.has(Capability::quick) &&
              set.has(Capability::auth2) && set.has(Capability::form));
  EXPECT_FALSE(set.has(Capability::auth));
  EXPECT_EQ(write_capabilities(set), "LIST,TIME,FORM,QUICK,AUTH2");
  EXPECT_EQ(parse_capabilities("AUTH").bits, static_cast<std::uint8_t>(Capability::auth));
  EXPECT_EQ(write_capabilities({}), "");
  for (std::uint8_t bits = 0; bits < 64; ++bits) {
    const Capabilities one{bits};
    EXPECT_EQ(parse_capabilities(write_capabilities(one)), one);
  }
}

TEST(Headers, SayNoValue) {
  const Fields fields{{"id", "hunter2-hunter2"}, {"source-id", kBusinessId}, {"destination-id", "hunter2"}};
  EXPECT_EQ(to_json(parse_message_headers(fields).error()).find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace opaline::msp
