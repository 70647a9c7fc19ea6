#include "records/internal/csv.hpp"

namespace opaline::records::internal {

void append(SecretBytes& out, std::string_view text) {
  const auto bytes = as_view(text);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void add_cell(SecretBytes& out, std::string_view cell, char after) {
  const bool formula = !cell.empty() && std::string_view("=+-@\t\r").find(cell[0]) != std::string_view::npos;
  const bool quoted = cell.find_first_of(",\"\r\n") != std::string_view::npos;
  if (quoted) append(out, "\"");
  if (formula) append(out, "'");
  for (const char c : cell) {
    if (c == '"') append(out, "\"");
    append(out, {&c, 1});
  }
  if (quoted) append(out, "\"");
  append(out, after == '\n' ? "\r\n" : ",");
}

}  // namespace opaline::records::internal
