#pragma once
// Ciphertext of attachments between the MSP and the service's blobs (docs/device-api.md, "Blobs"): never opened here.
// An `mmcs-url` is `<service>/v1/blobs/<blob>`, an `mmcs-owner` the business's id. Loop thread only.
#include <functional>
#include <memory>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "gateway/business_port.hpp"
#include "net/event_loop.hpp"
#include "net/http_client.hpp"

namespace opaline::gateway {

/// The blob of an mmcs-url; nullopt: it is none of this service.
[[nodiscard]] std::optional<endpoint::BlobId> blob_of(std::string_view mmcs_url, const net::Url& service);
[[nodiscard]] std::string url_of(const endpoint::BlobId& blob, const net::Url& service);

class Files {
 public:
  struct Failure {
    msp::Problem problem;    ///< 400, 403, 404, 429, 500 or 503
    seconds retry_after{0};  ///< of 429 and 503
  };
  template <class T>
  using Done = std::function<void(Result<T, Failure>)>;

  struct Options {
    /// What downloads hold in memory together; over it they wait for each other. At least one of any size goes.
    std::uint64_t download_bytes = std::uint64_t{256} << 20;
    std::size_t max_waiting = 64;  ///< for that; more are refused with 503
    milliseconds first_wait{200};  ///< before a transfer that was cut goes on; then twice as long
    int max_failures = 6;          ///< in a row without a byte further: 503
    std::chrono::nanoseconds piece_within = std::chrono::seconds(75);
  };
  /// All outlive it. Transfers that run when it is destroyed end without a word.
  Files(net::EventLoop& loop, RandomSource& random, const net::Url& service, const net::TlsClientContext& tls,
        Options options);
  /// With the options as they stand above.
  Files(net::EventLoop& loop, RandomSource& random, const net::Url& service, const net::TlsClientContext& tls);
  ~Files();
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  [[nodiscard]] const net::Url& service() const;

  struct Place {
    endpoint::BlobId blob;
    ByteArray<32> upload_token{};
  };
  /// Makes room for `size_bytes` of ciphertext (1 .. msp::kMaxAttachmentBytes) at the service, on the business's
  /// account, for as long as the service keeps files. Calls back once, perhaps from inside.
  void create(BusinessPort& business, std::uint64_t size_bytes, Done<Place> done);
  /// The whole of it; as many bytes as the place was made for. `done`: SHA-256 of it, once it is on the service's
  /// stable storage. What an earlier call left there is gone on from, and read back at the end: mismatch (400) if it
  /// was something else.
  void upload(const Place& place, Bytes ciphertext, Done<ByteArray<32>> done);
  struct Download {
    Bytes ciphertext;
    std::shared_ptr<void> held;  ///< keep it as long as the bytes are in memory
  };
  /// The whole of it. 404: the service does not have it (any more).
  void download(const endpoint::BlobId& blob, Done<Download> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace opaline::gateway
