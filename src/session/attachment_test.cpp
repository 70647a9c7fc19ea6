// Attachments (docs/protocol.md, section Attachments).
#include "session/attachment.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "session/testing.hpp"

namespace opaline::session {
namespace {

struct Sealed {
  AttachmentKey key;
  Bytes plaintext;
  Bytes ciphertext;
  AttachmentHash hash;
};

Sealed seal(std::size_t size, std::size_t step = 1000) {
  SeededRandom random(size + 1);
  Sealed out{.key = generate_attachment_key(random), .plaintext = Bytes(size), .ciphertext = Bytes(size), .hash = {}};
  random.fill(out.plaintext);
  AttachmentSealer sealer(out.key);
  for (std::size_t at = 0; at < size; at += step) {
    const std::size_t n = std::min(step, size - at);
    sealer.seal(ByteView(out.plaintext).subspan(at, n), std::span(out.ciphertext).subspan(at, n));
  }
  EXPECT_EQ(sealer.size_bytes(), size);
  out.hash = sealer.finish();
  return out;
}

TEST(Attachment, PiecesDoNotMatter) {
  for (const std::size_t size : {1, 15, 16, 17, 1000, 70'001}) {
    const Sealed whole = seal(size, size);
    for (const std::size_t step : {std::size_t{1}, std::size_t{13}, std::size_t{4096}}) {
      const Sealed pieces = seal(size, step);
      EXPECT_EQ(pieces.ciphertext, whole.ciphertext);
      EXPECT_EQ(pieces.hash, whole.hash);
    }
    EXPECT_EQ(whole.hash, AttachmentHash(crypto::sha256(whole.ciphertext)));
    EXPECT_NE(whole.ciphertext, whole.plaintext);
  }
}

TEST(Attachment, ResumesAtAnyOffset) {
  const Sealed whole = seal(70'001);
  EXPECT_TRUE(rc::check("from any byte on, both ways", [&](std::size_t seed) {
    const std::size_t from = seed % whole.plaintext.size();
    Bytes out(whole.plaintext.size() - from);
    AttachmentCipher(whole.key, from).apply(ByteView(whole.plaintext).subspan(from), out);
    RC_ASSERT(equal(out, ByteView(whole.ciphertext).subspan(from)));
    AttachmentCipher(whole.key, from).apply(out, out);  // in place
    RC_ASSERT(equal(out, ByteView(whole.plaintext).subspan(from)));
  }));
}

TEST(Attachment, OnlyTheWholeFileMatches) {
  const Sealed file = seal(1000);
  const auto matches = [&](ByteView ciphertext, std::uint64_t size) {
    AttachmentCheck check(file.hash, size);
    for (std::size_t at = 0; at < ciphertext.size(); at += 7) {
      (void)check.update(ciphertext.subspan(at, std::min<std::size_t>(7, ciphertext.size() - at)));
    }
    return check.matches();
  };
  EXPECT_TRUE(matches(file.ciphertext, 1000));
  EXPECT_FALSE(matches(file.ciphertext, 999));
  EXPECT_FALSE(matches(file.ciphertext, 1001));
  EXPECT_FALSE(matches(ByteView(file.ciphertext).first(999), 1000));
  EXPECT_FALSE(matches(ByteView(file.ciphertext).first(999), 999));
  for (std::size_t at = 0; at < file.ciphertext.size(); at += 37) {
    Bytes flipped = file.ciphertext;
    flipped[at] ^= std::byte{1};
    EXPECT_FALSE(matches(flipped, 1000));
  }
}

TEST(Attachment, TooMuchIsNoticedAtOnceAndForGood) {
  const Sealed file = seal(100);
  AttachmentCheck check(file.hash, 100);
  EXPECT_TRUE(check.update(file.ciphertext));
  EXPECT_EQ(check.left_bytes(), 0u);
  EXPECT_FALSE(check.update(ByteView(file.ciphertext).first(1)));
  EXPECT_FALSE(check.matches());
  AttachmentCheck twice(file.hash, 100);
  EXPECT_TRUE(twice.update(file.ciphertext));
  EXPECT_TRUE(twice.matches());
  EXPECT_FALSE(twice.matches());
  EXPECT_FALSE(twice.update({}));
}

TEST(Attachment, ReleaseTokensAreOneForEachDeviceAndSecret) {
  SeededRandom random(1);
  const ReleaseSecret secret = generate_release_secret(random);
  const ReleaseSecret other_secret = generate_release_secret(random);
  const auto account = random.id<AccountId>();
  const auto other_account = random.id<AccountId>();
  const auto hash = [](const ReleaseSecret& s, const AccountId& a, std::uint32_t device) {
    return release_hash(release_token(s, {a, DeviceNumber{device}}));
  };
  EXPECT_EQ(hash(secret, account, 1), hash(secret, account, 1));
  EXPECT_NE(hash(secret, account, 1), hash(secret, account, 2));
  EXPECT_NE(hash(secret, account, 1), hash(secret, other_account, 1));
  EXPECT_NE(hash(secret, account, 1), hash(other_secret, account, 1));
}

}  // namespace
}  // namespace opaline::session
