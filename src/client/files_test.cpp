// Files on their way up, and what the disk has of them.
#include "client/files_test_support.hpp"

namespace opaline::client {
namespace {

// ---- up

TEST_F(FilesTest, GoesUpOnceAndComesDownAsItWas) {
  const std::string content = pattern(3 * kMiB + 17);
  accept(content);
  go_up();
  go_up();
  ASSERT_EQ(host_->queued.size(), 1U);
  EXPECT_TRUE(is_empty("outgoing"));
  Attachment a = host_->queued[0];
  EXPECT_EQ(a.type, "application/pdf");
  EXPECT_NE(to_string(blob_of(a).bytes), content) << "it is encrypted";
  const session::ReleaseSecret secret(ByteView(a.release).first<32>());
  const auto token = session::release_token(secret, host_->devices[0]);
  EXPECT_TRUE(equal(blob_of(a).added, session::release_hash(token).view()));
  a.release = to_secret_bytes(token.reveal());
  const auto saved = save(a);
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_EQ(content_of(*saved), content);
  EXPECT_TRUE(equal(blob_of(a).releases, token.reveal()));
}

TEST_F(FilesTest, AnAnswerFromMemoryGoesUpAndIsKnownForOneAfterARestart) {
  const std::string content = pattern(20'000);
  const auto folder = *home_folder(*home_, "outgoing");
  auto sealed = seal(as_view(content), "interactive.json.gz", "application/gzip", folder, random_);
  ASSERT_TRUE(sealed);
  EXPECT_NE(content_of(folder / sealed->spool), content) << "it is encrypted";
  Upload upload;
  upload.id = random_.id<UploadId>();
  upload.peer = kPeer;
  upload.answers = random_.id<MessageId>();
  upload.files.push_back({sealed->attachment, sealed->spool, {}, {}, false});
  ASSERT_TRUE(transfers_->add(upload));
  const auto kept = transfers_->upload(upload.id);
  ASSERT_TRUE(kept && *kept);
  EXPECT_EQ((*kept)->answers, upload.answers);
  const UploadId plain = accept(pattern(10));
  EXPECT_EQ((*transfers_->upload(plain))->answers, std::nullopt);
  restart();
  go_up();
  ASSERT_EQ(host_->queued.size(), 2U);
  const auto saved = save(host_->queued[0]);
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_EQ(content_of(*saved), content);
}

TEST_F(FilesTest, GoesOnWhereTheServiceIs) {
  accept(pattern(4 * kMiB));
  int pieces = 0;
  blobs_.twist = [&](const HttpRequest& request) -> std::optional<HttpResponse> {
    // The third piece meets a service that lost the second.
    if (request.method == "PUT" && ++pieces == 3) blobs_.blobs.begin()->second.bytes.resize(kMiB);
    return std::nullopt;
  };
  go_up();
  ASSERT_EQ(host_->queued.size(), 1U);
  EXPECT_GT(pieces, 4);
  EXPECT_TRUE(equal(crypto::sha256(blob_of(host_->queued[0]).bytes), host_->queued[0].sha256));
}

TEST_F(FilesTest, TwoPiecesAreUnderWayAndNoMore) {
  accept(pattern(6 * kMiB));
  int sent = 0, answered = 0, most = 0;
  fault::set_hook([&](std::string_view point) {
    if (point == "files.before_piece") ++sent;
  });
  blobs_.twist = [&](const HttpRequest& request) -> std::optional<HttpResponse> {
    if (request.method == "PUT") most = std::max(most, sent - answered++);
    return std::nullopt;
  };
  go_up();
  ASSERT_EQ(host_->queued.size(), 1U);
  EXPECT_EQ(most, 2) << "the service works on one while the next is on its way";
  EXPECT_EQ(sent, 6) << "none twice";
}

TEST_F(FilesTest, AfterAPieceThatWasNotTakenAllThatWasOnItsWayIsSentAgain) {
  accept(pattern(8 * kMiB));
  int pieces = 0;
  blobs_.twist = [&](const HttpRequest& request) -> std::optional<HttpResponse> {
    if (request.method != "PUT" || ++pieces != 4) return std::nullopt;
    return FakeBlobs::at(409, blobs_.blobs.begin()->second.bytes.size(), 8 * kMiB);
  };
  go_up();
  ASSERT_EQ(host_->queued.size(), 1U);
  EXPECT_EQ(pieces, 10) << "the one that was not taken, and the one behind it";
  EXPECT_TRUE(equal(crypto::sha256(blob_of(host_->queued[0]).bytes), host_->queued[0].sha256));
}

TEST_F(FilesTest, AServiceThatForgotItGetsTheSameBytesAnew) {
  accept(pattern(2 * kMiB));
  blobs_.twist = [&, lost = false](const HttpRequest& request) mutable -> std::optional<HttpResponse> {
    if (request.method == "PUT" && FakeBlobs::number(request, "offset") > 0 && !std::exchange(lost, true))
      blobs_.blobs.clear();
    return std::nullopt;
  };
  go_up();
  ASSERT_EQ(host_->queued.size(), 1U);
  EXPECT_TRUE(equal(crypto::sha256(blob_of(host_->queued[0]).bytes), host_->queued[0].sha256));
}

TEST_F(FilesTest, LiesAboutTheOffsetNeverLeadToAMessage) {
  const auto id = accept(pattern(3 * kMiB));
  for (const std::uint64_t claim : {0ULL, 1ULL, 3ULL * kMiB, 9'999'999'999ULL}) {
    restart();
    blobs_.twist = [&](const HttpRequest& request) -> std::optional<HttpResponse> {
      if (request.method == "PUT") return FakeBlobs::at(202, claim, 3 * kMiB);
      return FakeBlobs::at(200, 0, 3 * kMiB);
    };
    blobs_.log.clear();
    go_up();
    EXPECT_TRUE(host_->queued.empty()) << claim;
    EXPECT_NE(reason(id), UploadReason::none) << claim;
    EXPECT_LT(blobs_.log.size(), 200U) << "it does not go on for ever";
  }
  blobs_.twist = nullptr;
  restart();
  go_up();
  EXPECT_EQ(host_->queued.size(), 1U) << "an honest one gets it";
}

TEST_F(FilesTest, RefusalsAreKeptAndTriedAgain) {
  const auto id = accept("hello");
  const auto answer = [&](unsigned status) {
    blobs_.twist = [status](const HttpRequest&) { return net::text_response(status, "text/plain", "no\n"); };
    restart();
    go_up();
    return reason(id);
  };
  EXPECT_EQ(answer(429), UploadReason::quota);
  EXPECT_EQ(answer(503), UploadReason::unavailable);
  EXPECT_EQ(answer(413), UploadReason::refused);
  EXPECT_EQ(answer(200), UploadReason::refused) << "no offset in it";
  blobs_.twist = nullptr;
  host_->refusal = Failure{ClientError::quota, "used up", 60};
  blobs_.blobs.clear();
  restart();
  go_up();
  EXPECT_EQ(reason(id), UploadReason::quota);
  host_->refusal.reset();
  restart();
  go_up();
  EXPECT_EQ(host_->queued.size(), 1U);
}

TEST_F(FilesTest, WhatIsCancelledMeanwhileIsNotQueued) {
  const auto id = accept(pattern(2 * kMiB));
  fault::set_hook([&](std::string_view point) {
    if (point == "files.before_queue") EXPECT_TRUE(*transfers_->cancel(id));
  });
  go_up();
  EXPECT_TRUE(host_->queued.empty());
  uploads_->clear_up();
  EXPECT_TRUE(is_empty("outgoing"));
  errands_->look();
  loop_.run_until([this] { return errands_->idle(); });
  EXPECT_TRUE(blobs_.blobs.empty()) << "removed at the service";
  EXPECT_TRUE(transfers_->errands()->empty());
}

TEST_F(FilesTest, DevicesThatCameMeanwhileMayReleaseToo) {
  accept("hello");
  fault::set_hook([&](std::string_view point) {
    if (point == "files.after_last_piece") host_->devices.push_back({kPeer, DeviceNumber(2)});
  });
  go_up();
  ASSERT_EQ(host_->queued.size(), 1U);
  EXPECT_EQ(blob_of(host_->queued[0]).added.size(), 64U);
}

TEST_F(FilesTest, ADamagedSpoolFailsInClearWords) {
  const auto id = accept(pattern(kMiB));
  fs::resize_file(home_->directory() / "outgoing" / (*transfers_->upload(id))->files[0].spool, 1000);
  go_up();
  EXPECT_EQ(reason(id), UploadReason::file_missing);
  EXPECT_TRUE(host_->queued.empty());
}

// ---- the disk

TEST_F(FilesTest, NamesFromOthersAreMadeHarmless) {
  for (const auto& [theirs, ours] : std::map<std::string, std::string>{{"report.pdf", "report.pdf"},
                                                                       {"../../etc/passwd", "file"},
                                                                       {"a/b", "file"},
                                                                       {"..", "file"},
                                                                       {".", "file"},
                                                                       {"", "file"},
                                                                       {".bashrc", "_bashrc"},
                                                                       {"-rf", "_rf"},
                                                                       {"a\nb", "file"},
                                                                       {"a\x1b[2Jb", "file"},
                                                                       {"gpj.\u202eexe", "file"},
                                                                       {std::string("a\0b", 3), "file"},
                                                                       {"\xff", "file"}})
    EXPECT_EQ(safe_name(theirs), ours);
  EXPECT_EQ(numbered_name("report.pdf", 1), "report (1).pdf");
  EXPECT_EQ(numbered_name("tar.gz.x", 2), "tar.gz (2).x");
  EXPECT_EQ(numbered_name("noend", 3), "noend (3)");
}

TEST_F(FilesTest, NothingOfAFileIsInTheStoreInClear) {
  accept("hello", "secret-name.pdf");
  ASSERT_TRUE(downloads_->want(offered("x", "other-name.pdf"), directory_ / "out"));
  std::string all;
  for (const auto& entry : fs::directory_iterator(home_->directory()))
    if (entry.is_regular_file()) all += content_of(entry.path());
  EXPECT_EQ(all.find("secret-name"), std::string::npos);
  EXPECT_EQ(all.find("other-name"), std::string::npos);
  EXPECT_EQ(all.find("ben@example"), std::string::npos);
}

TEST_F(FilesTest, AStoreOfVersionThreeIsBroughtUp) {
  ASSERT_TRUE(store_->database().execute(
      "DROP TABLE upload; DROP TABLE download; DROP TABLE errand; DROP TABLE persona; "
      "DROP TABLE shared; DROP TABLE part_file; "
      "ALTER TABLE entry DROP COLUMN part; ALTER TABLE contact DROP COLUMN asked_at; PRAGMA user_version = 3"));
  const auto store = LocalStore::open(*home_, {std::nullopt, home_->key_file()});
  ASSERT_TRUE(store);
  const Transfers transfers(*store, random_);
  EXPECT_TRUE(transfers.uploads()->empty() && transfers.downloads()->empty() && transfers.errands()->empty());
}

TEST_F(FilesTest, RowsThatWereSwappedAreFoundOut) {
  accept("one", "one");
  accept("two", "two");
  ASSERT_TRUE(store_->database().execute("UPDATE upload SET value = (SELECT value FROM upload WHERE id = 1)"));
  EXPECT_EQ(transfers_->uploads().error(), ClientError::store_damaged);
}

TEST_F(FilesTest, AChangedFileIsNotSealed) {
  write("moving", pattern(3 * kMiB));
  const auto looked = look_at(directory_ / "moving");
  const auto folder = *home_folder(*home_, "outgoing");
  const auto shortened = seal(*looked, folder, random_, [&](auto) {
    fs::resize_file(directory_ / "moving", 2 * kMiB);
    return true;
  });
  ASSERT_FALSE(shortened);
  EXPECT_EQ(shortened.error().error, ClientError::bad_attachment);
  EXPECT_FALSE(seal(*looked, folder, random_, [](auto) { return true; })) << "another size than was looked at";
  write("moving", pattern(3 * kMiB));
  EXPECT_FALSE(seal(*look_at(directory_ / "moving"), folder, random_, [](auto) { return false; })) << "interrupted";
  EXPECT_TRUE(is_empty("outgoing"));
}

TEST_F(FilesTest, LeftoversGoButNotWhatIsBeingWritten) {
  const auto folder = *home_folder(*home_, "outgoing");
  const auto id = accept("kept");
  write("f", "x");
  auto held = seal(*look_at(directory_ / "f"), folder, random_, [](auto) { return true; });
  std::ofstream(folder / "leftover") << "x";
  uploads_->clear_up();
  EXPECT_FALSE(fs::exists(folder / "leftover"));
  EXPECT_TRUE(fs::exists(folder / held->spool)) << "its message is not accepted yet";
  EXPECT_TRUE(fs::exists(folder / (*transfers_->upload(id))->files[0].spool));
  held->file = OpenFile();
}

}  // namespace
}  // namespace opaline::client
