#include "gateway/files.hpp"

#include "crypto/hash.hpp"
#include "gateway/gateway_test_support.hpp"
#include "gateway/internal/transfers.hpp"

namespace opaline::gateway {
namespace {

using namespace testing;

constexpr std::uint64_t kMiB = 1 << 20;

class FilesTest : public ::testing::Test {
 protected:
  Result<ByteArray<32>, Files::Failure> upload(const Files::Place& place, Bytes bytes) {
    std::optional<Result<ByteArray<32>, Files::Failure>> out;
    files_.upload(place, std::move(bytes), [&](Result<ByteArray<32>, Files::Failure> done) { out = std::move(done); });
    loop_.run_until([&] { return out.has_value(); });
    return std::move(*out);
  }
  Result<Files::Download, Files::Failure> download(const endpoint::BlobId& blob) {
    std::optional<Result<Files::Download, Files::Failure>> out;
    files_.download(blob, [&](Result<Files::Download, Files::Failure> done) { out = std::move(done); });
    loop_.run_until([&] { return out.has_value(); });
    return std::move(*out);
  }
  Bytes random_bytes(std::size_t size) {
    Bytes out(size);
    random_.fill(out);
    return out;
  }
  void expect_upload(const Files::Place& place, const Bytes& bytes) {
    const auto stored = upload(place, bytes);
    ASSERT_TRUE(stored.has_value()) << stored.error().problem.message;
    EXPECT_EQ(*stored, crypto::sha256({bytes}));
    EXPECT_TRUE(equal(service_.at(place.blob).bytes, bytes));
  }
  template <class T>
  static void expect_failure(const Result<T, Files::Failure>& result, unsigned status, msp::Error error) {
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().problem.status, status) << result.error().problem.message;
    EXPECT_EQ(msp::name(result.error().problem.error), msp::name(error));
  }

  SystemClock clock_;
  SeededRandom random_{3};
  net::TemporaryFolder folder_;
  net::TestAuthority authority_{folder_};
  net::TlsClientContext tls_ = authority_.client_context();
  net::EventLoop loop_{clock_};
  FakeService service_{loop_};
  const net::Url url_ = service_.url();
  Files files_{loop_,
               random_,
               url_,
               tls_,
               {.download_bytes = 6 * kMiB, .max_waiting = 2, .first_wait = milliseconds(1), .max_failures = 3}};
};

TEST_F(FilesTest, UrlsAreThoseOfThisServiceAlone) {
  const auto blob = random_.id<endpoint::BlobId>();
  const std::string url = url_of(blob, url_);
  EXPECT_EQ(blob_of(url, url_), blob);
  const std::string name = url.substr(url.rfind('/') + 1);
  EXPECT_EQ(url, "http://127.0.0.1:" + std::to_string(url_.port) + "/v1/blobs/" + name);
  for (const std::string& other :
       {std::string(), name, url + "?x", url + "/", url + "=", "https" + url.substr(4), url.substr(0, url.size() - 1),
        "http://127.0.0.2:" + std::to_string(url_.port) + "/v1/blobs/" + name,
        "http://127.0.0.1:" + std::to_string(url_.port) + "/v1/blobs/../v1/blobs/" + name}) {
    EXPECT_FALSE(blob_of(other, url_).has_value()) << other;
  }
}

TEST_F(FilesTest, UpAndDown) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{kMiB}, std::size_t{5 * kMiB + 17}}) {
    const Bytes bytes = random_bytes(size);
    const auto place = service_.make(size);
    expect_upload(place, bytes);
    const auto back = download(place.blob);
    ASSERT_TRUE(back.has_value());
    EXPECT_TRUE(equal(back->ciphertext, bytes));
  }
  EXPECT_EQ(service_.puts, 1U + 1U + 6U);
  EXPECT_EQ(service_.gets, 2U + 2U + 3U) << "the first asks how large it is";
}

TEST_F(FilesTest, AnUploadGoesOnAfterEveryKindOfCut) {
  const Bytes bytes = random_bytes(3 * kMiB + 5);
  std::size_t pieces = 0;
  // The line goes before the piece was taken.
  std::optional<net::HttpResponder> unanswered;
  service_.first = [&](const net::HttpRequest& request, net::HttpResponder& responder) {
    if (request.method != "PUT" || pieces++ % 2 != 1) return false;
    unanswered.emplace(std::move(responder));
    loop_.post([this] { service_.restart(); });
    return true;
  };
  expect_upload(service_.make(bytes.size()), bytes);
  EXPECT_EQ(pieces, 7U) << "the second, fourth and sixth were lost";
  service_.first = nullptr;
  // It was taken and the answer is lost, or makes no sense, or there is no room for a moment.
  for (const unsigned status : {0U, 500U + 3U, 409U}) {
    std::size_t answers = 0;
    service_.alter = [&](const net::HttpRequest& request, net::HttpResponse& answer) {
      if (request.method != "PUT" || answers++ % 2 != 0) return;
      if (status != 0) answer.status = status;
      if (status != 409) answer.headers.clear();
    };
    expect_upload(service_.make(bytes.size()), bytes);
    EXPECT_GE(answers, 2U) << status;
  }
  service_.alter = nullptr;
  // A crash of the service takes back what it had.
  bool crashed = false;
  service_.alter = [&](const net::HttpRequest& request, net::HttpResponse&) {
    if (std::exchange(crashed, true) || request.method != "PUT") return;
    for (auto& [name, blob] : service_.blobs) {
      if (blob.bytes.size() != blob.size) blob.bytes.resize(blob.bytes.size() / 2);
    }
  };
  expect_upload(service_.make(bytes.size()), bytes);
}

TEST_F(FilesTest, WhatIsThereFromBeforeMustBeTheSame) {
  const Bytes bytes = random_bytes(2 * kMiB + 1);
  const auto place = service_.make(bytes.size());
  service_.at(place.blob).bytes = to_bytes(ByteView(bytes).first(kMiB + 100));
  expect_upload(place, bytes);
  expect_upload(place, bytes);  // the MSP's second try
  Bytes other = bytes;
  other[kMiB] ^= std::byte{1};
  expect_failure(upload(place, other), 400, msp::Error::mismatch);
  const auto begun = service_.make(bytes.size());
  service_.at(begun.blob).bytes = to_bytes(ByteView(other).first(kMiB + 100));
  expect_failure(upload(begun, bytes), 400, msp::Error::mismatch);
}

TEST_F(FilesTest, AnUploadThatCannotBe) {
  const auto place = service_.make(100);
  expect_failure(upload(place, Bytes(101)), 400, msp::Error::mismatch);
  expect_failure(upload({.blob = place.blob, .upload_token = {}}, Bytes(100)), 404, msp::Error::unknown);
  expect_failure(upload({.blob = endpoint::BlobId{}, .upload_token = place.upload_token}, Bytes(100)), 404,
                 msp::Error::unknown);
  service_.alter = [](const net::HttpRequest&, net::HttpResponse& answer) { answer.status = 503; };
  const auto busy = upload(place, Bytes(100));
  expect_failure(busy, 503, msp::Error::unavailable);
  EXPECT_GT(busy.error().retry_after, seconds(0));
  service_.alter = [](const net::HttpRequest&, net::HttpResponse& answer) { answer.status = 429; };
  expect_failure(upload(place, Bytes(100)), 429, msp::Error::quota);
  service_.alter = [](const net::HttpRequest&, net::HttpResponse& answer) { answer.status = 418; };
  expect_failure(upload(place, Bytes(100)), 500, msp::Error::internal);
}

/// A service that sets the upload back for ever is given up.
TEST_F(FilesTest, NobodyIsFollowedInACircle) {
  const auto place = service_.make(3 * kMiB);
  service_.alter = [&](const net::HttpRequest& request, net::HttpResponse&) {
    if (request.method == "PUT" && service_.at(place.blob).bytes.size() > kMiB) service_.at(place.blob).bytes.clear();
  };
  expect_failure(upload(place, Bytes(3 * kMiB)), 503, msp::Error::unavailable);
}

TEST_F(FilesTest, ADownloadGoesOnAndEnds) {
  const Bytes bytes = random_bytes(5 * kMiB);
  const auto place = service_.make(bytes.size());
  service_.at(place.blob).bytes = bytes;
  std::size_t answers = 0;
  service_.alter = [&](const net::HttpRequest&, net::HttpResponse& answer) {
    switch (answers++ % 4) {
      case 0:
        answer.status = 503;
        break;
      case 1:
        answer.headers.clear();
        break;
      case 2:
        if (answer.body.size() > 1) answer.body.resize(answer.body.size() / 2);  // it has little memory
        break;
      default:
        break;
    }
  };
  const auto back = download(place.blob);
  ASSERT_TRUE(back.has_value()) << back.error().problem.message;
  EXPECT_TRUE(equal(back->ciphertext, bytes));
  EXPECT_GT(answers, 6U);
  service_.alter = nullptr;
  expect_failure(download(endpoint::BlobId{}), 404, msp::Error::unknown);
  // Larger than any attachment, without a size, more than was asked for, another size in the middle.
  service_.alter = [&](const net::HttpRequest&, net::HttpResponse& answer) {
    answer.headers = {{"Opaline-Size", "104857601"}};
  };
  expect_failure(download(place.blob), 503, msp::Error::unavailable);
  service_.alter = [&](const net::HttpRequest&, net::HttpResponse& answer) { answer.body.resize(9); };
  service_.at(place.blob) = {.size = 8, .token = {}, .bytes = Bytes(8)};
  expect_failure(download(place.blob), 503, msp::Error::unavailable);
  service_.alter = nullptr;
  service_.stop();
  expect_failure(download(place.blob), 503, msp::Error::unavailable);
}

TEST_F(FilesTest, DownloadsWaitForEachOthersMemory) {
  const auto place = service_.make(5 * kMiB);
  service_.at(place.blob).bytes = Bytes(5 * kMiB);
  std::vector<Files::Download> here;
  std::size_t refused = 0;
  for (int i = 0; i < 4; ++i) {
    files_.download(place.blob, [&](Result<Files::Download, Files::Failure> done) {
      if (done) {
        here.push_back(std::move(*done));
      } else {
        expect_failure(done, 503, msp::Error::unavailable);
        ++refused;
      }
    });
  }
  loop_.run_until([&] { return here.size() + refused == 2; });
  EXPECT_EQ(refused, 1U) << "one runs, two wait, the fourth is too many";
  here.clear();
  loop_.run_until([&] { return here.size() == 1; });
  here.clear();
  loop_.run_until([&] { return here.size() == 1; });
}

TEST_F(FilesTest, DestroyedInTheMiddleNobodyIsCalled) {
  const auto place = service_.make(5 * kMiB);
  service_.at(place.blob).bytes = Bytes(5 * kMiB);
  {
    Files files(loop_, random_, url_, tls_, {.download_bytes = 1});
    std::shared_ptr<void> held;
    for (int i = 0; i < 3; ++i) {
      files.download(place.blob, [&](Result<Files::Download, Files::Failure> done) {
        ASSERT_TRUE(done.has_value());
        ASSERT_EQ(held, nullptr) << "the others wait";
        held = done->held;
      });
    }
    loop_.run_until([&] { return service_.gets == 5 && held != nullptr; });
    held.reset();  // the next begins, and is cut
  }
  loop_.run_once(std::chrono::nanoseconds(0));
}

TEST(Room, GivesInOrderAndTakesBackOnce) {
  internal::Room room(10, 4);
  std::vector<int> order;
  std::vector<internal::Room::Held> held;
  const auto take = [&](std::uint64_t bytes, int number) {
    return room.take(bytes, [&, number](internal::Room::Held one) {
      order.push_back(number);
      held.push_back(std::move(one));
    });
  };
  EXPECT_TRUE(take(6, 1));
  EXPECT_TRUE(take(6, 2));
  EXPECT_TRUE(take(1, 3)) << "behind the second, though it would fit";
  EXPECT_TRUE(take(99, 4));
  EXPECT_TRUE(take(1, 5));
  EXPECT_FALSE(take(1, 6));
  EXPECT_EQ(order, (std::vector{1}));
  // What comes meanwhile is put where the old was.
  const auto give_back = [&] { static_cast<void>(std::exchange(held, {})); };
  give_back();
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
  give_back();
  EXPECT_EQ(order, (std::vector{1, 2, 3, 4})) << "alone";
  give_back();
  EXPECT_EQ(order, (std::vector{1, 2, 3, 4, 5}));
  // One that keeps nothing does not stop the others.
  int kept = 0;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(room.take(10, [&](const internal::Room::Held&) { ++kept; }));
  give_back();
  EXPECT_EQ(kept, 3);
}

}  // namespace
}  // namespace opaline::gateway
