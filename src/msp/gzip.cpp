#include "msp/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace opaline::msp {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib.h: 16 more is gzip alone
/// The smallest window that sees all of the input, in bits: most messages are short, and zlib's memory is cleared
/// twice.
int window_bits(std::size_t size) {
  return std::clamp(static_cast<int>(std::bit_width(size)), 9, 15);
}

/// Most messages are short; there the best effort takes twice the time and saves two bytes of a hundred.
int level(std::size_t size) {
  constexpr std::size_t kShort = 4096;
  return size <= kShort ? Z_BEST_SPEED : Z_DEFAULT_COMPRESSION;
}

/// zlib asks for its memory here. Each block remembers its size, so that all of it is wiped.
struct alignas(std::max_align_t) BlockHead {
  std::size_t size = 0;
};
void* take(void* /*opaque*/, unsigned items, unsigned size) {
  const std::size_t bytes = sizeof(BlockHead) + std::size_t{items} * size;
  void* const block = std::calloc(1, bytes);  // zlib reads a few bytes that it never wrote
  if (block == nullptr) return Z_NULL;
  static_cast<BlockHead*>(block)->size = bytes;
  return static_cast<BlockHead*>(block) + 1;
}
void give_back(void* /*opaque*/, void* memory) {
  if (memory == nullptr) return;
  BlockHead* const block = static_cast<BlockHead*>(memory) - 1;
  wipe(block, block->size);
  std::free(block);
}

z_stream make_stream() {
  z_stream out{};
  out.zalloc = take;
  out.zfree = give_back;
  return out;
}
Bytef* as_zlib(std::byte* bytes) {
  return reinterpret_cast<Bytef*>(bytes);
}
Bytef* as_zlib(const std::byte* bytes) {
  return reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes));  // zlib does not write there
}

/// Ends a stream on all ways out; its memory is wiped by then.
class Inflating {
 public:
  Inflating() : stream_(make_stream()) { OPALINE_ASSERT(inflateInit2(&stream_, kGzipWindow) == Z_OK); }
  Inflating(const Inflating&) = delete;
  Inflating& operator=(const Inflating&) = delete;
  ~Inflating() { inflateEnd(&stream_); }
  z_stream* operator->() { return &stream_; }
  z_stream* get() { return &stream_; }

 private:
  z_stream stream_;
};

}  // namespace

SecretBytes gzip(ByteView plain) {
  const int bits = window_bits(plain.size());
  z_stream stream = make_stream();
  OPALINE_ASSERT(deflateInit2(&stream, level(plain.size()), Z_DEFLATED, bits + 16, bits - 7, Z_DEFAULT_STRATEGY) ==
                 Z_OK);
  SecretBytes out(deflateBound(&stream, plain.size()));
  stream.next_in = as_zlib(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = as_zlib(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  OPALINE_ASSERT(plain.size() == stream.avail_in && deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Result<SecretBytes, Error> gunzip(ByteView compressed, std::size_t max_bytes) {
  if (!is_gzip(compressed) || compressed.size() > UINT32_MAX) return fail(Error::malformed);
  Inflating stream;
  stream->next_in = as_zlib(compressed.data());
  stream->avail_in = static_cast<uInt>(compressed.size());
  // Deflate reaches at most 1032:1, so a short input needs no large buffer; else grow by doubling.
  constexpr std::size_t kFirst = 4096;
  SecretBytes out;
  for (;;) {
    const std::size_t made = stream->total_out;
    // One byte more than is allowed: it being used is what tells a bomb from a message of the largest size.
    if (made == out.size()) out.resize(std::min(std::max(kFirst, made * 2), max_bytes + 1));
    stream->next_out = as_zlib(out.data() + made);
    stream->avail_out = static_cast<uInt>(out.size() - made);
    const int outcome = inflate(stream.get(), Z_NO_FLUSH);
    if (stream->total_out > max_bytes) return fail(Error::oversized);
    if (outcome == Z_STREAM_END) break;
    if (outcome != Z_OK || (stream->avail_in == 0 && stream->avail_out != 0)) return fail(Error::malformed);
  }
  if (stream->avail_in != 0) return fail(Error::malformed);
  out.resize(stream->total_out);
  return out;
}

bool is_gzip(ByteView bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

}  // namespace opaline::msp
