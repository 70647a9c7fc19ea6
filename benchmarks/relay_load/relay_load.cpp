#include "relay_load/relay_load.hpp"

#include <fmt/format.h>

#include "load/die.hpp"

namespace opaline::bench {
namespace {

// What a receiver lets the server push ahead.
constexpr std::uint32_t kReceiverEnvelopes = 16'384;
constexpr std::uint32_t kReceiverBytes = 16U << 20;

constexpr std::uint16_t kRoute = 0;

/// A bijection whose values look random (SplitMix64's last steps), as envelope ids should.
std::uint64_t scramble(std::uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
  z = (z ^ z >> 27) * 0x94d049bb133111ebU;
  return z ^ z >> 31;
}

}  // namespace

RelayLoad::RelayLoad(const Service& service, const std::vector<Account>& accounts, const Plan& plan)
    : service_(service),
      accounts_(accounts),
      plan_(plan),
      meter_(plan),
      payloads_(plan.payload_bytes),
      sent_(plan.pairs),
      pacer_(plan, meter_, *this) {
  if (accounts.size() < 2 * plan.pairs) die(fmt::format("{} pairs need {} accounts", plan.pairs, 2 * plan.pairs));
}

RelayLoad::~RelayLoad() = default;

std::unique_ptr<Device> RelayLoad::connect(std::size_t account, std::size_t pair) {
  auto device = std::make_unique<Device>(service_, accounts_[account], pair);
  device->set_events(this);
  return device;
}

void RelayLoad::connect_senders() {
  for (std::size_t pair = 0; pair < plan_.pairs; ++pair) {
    senders_.push_back(connect(pair, pair));
    senders_.back()->open_route(kRoute, accounts_[plan_.pairs + pair]);
    engine_.add(*senders_.back());
  }
}

void RelayLoad::connect_receivers() {
  for (std::size_t pair = 0; pair < plan_.pairs; ++pair) {
    receivers_.push_back(connect(plan_.pairs + pair, pair));
    engine_.add(*receivers_.back());
  }
  for (const auto& receiver : receivers_) receiver->give_credit(kReceiverEnvelopes, kReceiverBytes);
}

void RelayLoad::disconnect_receivers() {
  for (const auto& receiver : receivers_) {
    engine_.remove(*receiver);
    receiver->leave();
  }
  receivers_.clear();
}

EnvelopeId RelayLoad::id_of(std::size_t pair, std::uint64_t number) const {
  const std::uint64_t words[2] = {scramble(number << 16 | pair), number};
  ByteArray<16> bytes{};
  std::memcpy(bytes.data(), words, 16);
  return EnvelopeId(bytes);
}

void RelayLoad::on_push(Device& device, Nanos now, const EnvelopeId& id, ByteView ciphertext, bool gap) {
  const std::size_t pair = device.index();
  std::uint64_t number = 0;
  std::memcpy(&number, id.array().data() + 8, 8);
  if (gap) die("a gap mark: envelopes were lost");
  if (id != id_of(pair, number) || !equal(ciphertext, payloads_.of(pair, number))) die("a damaged envelope arrived");
  last_push_ = now;
  if (meter_.received(pair, number, now)) pacer_.freed(pair);
}

void RelayLoad::on_result(Device& device, Nanos now, std::uint32_t number, wire::SubmitStatus status) {
  if (status != wire::SubmitStatus::accepted)
    die(fmt::format("submission {} was answered with status {}", number, static_cast<int>(status)));
  if (meter_.accepted(device.index(), number - 1, now)) pacer_.freed(device.index());
}

void RelayLoad::on_drained(Device&, Nanos) {
  ++drained_;
}

void RelayLoad::on_read(Device& device, Nanos now) {
  engine_.touch(device);
  pacer_.pump_after(device.index(), now);
}

bool RelayLoad::may_send(std::size_t pair) {
  return senders_[pair]->may_submit(payloads_.size());
}

void RelayLoad::send(std::size_t pair, std::uint64_t number) {
  ++sent_[pair];
  const std::uint32_t submit = senders_[pair]->submit(kRoute, id_of(pair, number), payloads_.of(pair, number));
  if (submit != static_cast<std::uint32_t>(number + 1)) die("submit numbers are out of step");
  engine_.touch(*senders_[pair]);
}

std::string RelayLoad::run() {
  for (const auto& receiver : receivers_) engine_.touch(*receiver);  // their credit leaves
  return pacer_.run(engine_);
}

std::string RelayLoad::drain() {
  drained_ = 0;
  std::uint64_t waiting = 0;
  for (std::size_t pair = 0; pair < plan_.pairs; ++pair) waiting += sent_[pair] - meter_.next_expected(pair);
  const CpuSeconds own = own_cpu();
  const CpuSeconds server = cpu_of(plan_.server);
  const Nanos begin = now_ns();
  for (const auto& receiver : receivers_) engine_.touch(*receiver);
  engine_.run_until([this] {
    if (drained_ < plan_.pairs) return false;
    for (std::size_t pair = 0; pair < plan_.pairs; ++pair) {
      if (meter_.next_expected(pair) != sent_[pair]) die("DRAINED came before everything that waited");
    }
    return true;
  });
  const double seconds = static_cast<double>(last_push_ - begin) / 1e9;
  const double until_drained = static_cast<double>(now_ns() - begin) / 1e9;
  const CpuSeconds own_used = own_cpu() - own;
  const CpuSeconds server_used = cpu_of(plan_.server) - server;
  return fmt::format(
      R"("pairs":{},"payload_bytes":{},"messages":{},"seconds":{:.3f},"per_second":{:.0f},"seconds_until_drained":{:.3f},)"
      R"("generator_cpu":{:.3f},"server_cpu_user":{:.3f},"server_cpu_system":{:.3f})",
      plan_.pairs, plan_.payload_bytes, waiting, seconds, static_cast<double>(waiting) / seconds, until_drained,
      own_used.sum() / until_drained, server_used.user / until_drained, server_used.system / until_drained);
}

}  // namespace opaline::bench
