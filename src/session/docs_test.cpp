// docs/protocol.md names every label, limit and error of the code; and no label begins another of its kind.
#include <regex>

#include "session/attachment.hpp"
#include "session/internal/labels.hpp"
#include "session/link.hpp"
#include "session/recovery.hpp"
#include "session/session.hpp"
#include "support/source_file.hpp"

namespace opaline::session {
namespace {

/// The lines from the heading `name` to the next one.
std::string section(const std::string& page, const std::string& name) {
  const std::size_t from = page.find("\n## " + name + "\n");
  EXPECT_NE(from, std::string::npos) << name;
  return page.substr(from, page.find("\n## ", from + 1) - from);
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class ProtocolPage : public ::testing::Test {
 protected:
  std::string page = opaline::testing::source_file("docs/protocol.md");
};

TEST_F(ProtocolPage, ListsEveryLabel) {
  const std::string labels = section(page, "Labels");
  const std::regex label("\"opaline/1 ([a-z ]+)\"");
  std::size_t found = 0;
  for (const char* const file : {"src/credentials/labels.hpp", "src/session/internal/labels.hpp"}) {
    const std::string code = opaline::testing::source_file(file);
    for (auto it = std::sregex_iterator(code.begin(), code.end(), label); it != std::sregex_iterator(); ++it) {
      ++found;
      const std::string name = (*it)[1].str();
      EXPECT_TRUE(has(labels, "`opaline/1 " + name + "`") || has(labels, "`… " + name + "`")) << name;
    }
  }
  EXPECT_EQ(found, 29u);
  EXPECT_TRUE(has(labels, "`" + std::string(credentials::kAccountRecoverySignature) + "`"));
}

TEST_F(ProtocolPage, NoLabelBeginsAnotherOfItsKind) {
  using namespace internal;
  using namespace credentials;
  const std::vector<std::vector<std::string_view>> kinds = {
      {kDeviceIdentityLabel, kDeviceListHashLabel, kPrekeySetHashLabel, kPersonaLabel, kTranscript1Label,
       kTranscript2Label, kTranscript3Label, kHandshakeHashLabel, kSessionContextLabel, kKemHashLabel, kLinkHelloLabel,
       kLinkCommitmentLabel, kLinkTranscriptLabel, kLinkDigitsLabel, kLinkWelcomeLabel, kRecoveryChecksumLabel},
      {credentials::kDeviceListSignature, credentials::kPrekeySetSignature, kHandshakeSignature, kLinkKeysSignature,
       credentials::kAccountRecoverySignature},
      {kIdentityKeyInfo, kIdentityChainInfo, kSignatureKeyInfo, kSessionInfo, kRootStepInfo, kMessageInfo,
       kLinkChannelInfo}};
  for (const auto& kind : kinds) {
    for (std::size_t i = 0; i < kind.size(); ++i) {
      for (std::size_t j = 0; j < kind.size(); ++j) EXPECT_TRUE(i == j || !kind[j].starts_with(kind[i])) << kind[i];
    }
  }
}

TEST_F(ProtocolPage, ListsEveryError) {
  const std::string errors = section(page, "Errors");
  const std::string code = opaline::testing::source_file("src/session/error.hpp");
  const std::string all = code.substr(code.find("enum class Error"), code.find("};") - code.find("enum class Error"));
  const std::regex name("\n  ([a-z_]+),");
  std::size_t found = 0;
  for (auto it = std::sregex_iterator(all.begin(), all.end(), name); it != std::sregex_iterator(); ++it) {
    ++found;
    EXPECT_TRUE(has(errors, "`" + (*it)[1].str() + "`")) << (*it)[1].str();
  }
  EXPECT_EQ(found, 19u);
}

TEST_F(ProtocolPage, HasTheLimitsOfTheCode) {
  const std::string limits = section(page, "Limits");
  const auto with_commas = [](std::size_t value) {
    std::string text = std::to_string(value);
    for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
    return text;
  };
  const std::pair<std::string_view, std::string> rows[] = {
      {"| devices in a list | ", "1 to " + std::to_string(kMaxDevices)},
      {"| plaintext of a message | ", "0 to " + with_commas(kMaxPlaintextBytes) + " bytes"},
      {"| a message | ", with_commas(kMaxMessageBytes) + " bytes"},
      {"| the caller's associated data | ", with_commas(kMaxAssociatedDataBytes) + " bytes"},
      {"| padding | ", "at least to " + std::to_string(kPaddingFloorBytes) + " bytes"},
      {"| KEM offer | ", "after " + std::to_string(kKemOfferAfterMessages) + " messages (both ways), or " +
                             std::to_string(kKemOfferAfter.count()) + " days"},
      {"| messages skipped | ", with_commas(kMaxSkippedPerChain) + " in one step, per chain"},
      {"| keys kept for late messages | ", with_commas(kMaxSkippedPerSession) + " per session, " +
                                               std::to_string(kMaxOldChains) + " finished chains, " +
                                               std::to_string(kSkippedKeyLife.count()) + " days"},
      {"| messages in one chain | ", "2^24"},
      {"| one-time prekeys in a set | ", "0, or a power of two up to " + std::to_string(kMaxOneTimePrekeys) +
                                             "; we make " + std::to_string(kDefaultOneTimePrekeys)},
      {"| a prekey set | ", "offered " + std::to_string(kPrekeyOffered.count()) + " days, usable by a cached bundle " +
                                std::to_string(kPrekeyGrace.count()) + " hours more, wiped " +
                                std::to_string(kPrekeyLife.count()) + " days after first offered"},
      {"| hashes of accepted handshakes | ", "kept " + std::to_string(kPrekeyLife.count()) + " days"},
      {"| clock difference | ", std::to_string(kClockSkew.count()) + " hours"},
      {"| a message of linking | ", with_commas(kMaxLinkMessageBytes) + " bytes"},
      {"| a device's name, a handle | ",
       std::to_string(kMaxDeviceNameBytes) + " bytes, " + std::to_string(kMaxLinkHandleBytes) + " bytes"},
      {"| an attachment | ", "1 to " + with_commas(kMaxAttachmentBytes) + " bytes"},
      {"| a recovery file | ",
       with_commas(kMaxRecoveryFileBytes) + " bytes, " + std::to_string(kMaxRecoveryHandles) + " handles"},
      {"| a recovery file's costs | ",
       with_commas(kMaxRecoveryMemoryKib) + " KiB, " + with_commas(kMaxRecoveryWorkKib) + " KiB in all passes, " +
           std::to_string(crypto::kMaxArgon2Passes) + " passes, " + std::to_string(crypto::kMaxArgon2Lanes) +
           " lanes | a hostile file must not take the machine's memory, or minutes; we make " +
           with_commas(kRecoveryCost.memory_kib) + " KiB, " + std::to_string(kRecoveryCost.passes) + " passes, " +
           std::to_string(kRecoveryCost.lanes) + " lanes"},
      {"| a recovery passphrase | ",
       std::to_string(kMinRecoveryPassphraseBytes) + " to " + with_commas(kMaxRecoveryPassphraseBytes) + " bytes"},
  };
  static_assert(kMaxChainMessages == 1u << 24);
  for (const auto& [row, value] : rows) EXPECT_TRUE(has(limits, std::string(row) + value)) << row << value;
  EXPECT_EQ(std::count(limits.begin(), limits.end(), '\n'), 5 + std::ssize(rows)) << "a row that no test compares";
}

}  // namespace
}  // namespace opaline::session
