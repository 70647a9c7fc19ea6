#pragma once
// Files up and down against a service that can be made to cut short, lie and damage; over real sockets and a real disk.
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

namespace fs = std::filesystem;
using endpoint::Attachment;
using endpoint::BlobId;
using net::HttpRequest;
using net::HttpResponse;

inline constexpr crypto::Argon2Cost kCheap{.memory_kib = 64, .passes = 1, .lanes = 1};
inline constexpr std::size_t kMiB = 1 << 20;
inline const AccountId kPeer = *AccountId::from_hex("00112233445566778899aabbccddeeff");

inline std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string pattern(std::size_t size) {
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

}  // namespace opaline::client
