// docs/what-we-hold.md and the code say the same (promise 8).
#include "identity/tables.hpp"
#include "server/server.hpp"
#include "support/source_file.hpp"

namespace opaline {
namespace {

std::string page() {
  return testing::source_file("docs/what-we-hold.md");
}

std::string row(const identity::HeldField& held) {
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

TEST(WhatWeHold, EveryTableThatTheServerOpensIsOnThePage) {
  const std::string text = page();
  const auto tables = server::row_tables();
  EXPECT_GE(tables.size(), identity::kTables.size() + 4);
  for (const std::string& table : tables) EXPECT_NE(text.find("| " + table + " |"), std::string::npos) << table;
}

}  // namespace
}  // namespace opaline
