#pragma once
// HTTP/1.1 messages out of bytes: Beast's parser, and on top of it what RFC 9112 asks of a careful recipient.
#include <boost/beast/http/basic_parser.hpp>

#include "net/http.hpp"

namespace opaline::net::internal {

enum class HttpParseError : std::uint8_t {
  bad_message,       ///< 400
  bad_version,       ///< 505
  head_too_large,    ///< 431
  body_too_large,    ///< 413
  unknown_encoding,  ///< 501: a transfer coding other than chunked
};

template <bool kIsRequest>
class HttpMessageParser final : private boost::beast::http::basic_parser<kIsRequest> {
  using Base = boost::beast::http::basic_parser<kIsRequest>;

 public:
  explicit HttpMessageParser(std::size_t max_header_bytes);

  /// Uses bytes from the front of `data`; what is left is to be given again with more behind it. Returns right after
  /// the head is complete, so that the body's limit can be set, and after the message is.
  [[nodiscard]] Result<std::size_t, HttpParseError> feed(ByteView data);
  /// The peer will send no more. False if the message is incomplete; true makes a message that ends with the connection
  /// complete.
  [[nodiscard]] bool feed_end();
  /// body_too_large at once if the announced length is over it. Call when the head is complete.
  [[nodiscard]] Result<void, HttpParseError> set_body_limit(std::size_t max_body_bytes);
  /// A response to HEAD has no body (RFC 9112 section 6.3). Call before the first `feed`.
  void expect_no_body() { this->skip(true); }

  [[nodiscard]] bool started() const { return this->got_some(); }
  [[nodiscard]] bool head_done() const { return this->is_header_done(); }
  [[nodiscard]] bool done() const { return this->is_done(); }
  [[nodiscard]] bool keeps_alive() const { return this->keep_alive(); }
  [[nodiscard]] bool is_http_1_1() const { return version_ == 11; }

  // A request has method and target, a response a status.
  std::string method;
  std::string target;
  unsigned status = 0;
  HttpHeaders headers;
  Bytes body;

 private:
  using Code = boost::beast::error_code;
  using View = boost::beast::string_view;
  void on_request_impl(boost::beast::http::verb verb, View method_text, View target_text, int version,
                       Code& ec) override;
  void on_response_impl(int code, View reason, int version, Code& ec) override;
  void on_field_impl(boost::beast::http::field id, View name, View value, Code& ec) override;
  void on_header_impl(Code& ec) override;
  void on_body_init_impl(boost::optional<std::uint64_t> const& length, Code& ec) override;
  std::size_t on_body_impl(View data, Code& ec) override;
  void on_chunk_header_impl(std::uint64_t size, View extensions, Code& ec) override;
  std::size_t on_chunk_body_impl(std::uint64_t left, View data, Code& ec) override;
  void on_finish_impl(Code& ec) override;
  [[nodiscard]] std::size_t append_body(View data, Code& ec);

  std::size_t max_header_bytes_;
  std::size_t max_body_bytes_ = 0;
  int version_ = 0;
  bool head_reported_ = false;
  bool unknown_encoding_ = false;
};

using RequestParser = HttpMessageParser<true>;
using ResponseParser = HttpMessageParser<false>;

extern template class HttpMessageParser<true>;
extern template class HttpMessageParser<false>;

}  // namespace opaline::net::internal
