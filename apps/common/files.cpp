#include "apps/common/files.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace opaline::apps {
namespace {

constexpr std::size_t kMaxSecretLineBytes = 4096;

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// Without a buffer, in which a copy would stay.
File open(const std::filesystem::path& file) {
  File out(std::fopen(file.c_str(), "re"), std::fclose);
  if (out) std::setvbuf(out.get(), nullptr, _IONBF, 0);
  return out;
}

std::string unreadable(const std::filesystem::path& file) {
  return fmt::format("cannot read {}: {}", file.string(), std::error_code(errno, std::generic_category()).message());
}

}  // namespace

Result<std::string, std::string> read_file(const std::filesystem::path& file, std::size_t most) {
  const File in = open(file);
  if (!in) return fail(unreadable(file));
  std::string out(most + 1, '\0');
  out.resize(std::fread(out.data(), 1, out.size(), in.get()));
  if (std::ferror(in.get()) != 0) return fail(unreadable(file));
  if (out.size() > most) return fail(fmt::format("cannot read {}: it is larger than {} bytes", file.string(), most));
  return out;
}

Result<SecretBytes, std::string> read_secret(const std::filesystem::path& file) {
  const File in = open(file);
  if (!in) return fail(unreadable(file));
  SecretBytes out;
  constexpr std::size_t kEnough = kMaxSecretLineBytes + 2;  // with a carriage return, and one byte too many
  int c = 0;
  while ((c = std::fgetc(in.get())) != EOF && c != '\n' && out.size() < kEnough)
    out.push_back(static_cast<std::byte>(c));
  if (std::ferror(in.get()) != 0) return fail(unreadable(file));
  if (!out.empty() && out.back() == std::byte{'\r'}) out.pop_back();
  if (out.size() > kMaxSecretLineBytes)
    return fail(
        fmt::format("cannot read {}: its first line has more than {} bytes", file.string(), kMaxSecretLineBytes));
  return out;
}

}  // namespace opaline::apps
