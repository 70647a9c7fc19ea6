#include "store/drivers/memory_disk.hpp"

namespace opaline::store {

void MemoryDisk::apply(Contents& to, const EnvelopeWrite& write) {
  if (write.envelope) {
    to.mailboxes[write.mailbox][write.sequence] = *write.envelope;
    return;
  }
  const auto found = to.mailboxes.find(write.mailbox);
  if (found == to.mailboxes.end()) return;
  found->second.erase(write.sequence);
  if (found->second.empty()) to.mailboxes.erase(found);
}

void MemoryDisk::write(EnvelopeWrite write) {
  apply(live_, write);
  journal_.push_back(std::move(write));
}

void MemoryDisk::sync() {
  for (const EnvelopeWrite& write : journal_) apply(synced_, write);
  journal_.clear();
}

void MemoryDisk::crash() {
  journal_.resize(random_.below(journal_.size() + 1));
  sync();
  live_.mailboxes = synced_.mailboxes;
}

void MemoryDisk::restore(Contents contents) {
  journal_.clear();
  live_ = contents;
  synced_ = std::move(contents);
}

}  // namespace opaline::store
