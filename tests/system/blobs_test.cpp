// Attachments as a device sees them: a real opalined, real files, TLS on loopback.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <thread>

#include "crypto/hash.hpp"
#include "server/test_support/temporary_directory.hpp"
#include "support/sanitized.hpp"
#include "system/device_client.hpp"
#include "system/server_process.hpp"

namespace opaline::system_test {
namespace {

namespace fs = std::filesystem;
namespace calls = identity::calls;
using ::testing::HasSubstr;

constexpr std::size_t kMiB = std::size_t{1} << 20;

/// One kept-alive connection.
class Link {
 public:
  explicit Link(const ServerProcess& server) {
    auto context = net::TlsClientContext::create({.authority_file = server.directory() / "ca.pem"});
    EXPECT_TRUE(context);
    tls_.emplace(std::move(*context));
    net::HttpClientOptions options;
    options.origin = *net::Url::parse(server.url("/"));
    options.tls = &*tls_;
    options.max_connections = 1;
    options.max_response_bytes = 8 * kMiB;
    client_.emplace(loop_, std::move(options));
  }
  void send(const std::string& method, const std::string& target, Bytes body = {}, const std::string& upload = {}) {
    net::HttpClientRequest request{.method = method, .target = "/v1/blobs/" + target, .body = std::move(body)};
    if (!upload.empty()) request.headers.push_back({"Opaline-Upload", upload});
    answer_.reset();
    client_->request(std::move(request),
                     [this](Result<net::HttpResponse, net::NetError> got) { answer_ = std::move(got); });
  }
  /// Status 0: no answer.
  net::HttpResponse wait() {
    loop_.run_until([&] { return answer_.has_value(); });
    if (*answer_) return std::move(**answer_);
    return {.status = 0};
  }
  net::HttpResponse ask(const std::string& method, const std::string& target, Bytes body = {},
                        const std::string& upload = {}) {
    send(method, target, std::move(body), upload);
    return wait();
  }
  /// PUTs one behind the other, none waits for the answer to another. Their statuses, 0: no answer.
  std::vector<unsigned> put_in_line(const std::string& blob, const std::string& upload,
                                    const std::vector<std::pair<std::size_t, Bytes>>& pieces) {
    std::vector<unsigned> out(pieces.size());
    std::size_t answered = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      net::HttpClientRequest request{.method = "PUT",
                                     .target = "/v1/blobs/" + blob + "?offset=" + std::to_string(pieces[i].first),
                                     .headers = {{"Opaline-Upload", upload}},
                                     .body = pieces[i].second};
      request.lane = 1;
      client_->request(std::move(request), [&out, &answered, i](const Result<net::HttpResponse, net::NetError>& got) {
        if (got) out[i] = got->status;
        ++answered;
      });
    }
    loop_.run_until([&] { return answered == pieces.size(); });
    return out;
  }
  /// Some of what there is to send and receive, then no more.
  void turn() { loop_.run_once(milliseconds(1)); }

 private:
  SystemClock clock_;
  net::EventLoop loop_{clock_};
  std::optional<net::TlsClientContext> tls_;
  std::optional<net::HttpClient> client_;
  std::optional<Result<net::HttpResponse, net::NetError>> answer_;
};

struct Blob {
  std::string id, upload;
};

Bytes content(std::uint64_t seed, std::size_t size) {
  SeededRandom random(seed);
  Bytes out(size);
  random.fill(out);
  return out;
}
Bytes part(const Bytes& all, std::size_t from, std::size_t size) {
  return to_bytes(ByteView(all).subspan(from, std::min(size, all.size() - from)));
}
const Bytes kToken(32, std::byte{5});

class BlobsTest : public ::testing::Test {
 protected:
  std::unique_ptr<ServerProcess> start(std::vector<std::string> arguments = {},
                                       std::map<std::string, std::string> environment = {}) {
    if (device_) device_->disconnect();  // from the one before
    auto server = std::make_unique<ServerProcess>(dir_.path() / "server", std::move(arguments), std::move(environment));
    EXPECT_TRUE(server->wait_ready()) << server->log();
    return server;
  }
  /// A registered and connected device.
  DeviceClient& device() {
    if (!device_) {
      device_.emplace(dir_.path() / "server", 1);
      EXPECT_EQ(device_->register_as("anna@example.org"), 200);
    }
    if (!device_->connected()) {
      EXPECT_TRUE(device_->connect());
    }
    return *device_;
  }
  std::optional<Blob> create(std::uint64_t size) {
    calls::BlobCreateRequest request;
    request.set_size(size);
    request.add_release_hashes(to_string(crypto::sha256({kToken})));
    const auto reply = device().call<calls::BlobCreateReply>(calls::METHOD_BLOB_CREATE, request);
    if (!reply) return std::nullopt;
    EXPECT_EQ(reply->days(), 30);
    return Blob{to_base64url(as_view(reply->blob())), to_base64url(as_view(reply->upload_token()))};
  }
  static unsigned put(Link& link, const Blob& blob, const Bytes& all, std::size_t from, std::size_t piece = kMiB) {
    return link.ask("PUT", blob.id + "?offset=" + std::to_string(from), part(all, from, piece), blob.upload).status;
  }
  static void upload(Link& link, const Blob& blob, const Bytes& all, std::size_t from = 0) {
    for (std::size_t at = from; at < all.size(); at += kMiB) {
      ASSERT_EQ(put(link, blob, all, at), at + kMiB < all.size() ? 202 : 201) << at;
    }
  }
  static Bytes download(Link& link, const Blob& blob, std::size_t size) {
    Bytes out;
    while (out.size() < size) {
      const auto piece =
          link.ask("GET", blob.id + "?offset=" + std::to_string(out.size()) + "&length=" + std::to_string(4 * kMiB));
      EXPECT_EQ(piece.status, 200);
      if (piece.status != 200 || piece.body.empty()) break;
      append(out, piece.body);
    }
    return out;
  }
  /// The same without keeping it.
  static bool arrives(Link& link, const Blob& blob, const Bytes& all) {
    for (std::size_t at = 0; at < all.size();) {
      const auto piece =
          link.ask("GET", blob.id + "?offset=" + std::to_string(at) + "&length=" + std::to_string(4 * kMiB));
      if (piece.status != 200 || piece.body.empty()) return false;
      if (!equal(piece.body, ByteView(all).subspan(at, piece.body.size()))) return false;
      at += piece.body.size();
    }
    return true;
  }
  static std::size_t offset(Link& link, const Blob& blob) {
    const auto answer = link.ask("GET", blob.id + "/offset", {}, blob.upload);
    EXPECT_EQ(answer.status, 200);
    return std::stoul(std::string(answer.header("Opaline-Offset").value_or("0")));
  }
  static std::string metrics(const ServerProcess& server) {
    const auto got = http({.url = "http://127.0.0.1:" + std::to_string(server.ports().metrics_port) + "/metrics"});
    return got ? got->body : "";
  }
  static double metric(const ServerProcess& server, const std::string& name) {
    const auto body = metrics(server);
    const auto at = body.find("\n" + name + " ");
    EXPECT_NE(at, std::string::npos) << name;
    return at == std::string::npos ? -1 : std::stod(body.substr(at + name.size() + 2));
  }
  server::TemporaryDirectory dir_;
  std::optional<DeviceClient> device_;
};

TEST_F(BlobsTest, UpDownAndReleased) {
  const auto server = start();
  const Bytes all = content(1, 3 * kMiB + 17);
  const auto blob = create(all.size());
  ASSERT_TRUE(blob);
  {
    Link link(*server);
    ASSERT_EQ(put(link, *blob, all, 0), 202);
    link.send("PUT", blob->id + "?offset=" + std::to_string(kMiB), part(all, kMiB, kMiB), blob->upload);
    link.turn();  // cut somewhere in the piece
  }
  Link link(*server);
  const std::size_t at = offset(link, *blob);
  EXPECT_TRUE(at == kMiB || at == 2 * kMiB) << at;
  EXPECT_EQ(put(link, *blob, all, 5), 409);
  EXPECT_EQ(link.ask("GET", blob->id + "?offset=0&length=1").status, 404);
  upload(link, *blob, all, at);
  EXPECT_EQ(offset(link, *blob), all.size());
  Link other(*server);
  EXPECT_TRUE(download(other, *blob, all.size()) == all);
  EXPECT_EQ(other.ask("GET", blob->id + "?offset=1048570&length=12").body, part(all, 1'048'570, 12));
  EXPECT_EQ(metric(*server, "opaline_blobs"), 1);
  EXPECT_EQ(other.ask("POST", blob->id + "/release", kToken).status, 204);
  EXPECT_EQ(other.ask("POST", blob->id + "/release", kToken).status, 204);
  const auto gone = other.ask("GET", blob->id + "?offset=0&length=1");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.header("Cache-Control"), "no-store");
  EXPECT_EQ(metric(*server, "opaline_blobs"), 0);
  EXPECT_EQ(metric(*server, "opaline_blob_memory_bytes"), 0);
  EXPECT_EQ(server->stop(), 0);
}

TEST_F(BlobsTest, ACapabilityIsInNoFileLogOrMetric) {
  auto server = start({"--set", "log.level=debug"});
  const Bytes all = content(1, kMiB);
  const auto blob = create(all.size());
  ASSERT_TRUE(blob);
  Link link(*server);
  upload(link, *blob, all);
  EXPECT_EQ(link.ask("GET", blob->id + "?offset=x").status, 400);
  const std::string shown = server->log() + metrics(*server);
  EXPECT_EQ(server->stop(), 0);
  std::vector<std::string> secrets;
  for (const std::string& text : {blob->id, blob->upload}) {
    const Bytes raw = *from_base64url(text);
    secrets.insert(secrets.end(), {text, to_string(raw), to_hex(raw), to_string(crypto::sha256({raw}))});
  }
  secrets.push_back(to_string(part(all, 500, 64)));
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(server->directory())) {
    if (!entry.is_regular_file()) continue;
    ++files;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string text = entry.path().string() + std::string(std::istreambuf_iterator<char>(in), {});
    for (const auto& secret : secrets) EXPECT_EQ(text.find(secret), std::string::npos) << entry.path();
  }
  EXPECT_GT(files, 5U);
  for (const auto& secret : secrets) EXPECT_EQ((shown + server->log()).find(secret), std::string::npos);
}

TEST_F(BlobsTest, PiecesThatDoNotWaitForAnswersAreTakenInTheirOrder) {
  const auto server = start();
  const Bytes all = content(8, 4 * kMiB);
  const auto blob = create(all.size());
  ASSERT_TRUE(blob);
  Link link(*server);
  const auto piece = [&](std::size_t at) { return std::pair(at, part(all, at, kMiB)); };
  EXPECT_EQ(link.put_in_line(blob->id, blob->upload, {piece(0), piece(kMiB)}), (std::vector<unsigned>{202, 202}));
  EXPECT_EQ(link.put_in_line(blob->id, blob->upload, {piece(3 * kMiB), piece(0), piece(2 * kMiB), piece(3 * kMiB)}),
            (std::vector<unsigned>{409, 409, 202, 201}))
      << "what is not in its place harms nothing behind it";
  EXPECT_EQ(download(link, *blob, all.size()), all);
}

TEST_F(BlobsTest, TooLargeAndMalformedRequestsAreRefused) {
  const auto server = start();
  const auto blob = create(10 * kMiB);
  ASSERT_TRUE(blob);
  EXPECT_EQ(Link(*server).ask("PUT", blob->id + "?offset=0", Bytes(kMiB + 1), blob->upload).status, 413);
  EXPECT_EQ(Link(*server).ask("POST", blob->id + "/releases", Bytes(3000), blob->upload).status, 413);
  Link link(*server);
  EXPECT_EQ(link.ask("PATCH", blob->id).status, 405);
  EXPECT_EQ(link.ask("GET", "x").status, 404);
  EXPECT_EQ(link.ask("PUT", blob->id + "?offset=0", Bytes(10), blob->id).status, 404);
  EXPECT_EQ(offset(link, *blob), 0);
  EXPECT_EQ(link.ask("DELETE", blob->id, {}, blob->upload).status, 204);
  EXPECT_FALSE(create(0));
  EXPECT_EQ(device().last_status(), calls::CALL_STATUS_BAD_REQUEST);
  EXPECT_FALSE(create(104'857'601));
  calls::BlobCreateRequest request;
  request.set_size(10);
  EXPECT_FALSE(device().call<calls::BlobCreateReply>(calls::METHOD_BLOB_CREATE, request)) << "nobody would fetch it";
  request.add_release_hashes("short");
  EXPECT_FALSE(device().call<calls::BlobCreateReply>(calls::METHOD_BLOB_CREATE, request));
  EXPECT_EQ(device().last_status(), calls::CALL_STATUS_BAD_REQUEST);
}

TEST_F(BlobsTest, QuotasOfAnAccountAndOfTheServer) {
  auto server = start({"--set", "blobs.mib_per_account_per_day=3"});
  ASSERT_TRUE(create(2 * kMiB));
  EXPECT_FALSE(create(2 * kMiB));
  EXPECT_EQ(device().last_status(), calls::CALL_STATUS_QUOTA);
  EXPECT_EQ(server->stop(), 0);
  server = start({"--set", "blobs.max_total_gib=0"});
  EXPECT_FALSE(create(1));
  EXPECT_EQ(device().last_status(), calls::CALL_STATUS_UNAVAILABLE);
}

TEST_F(BlobsTest, AKilledServerKeepsWhatItPromisedAndUploadsGoOn) {
  auto server = start();
  const Bytes small = content(1, 2 * kMiB), large = content(2, 40 * kMiB);
  const auto done = create(small.size());
  const auto half = create(large.size());
  ASSERT_TRUE(done && half);
  {
    Link link(*server);
    upload(link, *done, small);
    for (std::size_t at = 0; at < 30 * kMiB; at += kMiB) ASSERT_EQ(put(link, *half, large, at), 202);
  }
  server->signal(SIGKILL);
  server->wait_exit();
  server = start();
  Link link(*server);
  EXPECT_TRUE(download(link, *done, small.size()) == small);
  const std::size_t at = offset(link, *half);
  EXPECT_GE(at, 13 * kMiB) << "at most 16 MiB and a piece are taken back";
  EXPECT_LE(at, 30 * kMiB);
  upload(link, *half, large, at);
  EXPECT_TRUE(download(link, *half, large.size()) == large);
}

TEST_F(BlobsTest, AnOrderlyRestartTakesNothingBack) {
  auto server = start();
  const Bytes all = content(2, 5 * kMiB);
  const auto blob = create(all.size());
  ASSERT_TRUE(blob);
  {
    Link link(*server);
    for (std::size_t at = 0; at < 3 * kMiB; at += kMiB) ASSERT_EQ(put(link, *blob, all, at), 202);
  }
  EXPECT_EQ(server->stop(), 0);
  server = start();
  Link link(*server);
  EXPECT_EQ(offset(link, *blob), 3 * kMiB);
}

TEST_F(BlobsTest, WhoDoesNotReadHoldsLittleAndStopsNobody) {
  const auto server = start();
  const Bytes all = content(1, 8 * kMiB);
  const auto blob = create(all.size());
  ASSERT_TRUE(blob);
  Link link(*server);
  upload(link, *blob, all);
  const double before = metric(*server, "opaline_process_resident_bytes");
  std::vector<std::unique_ptr<Link>> slow;
  const double requests = metric(*server, "opaline_public_requests_total");
  for (int i = 0; i < 100; ++i) {
    slow.push_back(std::make_unique<Link>(*server));
    slow.back()->send("GET", blob->id + "?offset=0&length=" + std::to_string(4 * kMiB));
  }
  // Each sends its request; what comes back is left in the kernel's buffers once it does not turn any more.
  while (metric(*server, "opaline_public_requests_total") < requests + 100) {
    for (auto& each : slow) each->turn();
  }
  EXPECT_LE(metric(*server, "opaline_blob_memory_bytes"), 16.0 * kMiB) << "a source has a quarter of the memory";
  if (!testing::kSanitized) {
    EXPECT_LE(metric(*server, "opaline_process_resident_bytes") - before, 80.0 * kMiB);
  }
  EXPECT_EQ(link.ask("GET", blob->id + "/offset", {}, blob->upload).status, 200) << "others are served";
  std::size_t served = 0;
  for (auto& each : slow) {
    const auto answer = each->wait();
    ASSERT_TRUE(answer.status == 200 || answer.status == 503) << answer.status;
    if (answer.status == 503) {
      EXPECT_TRUE(answer.header("Retry-After"));
    } else {
      EXPECT_EQ(answer.body, part(all, 0, answer.body.size()));
      ++served;
    }
  }
  EXPECT_GT(served, 10U);
  slow.clear();
  EXPECT_TRUE(download(link, *blob, all.size()) == all);
  EXPECT_EQ(metric(*server, "opaline_blob_memory_bytes"), 0);
}

TEST_F(BlobsTest, AForeignDirectoryIsRefusedAndAMissingOneBeginsEmpty) {
  auto server = start();
  const Bytes all = content(1, kMiB);
  const auto blob = create(all.size());
  ASSERT_TRUE(blob);
  {
    Link link(*server);
    upload(link, *blob, all);
  }
  EXPECT_EQ(server->stop(), 0);
  const fs::path blobs = server->directory() / "data" / "blobs";
  std::ofstream(blobs / "VAULT", std::ios::binary | std::ios::trunc) << std::string(32, 'x');
  ServerProcess foreign(server->directory());
  EXPECT_FALSE(foreign.wait_ready());
  EXPECT_THAT(foreign.log(), HasSubstr("another vault"));
  EXPECT_THAT(foreign.log(), HasSubstr("data/blobs"));
  fs::remove_all(blobs);
  server = start();
  EXPECT_THAT(server->log(), HasSubstr("blobs.begins_empty"));
  Link link(*server);
  EXPECT_EQ(link.ask("GET", blob->id + "?offset=0&length=1").status, 404);
  EXPECT_TRUE(create(10));
}

TEST_F(BlobsTest, ABackupLeavesAttachmentsOut) {
  const auto server = start();
  const Bytes all = content(1, 20 * kMiB);
  const auto blob = create(all.size());
  ASSERT_TRUE(blob);
  Link link(*server);
  upload(link, *blob, all);
  const fs::path passphrase = dir_.path() / "passphrase", file = dir_.path() / "backup";
  std::ofstream(passphrase) << "a long enough passphrase\n";
  fs::permissions(passphrase, fs::perms::owner_read | fs::perms::owner_write);
  const auto done = server->command({"backup", file.string(), "--passphrase-file", passphrase.string()});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_LT(fs::file_size(file), 5 * kMiB);
}

/// libfaketime, if it is here.
std::optional<fs::path> faketime() {
  for (const auto& each : fs::directory_iterator("/usr/lib")) {
    const fs::path library = each.path() / "faketime" / "libfaketime.so.1";
    if (fs::exists(library)) return library;
  }
  return std::nullopt;
}

TEST_F(BlobsTest, AfterTheRetentionItIsGoneAlsoFromAnOldCopy) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "libfaketime does not go together with a sanitizer";
#endif
#endif
  const auto library = faketime();
  if (!library) GTEST_SKIP() << "libfaketime is missing: tools/setup installs it";
  const auto on_day = [&](int day) {
    return start({}, {{"LD_PRELOAD", library->string()},
                      {"FAKETIME", "+" + std::to_string(day) + "d"},
                      {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}});
  };
  auto server = start();
  const Bytes all = content(1, kMiB);
  const auto blob = create(all.size());
  ASSERT_TRUE(blob);
  {
    Link link(*server);
    upload(link, *blob, all);
  }
  EXPECT_EQ(server->stop(), 0);
  const fs::path data = server->directory() / "data" / "blobs", copy = dir_.path() / "copy";
  fs::copy(data, copy, fs::copy_options::recursive);
  const auto days = [&] {
    return std::ranges::count_if(fs::directory_iterator(data), [](const auto& each) { return each.is_directory(); });
  };
  const auto asked = [&] { return Link(*server).ask("GET", blob->id + "?offset=0&length=10").status; };

  server = on_day(31);
  EXPECT_EQ(asked(), 200) << "the clock jumped: serving goes on";
  EXPECT_EQ(days(), 1) << "and nothing is destroyed";
  EXPECT_EQ(server->command({"admin", "confirm-clock"}).exit_code, 0);
  EXPECT_EQ(asked(), 404);
  while (days() > 0) std::this_thread::yield();
  EXPECT_EQ(server->stop(), 0);

  fs::remove_all(data);
  fs::copy(copy, data, fs::copy_options::recursive);
  server = on_day(31);
  EXPECT_EQ(asked(), 404) << "an old copy brought back opens nothing";
  while (days() > 0) std::this_thread::yield();
}

double mib_per_second(std::size_t bytes, std::chrono::steady_clock::duration time) {
  return static_cast<double>(bytes) / static_cast<double>(kMiB) / std::chrono::duration<double>(time).count();
}

/// What the server's process has used so far, in milliseconds.
long server_cpu(const ServerProcess& server) {
  std::ifstream ports(server.directory() / "ports.json");
  const std::string text(std::istreambuf_iterator<char>(ports), {});
  const std::string pid = text.substr(text.find("\"pid\":") + 6);
  std::ifstream stat("/proc/" + std::to_string(std::stoi(pid)) + "/stat");
  std::string word;
  long user = 0, kernel = 0;
  for (int i = 0; i < 13; ++i) stat >> word;
  stat >> user >> kernel;
  return (user + kernel) * 1000 / ::sysconf(_SC_CLK_TCK);
}

/// Prints the rates; no time decides.
TEST_F(BlobsTest, AHundredMegabytesGoUpAndDownInFlatMemory) {
  using Steady = std::chrono::steady_clock;
  const auto server = start();
  const Bytes all = content(1, 100'000'000);
  Link link(*server);
  {
    const Bytes warm = part(all, 0, 8 * kMiB);
    const auto blob = create(warm.size());
    ASSERT_TRUE(blob);
    upload(link, *blob, warm);
    EXPECT_TRUE(download(link, *blob, warm.size()) == warm);
  }
  const double before = metric(*server, "opaline_process_resident_bytes");
  double most = before;
  for (int round = 0; round < 3; ++round) {
    const auto blob = create(all.size());
    ASSERT_TRUE(blob);
    const long cpu_before = server_cpu(*server);
    const auto begin = Steady::now();
    upload(link, *blob, all);
    const auto up = Steady::now();
    const long cpu_up = server_cpu(*server);
    const auto down_begins = Steady::now();
    const bool same = arrives(link, *blob, all);
    const auto down = Steady::now();
    const long cpu_down = server_cpu(*server);
    EXPECT_TRUE(same);
    most = std::max(most, metric(*server, "opaline_process_resident_bytes"));
    std::printf("100 MB: %.0f MiB/s up (durable), %.0f MiB/s down; CPU of the server %ld ms up, %ld ms down\n",
                mib_per_second(all.size(), up - begin), mib_per_second(all.size(), down - down_begins),
                cpu_up - cpu_before, cpu_down - cpu_up);
    const fs::path copy = dir_.path() / "copy";
    const auto plain = Steady::now();
    const Finished dd =
        run_program("/bin/dd", {"if=/dev/zero", "of=" + copy.string(), "bs=1M", "count=95", "conv=fsync"});
    ASSERT_EQ(dd.exit_code, 0) << dd.err;
    std::printf("dd of as much with fsync: %.0f MiB/s\n", mib_per_second(95 * kMiB, Steady::now() - plain));
    fs::remove(copy);
  }
  std::printf("memory: %.1f MiB before, %.1f MiB at most\n", before / kMiB, most / kMiB);
  if (!testing::kSanitized) {
    EXPECT_LE(most - before, 32.0 * kMiB);
  }
}

}  // namespace
}  // namespace opaline::system_test
