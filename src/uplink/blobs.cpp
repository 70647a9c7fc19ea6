#include "uplink/blobs.hpp"

#include <charconv>

namespace opaline::uplink {

std::string blob_path(const endpoint::BlobId& blob) {
  return "/v1/blobs/" + to_base64url(blob.view());
}

std::optional<std::uint64_t> number_header(const net::HttpResponse& response, std::string_view name) {
  const auto text = response.header(name);
  if (!text || text->empty() || (text->size() > 1 && text->front() == '0')) return std::nullopt;
  std::uint64_t out = 0;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), out);
  if (read.ec != std::errc() || read.ptr != text->data() + text->size()) return std::nullopt;
  return out;
}

}  // namespace opaline::uplink
