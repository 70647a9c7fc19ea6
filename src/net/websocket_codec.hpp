#pragma once
// WebSocket frames (RFC 6455 section 5), without I/O: bytes in, messages out. Binary messages only, no extensions.
#include <memory>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace opaline::net {

enum class WebSocketRole : std::uint8_t { server, client };

/// RFC 6455 section 5.2; the others are reserved.
enum class WebSocketOpcode : std::uint8_t {
  continuation = 0x0,
  text = 0x1,
  binary = 0x2,
  close = 0x8,
  ping = 0x9,
  pong = 0xa,
};

struct WebSocketEvent {
  enum class Kind : std::uint8_t { message, ping, pong, close };
  Kind kind = Kind::message;
  ByteView payload{};            ///< of a close: the reason, valid UTF-8
  std::uint16_t close_code = 0;  ///< of a close; 1005 if the peer gave none
};

/// One direction of a connection. Holds memory only while a frame or message is incomplete.
class WebSocketDecoder {
 public:
  /// `role` is our own: a server refuses unmasked frames, a client masked ones (section 5.1).
  WebSocketDecoder(WebSocketRole role, std::size_t max_message_bytes)
      : max_message_bytes_(static_cast<std::uint32_t>(max_message_bytes)), role_(role) {}

  /// Takes one event from the front of `input`, which it unmasks in place; nullopt once `input` is used up. The payload
  /// is a view into `input` or into the decoder, valid until the next call. An error is the close code to answer with:
  /// 1002 for a frame that breaks the rules, 1003 for text, 1007 for a close reason that is no UTF-8, 1009 for a
  /// message over the limit. After an error or a close event the decoder must not be used again.
  [[nodiscard]] Result<std::optional<WebSocketEvent>, std::uint16_t> next(std::span<std::byte>& input);

  /// True if a message or frame has begun and is not complete.
  [[nodiscard]] bool incomplete() const { return partial_ != nullptr; }
  [[nodiscard]] std::size_t buffered_bytes() const;

 private:
  struct Header {
    bool final = false;
    WebSocketOpcode opcode = WebSocketOpcode::binary;
    std::uint32_t mask = 0;  // as it lies in memory
    std::uint64_t length = 0;
    std::size_t size = 0;  // of the header itself
  };
  struct Partial {
    ByteArray<14> head{};  // an incomplete header
    std::size_t head_size = 0;
    bool in_frame = false;
    Header frame;
    std::uint64_t received = 0;  // of frame.length
    bool in_message = false;     // a data frame without FIN came
    bool delivered = false;      // `message` was handed out by the last call
    Bytes message;
    Bytes control;
  };
  using Outcome = Result<std::optional<WebSocketEvent>, std::uint16_t>;

  [[nodiscard]] Result<std::optional<Header>, std::uint16_t> parse_header(ByteView bytes) const;
  [[nodiscard]] Result<void, std::uint16_t> check(const Header& header) const;
  [[nodiscard]] Result<bool, std::uint16_t> take_header(std::span<std::byte>& input, Header& header);
  [[nodiscard]] Outcome take_payload(std::span<std::byte>& input);
  [[nodiscard]] Outcome finish_frame(const Header& header, ByteView whole);
  [[nodiscard]] Partial& partial();
  void release_if_idle();

  std::unique_ptr<Partial> partial_;
  std::uint32_t max_message_bytes_;
  WebSocketRole role_;
};

/// Appends one unfragmented frame. `mask` is given by clients: four bytes that the peer could not foresee
/// (section 5.3).
void append_frame(Bytes& out, WebSocketOpcode opcode, std::initializer_list<ByteView> payload,
                  std::optional<ByteArray<4>> mask = std::nullopt);
/// A close frame; without a code for 1005. `reason` is cut to fit, at a character's boundary.
void append_close(Bytes& out, std::uint16_t code, std::string_view reason,
                  std::optional<ByteArray<4>> mask = std::nullopt);

/// XORs `data` with the mask as if its first byte were number `offset` of the payload.
void apply_mask(std::span<std::byte> data, std::uint32_t mask, std::uint64_t offset);

/// Codes that may stand in a close frame (section 7.4, and the IANA registry up to 1014).
[[nodiscard]] bool is_valid_close_code(std::uint16_t code);

}  // namespace opaline::net
