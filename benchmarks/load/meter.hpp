#pragma once
// What a load run counts, the same for every peer: when each message left, was received and was accepted; how many of
// each happened in the window; what both sides' processors did meanwhile. Checks that each pair's messages arrive
// whole, once and in order.
#include <optional>
#include <string>
#include <vector>

#include "load/histogram.hpp"
#include "load/process_usage.hpp"

namespace opaline::bench {

/// What frees a slot, so that the next message may leave.
enum class FreedBy : std::uint8_t { receipt, accepted };

struct Plan {
  std::size_t pairs = 8;
  std::size_t in_flight = 200;  ///< over all pairs together
  std::size_t payload_bytes = 512;
  FreedBy freed_by = FreedBy::accepted;
  Nanos warmup = to_ns(0.5);
  Nanos measure = to_ns(2);
  std::uint64_t messages = UINT64_MAX;  ///< stop after so many; then the window ends when the last is freed
  pid_t server = 0;                     ///< whose processor time is reported; 0: nobody's
  pid_t gateway = 0;                    ///< the same of a second process
};

class Meter {
 public:
  explicit Meter(const Plan& plan);

  /// Begins a run. Numbers of messages go on from the run before.
  void start(Nanos now);
  /// Looks at the clock: the window's edges are where this is called. Call once a round.
  void look(Nanos now);
  /// No more messages leave.
  [[nodiscard]] bool closing() const { return closing_; }
  /// Everything that left was freed, and the window is over.
  [[nodiscard]] bool finished() const { return closing_ && outstanding_ == 0; }

  /// Whether the pair may send its next message now. Takes the slot.
  [[nodiscard]] bool take_slot();
  /// The pair's next message leaves, or was due (`now`): returns its number, from 0.
  std::uint64_t sent(std::size_t pair, Nanos now);
  /// Ends the program unless `number` is the pair's next one. True: a slot was freed.
  bool received(std::size_t pair, std::uint64_t number, Nanos now);
  /// In any order within a pair. True: a slot was freed.
  bool accepted(std::size_t pair, std::uint64_t number, Nanos now);

  [[nodiscard]] std::uint64_t sent_in_run() const { return sent_in_run_; }
  [[nodiscard]] std::size_t outstanding() const { return outstanding_; }
  [[nodiscard]] std::uint64_t next_expected(std::size_t pair) const { return pairs_[pair].received; }
  /// Forgets a pair's unreceived messages: their device is to be read later, or never.
  void skip_receipts() {
    for (Pair& pair : pairs_) pair.received = pair.next;
  }

  /// The run's figures as members of a JSON object, without braces.
  [[nodiscard]] std::string json() const;

 private:
  static constexpr std::size_t kRing = 1 << 16;  // above what may be on its way for one pair

  struct Pair {
    std::vector<Nanos> sent_at = std::vector<Nanos>(kRing);
    std::uint64_t next = 0, received = 0;
  };
  struct Window {
    Nanos begin = 0, end = 0;
    CpuSeconds own_begin, own_end, server_begin, server_end, gateway_begin, gateway_end;
  };
  void open_window(Nanos now);
  void close_window(Nanos now);
  [[nodiscard]] bool open() const { return window_.begin != 0 && window_.end == 0; }
  bool freed(Nanos now);
  void note(Histogram& histogram, std::size_t pair, std::uint64_t number, Nanos now);

  Plan plan_;
  std::vector<Pair> pairs_;
  Nanos started_ = 0;
  bool closing_ = false;
  std::size_t outstanding_ = 0;
  std::uint64_t sent_in_run_ = 0;
  Window window_;
  std::uint64_t received_in_window_ = 0, accepted_in_window_ = 0;
  std::optional<Histogram> to_receipt_, to_accepted_;
};

}  // namespace opaline::bench
