// Prints tests/vectors/session.json.
#include <cstdio>

#include "session/vectors.hpp"

int main() {
  const std::string text = opaline::session::vectors::generate();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
