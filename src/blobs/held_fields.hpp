#pragma once
// What is stored of an attachment; store/held_field.hpp.
#include <array>

#include "store/held_field.hpp"

namespace opaline::blobs {

/// In the order of store/internal/blob_file.hpp. A field that is not here may not be stored.
inline constexpr auto kHeldFields = std::to_array<store::HeldField>({
    {"blobs", "name (as a keyed hash)", "to find the file when somebody has the name",
     "until its recipients have released it, at most 30 days"},
    {"blobs", "content", "it is what waits; the server has no key for what the sender encrypted",
     "as long as the file"},
    {"blobs", "size", "to know when it is complete", "as long as the file"},
    {"blobs", "how much of an upload is synced", "an upload goes on after a crash", "as long as the file"},
    {"blobs", "time of the last checkpoint", "an upload that does not go on is dropped after 24 hours",
     "as long as the file"},
    {"blobs", "hash of the upload token", "to let the uploader go on and nobody else", "as long as the file"},
    {"blobs", "hash of each release token, and whether it came", "to delete the file when the last recipient has it",
     "as long as the file"},
    {"blobs", "sequence of the metadata", "to know the newer of two copies after a crash", "as long as the file"},
    {"blobs", "day of creation (the directory)", "decides when it is destroyed", "as long as the file"},
});

}  // namespace opaline::blobs
