#pragma once
// What whoever speaks to the service's /v1/blobs (docs/device-api.md, "Blobs") needs alike.
#include "endpoint/endpoint_store.hpp"
#include "net/http.hpp"

namespace opaline::uplink {

[[nodiscard]] std::string blob_path(const endpoint::BlobId& blob);
/// A header that is a decimal number without leading zeros; nullopt: none, or something else.
[[nodiscard]] std::optional<std::uint64_t> number_header(const net::HttpResponse& response, std::string_view name);

}  // namespace opaline::uplink
