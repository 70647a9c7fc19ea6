#include "relay/internal/envelope.hpp"

#include <bit>

namespace opaline::relay::internal {

std::size_t EnvelopePool::class_of(std::size_t size) {
  if (size <= kFine * kFineClasses) return (size - 1) / kFine;
  return kFineClasses + static_cast<std::size_t>(std::bit_width((size - 1) / (kFine * kFineClasses))) - 1;
}

std::size_t EnvelopePool::size_of(std::size_t size_class) {
  if (size_class < kFineClasses) return (size_class + 1) * kFine;
  return kFine * kFineClasses << (size_class - kFineClasses + 1);
}

static_assert(sizeof(Envelope) + wire::kMaxEnvelopeBytes <= 64 * 1024);

EnvelopePool::~EnvelopePool() {
  for (Spare*& list : spare_) {
    while (list != nullptr) ::operator delete(std::exchange(list, list->next));
  }
}

Envelope* EnvelopePool::make(ByteView ciphertext) {
  OPALINE_ASSERT(!ciphertext.empty() && ciphertext.size() <= wire::kMaxEnvelopeBytes);
  const std::size_t size_class = class_of(sizeof(Envelope) + ciphertext.size());
  const std::size_t size = size_of(size_class);
  void* block = spare_[size_class];
  if (block != nullptr) {
    spare_[size_class] = spare_[size_class]->next;
    spare_bytes_ -= size;
  } else {
    block = ::operator new(size);
  }
  used_bytes_ += size;
  ++used_blocks_;
  auto* const out = new (block) Envelope;
  out->size = static_cast<std::uint32_t>(ciphertext.size());
  out->block = static_cast<std::uint32_t>(size);
  std::memcpy(out->data(), ciphertext.data(), ciphertext.size());
  return out;
}

void EnvelopePool::free(Envelope* envelope) {
  delete envelope->repeats;
  const std::size_t size = envelope->block;
  used_bytes_ -= size;
  --used_blocks_;
  if (spare_bytes_ + size > kMaxSpareBytes) {
    ::operator delete(envelope);
    return;
  }
  Spare*& list = spare_[class_of(size)];
  list = new (envelope) Spare{list};
  spare_bytes_ += size;
}

DuplicateIndex::DuplicateIndex(RandomSource& random) : key_{random.u64(), random.u64()}, buckets_(256) {}

void DuplicateIndex::insert(Envelope* envelope) {
  if (size_ >= buckets_.size()) grow();
  Envelope*& head = buckets_[bucket(envelope->id)];
  envelope->chain = head;
  head = envelope;
  ++size_;
}

void DuplicateIndex::erase(Envelope* envelope) {
  Envelope** at = &buckets_[bucket(envelope->id)];
  while (*at != envelope) {
    OPALINE_ASSERT(*at != nullptr);
    at = &(*at)->chain;
  }
  *at = envelope->chain;
  --size_;
}

Envelope* DuplicateIndex::find(const Mailbox* mailbox, const EnvelopeId& id, std::uint64_t sender_tag) const {
  for (Envelope* e = buckets_[bucket(id)]; e != nullptr; e = e->chain) {
    if (e->id == id && e->mailbox == mailbox && e->sender_tag == sender_tag) return e;
  }
  return nullptr;
}

void DuplicateIndex::grow() {
  std::vector<Envelope*> old(buckets_.size() * 2);
  old.swap(buckets_);
  for (Envelope* e : old) {
    while (e != nullptr) {
      Envelope* const following = e->chain;
      Envelope*& head = buckets_[bucket(e->id)];
      e->chain = head;
      head = e;
      e = following;
    }
  }
}

}  // namespace opaline::relay::internal
