// The limits that docs/device-api.md states are those of the code.
#include <fmt/format.h>

#include "identity/dispatcher.hpp"
#include "identity/limits.hpp"
#include "support/source_file.hpp"
#include "wire/limits.hpp"

namespace opaline {
namespace {

/// 49152 as "49,152".
std::string grouped(std::size_t number) {
  std::string out = std::to_string(number);
  for (std::size_t at = out.size(); at > 3; at -= 3) out.insert(at - 3, ",");
  return out;
}

TEST(DeviceApi, LimitsAreThoseOfTheCode) {
  const std::string page = testing::source_file("docs/device-api.md");
  const auto states = [&](std::string_view what, const std::string& limit) {
    const std::string row = fmt::format("\n| {} | {} |\n", what, limit);
    EXPECT_NE(page.find(row), std::string::npos) << row;
  };
  states("batch", grouped(wire::kMaxBatchBytes) + " bytes");
  states("ciphertext", grouped(wire::kMaxEnvelopeBytes) + " bytes");
  states("text inside a message", grouped(wire::kMaxTextBytes) + " bytes of UTF-8");
  states("routes of a connection", grouped(wire::kMaxRoutes));
  states("subscriptions of a connection", grouped(wire::kMaxSubscriptions));
  states("calls waiting for an answer", grouped(wire::kMaxOpenCalls));
  states("first credit of a device",
         fmt::format("{} envelopes, {} MiB", wire::kInitialCreditEnvelopes, wire::kInitialCreditBytes >> 20));
  states("text of a GOODBYE", grouped(wire::kMaxGoodbyeTextBytes) + " bytes");
  states("handles in one lookup", grouped(identity::kMaxLookupItems));
  states("devices in one BUNDLES", grouped(identity::kMaxBundleDevices));
  states("handles of an account", grouped(identity::kMaxHandles));
  states("legal notices in one MY_NOTICES; id and words of one",
         fmt::format("{}; {} and {} bytes", wire::kMaxLegalNotices, wire::kMaxLegalNoticeIdBytes,
                     grouped(wire::kMaxLegalNoticeWordsBytes)));
  states("body of a step of registration, linking or recovery",
         fmt::format("{} KiB", identity::kMaxRegistrationBodyBytes >> 10));
  states("messages of each side of a link exchange; one of them",
         fmt::format("{}; {} bytes", identity::kMaxLinkMessages, grouped(identity::kMaxLinkMessageBytes)));
  states("earlier device lists kept", grouped(identity::kMaxListHistory));
  states("businesses that an account is known to", grouped(identity::kMaxRelationships));
  states("logo of a business", grouped(identity::kMaxLogoBytes) + " bytes");
}

TEST(DeviceApi, NamesEveryMethodStatusAndNotice) {
  const std::string page = testing::source_file("docs/device-api.md");
  const auto named = [&](const std::string& full, std::string_view prefix) {
    EXPECT_NE(page.find(full.substr(prefix.size())), std::string::npos) << full;
  };
  for (int i = wire::v1::Method_MIN + 1; i <= wire::v1::Method_MAX; ++i)
    named(wire::v1::Method_Name(wire::v1::Method(i)), "METHOD_");
  for (int i = wire::v1::CallStatus_MIN; i <= wire::v1::CallStatus_MAX; ++i)
    named(wire::v1::CallStatus_Name(wire::v1::CallStatus(i)), "CALL_STATUS_");
  for (int i = wire::v1::NoticeKind_MIN + 1; i <= wire::v1::NoticeKind_MAX; ++i)
    named(wire::v1::NoticeKind_Name(wire::v1::NoticeKind(i)), "NOTICE_");
}

}  // namespace
}  // namespace opaline
