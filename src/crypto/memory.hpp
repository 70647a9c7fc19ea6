#pragma once
// OpenSSL's own memory.

namespace opaline::crypto {

/// OpenSSL's memory goes through functions that can wipe (CRYPTO_set_mem_functions). To be called before its first
/// allocation, so first of all in main; false: it was too late, and nothing has changed.
[[nodiscard]] bool own_library_memory();

/// From now on OpenSSL wipes everything that it frees: records, contexts, buffers. False: own_library_memory() was not
/// called, and nothing is wiped.
[[nodiscard]] bool wipe_freed_library_memory();

}  // namespace opaline::crypto
