#pragma once
// What is stored of an attachment, for docs/what-we-hold.md; a test compares (promise 8).
#include <array>
#include <string_view>

namespace opaline::blobs {

struct HeldField {
  std::string_view field;
  std::string_view how_long;
};

/// In the order of store/internal/blob_file.hpp. A field that is not here may not be stored.
inline constexpr auto kHeldFields = std::to_array<HeldField>({
    {"name (as a keyed hash)", "until its recipients have released it, at most 30 days"},
    {"content", "as long as the file"},
    {"size", "as long as the file"},
    {"how much of an upload is synced", "as long as the file"},
    {"time of the last checkpoint", "as long as the file"},
    {"hash of the upload token", "as long as the file"},
    {"hash of each release token, and whether it came", "as long as the file"},
    {"sequence of the metadata", "as long as the file"},
    {"day of creation (the directory)", "as long as the file"},
});

}  // namespace opaline::blobs
