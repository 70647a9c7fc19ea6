// However a message is cut on its way, it is the same message.
#include "net/internal/http_parser.hpp"

#include <gtest/gtest.h>

namespace opaline::net::internal {
namespace {

/// The body, or "error" or "unfinished"; the bytes come in pieces that end at `cuts`.
std::string parsed(std::string_view text, const std::vector<std::size_t>& cuts) {
  RequestParser parser(1024);
  Bytes unread;
  std::size_t at = 0;
  bool limited = false;
  for (const std::size_t cut : cuts) {
    append(unread, as_view(text.substr(at, cut - at)));
    at = cut;
    for (std::size_t used = 1; used != 0 && !unread.empty() && !parser.done();) {
      const auto step = parser.feed(unread);
      if (!step) return "error";
      used = *step;
      unread.erase(unread.begin(), unread.begin() + static_cast<std::ptrdiff_t>(used));
      if (parser.head_done() && !std::exchange(limited, true) && !parser.set_body_limit(100)) return "error";
    }
  }
  if (!parser.done()) return "unfinished";
  return to_string(parser.body) + "|" + to_string(unread);
}

TEST(HttpParser, ChunkedBodiesMayBeCutAnywhere) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::pair<std::string_view, std::string_view> bodies[] = {
      {"0\r\n\r\n", "|"},
      {"0\r\nTrailer: x\r\n\r\n", "|"},  // the last chunk alone, then a byte more
      {"3\r\nabc\r\n0\r\n\r\n", "abc|"},
      {"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nA: b\r\n\r\n", "abcd|"},
      {"00;x\r\n\r\n", "|"},
      {"0\r\nno trailer", "unfinished"},
      {"zz\r\n\r\n", "error"},
      {"65\r\n\r\n", "error"}};
  for (const auto& [body, outcome] : bodies) {
    const std::string text = head + std::string(body);
    EXPECT_EQ(parsed(text, {text.size()}), outcome) << body;
    for (std::size_t cut = 1; cut < text.size(); ++cut)
      EXPECT_EQ(parsed(text, {cut, text.size()}), outcome) << body << cut;
    std::vector<std::size_t> each;
    for (std::size_t cut = 1; cut <= text.size(); ++cut) each.push_back(cut);
    EXPECT_EQ(parsed(text, each), outcome) << body;
  }
}

TEST(HttpParser, WhatFollowsALastChunkIsLeft) {
  const std::string text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET ";
  EXPECT_EQ(parsed(text, {text.size()}), "|GET ");
}

}  // namespace
}  // namespace opaline::net::internal
