#pragma once
// The client's half of RFC 6455 over a TlsStream, binary messages only: masked in place where they were written,
// unmasked by nobody on the way back (section 5.1: a server does not mask).
#include <array>

#include "load/tls_stream.hpp"

namespace opaline::bench {

/// Masking keys (RFC 6455 section 5.3: unpredictable, a new one for each frame), drawn from the system in blocks.
class MaskKeys {
 public:
  [[nodiscard]] std::uint32_t next();

 private:
  std::array<std::uint32_t, 1024> keys_{};
  std::size_t used_ = keys_.size();
};

/// Writes binary messages into a stream's output. A message is open from the first room() to finish(); one that grows
/// beyond `kMessageBytes` is finished and another one begun.
class MessageWriter {
 public:
  static constexpr std::size_t kMessageBytes = 65'535;  // so that the length takes 16 bits

  explicit MessageWriter(ByteBuffer& out) : out_(out) {}
  /// Room for `size` bytes that must be in one message; the caller fills all of it at once.
  [[nodiscard]] std::byte* room(std::size_t size) {
    if (length_ + size > kMessageBytes) finish();
    if (length_ == 0) begin();
    std::byte* const at = out_.room(size);
    out_.commit(size);
    length_ += size;
    return at;
  }
  void append(ByteView bytes) { std::memcpy(room(bytes.size()), bytes.data(), bytes.size()); }
  /// Ends the open message, if there is one: header and mask.
  void finish();

 private:
  void begin();
  ByteBuffer& out_;
  std::size_t length_ = 0;  // of the open message; 0: none
};

/// What a message from the server is.
enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };
struct ServerMessage {
  Opcode opcode{};
  ByteView payload;
  std::size_t whole = 0;  ///< header and payload: how much to consume
};
/// The first message in `input`, if it is all there. Ends the program if it is masked, fragmented or longer than 64
/// KiB.
[[nodiscard]] bool parse_message(ByteView input, ServerMessage& out);

/// GET with Upgrade, and the check of the answer (RFC 6455 section 4.1). Blocking. Ends the program on a refusal.
void open_websocket(TlsStream& stream, std::string_view path, std::string_view host);

}  // namespace opaline::bench
