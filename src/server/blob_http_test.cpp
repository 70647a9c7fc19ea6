#include "server/blob_http.hpp"

#include <gmock/gmock.h>

#include "crypto/hash.hpp"
#include "server/blob_memory.hpp"
#include "store/drivers/memory_blob_store.hpp"
#include "store/drivers/memory_key_vault.hpp"

namespace opaline::server {
namespace {

using testing::HasSubstr;

class BlobHttpTest : public testing::Test {
 protected:
  BlobHttpTest() {
    blobs::BlobTokenHash hash(crypto::sha256({release_}));
    auto made = service_.create(AccountId(random_.bytes<16>()), blobs::Uploader::person, 1000, {hash});
    id_ = to_base64url(made->id.view());
    upload_ = to_base64url(made->upload.reveal());
  }
  net::HttpResponse ask(std::string method, const std::string& path, Bytes body = {}, std::string upload = "-") {
    net::HttpRequest request{.method = std::move(method), .target = "/v1/blobs/" + path, .body = std::move(body)};
    if (upload == "-") upload = upload_;
    if (!upload.empty()) request.headers.push_back({"Opaline-Upload", upload});
    auto parsed = parse_blob_request(std::move(request));
    if (auto* const answer = std::get_if<net::HttpResponse>(&parsed)) return std::move(*answer);
    return serve_blob(service_, std::get<BlobRequest>(parsed), checkpoint_);
  }
  unsigned status(const std::string& method, const std::string& path, Bytes body = {}) {
    return ask(method, path, std::move(body)).status;
  }
  void fill() { ASSERT_EQ(status("PUT", id_ + "?offset=0", Bytes(1000, std::byte{'x'})), 201); }

  SeededRandom random_{1};
  SystemClock clock_;
  store::MemoryBlobs disk_;
  store::MemoryKeyVault vault_{random_};
  store::MemoryBlobStore store_{disk_, vault_};
  blobs::Service service_{{}, {store_, clock_, random_}};
  const Bytes release_ = Bytes(32, std::byte{9});
  std::string id_, upload_;
  bool checkpoint_ = false;
};

TEST_F(BlobHttpTest, OneLifeOfABlob) {
  EXPECT_EQ(ask("GET", id_ + "/offset").header("Opaline-Offset"), "0");
  auto answer = ask("PUT", id_ + "?offset=0", Bytes(400, std::byte{'a'}));
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.header("Opaline-Offset"), "400");
  EXPECT_EQ(status("GET", id_ + "?offset=0&length=10"), 404) << "not complete";
  answer = ask("PUT", id_ + "?offset=0", Bytes(400));
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.header("Opaline-Offset"), "400");
  EXPECT_EQ(status("PUT", id_ + "?offset=400", Bytes(601)), 413);
  answer = ask("PUT", id_ + "?offset=400", Bytes(600, std::byte{'b'}));
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.header("Opaline-Offset"), "1000");
  EXPECT_EQ(ask("GET", id_ + "/offset").header("Opaline-Size"), "1000");
  answer = ask("GET", id_ + "?offset=399&length=2", {}, "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(as_text(answer.body), "ab");
  EXPECT_EQ(answer.header("Opaline-Size"), "1000");
  EXPECT_EQ(answer.header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(ask("GET", id_ + "?offset=999&length=4194304").body.size(), 1);
  EXPECT_EQ(ask("GET", id_ + "?offset=1000&length=1").body.size(), 0);
  EXPECT_EQ(ask("GET", id_ + "?offset=18446744073709551615&length=1").status, 200);
  EXPECT_EQ(status("POST", id_ + "/releases", Bytes(64, std::byte{1})), 204);
  EXPECT_EQ(status("POST", id_ + "/release", release_), 204);
  EXPECT_EQ(status("GET", id_ + "?offset=0&length=1"), 200) << "another device waits";
  EXPECT_EQ(status("DELETE", id_), 204);
  EXPECT_EQ(status("GET", id_ + "?offset=0&length=1"), 404);
  EXPECT_EQ(status("POST", id_ + "/release", release_), 204) << "always";
}

TEST_F(BlobHttpTest, WhatIsNotToBeHadIsOneAnswer) {
  const auto flipped = [](std::string text) {
    text[5] = text[5] == 'A' ? 'B' : 'A';
    return text;
  };
  const auto never = ask("GET", flipped(id_) + "?offset=0&length=1");
  EXPECT_EQ(never.status, 404);
  EXPECT_EQ(never.header("Cache-Control"), "no-store");
  const auto piece = [] { return Bytes(10); };
  const std::vector<net::HttpResponse> same = {
      ask("GET", id_ + "?offset=0&length=1"),
      ask("PUT", id_ + "?offset=0", piece(), flipped(upload_)),
      ask("PUT", id_ + "?offset=0", piece(), ""),
      ask("PUT", id_ + "?offset=0", piece(), "x"),
      ask("PUT", id_ + "?offset=0", piece(), upload_ + "A"),
      ask("GET", id_ + "/offset", {}, flipped(upload_)),
      ask("DELETE", id_, {}, flipped(upload_)),
      ask("DELETE", flipped(id_)),
      ask("POST", id_ + "/releases", Bytes(32), flipped(upload_)),
      ask("GET", id_.substr(1) + "?offset=0&length=1"),
      ask("GET", id_ + "A?offset=0&length=1"),
      ask("GET", id_.substr(0, 42) + "=?offset=0&length=1"),
      ask("GET", id_.substr(0, 42) + "%?offset=0&length=1"),
      ask("GET", id_.substr(0, 42) + "_?offset=0&length=1"),  // stray bits in the last character
      ask("GET", "?offset=0&length=1"),
      ask("GET", "../device"),
      ask("GET", id_ + "/"),
      ask("GET", id_ + "/offset/"),
      ask("GET", id_ + "/other"),
  };
  for (std::size_t i = 0; i < same.size(); ++i) {
    EXPECT_EQ(same[i].status, 404) << i;
    EXPECT_EQ(same[i].headers, never.headers) << i;
    EXPECT_EQ(same[i].body, never.body) << i;
  }
}

TEST_F(BlobHttpTest, QueriesAreAsThePageSays) {
  fill();
  for (const char* query :
       {"", "?", "?offset=", "?offset=0", "?offset=0&length=", "?offset=0&length=0", "?offset=00&length=1",
        "?offset=+0&length=1", "?offset=-1&length=1", "?offset=0x1&length=1", "?offset=0&length=1 ",
        "?length=1&offset=0", "?offset=0&length=1&x=1", "?offset=0&length=4194305",
        "?offset=18446744073709551616&length=1", "?offset=0&length=18446744073709551617", "?offset=0;length=1",
        "?Offset=0&length=1", "?offset=0&length=01"}) {
    EXPECT_EQ(status("GET", id_ + query), 400) << query;
  }
  for (const char* query : {"", "?offset=", "?offset=0&", "?offset=0&length=1", "?offset=01", "?offset=1e3"}) {
    EXPECT_EQ(status("PUT", id_ + query, Bytes(1)), 400) << query;
  }
  EXPECT_EQ(status("DELETE", id_ + "?x"), 400);
  EXPECT_EQ(status("POST", id_ + "/release?x", release_), 400);
}

TEST_F(BlobHttpTest, BodiesAreAsThePageSays) {
  EXPECT_EQ(status("PUT", id_ + "?offset=0"), 400);
  EXPECT_EQ(status("PUT", id_ + "?offset=0", Bytes((1 << 20) + 1)), 413);
  for (const std::size_t size : {0U, 31U, 33U, 64U}) EXPECT_EQ(status("POST", id_ + "/release", Bytes(size)), 400);
  for (const std::size_t size : {0U, 31U, 33U}) EXPECT_EQ(status("POST", id_ + "/releases", Bytes(size)), 400);
  EXPECT_EQ(status("POST", id_ + "/releases", Bytes(65 * 32)), 413);
  EXPECT_EQ(status("GET", id_ + "/offset", Bytes(1)), 400);
  EXPECT_EQ(status("DELETE", id_, Bytes(1)), 400);
  EXPECT_EQ(blob_body_limit({.method = "PUT"}), 1 << 20);
  EXPECT_EQ(blob_body_limit({.method = "POST"}), 64 * 32);
}

TEST_F(BlobHttpTest, OtherMethodsAreNamed) {
  EXPECT_EQ(ask("POST", id_).header("Allow"), "PUT, GET, DELETE");
  EXPECT_EQ(ask("HEAD", id_).status, 405);
  EXPECT_EQ(ask("PUT", id_ + "/offset").header("Allow"), "GET");
  EXPECT_EQ(ask("GET", id_ + "/release").header("Allow"), "POST");
  EXPECT_EQ(ask("get", id_ + "?offset=0&length=1").status, 405);
}

TEST_F(BlobHttpTest, ADiskInTroubleSaysWhenToComeBack) {
  fill();
  disk_.failed = true;
  for (const auto& answer : {ask("GET", id_ + "?offset=0&length=1"), ask("POST", id_ + "/release", release_)}) {
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.header("Retry-After"));
    EXPECT_EQ(answer.header("Cache-Control"), "no-store");
  }
}

// ---------------------------------------------------------------- memory

TEST(BlobMemory, GivesLessWhileThereIsLittleAndNothingAtTheEnd) {
  BlobMemory memory(1000, 1000);
  std::vector<BlobMemory::Share> shares;
  std::size_t last = 100;
  while (auto share = memory.take({}, 10, 100)) {
    EXPECT_LE(share->bytes, last);
    EXPECT_GE(share->bytes, 10U);
    last = share->bytes;
    shares.push_back(std::move(*share));
    ASSERT_LE(memory.used(), 1000U);
  }
  EXPECT_GT(shares.size(), 15U) << "more than with whole shares";
  EXPECT_GT(memory.used(), 980U);
  shares.clear();
  EXPECT_EQ(memory.used(), 0U);
  EXPECT_EQ(memory.take({}, 10, 100)->bytes, 100U);
}

TEST(BlobMemory, OneSourceLeavesRoomForOthers) {
  BlobMemory memory(1000, 250);
  const auto mine = blob_source({});
  std::vector<BlobMemory::Share> shares;
  while (auto share = memory.take(mine, 50, 50)) shares.push_back(std::move(*share));
  EXPECT_EQ(memory.used(), 250U);
  ByteArray<16> other{};
  other[0] = std::byte{1};
  EXPECT_TRUE(memory.take(blob_source(other), 50, 50));
}

TEST(BlobMemory, WhatNeedsNothingHoldsNothing) {
  BlobMemory memory(1000, 250);
  const BlobMemory::Source source{};
  auto nothing = memory.take(source, 0, 0);  // a release while a piece is under way, ending after it
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->bytes, 0u);
  EXPECT_FALSE(nothing->hold);
  auto piece = memory.take(source, 100, 100);
  ASSERT_TRUE(piece);
  auto more = memory.take(source, 0, 0);
  piece.reset();
  nothing.reset();
  more.reset();
  EXPECT_EQ(memory.used(), 0u);
  EXPECT_TRUE(memory.take(source, 250, 250));
}

TEST(BlobMemory, AShareMayOutliveItsMemory) {
  std::optional<BlobMemory::Share> share;
  {
    BlobMemory memory(1000, 1000);
    share = memory.take({}, 10, 10);
  }
  share.reset();
}

TEST(BlobMemory, AnIpv6NetworkIsOneSource) {
  ByteArray<16> a{}, b{};
  a[0] = b[0] = std::byte{0x20};
  b[15] = std::byte{1};
  EXPECT_EQ(blob_source(a), blob_source(b));
  a = b = {};
  a[10] = a[11] = b[10] = b[11] = std::byte{0xff};
  b[15] = std::byte{1};
  EXPECT_NE(blob_source(a), blob_source(b)) << "IPv4 addresses are each their own";
}

}  // namespace
}  // namespace opaline::server
