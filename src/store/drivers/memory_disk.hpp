#pragma once
// A machine's disk for tests and the simulator. The memory drivers keep all they have here, so that a store may be
// destroyed and opened again on what a crash left. Deterministic: everything random comes from the RandomSource given.
// Not thread-safe.
#include <compare>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "store/mailbox_store.hpp"

namespace opaline::store {

/// What is on the platter: what was synced, and a journal of what was written since, in order.
class MemoryDisk {
 public:
  explicit MemoryDisk(RandomSource& random) : random_(random) {}

  // What goes wrong, to be set by the test at any time. Probabilities are per mille.
  struct Faults {
    bool full = false;                 ///< whatever adds bytes answers `full`
    bool failed = false;               ///< the disk answers nothing any more: `unknown` and `failed`
    std::uint32_t unknown_stored = 0;  ///< a group of appends is synced, but answered `unknown`
    std::uint32_t unknown_lost = 0;    ///< a group of appends is forgotten and answered `unknown`
    std::uint32_t full_at_random = 0;  ///< an append finds no space
    std::uint32_t read_failed = 0;     ///< a read fails
    std::uint32_t damaged = 0;         ///< an envelope that is read turns out damaged
  };
  Faults faults;

  /// The machine loses power: of the writes not synced yet a random number of the first survives (a log keeps its
  /// order), the others are forgotten. Stores on this disk must have been destroyed.
  void crash();

  struct Envelope {
    EnvelopeId id;
    Day day{};
    bool gap = false;
    ByteArray<8> key_mark{};  ///< which day key it was sealed under
    Bytes ciphertext;
    friend bool operator==(const Envelope&, const Envelope&) = default;
  };
  using Mailbox = std::map<Sequence, Envelope>;
  using Row = std::pair<std::string, Bytes>;  // table, key
  /// All that lies on the platter.
  struct Contents {
    std::map<MailboxId, Mailbox> mailboxes;
    std::map<Row, Bytes> rows;
    std::uint64_t epoch = 0;
  };
  /// A copy of the data files (not of the vault) as they are, for tests that bring back an old one. Stores must have
  /// been destroyed.
  [[nodiscard]] Contents copy() const { return live_; }
  void restore(Contents contents);

 private:
  friend class MemoryMailboxStore;
  friend class MemoryRowStore;
  /// One write; nullopt deletes.
  struct EnvelopeWrite {
    MailboxId mailbox;
    Sequence sequence{};
    std::optional<Envelope> envelope;
  };
  void write(EnvelopeWrite write);
  void sync();
  static void apply(Contents& to, const EnvelopeWrite& write);
  [[nodiscard]] bool happens(std::uint32_t per_mille) { return per_mille > 0 && random_.below(1000) < per_mille; }

  RandomSource& random_;
  Contents live_;                       // what a running machine reads
  Contents synced_;                     // what survives a crash for sure
  std::vector<EnvelopeWrite> journal_;  // from synced_ to live_
};

}  // namespace opaline::store
