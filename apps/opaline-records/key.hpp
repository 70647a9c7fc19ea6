#pragma once
// The officer's key file and its passphrase.
#include "apps/opaline-records/commands.hpp"
#include "apps/opaline-records/home.hpp"
#include "records/officer_key.hpp"

namespace opaline::officer {

/// From --passphrase-file (its first line), else asked. The error is a sentence.
[[nodiscard]] Result<SecretBytes, std::string> passphrase(const Options& options, bool is_new);
[[nodiscard]] Result<records::OfficerKey, std::string> open_key(const Options& options, const Home& home);

}  // namespace opaline::officer
