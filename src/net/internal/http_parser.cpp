#include "net/internal/http_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>

namespace opaline::net::internal {
namespace http = boost::beast::http;
namespace {

HttpParseError translate(const boost::beast::error_code& ec) {
  if (ec == http::error::header_limit) return HttpParseError::head_too_large;
  if (ec == http::error::body_limit || ec == http::error::buffer_overflow) return HttpParseError::body_too_large;
  if (ec == http::error::bad_version) return HttpParseError::bad_version;
  return HttpParseError::bad_message;
}

/// The end of every chunked body. Beast asserts that a last chunk which it has seen alone comes again with two more
/// bytes: so what begins like one is not shown before it can be all of it.
constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace

template <bool kIsRequest>
HttpMessageParser<kIsRequest>::HttpMessageParser(std::size_t max_header_bytes) : max_header_bytes_(max_header_bytes) {
  this->header_limit(static_cast<std::uint32_t>(max_header_bytes));
  this->body_limit(boost::none);  // ours is set once the head is known
  this->eager(false);
}

template <bool kIsRequest>
Result<std::size_t, HttpParseError> HttpMessageParser<kIsRequest>::feed(ByteView data) {
  std::size_t used = 0;
  while (!done() && used < data.size()) {
    const bool may_be_last = data[used] == std::byte{'0'} && data.size() - used < kLastChunk.size();
    if (head_done() && this->chunked() && may_be_last) break;
    Code ec;
    const std::size_t step = this->put(boost::asio::const_buffer(data.data() + used, data.size() - used), ec);
    used += step;
    if (ec == http::error::need_more) break;
    if (unknown_encoding_) return fail(HttpParseError::unknown_encoding);
    if (ec) return fail(translate(ec));
    if (head_done() && !std::exchange(head_reported_, true)) return used;
    if (step == 0) break;
  }
  // Chunk extensions and trailers have no limit of Beast's.
  if (!done() && data.size() - used > max_header_bytes_) return fail(HttpParseError::head_too_large);
  return used;
}

template <bool kIsRequest>
bool HttpMessageParser<kIsRequest>::feed_end() {
  if (done()) return true;
  if (!head_done()) return false;
  Code ec;
  this->put_eof(ec);
  return !ec;
}

template <bool kIsRequest>
Result<void, HttpParseError> HttpMessageParser<kIsRequest>::set_body_limit(std::size_t max_body_bytes) {
  max_body_bytes_ = max_body_bytes;
  const auto announced = this->content_length_remaining();
  if (announced && *announced > max_body_bytes) return fail(HttpParseError::body_too_large);
  // An answer to what we asked for comes into one piece of memory; what strangers announce gets none before it is here.
  if (!kIsRequest && announced) body.reserve(static_cast<std::size_t>(*announced));
  return {};
}

template <bool kIsRequest>
void HttpMessageParser<kIsRequest>::on_request_impl(http::verb, View method_text, View target_text, int version,
                                                    Code&) {
  method = method_text;
  target = target_text;
  version_ = version;
}

template <bool kIsRequest>
void HttpMessageParser<kIsRequest>::on_response_impl(int code, View, int version, Code&) {
  status = static_cast<unsigned>(code);
  version_ = version;
}

template <bool kIsRequest>
void HttpMessageParser<kIsRequest>::on_field_impl(http::field id, View name, View value, Code& ec) {
  if (head_reported_) return;  // trailers mean nothing to us (RFC 9110 section 6.5.1)
  if (id == http::field::transfer_encoding && (version_ < 11 || !boost::beast::iequals(value, "chunked"))) {
    // RFC 9112 section 6.1: one that we do not know leaves the length unknown.
    unknown_encoding_ = true;
    ec = http::error::bad_transfer_encoding;
    return;
  }
  headers.push_back({.name = std::string(name), .value = std::string(value)});
}

template <bool kIsRequest>
void HttpMessageParser<kIsRequest>::on_header_impl(Code&) {}
template <bool kIsRequest>
void HttpMessageParser<kIsRequest>::on_body_init_impl(boost::optional<std::uint64_t> const&, Code&) {}
template <bool kIsRequest>
void HttpMessageParser<kIsRequest>::on_chunk_header_impl(std::uint64_t size, View, Code& ec) {
  if (size > max_body_bytes_ - body.size()) ec = http::error::body_limit;
}
template <bool kIsRequest>
void HttpMessageParser<kIsRequest>::on_finish_impl(Code&) {}

template <bool kIsRequest>
std::size_t HttpMessageParser<kIsRequest>::append_body(View data, Code& ec) {
  if (data.size() > max_body_bytes_ - body.size()) {
    ec = http::error::body_limit;
    return 0;
  }
  append(body, as_view({data.data(), data.size()}));
  return data.size();
}
template <bool kIsRequest>
std::size_t HttpMessageParser<kIsRequest>::on_body_impl(View data, Code& ec) {
  return append_body(data, ec);
}
template <bool kIsRequest>
std::size_t HttpMessageParser<kIsRequest>::on_chunk_body_impl(std::uint64_t, View data, Code& ec) {
  return append_body(data, ec);
}

template class HttpMessageParser<true>;
template class HttpMessageParser<false>;

}  // namespace opaline::net::internal
