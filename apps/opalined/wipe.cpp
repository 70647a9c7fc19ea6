// The program's own operator new and delete: those of the library, and wiping when it is switched on. In one place for
// all of the process, so that no container of any library is forgotten.
#include "apps/opalined/wipe.hpp"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/result.hpp"
#include "crypto/memory.hpp"

#if __has_feature(thread_sanitizer)  // it brings its own, and has no place for others: nothing is wiped there
#define OPALINE_OWN_NEW 0
#else
#define OPALINE_OWN_NEW 1
#endif

namespace opaline::daemon {
#if OPALINE_OWN_NEW
namespace {

bool wiping = false;  // set once, while there is one thread

void wipe(void* memory) {
  if (wiping && memory != nullptr) ::explicit_bzero(memory, ::malloc_usable_size(memory));
}
void* allocate(std::size_t size) {
  for (;;) {
    if (void* const out = std::malloc(size == 0 ? 1 : size)) return out;
    const auto handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}
void* allocate(std::size_t size, std::align_val_t alignment) {
  for (;;) {
    void* out = nullptr;
    if (::posix_memalign(&out, static_cast<std::size_t>(alignment), size == 0 ? 1 : size) == 0) return out;
    const auto handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}
void release(void* memory) {
  wipe(memory);
  std::free(memory);
}

}  // namespace
#endif

void wipe_freed_memory() {
#if OPALINE_OWN_NEW
  wiping = true;
#endif
  OPALINE_ASSERT(crypto::wipe_freed_library_memory());
}

}  // namespace opaline::daemon

#if OPALINE_OWN_NEW
void* operator new(std::size_t size) {
  return opaline::daemon::allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return opaline::daemon::allocate(size, alignment);
}
void operator delete(void* memory) noexcept {
  opaline::daemon::release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  opaline::daemon::release(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  opaline::daemon::release(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  opaline::daemon::release(memory);
}
#endif
