#include "crypto/aead.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <rapidcheck.h>

#include <thread>

#include "base/random.hpp"
#include "crypto/internal/wycheproof.hpp"

namespace opaline::crypto {
namespace {

using namespace testing;
using Key = FixedView<kAeadKeyBytes>;
using Nonce = FixedView<kAeadNonceBytes>;

struct Aead {
  const char* name;
  void (*seal)(Key, Nonce, ByteView, ByteView, Bytes&);
  std::optional<SecretBytes> (*open)(Key, Nonce, ByteView, ByteView);
  void (*seal_into)(Key, Nonce, ByteView, ByteView, std::span<std::byte>);
  bool (*open_into)(Key, Nonce, ByteView, ByteView, std::span<std::byte>);
};
constexpr Aead kGcm{"AES-256-GCM", aes256gcm_seal, aes256gcm_open, aes256gcm_seal_into, aes256gcm_open_into};
constexpr Aead kGcmSiv{"AES-256-GCM-SIV", aes256gcmsiv_seal, aes256gcmsiv_open, aes256gcmsiv_seal_into,
                       aes256gcmsiv_open_into};

class EveryAead : public ::testing::TestWithParam<Aead> {};
INSTANTIATE_TEST_SUITE_P(Aead, EveryAead, ::testing::Values(kGcm, kGcmSiv),
                         [](const auto& info) { return info.index == 0 ? "Gcm" : "GcmSiv"; });

Bytes sealed_with(const Aead& aead, Key key, Nonce nonce, ByteView aad, ByteView plaintext) {
  Bytes out;
  aead.seal(key, nonce, aad, plaintext, out);
  return out;
}

/// All ways to open agree, and in-place too.
void expect_opens(const Aead& aead, Key key, Nonce nonce, ByteView aad, const Bytes& sealed, ByteView plaintext) {
  const auto opened = aead.open(key, nonce, aad, sealed);
  ASSERT_TRUE(opened.has_value());
  EXPECT_TRUE(equal(*opened, plaintext));
  Bytes in_place = sealed;
  const std::span<std::byte> front = std::span(in_place).first(plaintext.size());
  EXPECT_TRUE(aead.open_into(key, nonce, aad, in_place, front));
  EXPECT_TRUE(equal(front, plaintext));
}

void expect_refused(const Aead& aead, Key key, Nonce nonce, ByteView aad, ByteView sealed) {
  EXPECT_FALSE(aead.open(key, nonce, aad, sealed).has_value());
  Bytes out(sealed.size() < kAeadTagBytes ? 0 : sealed.size() - kAeadTagBytes, std::byte{0xee});
  EXPECT_FALSE(aead.open_into(key, nonce, aad, sealed, out));
  EXPECT_EQ(out, Bytes(out.size())) << "no byte of what was not authentic leaves";
  EXPECT_EQ(ERR_peek_error(), 0U) << "nothing is left behind for TLS to stumble over";
}

void run_vector(const Aead& aead, std::string_view key_hex, std::string_view nonce_hex, std::string_view aad_hex,
                std::string_view plaintext_hex, std::string_view sealed_hex, bool valid) {
  const auto key = unhex_array<kAeadKeyBytes>(key_hex);
  const auto nonce = unhex_array<kAeadNonceBytes>(nonce_hex);
  const Bytes aad = unhex(aad_hex);
  const Bytes plaintext = unhex(plaintext_hex);
  const Bytes sealed = unhex(sealed_hex);
  if (valid) {
    EXPECT_EQ(to_hex(sealed_with(aead, key, nonce, aad, plaintext)), sealed_hex);
    Bytes in_place = plaintext;
    in_place.resize(plaintext.size() + kAeadTagBytes);
    aead.seal_into(key, nonce, aad, ByteView(in_place).first(plaintext.size()), in_place);
    EXPECT_EQ(in_place, sealed);
    expect_opens(aead, key, nonce, aad, sealed, plaintext);
  } else {
    expect_refused(aead, key, nonce, aad, sealed);
  }
}

// RFC 8452 appendix C.2 (without and with associated data, odd lengths) and C.3 (the counter wraps).
TEST(Aes256GcmSiv, Rfc8452) {
  const std::string one = "01" + std::string(62, '0');
  const std::string three = "03" + std::string(22, '0');
  run_vector(kGcmSiv, one, three, "", "", "07f5f4169bbf55a8400cd47ea6fd400f", true);
  run_vector(kGcmSiv, one, three, "", "0100000000000000", "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28", true);
  run_vector(kGcmSiv, one, three, "01", "0200000000000000", "1de22967237a813291213f267e3b452f02d01ae33e4ec854", true);
  run_vector(kGcmSiv, one, three, "010000000000000000000000000000000200", "0300000000000000000000000000000004000000",
             "43dd0163cdb48f9fe3212bf61b201976067f342bb879ad976d8242acc188ab59cabfe307", true);
  run_vector(kGcmSiv, "3c535de192eaed3822a2fbbe2ca9dfc88255e14a661b8aa82cc54236093bbc23", "688089e55540db1872504e1c",
             "734320ccc9d9bbbb19cb81b2af4ecbc3e72834321f7aa0f70b7282b4f33df23f167541",
             "ced532ce4159b035277d4dfbb7db62968b13cd4eec",
             "626660c26ea6612fb17ad91e8e767639edd6c9faee9d6c7029675b89eaf4ba1ded1a286594", true);
  run_vector(kGcmSiv, std::string(64, '0'), std::string(24, '0'), "",
             "000000000000000000000000000000004db923dc793ee6497c76dcc03a98e108",
             "f3f80f2cf0cb2dd9c5984fcda908456cc537703b5ba70324a6793a7bf218d3eaffffffff000000000000000000000000", true);
  run_vector(kGcmSiv, std::string(64, '0'), std::string(24, '0'), "",
             "eb3640277c7ffd1303c7a542d02d3e4c0000000000000000",
             "18ce4f0b8cb4d0cac65fea8f79257b20888e53e72299e56dffffffff000000000000000000000000", true);
}

// The Galois/Counter Mode of Operation (McGrew, Viega), appendix B, test cases 13 to 16.
TEST(Aes256Gcm, TestCasesOfItsSpecification) {
  const std::string zero_key(64, '0');
  const std::string key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
  const std::string plaintext =
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
      "ba637b391aafd255";
  const std::string ciphertext =
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a"
      "bcc9f662898015ad";
  run_vector(kGcm, zero_key, std::string(24, '0'), "", "", "530f8afbc74536b9a963b4f1c4cb738b", true);
  run_vector(kGcm, zero_key, std::string(24, '0'), "", std::string(32, '0'),
             "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919", true);
  run_vector(kGcm, key, "cafebabefacedbaddecaf888", "", plaintext, ciphertext + "b094dac5d93471bdec1a502270e3cc6c",
             true);
  run_vector(kGcm, key, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
             plaintext.substr(0, 120), ciphertext.substr(0, 120) + "76fc6ece0f4e1768cddf8853bb2d551b", true);
}

Tally run_file(const Aead& aead, const object& file) {
  return for_each_vector(file, [&](const object& group, const object& test, Tally& count) {
    if (number_of(group, "keySize") != 256 || number_of(group, "ivSize") != 96) {
      ++count.elsewhere;
      return;
    }
    ASSERT_EQ(number_of(group, "tagSize"), 128);
    const bool valid = text_of(test, "result") == "valid";
    run_vector(aead, text_of(test, "key"), text_of(test, "iv"), text_of(test, "aad"), text_of(test, "msg"),
               std::string(text_of(test, "ct")) + std::string(text_of(test, "tag")), valid);
    ++(valid ? count.valid : count.invalid);
  });
}

TEST(Aes256Gcm, Wycheproof) {
  OPALINE_VECTORS_OR_SKIP(file, "aes_gcm_test.json");
  const Tally tally = run_file(kGcm, file);
  EXPECT_GE(tally.valid + tally.invalid, 66);
  EXPECT_GT(tally.invalid, 0);
}

TEST(Aes256GcmSiv, Wycheproof) {
  OPALINE_VECTORS_OR_SKIP(file, "aes_gcm_siv_test.json");
  const Tally tally = run_file(kGcmSiv, file);
  EXPECT_GE(tally.valid + tally.invalid, 103);
  EXPECT_GT(tally.invalid, 0);
}

TEST_P(EveryAead, OpensWhatItSealed) {
  const Aead aead = GetParam();
  EXPECT_TRUE(rc::check("any sizes", [&](std::uint64_t seed) {
    SeededRandom random(seed);
    const auto key = random.bytes<kAeadKeyBytes>();
    const auto nonce = random.bytes<kAeadNonceBytes>();
    Bytes plaintext(random.below(3000));
    Bytes aad(random.below(100));
    random.fill(plaintext);
    random.fill(aad);
    expect_opens(aead, key, nonce, aad, sealed_with(aead, key, nonce, aad, plaintext), plaintext);
  }));
}

TEST_P(EveryAead, AppendsBehindWhatIsThere) {
  const Aead aead = GetParam();
  SeededRandom random(1);
  const auto key = random.bytes<kAeadKeyBytes>();
  const auto nonce = random.bytes<kAeadNonceBytes>();
  Bytes out = to_bytes("header");
  aead.seal(key, nonce, as_view("header"), as_view("text"), out);
  EXPECT_EQ(to_string(ByteView(out).first(6)), "header");
  expect_opens(aead, key, nonce, as_view("header"), to_bytes(ByteView(out).subspan(6)), as_view("text"));
}

TEST_P(EveryAead, EveryDamageIsFound) {
  const Aead aead = GetParam();
  SeededRandom random(2);
  auto key = random.bytes<kAeadKeyBytes>();
  auto nonce = random.bytes<kAeadNonceBytes>();
  Bytes aad = to_bytes("associated data");
  Bytes sealed = sealed_with(aead, key, nonce, aad, as_view("thirty-seven bytes are over 2 blocks."));
  const auto flips = [&](std::span<std::byte> bytes) {
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      expect_refused(aead, key, nonce, aad, sealed);
      bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    }
  };
  flips(sealed);
  flips(key);
  flips(nonce);
  flips(aad);
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    expect_refused(aead, key, nonce, aad, ByteView(sealed).first(size));
    expect_refused(aead, key, nonce, aad, ByteView(sealed).last(size));
  }
  Bytes longer = sealed;
  longer.push_back(std::byte{0});
  expect_refused(aead, key, nonce, aad, longer);
  Bytes moved = aad;  // a byte moved from the associated data to the text
  moved.pop_back();
  expect_refused(aead, key, nonce, moved, sealed);
  expect_refused(aead, key, nonce, {}, sealed);
  expect_opens(aead, key, nonce, aad, sealed, as_view("thirty-seven bytes are over 2 blocks."));
}

TEST_P(EveryAead, AFailureLeavesNothingForTheNextMessage) {
  const Aead aead = GetParam();
  SeededRandom random(3);
  const auto key = random.bytes<kAeadKeyBytes>();
  const auto nonce = random.bytes<kAeadNonceBytes>();
  const Bytes expected = sealed_with(aead, key, nonce, as_view("a"), as_view("text"));
  for (int i = 0; i < 3; ++i) {
    expect_refused(aead, key, nonce, as_view("other"), expected);
    EXPECT_EQ(sealed_with(aead, key, nonce, as_view("a"), as_view("text")), expected);
    expect_opens(aead, key, nonce, as_view("a"), expected, as_view("text"));
    EXPECT_NE(sealed_with(aead, key, nonce, {}, as_view("text")), expected);
  }
}

TEST_P(EveryAead, WrongBufferSizesAreOurBug) {
  const Aead aead = GetParam();
  const ByteArray<kAeadKeyBytes> key{};
  const ByteArray<kAeadNonceBytes> nonce{};
  Bytes small(19);
  EXPECT_DEATH(aead.seal_into(key, nonce, {}, as_view("text"), small), "out.size");
  EXPECT_DEATH(static_cast<void>(aead.open_into(key, nonce, {}, small, small)), "out.size");
}

TEST_P(EveryAead, ThreadsDoNotDisturbEachOther) {
  const Aead aead = GetParam();
  std::vector<std::thread> threads;
  std::array<int, 4> good{};
  for (std::size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&aead, t, &good] {
      SeededRandom random(t);
      for (int i = 0; i < 200; ++i) {
        const auto key = random.bytes<kAeadKeyBytes>();
        const auto nonce = random.bytes<kAeadNonceBytes>();
        const Bytes sealed = sealed_with(aead, key, nonce, key, nonce);
        const auto opened = aead.open(key, nonce, key, sealed);
        good[t] += opened && equal(*opened, nonce) && !aead.open(key, nonce, nonce, sealed) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, (std::array{200, 200, 200, 200}));
}

}  // namespace
}  // namespace opaline::crypto
