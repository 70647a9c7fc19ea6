// `opalined backup` and `opalined restore`.
#include "server/backup.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "apps/common/files.hpp"
#include "apps/opalined/commands.hpp"
#include "crypto/compare.hpp"
#include "crypto/random.hpp"

namespace opaline::daemon {
namespace {

constexpr std::size_t kMinPassphraseBytes = 8;
constexpr std::size_t kMaxPassphraseBytes = 1024;

/// The first line of a stream, without its end.
std::optional<SecretBytes> read_line(std::FILE* in) {
  SecretBytes out;
  for (int c = std::fgetc(in); c != EOF && c != '\n'; c = std::fgetc(in)) {
    if (out.size() >= kMaxPassphraseBytes) return std::nullopt;
    out.push_back(static_cast<std::byte>(c));
  }
  if (!out.empty() && out.back() == std::byte{'\r'}) out.pop_back();
  return out;
}

/// Asks on the terminal, without echo; nullopt without a terminal.
std::optional<SecretBytes> ask(std::string_view question) {
  std::FILE* const terminal = std::fopen("/dev/tty", "r+");
  if (terminal == nullptr) return std::nullopt;
  const int fd = fileno(terminal);
  termios before{};
  if (tcgetattr(fd, &before) != 0) {
    std::fclose(terminal);
    return std::nullopt;
  }
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(fd, TCSAFLUSH, &silent);
  fmt::print(terminal, "{}", question);
  std::fflush(terminal);
  auto line = read_line(terminal);
  tcsetattr(fd, TCSAFLUSH, &before);
  fmt::print(terminal, "\n");
  std::fclose(terminal);
  return line;
}

std::optional<SecretBytes> passphrase(const BackupArguments& arguments, bool is_new) {
  if (arguments.passphrase_file) {
    auto line = apps::read_secret(*arguments.passphrase_file);
    if (line && line->size() >= kMinPassphraseBytes && line->size() <= kMaxPassphraseBytes) return std::move(*line);
    failed(line ? fmt::format("the first line of {} is no passphrase of {} to {} bytes",
                              arguments.passphrase_file->string(), kMinPassphraseBytes, kMaxPassphraseBytes)
                : line.error());
    return std::nullopt;
  }
  auto first = ask("Passphrase of the backup: ");
  if (!first) {
    fmt::print(stderr, "opalined: there is no terminal to ask on: give --passphrase-file FILE\n");
    return std::nullopt;
  }
  if (first->size() < kMinPassphraseBytes) {
    fmt::print(stderr, "opalined: a passphrase has at least {} bytes\n", kMinPassphraseBytes);
    return std::nullopt;
  }
  if (is_new) {
    const auto second = ask("The same again: ");
    if (!second || !crypto::constant_time_equal(*first, *second)) {
      fmt::print(stderr, "opalined: the two were different\n");
      return std::nullopt;
    }
  }
  return first;
}

/// The stores log here; only what is wrong matters to whoever made a backup.
class StderrLog final : public Log {
 public:
  void event(LogLevel level, std::string_view name, std::initializer_list<LogField>) override {
    if (level >= LogLevel::warning) fmt::print(stderr, "opalined: {}\n", name);
  }
};

Exit finish(const Result<server::BackupReport, std::string>& report, std::string_view what) {
  if (!report) return failed(report.error());
  fmt::print("{}: {} rows and {} keys of {}, made {:%Y-%m-%d %H:%M:%S} UTC by version {}\n", what, report->counts.rows,
             report->counts.keys, report->info.server_name, std::chrono::floor<std::chrono::seconds>(report->info.made),
             report->info.version);
  return Exit::ok;
}

}  // namespace

Exit backup(const GlobalOptions& options, const BackupArguments& arguments) {
  const auto loaded = load(options, false);
  if (!loaded) return Exit::usage;
  const auto secret = passphrase(arguments, true);
  if (!secret) return Exit::usage;
  const SystemClock clock;
  crypto::SystemRandom random;
  StderrLog log;
  return finish(server::make_backup(loaded->config, arguments.file, *secret, {}, {clock, random, log}), "backed up");
}

Exit restore(const GlobalOptions& options, const BackupArguments& arguments) {
  const auto loaded = load(options, false);
  if (!loaded) return Exit::usage;
  const auto secret = passphrase(arguments, false);
  if (!secret) return Exit::usage;
  const SystemClock clock;
  crypto::SystemRandom random;
  StderrLog log;
  return finish(server::restore_backup(loaded->config, arguments.file, *secret, {clock, random, log}), "restored");
}

}  // namespace opaline::daemon
