#pragma once
// Whether a folder is a production that this software made and two officers approved. Needs nothing but the folder and,
// to know whose it is, the fingerprint of the service's key.
#include <filesystem>
#include <string>
#include <vector>

#include "records/production.hpp"

namespace opaline::records {

struct Check {
  bool good = false;
  std::string sentence;
};
struct Verdict {
  std::vector<Check> checks;  ///< in the order in which they were made; after one that later ones need, it ends
  [[nodiscard]] bool good() const;
};

/// `service`: 64 hexadecimal digits, from elsewhere than the folder; empty: whose it is stays open, and is said so.
[[nodiscard]] Verdict verify(const std::vector<File>& files, std::string_view service);

/// The largest file that is read.
inline constexpr std::uintmax_t kMaxProductionFileBytes = std::uintmax_t{128} << 20;
/// All files of a folder, no more than the four of a production and a few: the error is a sentence.
[[nodiscard]] Result<std::vector<File>, std::string> read_folder(const std::filesystem::path& folder);
/// A new file, mode 0600, synced; one that exists is not touched, and one that could not be written whole is removed.
/// The error is a sentence.
[[nodiscard]] Result<void, std::string> write_new_file(const std::filesystem::path& file, ByteView content);
/// Makes the folder with the files, mode 0600: all of it or, where this is interrupted, none (but for a hidden
/// .FOLDER.part beside it, which the next attempt removes). The error is a sentence; a folder that exists is not
/// touched.
[[nodiscard]] Result<void, std::string> write_folder(const std::filesystem::path& folder,
                                                     const std::vector<File>& files);

}  // namespace opaline::records
