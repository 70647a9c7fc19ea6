// Files up and down against a service that cuts short, lies and damages; over real sockets and a real disk.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <map>

#include "base/fault_point.hpp"
#include "client/downloads.hpp"
#include "client/uploads.hpp"
#include "crypto/random.hpp"
#include "net/certificates.hpp"
#include "net/http_server.hpp"
#include "proto/device.pb.h"
#include "session/attachment.hpp"

namespace opaline::client {
namespace {

namespace fs = std::filesystem;
using endpoint::Attachment;
using endpoint::BlobId;
using net::HttpRequest;
using net::HttpResponse;

constexpr crypto::Argon2Cost kCheap{.memory_kib = 64, .passes = 1, .lanes = 1};
constexpr std::size_t kMiB = 1 << 20;
const AccountId kPeer = *AccountId::from_hex("00112233445566778899aabbccddeeff");

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string pattern(std::size_t size) {
  std::string out(size, 0);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 2654435761U >> 13);
  return out;
}

/// The service's side, as docs/device-api.md has it, until `twist` answers in its place.
class FakeBlobs {
 public:
  struct Blob {
    Bytes bytes;
    std::uint64_t size = 0;
    Bytes token, releases, added;
  };
  std::map<std::string, Blob> blobs;
  std::function<std::optional<HttpResponse>(const HttpRequest&)> twist;
  std::vector<std::string> log;

  HttpResponse answer(const HttpRequest& request) {
    log.push_back(request.method + " " + std::string(request.path().substr(request.path().rfind('/') + 1)));
    if (twist)
      if (auto instead = twist(request)) return std::move(*instead);
    const std::string path(request.path().substr(std::string_view("/v1/blobs/").size()));
    const auto found = blobs.find(path.substr(0, path.find('/')));
    if (found == blobs.end()) return net::text_response(404, "text/plain", "nothing here\n");
    Blob& blob = found->second;
    if (request.method == "PUT") return put(blob, request);
    if (path.ends_with("/offset")) return at(200, blob.bytes.size(), blob.size);
    if (path.ends_with("/release")) append(blob.releases, request.body);
    if (path.ends_with("/releases")) append(blob.added, request.body);
    if (request.method == "DELETE") blobs.erase(found);
    if (request.method != "GET") return {.status = 204};
    HttpResponse out = at(200, 0, blob.size);
    const auto from = std::min<std::uint64_t>(number(request, "offset"), blob.bytes.size());
    const auto length = std::min<std::uint64_t>({number(request, "length"), blob.bytes.size() - from, most});
    out.body = to_bytes(ByteView(blob.bytes).subspan(from, length));
    return out;
  }
  static HttpResponse at(unsigned status, std::uint64_t offset, std::uint64_t size) {
    return {.status = status,
            .headers = {{"Opaline-Offset", std::to_string(offset)}, {"Opaline-Size", std::to_string(size)}}};
  }
  static std::uint64_t number(const HttpRequest& request, std::string_view name) {
    const auto query = std::string(request.query());
    const auto found = query.find(std::string(name) + "=");
    return found == std::string::npos ? 0 : std::stoull(query.substr(found + name.size() + 1));
  }
  std::uint64_t most = 4 * kMiB;

 private:
  static HttpResponse put(Blob& blob, const HttpRequest& request) {
    if (number(request, "offset") != blob.bytes.size()) return at(409, blob.bytes.size(), blob.size);
    append(blob.bytes, request.body);
    return at(blob.bytes.size() == blob.size ? 201 : 202, blob.bytes.size(), blob.size);
  }
};

class FakeHost final : public UploadHost {
 public:
  FakeHost(const LocalStore& store, FakeBlobs& blobs) : store_(store), blobs_(blobs) {}
  bool online() override { return true; }
  std::vector<session::DeviceAddress> recipients(const AccountId&) override { return devices; }
  bool refresh(const AccountId&) override {
    ++refreshed;
    return true;
  }
  void create(ByteView request, Done<Bytes> done) override {
    if (refusal) return done(fail(*refusal));
    wire::v1::BlobCreateRequest asked;
    EXPECT_TRUE(asked.ParseFromArray(request.data(), static_cast<int>(request.size())));
    const auto id = random_.id<BlobId>();
    FakeBlobs::Blob& blob = blobs_.blobs[to_base64url(id.view())];
    blob.size = asked.size();
    blob.token = to_bytes(random_.bytes<32>());
    for (const auto& hash : asked.release_hashes()) append(blob.added, as_view(hash));
    wire::v1::BlobCreateReply reply;
    reply.set_blob(to_string(id.view()));
    reply.set_upload_token(to_string(blob.token));
    done(to_bytes(reply.SerializeAsString()));
  }
  Result<MessageId, Failure> queue(const Upload& upload,
                                   std::function<Result<void, DatabaseError>(const Database&)> also) override {
    auto transaction = Transaction::begin(store_.database());
    if (!transaction || !also(store_.database()) || !transaction->commit())
      return fail(Failure{ClientError::store_failed, ""});
    for (const UploadFile& file : upload.files) queued.push_back(file.attachment);
    return random_.id<MessageId>();
  }
  std::vector<session::DeviceAddress> devices{{kPeer, DeviceNumber(1)}};
  std::vector<Attachment> queued;
  std::optional<Failure> refusal;
  int refreshed = 0;

 private:
  const LocalStore& store_;
  FakeBlobs& blobs_;
  SeededRandom random_{7};
};

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/opaline-files.XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    directory_ = path;
    const net::CertificatePaths authority{directory_ / "ca.pem", directory_ / "ca.key"};
    const net::CertificatePaths server{directory_ / "s.pem", directory_ / "s.key"};
    const Time now = clock_.now();
    ASSERT_TRUE(net::make_authority(authority, "files test", now));
    ASSERT_TRUE(net::issue_server_certificate({.authority = authority, .out = server, .names = {}, .now = now}));
    tls_ = std::make_unique<net::TlsServerContext>(
        std::move(*net::TlsServerContext::create({.certificate_file = server.certificate, .key_file = server.key})));
    net::HttpServerOptions options;
    options.address.ip = "127.0.0.1";
    options.tls = tls_.get();
    options.max_body_bytes = 2 * kMiB;
    server_ = std::move(*net::HttpServer::start(loop_, std::move(options),
                                                [this](const HttpRequest& request, net::HttpResponder responder) {
                                                  responder.respond(blobs_.answer(request));
                                                }));
    fs::create_directory(directory_ / "out");
    home_ = std::make_unique<Home>(*Home::at(directory_ / "home"));
    const Settings settings{"https://localhost:" + std::to_string(server_->port()), content_of(authority.certificate)};
    store_ = std::make_unique<LocalStore>(
        std::move(*LocalStore::create(*home_, {std::nullopt, home_->key_file()}, settings, random_, kCheap)));
    service_ = std::move(*Service::create(loop_, settings));
    transfers_ = std::make_unique<Transfers>(*store_, random_);
    host_ = std::make_unique<FakeHost>(*store_, blobs_);
    restart();
  }
  void TearDown() override {
    fault::set_hook(nullptr);
    fs::remove_all(directory_);
  }
  /// As another process would find it.
  void restart() {
    uploads_.reset();
    downloads_.reset();
    errands_.reset();
    net_ = std::make_unique<BlobService>(loop_, *service_);
    errands_ = std::make_unique<Errands>(*transfers_, *net_);
    downloads_ = std::make_unique<Downloads>(loop_, clock_, *transfers_, *home_, *net_, *errands_);
    uploads_ = std::make_unique<Uploads>(loop_, clock_, *transfers_, *home_, *host_, *net_);
  }
  void write(const std::string& name, const std::string& content) {
    std::ofstream(directory_ / name, std::ios::binary) << content;
  }
  /// A message with one file that `send` has accepted.
  UploadId accept(const std::string& content, const std::string& name = "report.pdf") {
    write(name, content);
    auto sealed =
        seal(*look_at(directory_ / name), *home_folder(*home_, "outgoing"), random_, [](auto) { return true; });
    EXPECT_TRUE(sealed);
    Upload upload;
    upload.id = random_.id<UploadId>();
    upload.peer = kPeer;
    upload.to = "ben@example.org";
    upload.text = to_secret_bytes(as_view("see the report"));
    upload.at = clock_.now();
    upload.files.push_back({sealed->attachment, sealed->spool, {}, {}, false});
    EXPECT_TRUE(transfers_->add(upload));
    return upload.id;
  }
  void go_up() {
    uploads_->look();
    loop_.run_until([this] { return !uploads_->moving(); });
  }
  UploadReason reason(const UploadId& id) {
    const auto upload = transfers_->upload(id);
    return upload && *upload ? (*upload)->reason : UploadReason::none;
  }
  /// A file at the service, and what a message says of it.
  Attachment offered(const std::string& content, const std::string& name = "report.pdf") {
    const auto key = session::generate_attachment_key(random_);
    session::AttachmentSealer sealer(key);
    Bytes bytes = to_bytes(content);
    sealer.seal(bytes, bytes);
    Attachment a;
    a.blob = random_.id<BlobId>();
    a.key = to_secret_bytes(key.reveal());
    a.sha256 = sealer.finish().array();
    a.size_bytes = bytes.size();
    a.name = name;
    a.release = to_secret_bytes(random_.bytes<32>());
    FakeBlobs::Blob& blob = blobs_.blobs[to_base64url(a.blob.view())];
    blob.size = bytes.size();
    blob.bytes = std::move(bytes);
    return a;
  }
  FakeBlobs::Blob& blob_of(const Attachment& a) { return blobs_.blobs.at(to_base64url(a.blob.view())); }
  Result<fs::path, Failure> save(const Attachment& a) {
    if (const auto wanted = downloads_->want(a, directory_ / "out"); !wanted) return fail(wanted.error());
    return fetch(a);
  }
  Result<fs::path, Failure> fetch(const Attachment& a) {
    std::optional<Result<fs::path, Failure>> out;
    downloads_->fetch(
        a.blob, [](auto, auto) {}, [&](Result<fs::path, Failure> saved) { out.emplace(std::move(saved)); });
    loop_.run_until([&] { return out && errands_->idle(); });
    return std::move(*out);
  }
  std::vector<std::string> out_names() {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(directory_ / "out")) out.push_back(entry.path().filename());
    std::ranges::sort(out);
    return out;
  }
  bool is_empty(const char* folder) {
    return !fs::exists(home_->directory() / folder) || fs::is_empty(home_->directory() / folder);
  }

  crypto::SystemRandom random_;
  SystemClock clock_;
  net::EventLoop loop_{clock_};
  fs::path directory_;
  FakeBlobs blobs_;
  std::unique_ptr<net::TlsServerContext> tls_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<Home> home_;
  std::unique_ptr<LocalStore> store_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Transfers> transfers_;
  std::unique_ptr<FakeHost> host_;
  std::unique_ptr<BlobService> net_;
  std::unique_ptr<Errands> errands_;
  std::unique_ptr<Downloads> downloads_;
  std::unique_ptr<Uploads> uploads_;
};

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

// ---- down

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
  ASSERT_TRUE(
      store_->database().execute("DROP TABLE upload; DROP TABLE download; DROP TABLE errand; PRAGMA user_version = 3"));
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
