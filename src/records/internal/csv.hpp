#pragma once
// Cells of CSV files (RFC 4180, CRLF) that no spreadsheet takes for a formula.
#include <string_view>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace opaline::records::internal {

void append(SecretBytes& out, std::string_view text);
/// The cell and what follows it: ',' or, for the last of a line, '\n'. One that begins with = + - @ tab or CR has an
/// apostrophe before it.
void add_cell(SecretBytes& out, std::string_view cell, char after);

}  // namespace opaline::records::internal
