#pragma once
// Ciphertext of attachments between the MSP and the service's blobs (docs/device-api.md, "Blobs"): never opened here.
// An `mmcs-url` is `<service>/v1/blobs/<blob>`, an `mmcs-owner` the business's id. Loop thread only.
#include <functional>

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
  template <class T>
  using Done = std::function<void(Result<T, msp::Problem>)>;

  Files(net::EventLoop& loop, RandomSource& random, const net::Url& service, const net::TlsClientContext& tls);

  struct Place {
    endpoint::BlobId blob;
    Bytes upload_token;  ///< 32 bytes
  };
  /// Makes room for `size` bytes of ciphertext at the service, on the business's account.
  void create(BusinessPort& business, std::uint64_t size, Done<Place> done);
  /// The whole of it, as the MSP posted it. `done`: SHA-256 of it, once it is on the service's stable storage.
  void upload(const Place& place, Bytes ciphertext, Done<ByteArray<32>> done);
  /// The whole of it.
  void download(const endpoint::BlobId& blob, Done<Bytes> done);

 private:
  net::EventLoop& loop_;
  RandomSource& random_;
  const net::Url& service_;
  net::HttpClient http_;
};

}  // namespace opaline::gateway
