#pragma once
// The rule about clocks that jump (DESIGN: KeyVault): destroying is for ever, so a clock that moved by more than two
// days since it was last seen destroys nothing until the operator says that it is right. Serving goes on.
#include "base/result.hpp"
#include "base/time.hpp"
#include "store/row_store.hpp"

namespace opaline::store {

/// Also a machine that was off for more than two days waits: nobody can tell that from a jump.
inline constexpr std::chrono::days kMaxClockStep{2};

/// Not thread-safe. Keeps its tick in one row, key "tick", of a table of the RowStore, which it borrows.
class ExpiryGuard {
 public:
  /// `table` is one of the store's, and its name outlives the guard.
  ExpiryGuard(RowStore& rows, std::string_view table) : rows_(rows), table_(table) {}

  enum class Verdict : std::uint8_t {
    proceed,            ///< the tick is recorded: what is due may be destroyed
    wait_for_operator,  ///< the clock jumped, now or earlier; nothing was recorded. A clock that is set right again
                        ///< ends the waiting
    failed,             ///< the store failed or the row is damaged: destroy nothing
  };
  /// To be called about hourly and before anything is destroyed. The first tick ever proceeds.
  [[nodiscard]] Verdict tick(Time now);
  /// The operator says that the clock shows the right time: `now` becomes the recorded tick.
  [[nodiscard]] Result<void, RowError> confirm(Time now);
  /// The recorded tick, to be shown to the operator; nullopt: none.
  [[nodiscard]] Result<std::optional<Time>, RowError> last_tick();

 private:
  RowStore& rows_;
  std::string_view table_;
};

}  // namespace opaline::store
