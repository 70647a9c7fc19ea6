#pragma once
// Which pair sends next: keeps `in_flight` messages on their way, evenly over the pairs, or in turns where there are
// fewer messages than pairs.
#include <vector>

#include "load/engine.hpp"
#include "load/meter.hpp"

namespace opaline::bench {

/// How a message of a pair leaves.
class Sender {
 public:
  virtual ~Sender() = default;
  /// Whether the peer takes one more of this pair now.
  [[nodiscard]] virtual bool may_send(std::size_t pair) = 0;
  virtual void send(std::size_t pair, std::uint64_t number) = 0;
};

class Pacer {
 public:
  Pacer(const Plan& plan, Meter& meter, Sender& sender)
      : plan_(plan), meter_(meter), sender_(sender), owed_(plan.pairs) {}

  /// One run of the plan, until everything that left is freed; returns its figures (Meter::json).
  [[nodiscard]] std::string run(Engine& engine) {
    const Nanos begin = now_ns();
    meter_.start(begin);
    start(begin);
    engine.run_until([this] {
      meter_.look(now_ns());
      return meter_.finished();
    });
    return meter_.json();
  }
  /// Fills all slots. Nothing is on its way.
  void start(Nanos now) {
    owed_.assign(plan_.pairs, 0);
    to_pump_.clear();
    for (std::size_t slot = 0; slot < plan_.in_flight; ++slot) ++owed_[slot % plan_.pairs];
    for (std::size_t pair = 0; pair < plan_.pairs; ++pair) pump(pair, now);
  }
  /// A message of the pair freed its slot; its successor leaves with the next pump().
  void freed(std::size_t pair) {
    if (plan_.in_flight < plan_.pairs) pair = ++turn_ % plan_.pairs;
    if (owed_[pair]++ == 0) to_pump_.push_back(pair);
  }
  /// Something of this pair has arrived and is read: sends what may leave.
  void pump_after(std::size_t pair, Nanos now) {
    if (owed_[pair] != 0) pump(pair, now);
    for (const std::size_t each : to_pump_) pump(each, now);
    to_pump_.clear();
  }

 private:
  void pump(std::size_t pair, Nanos now) {
    while (owed_[pair] != 0 && sender_.may_send(pair)) {
      --owed_[pair];
      if (meter_.take_slot()) sender_.send(pair, meter_.sent(pair, now));
    }
  }

  const Plan plan_;
  Meter& meter_;
  Sender& sender_;
  std::vector<std::uint32_t> owed_;  // by pair: freed slots that wait for their message
  std::vector<std::size_t> to_pump_;
  std::size_t turn_ = 0;
};

}  // namespace opaline::bench
