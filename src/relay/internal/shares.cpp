#include "relay/internal/shares.hpp"

#include <algorithm>

namespace opaline::relay::internal {

void Shares::charge(std::uint64_t tag, std::size_t bytes) {
  for (SenderUse& each : uses_) {
    if (each.tag != tag) continue;
    ++each.envelopes;
    each.bytes += bytes;
    return;
  }
  if (uses_.size() >= kMaxSenders) {
    const auto least = std::min_element(uses_.begin(), uses_.end(),
                                        [](const SenderUse& a, const SenderUse& b) { return a.bytes < b.bytes; });
    *least = {.tag = tag, .envelopes = 1, .bytes = bytes};
    return;
  }
  uses_.push_back({.tag = tag, .envelopes = 1, .bytes = bytes});
}

void Shares::give_back(std::uint64_t tag, std::size_t bytes) {
  for (SenderUse& each : uses_) {
    if (each.tag != tag) continue;
    each.bytes -= std::min<std::uint64_t>(each.bytes, bytes);
    if (each.envelopes > 1) {
      --each.envelopes;
    } else {
      each = uses_.back();
      uses_.pop_back();
    }
    return;
  }
}

std::vector<SenderUse> Shares::at_least(std::uint32_t envelopes, std::uint64_t bytes) const {
  std::vector<SenderUse> out;
  for (const SenderUse& each : uses_) {
    if (each.envelopes >= envelopes || each.bytes >= bytes) out.push_back(each);
  }
  return out;
}

}  // namespace opaline::relay::internal
