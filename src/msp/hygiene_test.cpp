// Promise 5: after a message has gone through this room nothing of it is left in the memory of the process.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "msp/gzip.hpp"
#include "msp/internal/json.hpp"
#include "msp/msp_test_support.hpp"
#include "msp/payload.hpp"
#include "msp/webhook.hpp"
#include "support/sanitized.hpp"

namespace opaline::msp {
namespace {

using testing::kBid;
using testing::kBusinessId;
using testing::kMessageId;
using testing::kPersonId;

constexpr unsigned char kMask = 0x5a;
/// "marker-of-this-test", masked: the test itself must not be what is found.
constexpr std::string_view kMasked = "\x37\x3b\x28\x31\x3f\x28\x77\x35\x3c\x77\x2e\x32\x33\x29\x77\x2e\x3f\x29\x2e";

void put(SecretBytes& out, std::string_view text) {
  const ByteView bytes = as_view(text);
  out.insert(out.end(), bytes.begin(), bytes.end());
}
void put_marker(SecretBytes& out) {
  for (const char c : kMasked) out.push_back(static_cast<std::byte>(static_cast<unsigned char>(c) ^ kMask));
}

/// Without the heap: what lies there freed must stay as it is.
std::array<char, std::size_t{1} << 16> maps_text;
std::array<char, std::size_t{1} << 16> block;

std::size_t count_in_block(std::size_t size) {
  for (char& c : block) c = static_cast<char>(static_cast<unsigned char>(c) ^ kMask);  // it may be scanned itself
  const std::string_view all(block.data(), size);
  std::size_t out = 0;
  for (std::size_t at = all.find(kMasked); at != all.npos; at = all.find(kMasked, at + 1)) ++out;
  return out;
}

/// How often the marker lies in memory that this process can write.
std::size_t found_in_memory() {
  std::size_t out = 0, length = 0;
  const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  for (ssize_t got = 0; (got = read(maps, maps_text.data() + length, maps_text.size() - 1 - length)) > 0;) {
    length += static_cast<std::size_t>(got);
  }
  close(maps);
  maps_text[length] = 0;
  const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  for (const char* line = maps_text.data(); line != nullptr && *line != 0;) {
    std::uintptr_t begin = 0, end = 0;
    char mode[5] = {};
    if (std::sscanf(line, "%lx-%lx %4s", &begin, &end, mode) == 3 && mode[0] == 'r' && mode[1] == 'w') {
      const std::size_t overlap = kMasked.size() - 1;
      for (std::uintptr_t at = begin; at < end; at += block.size() - overlap) {
        const ssize_t got = pread(memory, block.data(), std::min(block.size(), end - at), static_cast<off_t>(at));
        if (got > 0) out += count_in_block(static_cast<std::size_t>(got));
      }
    }
    line = std::strchr(line, '\n');
    if (line != nullptr) ++line;
  }
  close(memory);
  return out;
}

/// Everything this room does with a text, once.
[[gnu::noinline]] void go_through() {
  SecretBytes body;
  put(body, R"({"id":")" + std::string(kMessageId) + R"(","v":1,"type":"text","future":[")");
  put_marker(body);
  put(body, R"("],"body":"\u00e9 )");  // the escape makes the parser copy
  for (int i = 0; i < 200; ++i) put_marker(body);
  put(body, R"( \n"})");
  const auto headers = testing::message_headers();
  auto message = parse_message(headers, body);
  ASSERT_TRUE(message.has_value());
  const auto& text = std::get<TextMessage>(message->content);
  Inbound inbound{.id = *parse_uuid(kMessageId),
                  .source = std::string(kPersonId),
                  .destination = *parse_uuid(kBusinessId),
                  .group = {},
                  .intent = {},
                  .locale = {},
                  .content = InboundText{.body = text.body, .attachments = {}}};
  for (const bool gzip : {true, false}) {
    ASSERT_TRUE(write_webhook(inbound, {.capabilities = {}, .device_agent = {}, .gzip = gzip}).has_value());
  }

  SecretBytes question;
  put(question, R"({"bid":")" + std::string(kBid) + R"(","receivedMessage":{"title":"\t)");
  put_marker(question);
  put(question,
      R"("},"data":{"requestIdentifier":"r","listPicker":{"sections":[{"items":[{"identifier":"1","title":")");
  put_marker(question);
  put(question, R"("}]}]}}})");
  const auto asked = parse_interactive(question, Uuid{});
  ASSERT_TRUE(asked.has_value());
  const auto reply = make_reply(*asked, ListChoice{{{0, 0}}});
  ASSERT_TRUE(reply.has_value());
  const auto opened = decode_payload(pack_payload(reply->json));
  ASSERT_TRUE(opened.has_value());
  question.push_back(std::byte{'x'});
  ASSERT_FALSE(parse_interactive(question, Uuid{}).has_value());  // errors leave nothing either
}

class Hygiene : public ::testing::Test {
  void SetUp() override {
    if (opaline::testing::kSanitized) GTEST_SKIP() << "a sanitizer's allocator keeps and maps memory in its own way";
  }
};

TEST_F(Hygiene, NothingOfATextIsLeft) {
  {
    SecretBytes marker;
    put_marker(marker);
    ASSERT_EQ(found_in_memory(), 1U);  // it would be found
  }
  ASSERT_EQ(found_in_memory(), 0U);
  go_through();
  EXPECT_EQ(found_in_memory(), 0U);
}

// One thing at a time, so that nothing else writes over what it freed.
[[gnu::noinline]] void read_some_json() {
  SecretBytes body;
  put(body, "[");
  for (int i = 0; i < 300; ++i) {
    put(body, i == 0 ? "\"" : ",\"");
    put_marker(body);
    put(body, "\"");
  }
  put(body, "]");
  ASSERT_TRUE(internal::read_json(body).has_value());
}
[[gnu::noinline]] void compress_something() {
  SecretBytes plain;
  for (int i = 0; i < 2000; ++i) {
    put_marker(plain);
    plain.push_back(static_cast<std::byte>(i));
  }
  ASSERT_TRUE(gunzip(gzip(plain), plain.size()).has_value());
}

TEST_F(Hygiene, NothingOfJsonIsLeft) {
  read_some_json();
  EXPECT_EQ(found_in_memory(), 0U);
}
TEST_F(Hygiene, NothingOfGzipIsLeft) {
  compress_something();
  EXPECT_EQ(found_in_memory(), 0U);
}

}  // namespace
}  // namespace opaline::msp
