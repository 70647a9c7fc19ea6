#pragma once
// HTTP of the attachments (docs/device-api.md, "Blobs"): from a request to what is asked of the service, and from its
// answer to a response. No I/O. The capability is in the path: nothing here or above logs a path.
#include <variant>

#include "blobs/service.hpp"
#include "net/http.hpp"

namespace opaline::server {

inline constexpr std::string_view kBlobsPath = "/v1/blobs/";

enum class BlobAction : std::uint8_t { put, offset, get, release, add_releases, remove };

struct BlobRequest {
  BlobAction action{};
  blobs::BlobId id;
  blobs::Token token;        ///< of upload; for `release` that of release; else zero
  std::uint64_t offset = 0;  ///< put, get
  std::size_t length = 0;    ///< get
  Bytes body{};              ///< put; for add_releases n x 32 bytes
};

/// What is asked, or the answer at once: 400, 404, 405, 413. `request` is under kBlobsPath.
[[nodiscard]] std::variant<BlobRequest, net::HttpResponse> parse_blob_request(net::HttpRequest request);
/// How long the body of a request under kBlobsPath may be, by its head.
[[nodiscard]] std::size_t blob_body_limit(const net::HttpRequest& head);

/// Asks the service; `checkpoint` is set if one is due after the answer.
[[nodiscard]] net::HttpResponse serve_blob(blobs::Service& service, BlobRequest& request, bool& checkpoint);

/// 404, the same for whatever is not to be had.
[[nodiscard]] net::HttpResponse no_such_blob();
/// 503 with Retry-After.
[[nodiscard]] net::HttpResponse blobs_busy(std::string_view what, seconds retry_after);

}  // namespace opaline::server
