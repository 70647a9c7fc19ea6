#pragma once
// OpenSSL's own memory.

namespace opaline::crypto {

/// From now on OpenSSL wipes everything that it frees (CRYPTO_set_mem_functions): records, contexts, buffers. To be
/// called before its first allocation; false: it was too late, and nothing has changed.
[[nodiscard]] bool wipe_freed_library_memory();

}  // namespace opaline::crypto
