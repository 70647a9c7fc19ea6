#pragma once
// Port: where a pen register's lookups go while they happen.
#include <span>

#include "identity/ports.hpp"

namespace opaline::records {

/// Takes the lookups that the targets of a collection make, or that are made of them (LookupLog::set_targets).
class Collection {
 public:
  virtual ~Collection() = default;
  /// In the order in which they were answered, each once unless the log's queue was full. Called on the log's own
  /// thread, which waits for it: nobody who looks somebody up does. May not call the log's set_targets.
  virtual void collect(std::span<const identity::LookupLogEntry> entries) = 0;
};

}  // namespace opaline::records
