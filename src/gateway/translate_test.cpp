#include "gateway/translate.hpp"

#include <rapidcheck.h>

#include "crypto/aes_ctr.hpp"
#include "crypto/hash.hpp"
#include "gateway/gateway_test_support.hpp"
#include "gateway/tickets.hpp"
#include "msp/gzip.hpp"
#include "msp/payload.hpp"

namespace opaline::gateway {
namespace {

using namespace testing;

constexpr std::string_view kPlace = "\xef\xbf\xbc";
const net::Url kService{.tls = true, .host = "service.example", .port = 443, .target = "/"};
const credentials::OpaqueId kPerson = opaque_id(5);

std::string data_of(std::string_view kind) {
  return R"({"bid":")" + std::string(kBid) + R"(","data":{"version":"1.0","requestIdentifier":"r-1",)" +
         std::string(kind) + R"(},"receivedMessage":{"title":"Question"}})";
}
std::string list_picker(std::size_t subtitle) {
  return data_of(
      R"("listPicker":{"sections":[{"title":"Fruit","items":[{"identifier":"1","title":"Apple","subtitle":")" +
      std::string(subtitle, 's') + R"("}]}]})");
}

class TranslateTest : public ::testing::Test {
 protected:
  msp::Outbound message(std::string_view type, std::string_view more, bool automatic = false) {
    const std::string to = kPerson.text();
    const std::vector<msp::HeaderField> headers{
        {"id", kId}, {"source-id", kBusiness}, {"destination-id", to}, {"auto-reply", automatic ? "true" : "false"}};
    auto out = msp::parse_message(headers, as_view(R"({"v":1,"id":")" + std::string(kId) + R"(","type":")" +
                                                   std::string(type) + "\"," + std::string(more) + "}"));
    EXPECT_TRUE(out.has_value()) << msp::to_json(out.error());
    return std::move(*out);
  }
  msp::Outbound text(std::string_view words, std::size_t attachments = 0, bool automatic = false) {
    json::array files;
    for (std::size_t i = 0; i < attachments; ++i) files.push_back(file(i));
    return message("text",
                   "\"body\":" + json::serialize(json::value(words)) + ",\"attachments\":" + json::serialize(files),
                   automatic);
  }
  json::object file(std::size_t number) {
    const auto blob = endpoint::BlobId(ByteArray<32>{std::byte(number)});
    return {{"name", "../a" + std::to_string(number) + ".png"},
            {"mimeType", "image/png"},
            {"size", std::to_string(number + 1)},
            {"signature-base64", msp::to_base64(Bytes(32, std::byte(number)))},
            {"url", url_of(blob, kService)},
            {"owner", kBusiness},
            {"key", "00" + std::string(64, 'c')}};
  }
  static Prepared prepared(const msp::Outbound& message, std::optional<endpoint::Attachment> large = {}) {
    auto out = prepare(message, std::move(large), kService);
    EXPECT_TRUE(out.has_value()) << msp::to_json(out.error());
    EXPECT_EQ(out->to, kPerson);
    EXPECT_EQ(msp::to_text(out->id), kId);
    return std::move(*out);
  }
  SeededRandom random_{9};
  BusinessConfig business_ = settings(kBusiness, "msp-1", 'a');
};

// ---------------------------------------------------------------- to the person

TEST_F(TranslateTest, WordsAndFiles) {
  const auto plain = prepared(text("Hello"));
  EXPECT_EQ(as_text(plain.text), "Hello");
  EXPECT_TRUE(plain.part.empty());
  const auto bot = prepared(text("Hello", 0, true));
  EXPECT_TRUE(wire::decode_business_part(bot.part)->automatic);

  const auto both = prepared(text("a" + std::string(kPlace) + "b", 2));
  EXPECT_EQ(as_text(both.text), "a" + std::string(kPlace) + "b") << "the second stands at the end";
  ASSERT_EQ(both.attachments.size(), 2U);
  const auto& second = both.attachments[1];
  EXPECT_EQ(second.blob.view()[0], std::byte{1});
  EXPECT_EQ(second.name, ".._a1.png") << "a name that may be on a disk";
  EXPECT_EQ(second.size_bytes, 2U);
  EXPECT_EQ(second.sha256[0], std::byte{1});
  EXPECT_EQ(second.key[0], std::byte{0xcc});
  EXPECT_EQ(second.release.size(), 32U);
  EXPECT_TRUE(prepared(text("", 1)).text.empty()) << "nothing but a file";
}

TEST_F(TranslateTest, FilesOfOthersAreRefused) {
  auto foreign = file(0);
  foreign["url"] = "https://elsewhere.example/v1/blobs/x";
  const auto out = prepare(
      message("text", R"("body":"x","attachments":)" + json::serialize(json::array{file(1), foreign})), {}, kService);
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().pointer, "/attachments/1/url");
  EXPECT_EQ(out.error().status, 400U);
}

TEST_F(TranslateTest, LongTextsGoIntoAFile) {
  EXPECT_FALSE(large_part(text(std::string(10'000, 'a'))).has_value());
  std::string euros;
  for (int i = 0; i < 5'461; ++i) euros += "\xe2\x82\xac";
  EXPECT_FALSE(large_part(text(euros + "a")).has_value()) << "16384 bytes";
  euros += "ab";
  const auto long_text = text(euros, 7);
  auto part = large_part(long_text);
  ASSERT_TRUE(part.has_value());
  EXPECT_TRUE(as_text(part->plain).starts_with(euros));
  auto sealed = seal_file(std::move(*part), random_);
  EXPECT_EQ(sealed.attachment.sha256, crypto::sha256({sealed.ciphertext}));
  const auto out = prepared(long_text, std::move(sealed.attachment));
  EXPECT_TRUE(out.text.empty());
  ASSERT_EQ(out.attachments.size(), 8U);
  EXPECT_TRUE(wire::is_file_name(as_view(out.attachments[7].name)));
  EXPECT_TRUE(wire::is_media_type(as_view(out.attachments[7].type)));
  Bytes opened(sealed.ciphertext.size());
  crypto::Aes256Ctr(ByteView(out.attachments[7].key).first<32>()).apply(sealed.ciphertext, opened);
  EXPECT_TRUE(as_text(opened).starts_with(euros));
  const auto part_of = wire::decode_business_part(out.part);
  EXPECT_EQ(part_of->kind, wire::PartKind::words);
  EXPECT_TRUE(part_of->in_file);
  const auto full = text(euros, 8);
  EXPECT_EQ(prepare(full, seal_file(*large_part(full), random_).attachment, kService).error().status, 413U);
}

TEST_F(TranslateTest, InteractiveInPlaceAndInAFile) {
  const auto small = message("interactive", "\"interactiveData\":" + list_picker(10));
  EXPECT_FALSE(large_part(small).has_value());
  const auto out = prepared(small);
  const auto part = wire::decode_business_part(out.part);
  ASSERT_TRUE(part.has_value());
  EXPECT_EQ(part->kind, wire::PartKind::interactive);
  EXPECT_EQ(as_text(part->json), as_text(std::get<msp::Interactive>(small.content).json));
  EXPECT_TRUE(out.text.empty() && out.attachments.empty());

  // At the border, to the byte.
  std::string images;
  for (int i = 0; i < 20; ++i) {
    images += (i == 0 ? "" : ",") + std::string(R"({"identifier":"1","title":"Apple","subtitle":")") +
              std::string(430, 's') + "\"}";
  }
  const std::string frame = data_of(R"("listPicker":{"sections":[{"title":"F","items":[)" + images + "]}]}");
  const auto sized = [&](std::size_t title) {
    std::string data = frame;
    data.replace(data.find("Question"), 8, std::string(title, 'q'));
    return message("interactive", "\"interactiveData\":" + data);
  };
  const std::size_t rest = std::get<msp::Interactive>(sized(1).content).json.size() - 1;
  ASSERT_LT(rest, msp::kMaxInlineInteractiveBytes);
  ASSERT_GT(rest + 512, msp::kMaxInlineInteractiveBytes) << "the title has to reach";
  const auto fits = sized(msp::kMaxInlineInteractiveBytes - rest);
  EXPECT_FALSE(large_part(fits).has_value());
  EXPECT_LE(prepared(fits).part.size(), wire::kMaxPartBytes);
  const auto large = sized(msp::kMaxInlineInteractiveBytes - rest + 1);
  auto payload = large_part(large);
  ASSERT_TRUE(payload.has_value());
  EXPECT_TRUE(msp::is_gzip(payload->plain));
  const auto in_file = prepared(large, seal_file(std::move(*payload), random_).attachment);
  EXPECT_TRUE(wire::decode_business_part(in_file.part)->in_file);
  EXPECT_EQ(in_file.attachments.size(), 1U);
}

TEST_F(TranslateTest, RichLinks) {
  const auto link = [&](std::size_t image) {
    return message("richLink",
                   R"("richLinkData":{"url":"https://shop.example/p","title":"A thing","assets":{"image":{"data":")" +
                       msp::to_base64(Bytes(image)) + R"(","mimeType":"image/png"}}})");
  };
  const auto small = prepared(link(100));
  const auto part = wire::decode_business_part(small.part);
  EXPECT_EQ(part->kind, wire::PartKind::rich_link);
  EXPECT_EQ(msp::parse_rich_link(part->json)->image.size(), 100U);
  auto large = large_part(link(msp::kMaxRichImageBytes));
  ASSERT_TRUE(large.has_value());
  EXPECT_EQ(msp::parse_rich_link(large->plain)->title, "A thing");
  const auto in_file = prepared(link(msp::kMaxRichImageBytes), seal_file(std::move(*large), random_).attachment);
  EXPECT_TRUE(wire::decode_business_part(in_file.part)->in_file);
}

TEST_F(TranslateTest, DataRefs) {
  auto object = file(7);
  object["bid"] = kBid;
  const auto with_key = prepared(message("interactive", "\"interactiveDataRef\":" + json::serialize(object)));
  ASSERT_EQ(with_key.attachments.size(), 1U);
  EXPECT_EQ(with_key.attachments[0].size_bytes, 8U);
  EXPECT_EQ(wire::decode_business_part(with_key.part)->kind, wire::PartKind::interactive);
  object.erase("key");
  const auto refused =
      prepare(message("interactive", "\"interactiveDataRef\":" + json::serialize(object)), {}, kService);
  EXPECT_EQ(refused.error().pointer, "/interactiveDataRef/key");
  object["url"] = "https://elsewhere.example/x";
  EXPECT_EQ(prepare(message("interactive", "\"interactiveDataRef\":" + json::serialize(object)), {}, kService)
                .error()
                .pointer,
            "/interactiveDataRef/url");
}

TEST_F(TranslateTest, NobodyOfThatForm) {
  auto to_nobody = text("x");
  to_nobody.headers.destination = "urn:mbid:AQAAY2xhdWRl-bm90aGluZw_";
  const auto out = prepare(to_nobody, {}, kService);
  ASSERT_FALSE(out.has_value());
  EXPECT_EQ(out.error().status, 404U);
}

// ---------------------------------------------------------------- to the business

struct Part {
  wire::BusinessPart part{};
  SecretBytes encoded() const {
    SecretBytes out;
    EXPECT_TRUE(wire::encode(out, part).has_value());
    return out;
  }
};

Received received(std::string_view text, const wire::BusinessPart& part) {
  return {.kind = Received::Kind::message,
          .id = *msp::parse_uuid(kId),
          .opaque_id = kPerson.text(),
          .text = to_secret_bytes(as_view(text)),
          .attachments = {},
          .part = Part{part}.encoded()};
}
endpoint::Attachment received_file() {
  return {.blob = endpoint::BlobId(ByteArray<32>{std::byte{1}}),
          .key = SecretBytes(32, std::byte{0xcd}),
          .sha256 = crypto::sha256({as_view("x")}),
          .size_bytes = 12,
          .name = "a.png",
          .type = "image/png",
          .release = SecretBytes(32)};
}
struct Opened {
  json::value body;
  std::map<std::string, std::string> headers;
};
Opened opened(const Received& from, BusinessConfig business) {
  business.gzip = false;
  const auto webhook = webhook_for(from, business, kService);
  EXPECT_TRUE(webhook.has_value()) << msp::name(webhook.error());
  Opened out{json::parse(as_text(webhook->body)), {}};
  for (const auto& one : webhook->headers) out.headers[one.name] = one.value;
  return out;
}

TEST_F(TranslateTest, WebhookOfWords) {
  const ByteView id = kPerson.bytes();
  const auto from = received("Hello", {.opaque_id = id,
                                       .intent = as_view("order"),
                                       .group = as_view("sales"),
                                       .locale = as_view("en_US"),
                                       .device_agent = as_view("Linux"),
                                       .capabilities = 0xffffffff});
  business_.capabilities = msp::parse_capabilities("LIST,QUICK");
  const auto [body, headers] = opened(from, business_);
  EXPECT_EQ(body, json::parse(R"({"v":1,"id":"6b1d2c3e-9f80-4a1b-8c7d-112233445566","sourceId":")" + kPerson.text() +
                              R"(","destinationId":"0f6a1b2c-3d4e-5f60-8192-a3b4c5d6e7f8","type":"text","body":"Hello",
                                 "group":"sales","intent":"order","locale":"en_US"})"));
  EXPECT_EQ(headers.at("capability-list"), "LIST,QUICK") << "what both have";
  EXPECT_EQ(headers.at("device-agent"), "Linux");
  EXPECT_EQ(headers.at("source-id"), kPerson.text());
  EXPECT_EQ(headers.at("destination-id"), kBusiness);
  const auto gzipped = webhook_for(from, settings(kBusiness, "m", 'a'), kService);
  EXPECT_EQ(as_text(*msp::gunzip(gzipped->body, 100'000)).find("Hello") != std::string_view::npos, true);
}

TEST_F(TranslateTest, CapabilitiesBitByBit) {
  business_.capabilities.bits = 0xff;
  std::uint32_t bit = 1;
  for (const std::string_view name : {"AUTH", "LIST", "TIME", "FORM", "QUICK", "AUTH2"}) {
    EXPECT_EQ(opened(received("x", {.capabilities = bit}), business_).headers.at("capability-list"), name);
    bit <<= 1;
  }
  EXPECT_EQ(opened(received("x", {.locale = as_view("en_US")}), business_).headers.at("capability-list"), "");
  Received silent = received("x", {});
  silent.part.clear();
  EXPECT_EQ(opened(silent, settings(kBusiness, "m", 'a')).headers.at("capability-list"), "LIST,TIME,FORM,QUICK,AUTH2");
}

TEST_F(TranslateTest, WebhookOfFiles) {
  Received from = received("", {});
  from.attachments.push_back(received_file());
  const auto file = opened(from, business_).body.at("attachments").at(0);
  EXPECT_EQ(file.at("url"), json::value(url_of(received_file().blob, kService)));
  EXPECT_EQ(file.at("owner"), json::value(kBusiness));
  EXPECT_EQ(file.at("signature-base64"), json::value(msp::to_base64(received_file().sha256)));
  std::string key = "00";
  for (int i = 0; i < 32; ++i) key += "CD";
  EXPECT_EQ(file.at("key"), json::value(key));
  // A text in a file stays a file.
  from.part = Part{{.in_file = true}}.encoded();
  EXPECT_EQ(opened(from, business_).body.at("type"), "text");
}

TEST_F(TranslateTest, WebhookOfAnswers) {
  const auto asked = msp::parse_interactive(as_view(list_picker(10)), *msp::parse_uuid(kId));
  const auto reply = msp::make_reply(*asked, msp::ListChoice{.items = {{0, 0}}});
  ASSERT_TRUE(reply.has_value());
  const auto body = opened(received("", {.kind = wire::PartKind::interactive, .json = reply->json}), business_).body;
  EXPECT_EQ(body.at("type"), "interactive");
  EXPECT_EQ(body.at("interactiveData").at("data").at("replyMessage").at("title"), "Apple");

  Received large = received("", {.kind = wire::PartKind::interactive, .in_file = true});
  large.attachments.push_back(received_file());
  const auto ref = opened(large, business_).body.at("interactiveDataRef");
  EXPECT_EQ(ref.at("bid"), json::value(kBid));
  EXPECT_EQ(ref.at("size"), 12);
  EXPECT_TRUE(ref.as_object().contains("key"));
}

TEST_F(TranslateTest, OtherKinds) {
  Received from = received("ignored", {.intent = as_view("order"), .capabilities = 2});
  from.kind = Received::Kind::typing_start;
  EXPECT_EQ(opened(from, business_).body.at("type"), "typing_start");
  EXPECT_EQ(opened(from, business_).body.at("intent"), "order");
  EXPECT_EQ(opened(from, business_).headers.at("capability-list"), "LIST");
  from.kind = Received::Kind::typing_end;
  EXPECT_EQ(opened(from, business_).body.at("type"), "typing_end");
  from.kind = Received::Kind::closed;
  EXPECT_EQ(opened(from, business_).body.at("type"), "close");
  EXPECT_EQ(opened(received("", {.kind = wire::PartKind::close}), business_).body.at("type"), "close");
  Received newer = received("in words", {});
  newer.part = SecretBytes{std::byte{8}, std::byte{99}};  // kind 99
  EXPECT_EQ(opened(newer, business_).body.at("body"), "in words");
}

TEST_F(TranslateTest, DevicesThatBreakTheRulesAreNotPassedOn) {
  const auto error = [&](const Received& from) {
    const auto webhook = webhook_for(from, business_, kService);
    return webhook ? std::string("none") : std::string(msp::name(webhook.error()));
  };
  EXPECT_EQ(error(received("", {})), "missing");
  EXPECT_EQ(error(received(std::string(10'001, 'a'), {})), "oversized");
  EXPECT_EQ(error(received("a\xff", {})), "malformed");
  EXPECT_EQ(error(received(std::string_view("a\0b", 3), {})), "malformed");
  EXPECT_EQ(error(received("x", {.intent = as_view(std::string_view("a\0b", 3))})), "malformed");
  EXPECT_EQ(error(received("x", {.kind = wire::PartKind::rich_link, .json = as_view("{}")})), "unsupported");
  const auto other = opaque_id(6);
  EXPECT_EQ(error(received("x", {.opaque_id = other.bytes()})), "mismatch");
  EXPECT_EQ(error(received("x", {.kind = wire::PartKind::interactive, .json = as_view("{}")})), "missing");
  EXPECT_EQ(error(received("x", {.kind = wire::PartKind::interactive, .json = as_view("[[[")})), "malformed");
  // What a business asks is no answer.
  const std::string question = list_picker(1);
  EXPECT_EQ(error(received("", {.kind = wire::PartKind::interactive, .json = as_view(question)})), "missing");

  Received broken = received("x", {});
  broken.part = SecretBytes(20, std::byte{0xff});
  EXPECT_EQ(error(broken), "malformed");
  broken.part = SecretBytes(wire::kMaxPartBytes + 1);
  EXPECT_EQ(error(broken), "oversized");
  broken = received("x", {});
  broken.opaque_id = "urn:mbid:\n";
  EXPECT_EQ(error(broken), "malformed");

  Received files = received("", {.kind = wire::PartKind::interactive, .in_file = true});
  EXPECT_EQ(error(files), "mismatch") << "no file";
  files.attachments.push_back(received_file());
  files.attachments.push_back(received_file());
  EXPECT_EQ(error(files), "mismatch") << "one would be lost";
  files = received("x", {});
  files.attachments.push_back(received_file());
  files.attachments[0].key.clear();
  EXPECT_EQ(error(files), "malformed");
  files.attachments[0] = received_file();
  files.attachments[0].size_bytes = 0;
  EXPECT_EQ(error(files), "oversized");
  for (int i = 0; i < 8; ++i) files.attachments.push_back(received_file());
  EXPECT_EQ(error(files), "oversized");
}

/// Whatever comes, it is a webhook or an error.
TEST_F(TranslateTest, AnyPartAtAll) {
  const SecretBytes good = Part{{.kind = wire::PartKind::interactive,
                                 .json = as_view(R"({"bid":"x","data":{}})"),
                                 .intent = as_view("order"),
                                 .capabilities = 63}}
                               .encoded();
  EXPECT_TRUE(rc::check("damaged anywhere", [&](std::uint64_t seed) {
    SeededRandom random(seed);
    for (int i = 0; i < 200; ++i) {
      Received from = received("x", {});
      from.part = good;
      for (std::size_t k = random.below(4) + 1; k > 0; --k) {
        from.part[random.below(from.part.size())] = std::byte(random.below(256));
      }
      from.part.resize(random.below(from.part.size()) + 1);
      const auto webhook = webhook_for(from, business_, kService);
      if (webhook) RC_ASSERT(!webhook->body.empty());
    }
  }));
}

// ---------------------------------------------------------------- tickets

class OneBusiness final : public Businesses {
 public:
  explicit OneBusiness(BusinessPort& one) : one_(one) {}
  BusinessPort* find(const msp::Uuid& id) override { return id == one_.config().id ? &one_ : nullptr; }
  std::vector<BusinessPort*> of_msp(std::string_view) override { return {&one_}; }

 private:
  BusinessPort& one_;
};

TEST_F(TranslateTest, UploadTicketsAreWhatWasGivenOut) {
  SystemClock clock;
  net::EventLoop loop(clock);
  FakeService service(loop);
  FakeBusiness mine(service, business_);
  OneBusiness all(mine);
  const UploadTicket ticket{.business = business_.id,
                            .blob = random_.id<endpoint::BlobId>(),
                            .upload_token = random_.bytes<32>(),
                            .size_bytes = 104'857'600};
  const std::string text = write_upload_ticket(ticket, business_);
  const auto read = [&](const std::string& path) {
    const std::size_t slash = path.find('/');
    return read_upload_ticket(path.substr(0, slash), path.substr(slash + 1), all);
  };
  const auto back = read(text);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->blob, ticket.blob);
  EXPECT_EQ(back->upload_token, ticket.upload_token);
  EXPECT_EQ(back->size_bytes, ticket.size_bytes);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string flipped = text;
    flipped[i] = flipped[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(read(flipped).has_value()) << i;
  }
  EXPECT_FALSE(read(text.substr(0, text.size() - 1)).has_value());
  EXPECT_FALSE(read(text + "A").has_value());
  mine.config_.msp_secret = msp::to_base64(Bytes(32, std::byte{'z'}));
  EXPECT_FALSE(read(text).has_value()) << "another secret";
  // A business that is not here: its secret is not the empty one.
  BusinessConfig nobody;
  nobody.id = random_.id<msp::Uuid>();
  UploadTicket forged = ticket;
  forged.business = nobody.id;
  EXPECT_FALSE(read(write_upload_ticket(forged, nobody)).has_value());
  forged.business = {};
  EXPECT_FALSE(read(write_upload_ticket(forged, BusinessConfig{})).has_value());
}

TEST_F(TranslateTest, SealedKeysAreBoundToTheirReference) {
  msp::DataRef ref{.bid = std::string(kBid),
                   .owner = std::string(kBusiness),
                   .url = "https://service.example/v1/blobs/x",
                   .title = {},
                   .size_bytes = 700,
                   .signature = random_.bytes<32>(),
                   .service_signature = {},
                   .key = std::nullopt};
  const msp::AttachmentKey key(random_.bytes<32>());
  EXPECT_FALSE(open_ref_key(ref, business_).has_value());
  ref.service_signature = seal_ref_key(ref, key, business_);
  ASSERT_TRUE(open_ref_key(ref, business_).has_value());
  EXPECT_TRUE(equal(open_ref_key(ref, business_)->reveal(), key.reveal()));
  const auto expect_none = [&](auto change) {
    msp::DataRef other{.bid = ref.bid,
                       .owner = ref.owner,
                       .url = ref.url,
                       .title = {},
                       .size_bytes = ref.size_bytes,
                       .signature = ref.signature,
                       .service_signature = ref.service_signature,
                       .key = std::nullopt};
    change(other);
    EXPECT_FALSE(open_ref_key(other, business_).has_value());
  };
  expect_none([](msp::DataRef& r) { r.url += "y"; });
  expect_none([](msp::DataRef& r) { r.size_bytes += 1; });
  expect_none([](msp::DataRef& r) { r.signature[5] ^= std::byte{1}; });
  for (std::size_t i = 0; i < ref.service_signature.size(); ++i) {
    expect_none([i](msp::DataRef& r) { r.service_signature[i] ^= std::byte{1}; });
  }
  expect_none([](msp::DataRef& r) { r.service_signature.pop_back(); });
  EXPECT_FALSE(open_ref_key(ref, settings(kBusiness, "msp-1", 'b')).has_value()) << "another secret";
  EXPECT_FALSE(open_ref_key(ref, settings(kOtherBusiness, "msp-1", 'a')).has_value()) << "another business";
}

}  // namespace
}  // namespace opaline::gateway
