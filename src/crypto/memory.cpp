#include "crypto/memory.hpp"

#include <malloc.h>
#include <openssl/crypto.h>

#include <cstdlib>
#include <cstring>

namespace opaline::crypto {
namespace {

bool owned = false, wiping = false;  // set once, while there is one thread

void* allocate(std::size_t size, const char*, int) {
  return std::malloc(size);
}
void release(void* memory, const char*, int) {
  if (memory == nullptr) return;
  if (wiping) ::explicit_bzero(memory, ::malloc_usable_size(memory));
  std::free(memory);
}
void* resize(void* memory, std::size_t size, const char* file, int line) {
  if (memory == nullptr) return allocate(size, file, line);
  if (size == 0) {
    release(memory, file, line);
    return nullptr;
  }
  const std::size_t old = ::malloc_usable_size(memory);
  if (size <= old) return memory;
  void* const out = allocate(size, file, line);
  if (out == nullptr) return nullptr;
  std::memcpy(out, memory, old);
  release(memory, file, line);
  return out;
}

}  // namespace

bool own_library_memory() {
  owned = ::CRYPTO_set_mem_functions(allocate, resize, release) == 1;
  return owned;
}

bool wipe_freed_library_memory() {
  wiping = owned;
  return wiping;
}

}  // namespace opaline::crypto
