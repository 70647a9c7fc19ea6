#include "base/secret.hpp"

namespace opaline {

void wipe(void* data, std::size_t size) noexcept {
  if (size == 0) return;
  std::memset(data, 0, size);
  asm volatile("" : : "r"(data) : "memory");  // the store above is observable, so it stays
}

}  // namespace opaline
