// Prints tests/vectors/session.json, or with the argument `devices` tests/vectors/devices.json.
#include <cstdio>
#include <string_view>

#include "session/vectors.hpp"

int main(int argc, char** argv) {
  const bool devices = argc == 2 && std::string_view(argv[1]) == "devices";
  const std::string text =
      devices ? opaline::session::vectors::generate_devices() : opaline::session::vectors::generate();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
