#pragma once
// Questions to the person at the terminal.
#include <optional>
#include <string>

#include "base/secret.hpp"

namespace opaline::cli {

/// True if questions can be asked: standard input is a terminal.
[[nodiscard]] bool can_ask();
/// A line from standard input, terminal or not; nullopt at its end.
[[nodiscard]] std::optional<std::string> ask(const std::string& question);
/// Without echo, from the terminal alone; nullopt without one.
[[nodiscard]] std::optional<SecretBytes> ask_passphrase(const std::string& question);
/// Twice, until both are alike (3 tries).
[[nodiscard]] std::optional<SecretBytes> ask_new_passphrase();

}  // namespace opaline::cli
