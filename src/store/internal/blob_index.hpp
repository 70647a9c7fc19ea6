#pragma once
// Which blobs there are, in RAM, by day: so that what is not there costs no disk, and a day goes with one step. About
// 100 bytes a blob, and blob_charge() bounds how many there are.
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "store/internal/blob_file.hpp"

namespace opaline::store::internal {

struct BlobEntry {
  std::uint32_t size = 0;
  std::uint32_t received = 0;  ///< of an upload
  std::uint32_t durable = 0;   ///< of that, what no crash takes back
  bool complete = false;
  Time touched;  ///< of an upload
};
struct BlobPlace {
  Day day{};
  BlobEntry entry;
};

/// Not thread-safe.
class BlobIndex {
 public:
  [[nodiscard]] std::optional<BlobPlace> find(const BlobName& name) const {
    for (const auto& [day, blobs] : days_) {
      if (const auto found = blobs.find(name); found != blobs.end()) return BlobPlace{day, found->second};
    }
    return std::nullopt;
  }
  /// New, or in place of what has the name in that day.
  void put(Day day, const BlobName& name, const BlobEntry& entry) {
    erase(day, name);
    days_[day].emplace(name, entry);
    count(name, entry, 1);
  }
  /// Only if it is there still.
  void update(Day day, const BlobName& name, const BlobEntry& entry) {
    if (erase(day, name)) put(day, name, entry);
  }
  bool erase(Day day, const BlobName& name) {
    const auto blobs = days_.find(day);
    if (blobs == days_.end()) return false;
    const auto found = blobs->second.find(name);
    if (found == blobs->second.end()) return false;
    count(name, found->second, -1);
    blobs->second.erase(found);
    return true;
  }
  void erase_through(Day day) {
    while (!days_.empty() && days_.begin()->first <= day) {
      for (const auto& [name, entry] : days_.begin()->second) count(name, entry, -1);
      days_.erase(days_.begin());
    }
  }
  /// Uploads for which `which(entry)` is true.
  template <class Which>
  [[nodiscard]] std::vector<BlobName> unfinished(Which which) const {
    std::vector<BlobName> out;
    for (const BlobName& name : unfinished_) {
      if (const auto place = find(name); place && which(place->entry)) out.push_back(name);
    }
    return out;
  }
  [[nodiscard]] const BlobUsage& usage() const { return usage_; }

 private:
  void count(const BlobName& name, const BlobEntry& entry, int by) {
    const auto step = static_cast<std::uint64_t>(static_cast<std::int64_t>(by));  // wraps around for -1
    usage_.blobs += step;
    usage_.bytes += step * blob_charge(entry.size);
    if (entry.complete) return;
    if (by > 0) unfinished_.insert(name);
    if (by < 0) unfinished_.erase(name);
    usage_.unfinished = unfinished_.size();
  }
  std::map<Day, std::unordered_map<BlobName, BlobEntry>> days_;
  std::unordered_set<BlobName> unfinished_;
  BlobUsage usage_;
};

}  // namespace opaline::store::internal
