#pragma once
// How much of one mailbox each sender fills (docs/adr/0007). RAM only.
#include <vector>

#include "base/ids.hpp"

namespace opaline::relay::internal {

/// Names a sender's account among those of one mailbox: the first bytes of its id, which is random. Two accounts with
/// the same tag (2^-64) would share their share.
[[nodiscard]] inline std::uint64_t sender_tag(const AccountId& account) {
  return AccountId::Hash{}(account);
}

struct SenderUse {
  std::uint64_t tag = 0;
  std::uint32_t envelopes = 0;
  std::uint64_t bytes = 0;
};

/// An envelope that is acknowledged from RAM is given back exactly. One that was stored stays charged to its sender
/// until the mailbox is empty, because nothing stored says who sent it; but no use counts for more than the whole
/// mailbox holds.
class Shares {
 public:
  /// Beyond so many senders the one with the least is forgotten: an attacker with as many accounts needs no share.
  static constexpr std::size_t kMaxSenders = 256;

  [[nodiscard]] SenderUse use(std::uint64_t tag) const {
    for (const SenderUse& each : uses_) {
      if (each.tag == tag) return each;
    }
    return {.tag = tag};
  }
  void charge(std::uint64_t tag, std::size_t bytes);
  void give_back(std::uint64_t tag, std::size_t bytes);
  void clear() { uses_ = {}; }
  [[nodiscard]] bool empty() const { return uses_.empty(); }
  /// Those with at least so much, for a mailbox that is about to be forgotten.
  [[nodiscard]] std::vector<SenderUse> at_least(std::uint32_t envelopes, std::uint64_t bytes) const;
  void restore(std::vector<SenderUse> uses) { uses_ = std::move(uses); }

 private:
  std::vector<SenderUse> uses_;
};

}  // namespace opaline::relay::internal
