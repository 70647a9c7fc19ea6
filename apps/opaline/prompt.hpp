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
/// Twice, until both are alike and `at_least` bytes (3 tries); `what` is "passphrase for this home" or the like.
[[nodiscard]] std::optional<SecretBytes> ask_new_secret(const std::string& what, std::size_t at_least = 1);
/// Without echo on a terminal, else a line from standard input; nullopt at its end.
[[nodiscard]] std::optional<SecretBytes> ask_secret(const std::string& question);

}  // namespace opaline::cli
