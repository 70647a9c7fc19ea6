#include "apps/opaline/prompt.hpp"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "crypto/compare.hpp"

namespace opaline::cli {
namespace {

constexpr std::size_t kMaxPassphraseBytes = 1024;

/// Switches the echo off while it lives.
class Silence {
 public:
  Silence() {
    tcgetattr(STDIN_FILENO, &before_);
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~Silence() {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    std::fputc('\n', stderr);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  termios before_{};
};

/// While it lives Ctrl-C ends the program at once, as nothing else looks at signals while a person is being asked.
class Interruptible {
 public:
  Interruptible() {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &both, &before_);
  }
  ~Interruptible() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

bool can_ask() {
  return isatty(STDIN_FILENO) != 0;
}

std::optional<std::string> ask(const std::string& question) {
  const Interruptible here;
  if (can_ask()) std::fputs(question.c_str(), stderr);
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

std::optional<SecretBytes> ask_passphrase(const std::string& question) {
  if (!can_ask()) return std::nullopt;
  const Silence silence;  // before the question: what is typed after it must be neither shown nor lost
  std::fputs(question.c_str(), stderr);
  SecretBytes out;
  out.reserve(kMaxPassphraseBytes);
  for (char c = 0; out.size() < kMaxPassphraseBytes && ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n';)
    out.push_back(static_cast<std::byte>(c));
  return out;
}

std::optional<SecretBytes> ask_secret(const std::string& question) {
  if (can_ask()) return ask_passphrase(question);
  auto line = ask(question);
  if (!line) return std::nullopt;
  SecretBytes out = to_secret_bytes(as_view(*line));
  wipe(line->data(), line->size());
  return out;
}

std::optional<SecretBytes> ask_new_secret(const std::string& what, std::size_t at_least) {
  for (int i = 0; i < 3; ++i) {
    auto first = ask_passphrase("New " + what + ": ");
    if (!first) return std::nullopt;
    if (first->size() < at_least) {
      std::fputs("That is too short. Once more.\n", stderr);
      continue;
    }
    const auto second = ask_passphrase("The same again: ");
    if (second && crypto::constant_time_equal(*first, *second)) return first;
    std::fputs("These were not the same. Once more.\n", stderr);
  }
  return std::nullopt;
}

}  // namespace opaline::cli
