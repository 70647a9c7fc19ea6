#include "load/meter.hpp"

#include <fmt/format.h>

#include "load/die.hpp"

namespace opaline::bench {

Meter::Meter(const Plan& plan) : plan_(plan), pairs_(plan.pairs) {
  if (plan.pairs == 0 || plan.in_flight == 0) die("a run needs at least one pair and one message in flight");
  if (plan.in_flight / plan.pairs >= kRing / 4) die("too many messages in flight for this program");
}

void Meter::start(Nanos now) {
  started_ = now;
  closing_ = false;
  sent_in_run_ = 0;
  window_ = {};
  received_in_window_ = accepted_in_window_ = 0;
  to_receipt_.emplace();
  to_accepted_.emplace();
  if (plan_.warmup == 0) open_window(now);
}

void Meter::open_window(Nanos now) {
  window_.begin = now;
  window_.own_begin = own_cpu();
  window_.server_begin = cpu_of(plan_.server);
  window_.gateway_begin = cpu_of(plan_.gateway);
}

void Meter::close_window(Nanos now) {
  window_.end = now;
  window_.own_end = own_cpu();
  window_.server_end = cpu_of(plan_.server);
  window_.gateway_end = cpu_of(plan_.gateway);
  closing_ = true;
}

void Meter::look(Nanos now) {
  if (window_.begin == 0 && now - started_ >= plan_.warmup) open_window(now);
  if (!open()) return;
  const bool all_freed = sent_in_run_ >= plan_.messages && outstanding_ == 0;
  if (all_freed || now - window_.begin >= plan_.measure) close_window(now);
}

bool Meter::take_slot() {
  if (closing_ || outstanding_ >= plan_.in_flight || sent_in_run_ >= plan_.messages) return false;
  ++outstanding_;
  ++sent_in_run_;
  return true;
}

std::uint64_t Meter::sent(std::size_t pair, Nanos now) {
  Pair& p = pairs_[pair];
  const std::uint64_t number = p.next++;
  p.sent_at[number % kRing] = now;
  return number;
}

void Meter::note(Histogram& histogram, std::size_t pair, std::uint64_t number, Nanos now) {
  const Pair& p = pairs_[pair];
  if (number >= p.next) die("an answer came for a message that was never sent");
  if (p.next - number > kRing) return;  // its time of sending was overwritten
  const Nanos sent_at = p.sent_at[number % kRing];
  if (sent_at >= window_.begin) histogram.add(now - sent_at);
}

bool Meter::received(std::size_t pair, std::uint64_t number, Nanos now) {
  Pair& p = pairs_[pair];
  if (number != p.received) {
    die(fmt::format("pair {}: message {} arrived where {} was due: lost, repeated or out of order", pair, number,
                    p.received));
  }
  ++p.received;
  if (open()) {
    ++received_in_window_;
    note(*to_receipt_, pair, number, now);
  }
  return plan_.freed_by == FreedBy::receipt && freed(now);
}

bool Meter::accepted(std::size_t pair, std::uint64_t number, Nanos now) {
  if (open()) {
    ++accepted_in_window_;
    note(*to_accepted_, pair, number, now);
  }
  return plan_.freed_by == FreedBy::accepted && freed(now);
}

bool Meter::freed(Nanos) {
  if (outstanding_ == 0) die("more answers than messages");
  --outstanding_;
  return true;
}

std::string Meter::json() const {
  const double seconds = static_cast<double>(window_.end - window_.begin) / 1e9;
  const auto rate = [&](std::uint64_t count) { return static_cast<double>(count) / seconds; };
  const auto latency = [](const Histogram& h) {
    const auto us = [&](Nanos ns) { return static_cast<double>(ns) / 1e3; };
    return fmt::format(R"({{"count":{},"p50":{:.1f},"p99":{:.1f},"p999":{:.1f},"max":{:.1f}}})", h.total(),
                       us(h.quantile(0.5)), us(h.quantile(0.99)), us(h.quantile(0.999)), us(h.max()));
  };
  const CpuSeconds own = window_.own_end - window_.own_begin;
  const CpuSeconds server = window_.server_end - window_.server_begin;
  const CpuSeconds gateway = window_.gateway_end - window_.gateway_begin;
  return fmt::format(
      R"("in_flight":{},"pairs":{},"payload_bytes":{},"freed_by":"{}","seconds":{:.3f},"sent":{},)"
      R"("received_per_second":{:.0f},"accepted_per_second":{:.0f},"to_receipt_us":{},"to_accepted_us":{},)"
      R"("generator_cpu":{:.3f},"server_cpu_user":{:.3f},"server_cpu_system":{:.3f},"gateway_cpu":{:.3f})",
      plan_.in_flight, plan_.pairs, plan_.payload_bytes, plan_.freed_by == FreedBy::receipt ? "receipt" : "accepted",
      seconds, sent_in_run_, rate(received_in_window_), rate(accepted_in_window_), latency(*to_receipt_),
      latency(*to_accepted_), own.sum() / seconds, server.user / seconds, server.system / seconds,
      gateway.sum() / seconds);
}

}  // namespace opaline::bench
