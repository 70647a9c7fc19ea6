#include <cstdio>
#include <cstdlib>

#include "base/result.hpp"

namespace opaline {

void assertion_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "opaline: assertion failed: %s at %s:%d\n", what, file, line);
  std::abort();
}

}  // namespace opaline
