#pragma once
// The service's /v1/blobs (docs/device-api.md, "Blobs"): bytes up, bytes down, releases. Answers are checked for shape;
// whether they are true is the caller's affair. Loop thread only.
#include <functional>

#include "base/random.hpp"
#include "client/service.hpp"
#include "endpoint/endpoint_store.hpp"

namespace opaline::client {

inline constexpr std::uint64_t kMaxPieceUpBytes = 1 << 20;
inline constexpr std::uint64_t kMaxPieceDownBytes = 4 << 20;
/// Calls of put() that may be without an answer, and of get(); they are served in the order in which they were made.
/// With two the service works on one while the other is on its way.
inline constexpr std::size_t kMaxUnderWay = 2;
/// An answer that took longer comes over a slow line: one at a time is enough to fill it.
inline constexpr auto kFastAnswer = std::chrono::seconds(2);

enum class BlobError : std::uint8_t {
  unreachable,  ///< no answer: the network, or too slow
  gone,         ///< 404
  elsewhere,    ///< 409: `offset` is where the upload is
  quota,        ///< 429
  unavailable,  ///< 503
  refused,      ///< another status
  nonsense,     ///< an answer that the page does not allow
};
struct BlobFailure {
  BlobError error{};
  Failure words;  ///< for the person
  std::uint64_t offset = 0;
};
template <class T>
using BlobDone = std::function<void(Result<T, BlobFailure>)>;

class BlobService {
 public:
  /// Both must outlive it.
  BlobService(net::EventLoop& loop, const Service& service);

  struct Uploaded {
    std::uint64_t offset = 0;  ///< how much is there
    bool whole = false;        ///< on stable storage
  };
  /// At most kMaxPieceUpBytes.
  void put(const endpoint::BlobId& blob, ByteView upload_token, std::uint64_t offset, Bytes piece,
           BlobDone<Uploaded> done);
  /// How far an upload of `size` bytes is.
  void ask(const endpoint::BlobId& blob, ByteView upload_token, std::uint64_t size, BlobDone<Uploaded> done);
  struct Piece {
    Bytes bytes;              ///< 0 to as many as were asked for
    std::uint64_t whole = 0;  ///< size of the blob
  };
  void get(const endpoint::BlobId& blob, std::uint64_t offset, std::uint64_t length, BlobDone<Piece> done);
  void release(const endpoint::BlobId& blob, ByteView token, BlobDone<std::monostate> done);
  /// n × 32 bytes.
  void add_releases(const endpoint::BlobId& blob, ByteView upload_token, Bytes hashes, BlobDone<std::monostate> done);
  void remove(const endpoint::BlobId& blob, ByteView upload_token, BlobDone<std::monostate> done);

 private:
  using Answered = std::function<void(Result<net::HttpResponse, BlobFailure>)>;
  void send(net::HttpClientRequest request, Answered done);
  [[nodiscard]] BlobFailure failure(const net::HttpResponse& response) const;
  [[nodiscard]] BlobFailure nonsense() const;
  [[nodiscard]] BlobDone<net::HttpResponse> expecting_204(BlobDone<std::monostate> done) const;

  const Service& service_;
  net::HttpClient http_;
};

}  // namespace opaline::client
