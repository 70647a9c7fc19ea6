#include "base/codec.hpp"

#include <gtest/gtest.h>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace opaline {
namespace {

TEST(Codec, WritesBigEndianAndReadsBack) {
  Bytes out;
  Writer(out).u8(1).u16(0x0203).u24(0x040506).u32(0x0708090a).u64(0x0b0c0d0e0f101112).bytes16(as_view("hi"));
  EXPECT_EQ(to_hex(out), "0102030405060708090a0b0c0d0e0f10111200026869");
  Reader in(out);
  EXPECT_EQ(in.u8(), 1);
  EXPECT_EQ(in.u16(), 0x0203);
  EXPECT_EQ(in.u24(), 0x040506U);
  EXPECT_EQ(in.u32(), 0x0708090aU);
  EXPECT_EQ(in.u64(), 0x0b0c0d0e0f101112U);
  EXPECT_EQ(as_text(in.bytes16()), "hi");
  EXPECT_TRUE(in.finished());
}

TEST(Codec, EveryTruncationFailsAndStaysFailed) {
  Bytes out;
  Writer(out).u32(7).bytes16(as_view("abcdef"));
  for (std::size_t size = 0; size < out.size(); ++size) {
    Reader in(ByteView(out).first(size));
    (void)in.u32();
    (void)in.bytes16();
    EXPECT_TRUE(in.failed()) << size;
    EXPECT_EQ(in.u64(), 0U);
    EXPECT_FALSE(in.finished());
  }
}

TEST(Codec, TrailingBytesAreNoticed) {
  Bytes out;
  Writer(out).u16(1).u8(0);
  Reader in(out);
  (void)in.u16();
  EXPECT_FALSE(in.finished());
}

TEST(Ids, AreCheckedAtCreation) {
  EXPECT_FALSE(MailboxId::from(as_view("short")));
  EXPECT_FALSE(MailboxId::from_hex("00"));
  const auto id = MailboxId::from_hex("000102030405060708090a0b0c0d0e0f");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->hex(), "000102030405060708090a0b0c0d0e0f");
  static_assert(!std::is_convertible_v<MailboxId, AccountId>);
  static_assert(!std::is_constructible_v<MailboxId, AccountId>);
}

TEST(Time, DaysAreUtc) {
  EXPECT_EQ(number(day_of(from_unix_millis(0))), 0U);
  EXPECT_EQ(number(day_of(from_unix_millis(86'400'000 - 1))), 0U);
  EXPECT_EQ(number(day_of(from_unix_millis(86'400'000))), 1U);
}

}  // namespace
}  // namespace opaline
