#pragma once
// An envelope in RAM, from its submission until its answer: where it lives, how a repetition finds it, when it is due.
#include <new>
#include <vector>

#include "relay/relay.hpp"

namespace opaline::relay::internal {

struct Mailbox;

/// Who waits for an answer.
struct Waiter {
  ConnectionId connection{};
  std::uint32_t number = 0;
};

/// In the order of a mailbox's queue: first those `storing`, then `to_store`, then `queued`.
enum class Place : std::uint8_t {
  queued,    ///< waits for the reader: to be pushed, or pushed and not acknowledged
  to_store,  ///< must be stored; goes with the next append
  storing,   ///< in an append whose outcome is not known yet
};

/// The ciphertext follows the struct in the same block (EnvelopePool).
struct Envelope {
  Envelope *next = nullptr, *previous = nullptr;  // the mailbox's queue
  Envelope *later = nullptr, *earlier = nullptr;  // DeadlineQueue
  Envelope* chain = nullptr;                      // DuplicateIndex
  Mailbox* mailbox = nullptr;
  EnvelopeId id;
  std::uint64_t sender_tag = 0;  ///< of the sender's account
  std::uint64_t sequence = 0;    ///< in the store; from Place::storing on
  Instant arrived;
  Waiter sender;
  std::uint32_t size = 0;
  std::uint32_t slot = 0;   ///< which push of the mailbox, if pushed
  std::uint32_t block = 0;  ///< bytes of the whole block
  Day day{};                ///< from Place::storing on
  Place place = Place::queued;
  store::AppendOutcome outcome{};
  bool pushed = false;        ///< on the present reader's connection
  bool acknowledged = false;  ///< while storing: answered, to be removed from the store once it is there
  bool resolved = false;      ///< `outcome` is final
  bool gap = false;
  bool to_admit = false;  ///< came while the mailbox was loading: not charged
  bool waits_for_deadline = false;
  std::vector<Waiter>* repeats = nullptr;  ///< owned; rare

  [[nodiscard]] std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
  [[nodiscard]] ByteView ciphertext() { return {data(), size}; }
};

/// Blocks for envelopes, kept for reuse by size so that a message costs no call of the system's allocator.
class EnvelopePool {
 public:
  EnvelopePool() = default;
  ~EnvelopePool();
  EnvelopePool(const EnvelopePool&) = delete;
  EnvelopePool& operator=(const EnvelopePool&) = delete;

  /// A copy of `ciphertext`: 1 to kMaxEnvelopeBytes.
  [[nodiscard]] Envelope* make(ByteView ciphertext);
  void free(Envelope* envelope);
  /// Bytes of the blocks in use.
  [[nodiscard]] std::size_t used_bytes() const { return used_bytes_; }
  [[nodiscard]] std::size_t used_blocks() const { return used_blocks_; }

 private:
#if __has_feature(address_sanitizer)
  static constexpr std::size_t kMaxSpareBytes = 0;  // so that a use after free is seen
#else
  static constexpr std::size_t kMaxSpareBytes = 8 << 20;
#endif
  static constexpr std::size_t kFine = 256, kFineClasses = 16;  // up to 4 KiB in steps of 256 bytes
  static constexpr std::size_t kClasses = kFineClasses + 4;     // then 8, 16, 32, 64 KiB
  struct Spare {
    Spare* next;
  };
  [[nodiscard]] static std::size_t class_of(std::size_t size);
  [[nodiscard]] static std::size_t size_of(std::size_t size_class);

  Spare* spare_[kClasses] = {};
  std::size_t spare_bytes_ = 0, used_bytes_ = 0, used_blocks_ = 0;
};

/// Envelopes in flight by (mailbox, id, sender), so that what a sender repeats on a new connection is recognised.
/// Senders choose ids: the hash is keyed.
class DuplicateIndex {
 public:
  explicit DuplicateIndex(RandomSource& random);
  void insert(Envelope* envelope);
  void erase(Envelope* envelope);
  [[nodiscard]] Envelope* find(const Mailbox* mailbox, const EnvelopeId& id, std::uint64_t sender_tag) const;

 private:
  [[nodiscard]] std::size_t bucket(const EnvelopeId& id) const {
    std::uint64_t half[2];
    std::memcpy(half, id.array().data(), sizeof(half));
    // Both factors depend on the key; the folded product spreads over all bits (as in wyhash).
    __extension__ using u128 = unsigned __int128;
    const u128 product = static_cast<u128>(half[0] ^ key_[0]) * (half[1] ^ key_[1]);
    return static_cast<std::size_t>(product ^ product >> 64) & (buckets_.size() - 1);
  }
  void grow();

  std::uint64_t key_[2];
  std::vector<Envelope*> buckets_;
  std::size_t size_ = 0;
};

/// Envelopes in Place::queued in the order of their arrival: with one deadline for all, also the order of deadlines.
class DeadlineQueue {
 public:
  void push_back(Envelope* e) {
    e->waits_for_deadline = true;
    e->earlier = last_;
    e->later = nullptr;
    (last_ != nullptr ? last_->later : first_) = e;
    last_ = e;
  }
  /// Nothing happens if it is not in the queue.
  void remove(Envelope* e) {
    if (!e->waits_for_deadline) return;
    e->waits_for_deadline = false;
    (e->earlier != nullptr ? e->earlier->later : first_) = e->later;
    (e->later != nullptr ? e->later->earlier : last_) = e->earlier;
  }
  [[nodiscard]] Envelope* first() const { return first_; }

 private:
  Envelope *first_ = nullptr, *last_ = nullptr;
};

}  // namespace opaline::relay::internal
