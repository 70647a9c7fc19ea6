#pragma once
// What a room keeps on disk, field by field: docs/what-we-hold.md has the same rows, and a test compares (promise 8).
#include <string_view>

namespace opaline::store {

struct HeldField {
  std::string_view table;
  std::string_view field;
  std::string_view why;
  std::string_view how_long;
};

}  // namespace opaline::store
