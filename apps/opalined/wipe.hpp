#pragma once
// Memory that is freed is wiped: for the process through which people's words pass (docs/promises.md, promise 5).

namespace opaline::daemon {

/// From now on everything that `delete`, OpenSSL and zlib-through-new free is zeroed first. Once, before anything else
/// of the process; costs a memset for each block.
void wipe_freed_memory();

}  // namespace opaline::daemon
