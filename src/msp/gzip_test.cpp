#include "msp/gzip.hpp"

#include <gmock/gmock.h>
#include <rapidcheck.h>
#include <zlib.h>

#include "base/random.hpp"
#include "msp/limits.hpp"

namespace opaline::msp {
namespace {

constexpr std::size_t kMax = 1'000'000;
void expect_error(const Result<SecretBytes, Error>& result, Error error) {
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(name(result.error()), name(error));
}

TEST(Gzip, GoesThereAndBack) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& data) {
    const ByteView plain = std::as_bytes(std::span(data));
    const SecretBytes packed = gzip(plain);
    RC_ASSERT(is_gzip(packed));
    RC_ASSERT(equal(gzip(plain), packed));
    const auto opened = gunzip(packed, data.size());
    RC_ASSERT(opened.has_value());
    RC_ASSERT(equal(*opened, plain));
  }));
}

TEST(Gzip, IsWhatOthersRead) {
  SecretBytes packed = gzip(as_view("hello"));
  Bytes out(100);
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(as_text(ByteView(out).first(stream.total_out)), "hello");
  inflateEnd(&stream);
  EXPECT_EQ(packed[4], std::byte{0});  // no time: RFC 1952 section 2.3.1, MTIME
}

TEST(Gzip, StopsABomb) {
  const SecretBytes bomb = gzip(SecretBytes(64 * 1024 * 1024));
  EXPECT_LT(bomb.size(), 100'000U);
  expect_error(gunzip(bomb, kMax), Error::oversized);
  EXPECT_EQ(gunzip(gzip(SecretBytes(kMax)), kMax)->size(), kMax);
  expect_error(gunzip(gzip(SecretBytes(kMax + 1)), kMax), Error::oversized);
  expect_error(gunzip(gzip(SecretBytes(1)), 0), Error::oversized);
  EXPECT_TRUE(gunzip(gzip({}), 0)->empty());
}

TEST(Gzip, IsOneWholeMember) {
  const SecretBytes good = gzip(as_view("some text that is long enough to be compressed, compressed, compressed"));
  for (std::size_t size = 0; size < good.size(); ++size) {
    expect_error(gunzip(ByteView(good).first(size), kMax), Error::malformed);
  }
  SecretBytes twice = good;
  twice.insert(twice.end(), good.begin(), good.end());
  expect_error(gunzip(twice, kMax), Error::malformed);
  SecretBytes more = good;
  more.push_back(std::byte{0});
  expect_error(gunzip(more, kMax), Error::malformed);
}

TEST(Gzip, FindsDamage) {
  const std::string_view text = "some text that is long enough to be compressed, compressed, compressed";
  const SecretBytes good = gzip(as_view(text));
  std::size_t survived = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      SecretBytes damaged = good;
      damaged[i] ^= static_cast<std::byte>(1 << bit);
      const auto opened = gunzip(damaged, kMax);
      // The time, the level and the last byte's filling are nobody's business; what is told is right, or nothing is.
      if (opened) EXPECT_EQ(as_text(*opened), text) << i << " " << bit;
      survived += opened.has_value();
    }
  }
  EXPECT_LT(survived, 8 * 8U);  // 6 bytes of the header, a bit that says "text", and filling
}

TEST(Gzip, IsNotZlibOrRawDeflate) {
  Bytes zlib(100);
  uLongf size = zlib.size();
  ASSERT_EQ(compress(reinterpret_cast<Bytef*>(zlib.data()), &size, reinterpret_cast<const Bytef*>("hello"), 5), Z_OK);
  zlib.resize(size);
  expect_error(gunzip(zlib, kMax), Error::malformed);
  expect_error(gunzip(as_view("plain"), kMax), Error::malformed);
  expect_error(gunzip({}, kMax), Error::malformed);
}

}  // namespace
}  // namespace opaline::msp
