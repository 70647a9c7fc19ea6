// libFuzzer's way into one target, named by the build.
#include "fuzz/targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  opaline::fuzz::OPALINE_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}
