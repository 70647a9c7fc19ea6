#include "store/internal/database_mark.hpp"

#include <rocksdb/env.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/bytes.hpp"
#include "crypto/hash.hpp"

namespace opaline::store::internal {
namespace {

constexpr std::size_t kSumBytes = 8;

/// The number in PREFIXnumberSUFFIX.
std::optional<std::uint64_t> numbered(std::string_view name, std::string_view prefix, std::string_view suffix) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() <= prefix.size() + suffix.size())
    return std::nullopt;
  name = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), out);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return out;
}

std::string file_name(const std::filesystem::path& directory, std::string_view name) {
  return (directory / name).string();
}

/// The number of the manifest that CURRENT names.
std::optional<std::uint64_t> current_manifest(rocksdb::Env& env, const std::filesystem::path& directory) {
  std::string text;
  if (!rocksdb::ReadFileToString(&env, file_name(directory, "CURRENT"), &text).ok()) return std::nullopt;
  return numbered(text, "MANIFEST-", "\n");
}

struct File {
  std::uint64_t number = 0, bytes = 0;
  std::string name;
};
std::vector<File> numbered_files(rocksdb::Env& env, const std::filesystem::path& directory, std::string_view prefix,
                                 std::string_view suffix) {
  std::vector<std::string> names;
  std::vector<File> out;
  if (!env.GetChildren(directory.string(), &names).ok()) return out;
  for (const std::string& name : names) {
    const auto number = numbered(name, prefix, suffix);
    File file{.number = number.value_or(0), .bytes = 0, .name = name};
    if (number && env.GetFileSize(file_name(directory, name), &file.bytes).ok()) out.push_back(std::move(file));
  }
  std::ranges::sort(out, {}, &File::number);
  return out;
}

std::string sum_of(std::string_view text) {
  const auto sum = crypto::sha256({as_view(text)});
  return to_hex(ByteView(sum).first(kSumBytes));
}

std::string missing(std::string_view kind, std::string_view name) {
  return "the " + std::string(kind) + " " + std::string(name) + " is missing or cut off";
}

}  // namespace

Result<std::optional<DatabaseMark>, std::string> read_mark(rocksdb::Env& env, const std::filesystem::path& directory) {
  std::string text;
  const auto status = rocksdb::ReadFileToString(&env, file_name(directory, kMarkFile), &text);
  if (status.IsNotFound() || status.IsPathNotFound()) return std::optional<DatabaseMark>();
  const std::string damaged = std::string("the file ") + kMarkFile + " is damaged";
  const std::size_t end = text.find("sum ");
  if (!status.ok() || end == std::string::npos) return fail(damaged);
  if (text.substr(end) != "sum " + sum_of(std::string_view(text).substr(0, end)) + "\n") return fail(damaged);
  DatabaseMark out;
  std::istringstream in(text.substr(0, end));
  std::string title, word;
  std::getline(in, title);
  in >> word >> out.manifest >> out.manifest_bytes >> word >> out.log >> out.log_bytes >> word >> out.sequence;
  if (title != "opaline database mark 1" || !in) return fail(damaged);
  return std::optional(out);
}

Result<void, std::string> check_files(rocksdb::Env& env, const std::filesystem::path& directory,
                                      const DatabaseMark& mark) {
  const auto current = current_manifest(env, directory);
  if (!current) return {};  // RocksDB says what is wrong with CURRENT
  if (*current < mark.manifest) return fail(std::string("the file CURRENT is older than the rest"));
  if (*current == mark.manifest) {
    for (const File& file : numbered_files(env, directory, "MANIFEST-", "")) {
      if (file.number == mark.manifest && file.bytes < mark.manifest_bytes) return fail(missing("file", file.name));
    }
  }
  if (mark.log == 0) return {};
  for (const File& file : numbered_files(env, directory, "", ".log")) {
    if (file.number > mark.log || (file.number == mark.log && file.bytes >= mark.log_bytes)) return {};
  }
  std::string name = std::to_string(mark.log);
  name.insert(0, 6 - std::min<std::size_t>(name.size(), 6), '0');
  return fail(missing("write-ahead log", name + ".log"));
}

bool write_mark(rocksdb::Env& env, const std::filesystem::path& directory, std::uint64_t sequence) {
  const auto manifest = current_manifest(env, directory);
  if (!manifest) return false;
  DatabaseMark mark{.manifest = *manifest, .sequence = sequence};
  for (const File& file : numbered_files(env, directory, "MANIFEST-", "")) {
    if (file.number == mark.manifest) mark.manifest_bytes = file.bytes;
  }
  if (const auto logs = numbered_files(env, directory, "", ".log"); !logs.empty()) {
    mark.log = logs.back().number;
    mark.log_bytes = logs.back().bytes;
  }
  std::ostringstream text;
  text << "opaline database mark 1\nmanifest " << mark.manifest << ' ' << mark.manifest_bytes << "\nlog " << mark.log
       << ' ' << mark.log_bytes << "\nsequence " << mark.sequence << '\n';
  const std::string whole = text.str() + "sum " + sum_of(text.str()) + "\n";
  const std::string temporary = file_name(directory, std::string(kMarkFile) + ".tmp");
  auto status = rocksdb::WriteStringToFile(&env, whole, temporary, true);
  if (status.ok()) status = env.RenameFile(temporary, file_name(directory, kMarkFile));
  std::unique_ptr<rocksdb::Directory> handle;
  if (status.ok()) status = env.NewDirectory(directory.string(), &handle);
  if (status.ok()) status = handle->Fsync();
  return status.ok();
}

}  // namespace opaline::store::internal
