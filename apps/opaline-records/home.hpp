#pragma once
// What an officer's program remembers: which service, how it is reached, and where the officer's key lies.
#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace opaline::officer {

struct Home {
  std::filesystem::path directory{};  ///< mode 0700

  std::string server{};         ///< https://HOST:PORT of the operator listener
  std::string authority_pem{};  ///< of its certificate; empty: the system's
  std::string token{};          ///< of this officer
  std::string service{};        ///< fingerprint of the ledger's key, as the officer compared it
  std::string officer{};        ///< name

  [[nodiscard]] std::filesystem::path key_file() const { return directory / "officer.key"; }
};

/// The error is a sentence: not connected yet, or the file cannot be read.
[[nodiscard]] Result<Home, std::string> load_home(const std::filesystem::path& directory);
/// Makes the directory. The error is a sentence.
[[nodiscard]] Result<void, std::string> save_home(const Home& home);

}  // namespace opaline::officer
