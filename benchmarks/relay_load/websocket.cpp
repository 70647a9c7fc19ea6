#include "relay_load/websocket.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "load/die.hpp"
#include "wire/limits.hpp"

namespace opaline::bench {
namespace {

// FIN and binary, MASK, a 16-bit length, the key: room for the header of all but the shortest messages.
constexpr std::size_t kHeader = 2 + 2 + 4;
constexpr std::size_t kShortHeader = 2 + 4;  // below 126 bytes (section 5.2: the length takes as few bytes as it can)

void mask(std::byte* data, std::size_t size, std::uint32_t key) {
  const std::uint64_t wide = static_cast<std::uint64_t>(key) << 32 | key;
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + i, 8);
    word ^= wide;
    std::memcpy(data + i, &word, 8);
  }
  std::byte tail[8];
  std::memcpy(tail, &wide, 8);
  for (std::size_t j = 0; i < size; ++i, ++j) data[i] ^= tail[j];
}

std::string base64(ByteView bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string accept_of(const std::string& key) {
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  ByteArray<20> hash{};
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(hash.data()), nullptr, EVP_sha1(), nullptr);
  return base64(hash);
}

}  // namespace

std::uint32_t MaskKeys::next() {
  if (used_ == keys_.size()) {
    if (RAND_bytes(reinterpret_cast<unsigned char*>(keys_.data()), sizeof keys_) != 1) die("no randomness");
    used_ = 0;
  }
  return keys_[used_++];
}

void MessageWriter::begin() {
  (void)out_.room(kHeader + kMessageBytes);
  out_.commit(kHeader);
}

void MessageWriter::finish() {
  if (length_ == 0) return;
  static MaskKeys keys;  // one thread
  const std::uint32_t key = keys.next();
  std::byte* const payload = out_.data() + out_.size() - length_;
  std::byte* const start = payload - kHeader;
  mask(payload, length_, key);
  start[0] = std::byte{0x82};
  if (length_ < 126) {
    start[1] = static_cast<std::byte>(0x80U | length_);
    std::memmove(start + kShortHeader, payload, length_);
    std::memcpy(start + 2, &key, 4);
    out_.uncommit(kHeader - kShortHeader);
  } else {
    start[1] = static_cast<std::byte>(0x80U | 126U);
    start[2] = static_cast<std::byte>(length_ >> 8 & 255);
    start[3] = static_cast<std::byte>(length_ & 255);
    std::memcpy(start + 4, &key, 4);
  }
  length_ = 0;
}

bool parse_message(ByteView input, ServerMessage& out) {
  if (input.size() < 2) return false;
  const auto first = std::to_integer<unsigned>(input[0]);
  const auto second = std::to_integer<unsigned>(input[1]);
  if ((first & 0xf0U) != 0x80U) die("the server sent a fragmented or extended WebSocket frame");
  if ((second & 0x80U) != 0) die("the server sent a masked WebSocket frame");
  const std::size_t width = second < 126 ? 0 : second == 126 ? 2 : 8;
  if (input.size() < 2 + width) return false;
  std::size_t length = second;
  if (width != 0) {
    length = 0;
    for (std::size_t i = 0; i < width; ++i) length = length << 8 | std::to_integer<std::size_t>(input[2 + i]);
  }
  if (length > wire::kMaxBatchBytes) die("the server sent a WebSocket message of more than 64 KiB");
  if (input.size() < 2 + width + length) return false;
  out = {Opcode(first & 15U), input.subspan(2 + width, length), 2 + width + length};
  return true;
}

void open_websocket(TlsStream& stream, std::string_view path, std::string_view host) {
  ByteArray<16> nonce{};
  if (RAND_bytes(reinterpret_cast<unsigned char*>(nonce.data()), nonce.size()) != 1) die("no randomness");
  const std::string key = base64(nonce);
  stream.output.append(
      as_view(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n\r\n",
                          path, host, key)));
  (void)stream.push();
  constexpr std::string_view kEnd = "\r\n\r\n";
  for (;;) {
    const std::string_view text = as_text(stream.input.view());
    if (const auto end = text.find(kEnd); end != std::string_view::npos) {
      const std::string_view head = text.substr(0, end);
      if (!head.starts_with("HTTP/1.1 101 "))
        die("the server refused the WebSocket: " + std::string(head.substr(0, 80)));
      if (head.find(accept_of(key)) == std::string_view::npos) die("the server's Sec-WebSocket-Accept is wrong");
      stream.input.consume(end + kEnd.size());
      return;
    }
    if (!stream.pull()) die("the server closed the connection instead of opening a WebSocket");
  }
}

}  // namespace opaline::bench
