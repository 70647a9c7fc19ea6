// Files on their way down.
#include "client/files_test_support.hpp"

namespace opaline::client {
namespace {

TEST_F(FilesTest, SmallPiecesMakeTheWhole) {
  const std::string content = pattern(100'000);
  const Attachment a = offered(content);
  blobs_.most = 7777;
  const auto saved = save(a);
  ASSERT_TRUE(saved);
  EXPECT_EQ(content_of(*saved), content);
  struct stat info{};
  ASSERT_EQ(::stat(saved->c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_TRUE(is_empty("incoming"));
}

TEST_F(FilesTest, AnAnswerThatIsShorterLeavesNoGap) {
  const std::string content = pattern(24 * kMiB + 5);
  const Attachment a = offered(content);
  int asked = 0;
  blobs_.twist = [&](const HttpRequest& request) -> std::optional<HttpResponse> {
    // The third and the sixth find a service with little memory; the one behind the third is on its way by then.
    if (request.method == "GET") blobs_.most = ++asked % 3 == 0 ? kMiB : 4 * kMiB;
    return std::nullopt;
  };
  const auto saved = save(a);
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_EQ(content_of(*saved), content);
  EXPECT_GT(asked, 8);
}

TEST_F(FilesTest, DamagedBytesAreNeverShownNorReleased) {
  for (const std::size_t at : {0UL, 50'000UL, 99'999UL}) {
    const Attachment a = offered(pattern(100'000));
    blob_of(a).bytes[at] ^= std::byte{1};
    const auto saved = save(a);
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().error, ClientError::file_damaged);
    EXPECT_TRUE(out_names().empty());
    EXPECT_TRUE(is_empty("incoming"));
    EXPECT_TRUE(blob_of(a).releases.empty());
  }
}

TEST_F(FilesTest, AnotherSizeOrMoreThanWasAskedForIsNotTaken) {
  const Attachment a = offered(pattern(100'000));
  blobs_.twist = [](const HttpRequest&) {
    HttpResponse out = FakeBlobs::at(200, 0, 100'001);
    out.body = Bytes(100'000);
    return out;
  };
  EXPECT_EQ(save(a).error().error, ClientError::file_damaged);
  blobs_.twist = [](const HttpRequest&) {
    HttpResponse out = FakeBlobs::at(200, 0, 100'000);
    out.body = Bytes(100'001);
    return out;
  };
  EXPECT_EQ(save(a).error().error, ClientError::protocol);
  EXPECT_TRUE(out_names().empty());
}

TEST_F(FilesTest, WhatIsGoneIsSaidAndForgotten) {
  const Attachment a = offered("hello");
  blobs_.blobs.clear();
  EXPECT_EQ(save(a).error().error, ClientError::file_gone);
  EXPECT_TRUE(transfers_->downloads()->empty());
  EXPECT_TRUE(is_empty("incoming"));
}

TEST_F(FilesTest, APieceFromBeforeIsUsedAndADamagedOneIsNot) {
  const std::string content = pattern(5 * kMiB);
  for (const bool damaged : {false, true}) {
    const Attachment a = offered(content, damaged ? "b" : "a");
    ASSERT_TRUE(downloads_->want(a, directory_ / "out"));
    Bytes begin = to_bytes(ByteView(blob_of(a).bytes).first(kMiB));
    if (damaged) begin[77] ^= std::byte{1};
    ASSERT_TRUE(home_folder(*home_, "incoming"));
    std::ofstream(home_->directory() / "incoming" / (transfers_->blind_name(a.blob) + ".part"), std::ios::binary)
        << to_string(begin);
    blobs_.log.clear();
    const auto saved = fetch(a);
    ASSERT_TRUE(saved);
    EXPECT_EQ(content_of(*saved), content);
    const auto gets = std::ranges::count_if(blobs_.log, [](const auto& line) { return line.starts_with("GET"); });
    EXPECT_EQ(gets, damaged ? 3 : 1) << "4 MiB in one go; all of it once more if that was damaged";
  }
}

TEST_F(FilesTest, NeverOverwritesNorFollowsALink) {
  write("out/report.pdf", "mine");
  write("precious", "precious");
  fs::create_symlink(directory_ / "precious", directory_ / "out" / "report (1).pdf");
  fs::create_symlink(directory_ / "nowhere", directory_ / "out" / "report (2).pdf");
  const Attachment a = offered("theirs");
  // Somebody puts a link where the text is opened, and takes the name just before it is given.
  fs::create_symlink(directory_ / "precious",
                     directory_ / "out" / (".opaline-" + transfers_->blind_name(a.blob) + ".tmp"));
  fault::set_hook([&, taken = false](std::string_view point) mutable {
    if (point == "files.before_rename" && !std::exchange(taken, true)) write("out/report (3).pdf", "quick");
  });
  const auto saved = save(a);
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->filename(), "report (4).pdf");
  EXPECT_EQ(content_of(directory_ / "out" / "report.pdf"), "mine");
  EXPECT_EQ(content_of(directory_ / "precious"), "precious");
  EXPECT_EQ(content_of(directory_ / "out" / "report (3).pdf"), "quick");
  EXPECT_FALSE(fs::exists(directory_ / "nowhere"));
  EXPECT_EQ(content_of(*saved), "theirs");
}

TEST_F(FilesTest, AReleaseThatFailedIsMadeUpFor) {
  const Attachment a = offered("hello");
  blobs_.twist = [](const HttpRequest& request) -> std::optional<HttpResponse> {
    if (request.method == "POST") return net::text_response(503, "text/plain", "later\n");
    return std::nullopt;
  };
  ASSERT_TRUE(save(a));
  EXPECT_TRUE(blob_of(a).releases.empty());
  blobs_.twist = nullptr;
  restart();
  errands_->look();
  loop_.run_until([this] { return errands_->idle(); });
  EXPECT_TRUE(equal(blob_of(a).releases, a.release));
  EXPECT_TRUE(transfers_->errands()->empty());
}

}  // namespace
}  // namespace opaline::client
