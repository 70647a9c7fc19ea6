// The recovery file (docs/protocol.md, section Recovery).
#include "session/recovery.hpp"

#include <gtest/gtest.h>

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "crypto/hash.hpp"
#include "session/internal/labels.hpp"
#include "session/testing.hpp"

namespace opaline::session {
namespace {

using testing::kStart;
using testing::TestDevice;

constexpr std::string_view kPassphrase = "correct horse battery staple";
/// What tests can afford; the format does not care.
constexpr crypto::Argon2Cost kCheap{.memory_kib = 8, .passes = 1, .lanes = 1};
constexpr std::size_t kHeaderBytes = 42;

class RecoveryFile : public ::testing::Test {
 protected:
  [[nodiscard]] RecoveryInput input(crypto::Argon2Cost cost = kCheap) const {
    return {.account_key = alice.account_key,
            .list = alice.list,
            .primary = DeviceNumber{1},
            .created = kStart,
            .handles = {"anna@example.org", "+4915112345678"},
            .cost = cost};
  }
  [[nodiscard]] static Error refusal(ByteView file, std::string_view passphrase = kPassphrase) {
    const auto opened = open_recovery_file(file, as_view(passphrase));
    EXPECT_FALSE(opened.has_value());
    return opened ? Error::bad_state : opened.error();
  }
  /// With a checksum that is right again: what a hostile file has.
  [[nodiscard]] static Bytes sealed_up(Bytes file) {
    file.resize(file.size() - 32);
    append(file, crypto::sha256({as_view(internal::kRecoveryChecksumLabel), ByteView(file)}));
    return file;
  }
  /// A file of these contents, whatever they are.
  [[nodiscard]] Bytes file_of(ByteView contents) {
    Bytes out(file.begin(), file.begin() + kHeaderBytes);
    ByteArray<32> key{};
    EXPECT_TRUE(crypto::argon2id({.password = as_view(kPassphrase), .salt = ByteView(out).last(16)}, kCheap, key));
    const Bytes header = out;
    crypto::aes256gcm_seal(key, ByteArray<12>{}, header, contents, out);
    out.resize(out.size() + 32);
    return sealed_up(std::move(out));
  }

  TestDevice alice{1};
  SeededRandom random{3};
  Bytes file = *make_recovery_file(input(), as_view(kPassphrase), random);
};

TEST_F(RecoveryFile, GivesBackWhatWentIn) {
  const auto opened = open_recovery_file(file, as_view(kPassphrase));
  ASSERT_TRUE(opened.has_value());
  EXPECT_TRUE(equal(opened->account_key.serialise(), alice.account_key.serialise()));
  EXPECT_EQ(opened->list.bytes(), alice.list.bytes());
  EXPECT_EQ(opened->primary, DeviceNumber{1});
  EXPECT_EQ(opened->created, kStart);
  EXPECT_EQ(opened->handles, (std::vector<std::string>{"anna@example.org", "+4915112345678"}));
  EXPECT_LE(file.size(), kMaxRecoveryFileBytes);
}

TEST_F(RecoveryFile, TwoOfThemHaveNothingInCommonBesideTheHeader) {
  const Bytes other = *make_recovery_file(input(), as_view(kPassphrase), random);
  ASSERT_EQ(other.size(), file.size());
  EXPECT_TRUE(equal(ByteView(file).first(26), ByteView(other).first(26)));
  EXPECT_FALSE(equal(ByteView(file).subspan(26, 64), ByteView(other).subspan(26, 64)));
}

TEST_F(RecoveryFile, SaysWhatIsWrong) {
  EXPECT_EQ(refusal({}), Error::wrong_kind);
  EXPECT_EQ(refusal(as_view("-----BEGIN PGP MESSAGE-----")), Error::wrong_kind);
  EXPECT_EQ(refusal(ByteView(file).first(15)), Error::wrong_kind);
  EXPECT_EQ(refusal(ByteView(file).first(16)), Error::malformed);
  EXPECT_EQ(refusal(file, "correct horse battery stapl"), Error::authentication_failed);
  EXPECT_EQ(refusal(file, ""), Error::authentication_failed);
  EXPECT_EQ(refusal(file, std::string(2000, 'x')), Error::authentication_failed);
  Bytes newer = file;
  newer[16] = std::byte{2};
  EXPECT_EQ(refusal(sealed_up(newer)), Error::unsupported_version);
  newer.insert(newer.begin() + 100, 1000, std::byte{7});
  EXPECT_EQ(refusal(sealed_up(newer)), Error::unsupported_version);
  EXPECT_EQ(refusal(Bytes(file.begin(), file.end() - 1)), Error::malformed);
  Bytes longer = file;
  longer.push_back(std::byte{'\n'});
  EXPECT_EQ(refusal(longer), Error::malformed);
  longer.resize(kMaxRecoveryFileBytes + 1);
  EXPECT_EQ(refusal(longer), Error::malformed);
}

TEST_F(RecoveryFile, EveryDamagedByteIsDamage) {
  for (std::size_t at = 0; at < file.size(); ++at) {
    Bytes bad = file;
    bad[at] ^= std::byte{0x20};
    EXPECT_EQ(refusal(bad), at < 16 ? Error::wrong_kind : Error::malformed) << at;
  }
  for (std::size_t size = 16; size < file.size(); size += 97) {
    EXPECT_EQ(refusal(ByteView(file).first(size)), Error::malformed) << size;
  }
}

TEST_F(RecoveryFile, WhoMendsTheChecksumGainsNothing) {
  for (const std::size_t at : {std::size_t{26}, std::size_t{41}, kHeaderBytes, file.size() - 33, file.size() - 48}) {
    Bytes bad = file;
    bad[at] ^= std::byte{1};
    EXPECT_EQ(refusal(sealed_up(bad)), Error::authentication_failed) << at;
  }
  Bytes costs = file;  // other costs than it was made with: the header is authenticated, and the key is another
  costs[24] = std::byte{2};
  EXPECT_EQ(refusal(sealed_up(costs)), Error::authentication_failed);
}

TEST_F(RecoveryFile, HostileCostsAreRefusedBeforeAnyWork) {
  const auto with = [&](std::uint32_t memory, std::uint32_t passes, std::uint8_t lanes) {
    Bytes bad(file.begin(), file.begin() + 17);
    Writer(bad).u32(memory).u32(passes).u8(lanes).bytes(ByteView(file).subspan(26));
    return refusal(sealed_up(bad));
  };
  EXPECT_EQ(with(0xffffffff, 1, 1), Error::too_costly);
  EXPECT_EQ(with(kMaxRecoveryMemoryKib + 1, 1, 1), Error::too_costly);
  EXPECT_EQ(with(kMaxRecoveryMemoryKib, 9, 1), Error::too_costly);  // 4 GiB are 8 passes
  EXPECT_EQ(with(0xffffffff, 0xffffffff, 0xff), Error::too_costly);
  EXPECT_EQ(with(8, 65, 1), Error::too_costly);
  EXPECT_EQ(with(1024, 1, 65), Error::too_costly);
  EXPECT_EQ(with(0, 1, 1), Error::malformed);
  EXPECT_EQ(with(8, 0, 1), Error::malformed);
  EXPECT_EQ(with(8, 1, 0), Error::malformed);
  EXPECT_EQ(with(8, 1, 2), Error::malformed);  // Argon2 wants 8 KiB a lane
}

TEST_F(RecoveryFile, ContentsAreCheckedEvenIfTheyAreAuthentic) {
  const SecretBytes key = alice.account_key.serialise();
  const auto contents = [&](std::uint32_t primary, std::uint64_t time, std::initializer_list<std::string_view> handles,
                            ByteView list, ByteView seeds) {
    Bytes out = to_bytes(seeds);
    Writer to(out);
    to.u32(primary).u64(time).u8(static_cast<std::uint8_t>(handles.size()));
    for (const auto handle : handles) to.u8(static_cast<std::uint8_t>(handle.size())).bytes(as_view(handle));
    to.bytes(list);
    return file_of(out);
  };
  const ByteView seeds = ByteView(key).subspan(1);
  const ByteView list = alice.list.bytes();
  ASSERT_TRUE(open_recovery_file(contents(1, 5, {"a"}, list, seeds), as_view(kPassphrase)).has_value());
  EXPECT_EQ(refusal(contents(0, 5, {"a"}, list, seeds)), Error::malformed);
  EXPECT_EQ(refusal(contents(2, 5, {"a"}, list, seeds)), Error::malformed);
  EXPECT_EQ(refusal(contents(1, std::uint64_t{1} << 63, {"a"}, list, seeds)), Error::malformed);
  EXPECT_EQ(refusal(contents(1, 5, {""}, list, seeds)), Error::malformed);
  EXPECT_EQ(refusal(contents(1, 5, {"a\nb"}, list, seeds)), Error::malformed);
  EXPECT_EQ(refusal(contents(1, 5, {"a"}, list.first(list.size() - 1), seeds)), Error::malformed);
  Bytes forged = to_bytes(list);
  forged.back() ^= std::byte{1};
  EXPECT_EQ(refusal(contents(1, 5, {"a"}, forged, seeds)), Error::malformed);
  const SecretBytes other = TestDevice(9).account_key.serialise();
  EXPECT_EQ(refusal(contents(1, 5, {"a"}, list, ByteView(other).subspan(1))), Error::malformed);
  EXPECT_EQ(refusal(file_of({})), Error::malformed);
}

TEST_F(RecoveryFile, TheDefaultCostIsAtLeast64MiBAndBelieved) {
  EXPECT_GE(kRecoveryCost.memory_kib, 64u * 1024u);
  const auto made = make_recovery_file(input(kRecoveryCost), as_view(kPassphrase), random);
  ASSERT_TRUE(made.has_value());
  EXPECT_TRUE(open_recovery_file(*made, as_view(kPassphrase)).has_value());
}

TEST_F(RecoveryFile, PassphrasesHaveLimits) {
  EXPECT_FALSE(is_recovery_passphrase(as_view("eleven byte")));
  EXPECT_TRUE(is_recovery_passphrase(as_view("twelve bytes")));
  EXPECT_TRUE(is_recovery_passphrase(Bytes(1024)));
  EXPECT_FALSE(is_recovery_passphrase(Bytes(1025)));
}

TEST_F(RecoveryFile, AChallengeIsSignedForThisUseAlone) {
  const auto challenge = random.bytes<32>();
  const auto signature = sign_recovery_challenge(alice.account_key, challenge, alice.account, random);
  Bytes message = to_bytes(challenge);
  append(message, alice.account.view());
  const auto verifier = crypto::HybridVerifier::from(alice.account_key.public_key());
  EXPECT_TRUE(verifier->verify(credentials::kAccountRecoverySignature, message, signature));
  EXPECT_FALSE(verifier->verify(credentials::kDeviceListSignature, message, signature));
  message[0] ^= std::byte{1};
  EXPECT_FALSE(verifier->verify(credentials::kAccountRecoverySignature, message, signature));
}

}  // namespace
}  // namespace opaline::session
