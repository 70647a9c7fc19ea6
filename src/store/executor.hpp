#pragma once
#include <functional>

namespace opaline::store {

/// Runs a task later on the owner's loop, in the order of posting. Called from a store's own threads: must be
/// thread-safe, must not run the task inside the call, and must outlive the store.
using Executor = std::function<void(std::move_only_function<void()>)>;

}  // namespace opaline::store
