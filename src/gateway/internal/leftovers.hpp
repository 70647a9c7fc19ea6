#pragma once
// Rows of businesses that this gateway does not serve any more: removed, or moved to a gateway of their own.
#include <map>
#include <set>

#include "endpoint/endpoint_store.hpp"
#include "msp/uuid.hpp"
#include "store/journaled_rows.hpp"

namespace opaline::gateway::internal {

/// So long nothing is erased: a service that was set back, or the socket of another one, lists other businesses.
inline constexpr std::chrono::hours kLeftoversKept{24};

/// Borrows all it is given. Counts anew in each process.
class Leftovers {
 public:
  Leftovers(store::JournaledRows& rows, const Clock& clock) : rows_(rows), clock_(clock) {}
  /// Businesses that have rows here and were in none of the `served` that it was given for kLeftoversKept. To be
  /// asked about hourly.
  [[nodiscard]] Result<std::vector<msp::Uuid>, endpoint::StoreError> over(const std::set<msp::Uuid>& served);

 private:
  store::JournaledRows& rows_;
  const Clock& clock_;
  std::map<msp::Uuid, Instant> since_;
};

}  // namespace opaline::gateway::internal
