// docs/what-we-hold.md and the code say the same (promise 8).
#include "blobs/held_fields.hpp"
#include "gateway/tables.hpp"
#include "identity/tables.hpp"
#include "ledger/tables.hpp"
#include "records/held_fields.hpp"
#include "records/lookup_log.hpp"
#include "records/tables.hpp"
#include "server/server.hpp"
#include "sms/tables.hpp"
#include "store/internal/blob_file.hpp"
#include "support/source_file.hpp"

namespace opaline {
namespace {

std::string page() {
  return testing::source_file("docs/what-we-hold.md");
}

std::string row(const store::HeldField& held) {
  std::string out = "| ";
  for (const std::string_view cell : {held.table, held.field, held.why}) out += std::string(cell) + " | ";
  return out + std::string(held.how_long) + " |\n";
}

TEST(WhatWeHold, EveryFieldOfTheDirectoryIsOnThePage) {
  const std::string text = page();
  for (const auto& held : identity::kHeldFields)
    EXPECT_NE(text.find(row(held)), std::string::npos) << "docs/what-we-hold.md lacks the row\n" << row(held);
}

TEST(WhatWeHold, ThePageNamesNothingOfTheDirectoryThatIsNotHeld) {
  const std::string text = page();
  std::size_t rows = 0;
  for (std::size_t at = text.find("\n| identity_"); at != std::string::npos; at = text.find("\n| identity_", at + 1))
    ++rows;
  EXPECT_EQ(rows, identity::kHeldFields.size());
}

TEST(WhatWeHold, EveryFieldOfAGatewayIsOnThePageAndNoOther) {
  const std::string text = page();
  std::size_t rows = 0;
  for (std::size_t at = text.find("\n| gateway_"); at != std::string::npos; at = text.find("\n| gateway_", at + 1))
    ++rows;
  EXPECT_EQ(rows, gateway::kHeldFields.size() + 1) << "and the check row";
  for (const auto& held : gateway::kHeldFields)
    EXPECT_NE(text.find(row(held)), std::string::npos) << "docs/what-we-hold.md lacks the row\n" << row(held);
  for (const std::string_view table : gateway::kTables)
    EXPECT_NE(text.find("| " + std::string(table) + " |"), std::string::npos) << table;
}

TEST(WhatWeHold, EveryFieldOfTheLedgerIsOnThePageAndNoOther) {
  const std::string text = page();
  std::size_t rows = 0;
  for (std::size_t at = text.find("\n| ledger_"); at != std::string::npos; at = text.find("\n| ledger_", at + 1))
    ++rows;
  EXPECT_EQ(rows, ledger::kHeldFields.size());
  for (const auto& held : ledger::kHeldFields)
    EXPECT_NE(text.find(row(held)), std::string::npos) << "docs/what-we-hold.md lacks the row\n" << row(held);
}

TEST(WhatWeHold, EveryFieldOfTheLookupLogIsOnThePageAndNoOther) {
  const std::string text = page();
  std::size_t rows = 0;
  for (std::size_t at = text.find("\n| lookup"); at != std::string::npos; at = text.find("\n| lookup", at + 1)) ++rows;
  EXPECT_EQ(rows, records::kHeldLookupFields.size());
  for (const auto& held : records::kHeldLookupFields)
    EXPECT_NE(text.find(row(held)), std::string::npos) << "docs/what-we-hold.md lacks the row\n" << row(held);
  for (const std::string& table : records::lookup_tables())
    EXPECT_NE(text.find("| " + table + " |"), std::string::npos) << table;
}

TEST(WhatWeHold, EveryFieldOfACaseIsOnThePageAndNoOther) {
  const std::string text = page();
  for (const auto& held : records::kHeldFields)
    EXPECT_NE(text.find(row(held)), std::string::npos) << "docs/what-we-hold.md lacks the row\n" << row(held);
  std::size_t rows = 0;
  for (std::size_t at = text.find("\n| records_"); at != std::string::npos; at = text.find("\n| records_", at + 1))
    ++rows;
  EXPECT_EQ(rows, records::kHeldFields.size());
}

TEST(WhatWeHold, WhatShortMessagesLeaveIsOnThePage) {
  const std::string text = page();
  for (const auto& held : sms::kHeldFields)
    EXPECT_NE(text.find(row(held)), std::string::npos) << "docs/what-we-hold.md lacks the row\n" << row(held);
}

TEST(WhatWeHold, EveryTableThatTheServerOpensIsOnThePage) {
  const std::string text = page();
  const auto tables = server::row_tables();
  EXPECT_GE(tables.size(), identity::kTables.size() + 4);
  for (const std::string& table : tables) EXPECT_NE(text.find("| " + table + " |"), std::string::npos) << table;
}

TEST(WhatWeHold, EveryFieldOfAnAttachmentIsOnThePageAndNoOther) {
  const std::string text = page();
  for (const auto& held : blobs::kHeldFields)
    EXPECT_NE(text.find(row(held)), std::string::npos) << "docs/what-we-hold.md lacks the row\n" << row(held);
  std::size_t rows = 0;
  for (std::size_t at = text.find("\n| blobs |"); at != std::string::npos; at = text.find("\n| blobs |", at + 1))
    ++rows;
  EXPECT_EQ(rows, blobs::kHeldFields.size());
  // Beside these six the file has its name, its directory and the content. Does not compile once there is a seventh.
  const auto& [sequence, size, durable, touched, upload, releases] = store::internal::BlobMeta{};
  const auto& [hash, released] = store::internal::BlobRelease{};
  EXPECT_EQ(blobs::kHeldFields.size(), 6U + 3U);
  EXPECT_TRUE(sequence == 0 && size == 0 && durable == 0 && touched == Time{} && upload.is_zero() && releases.empty());
  EXPECT_TRUE(hash.is_zero() && !released);
}

}  // namespace
}  // namespace opaline
