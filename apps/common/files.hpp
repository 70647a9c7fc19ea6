#pragma once
// Files that people name: certificates, settings, secrets. What the programs share.
#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace opaline::apps {

/// The whole file, at most `most` bytes. The error is a sentence.
[[nodiscard]] Result<std::string, std::string> read_file(const std::filesystem::path& file,
                                                         std::size_t most = std::size_t{1} << 20);
/// The first line without its end (a line feed, perhaps after a carriage return), at most 4,096 bytes: a passphrase, a
/// token. Nothing else keeps it. The error is a sentence.
[[nodiscard]] Result<SecretBytes, std::string> read_secret(const std::filesystem::path& file);

}  // namespace opaline::apps
