#pragma once
// What a pen register has collected and nobody has produced yet: sealed rows, of one day each, erased when the day's
// production is sealed to the officers.
#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "base/random.hpp"
#include "records/case.hpp"
#include "records/collection.hpp"
#include "records/production.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::records {

/// A pen register that is on.
struct CollectTarget {
  CaseId id;
  std::vector<std::string> handles;
  Time from, to;  ///< what is collected: from <= time < to
};

class Collecting final : public Collection {
 public:
  /// `rows` was opened with kTables. Both outlive this.
  Collecting(store::SealedRows& rows, RandomSource& random) : rows_(rows), random_(random) {}

  /// From now on. Any thread.
  void set(std::vector<CollectTarget> targets);
  /// Of all targets, for LookupLog::set_targets. Any thread.
  [[nodiscard]] std::set<std::string, std::less<>> handles() const;

  // The log's thread. One write; what the store does not take is lost and counted.
  void collect(std::span<const identity::LookupLogEntry> entries) override;
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

  /// What was collected for a case with `from` <= time < `to`, in the order of time; an entry between two of its
  /// handles under each. Any thread. unavailable.
  [[nodiscard]] Result<std::vector<Row>, Error> read(const CaseId& id, const std::vector<std::string>& handles,
                                                     Time from, Time to);
  /// Adds the erasure of all of a case that is before `to`. unavailable.
  [[nodiscard]] Result<void, Error> erase(const CaseId& id, Time to, store::SealedRows::Batch& batch);

 private:
  store::SealedRows& rows_;
  RandomSource& random_;
  mutable std::mutex mutex_;
  std::vector<CollectTarget> targets_;  // under mutex_
  std::atomic<std::uint64_t> lost_ = 0;
};

}  // namespace opaline::records
