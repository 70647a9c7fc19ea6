#include "relay_load/lookup_load.hpp"

#include <fmt/format.h>

#include "crypto/random.hpp"
#include "load/die.hpp"
#include "proto/device.pb.h"

namespace opaline::bench {

LookupLoad::LookupLoad(const Service& service, const std::vector<Account>& accounts, const Plan& plan,
                       std::size_t handles)
    : plan_(plan),
      handles_(handles),
      run_(crypto::SystemRandom().id<EnvelopeId>().hex().substr(0, 12)),
      meter_(plan),
      pacer_(plan, meter_, *this) {
  if (accounts.size() < plan.pairs) die(fmt::format("{} devices need as many accounts", plan.pairs));
  for (std::size_t i = 0; i < plan.pairs; ++i) {
    devices_.push_back(std::make_unique<Device>(service, accounts[i], i));
    devices_.back()->set_events(this);
    engine_.add(*devices_.back());
  }
}

std::string LookupLoad::handle_of(std::size_t device, std::uint64_t number, std::size_t item) const {
  return fmt::format("nobody-{}-{}-{}-{}@bench.example", run_, device, number, item);
}

void LookupLoad::send(std::size_t device, std::uint64_t number) {
  wire::v1::LookupRequest request;
  for (std::size_t i = 0; i < handles_; ++i) request.add_items()->set_handle(handle_of(device, number, i));
  const std::uint32_t call = devices_[device]->begin_call(wire::v1::METHOD_LOOKUP, request.SerializeAsString());
  if (call != static_cast<std::uint32_t>(number + 1)) die("call numbers are out of step");
  engine_.touch(*devices_[device]);
}

void LookupLoad::on_reply(Device& device, Nanos now, std::uint32_t call, ByteView body) {
  const std::uint64_t number = call - 1;
  wire::v1::LookupReply reply;
  if (!reply.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
      static_cast<std::size_t>(reply.items_size()) != handles_)
    die("LOOKUP: the answer makes no sense");
  for (std::size_t i = 0; i < handles_; ++i) {
    const auto& item = reply.items(static_cast<int>(i));
    if (item.handle() != handle_of(device.index(), number, i)) die("LOOKUP: the answer is about another handle");
    if (!item.account().empty()) die("LOOKUP: nobody is there");
  }
  // Asked and answered is one thing here.
  if (meter_.received(device.index(), number, now)) pacer_.freed(device.index());
  if (meter_.accepted(device.index(), number, now)) pacer_.freed(device.index());
}

void LookupLoad::on_read(Device& device, Nanos now) {
  pacer_.pump_after(device.index(), now);
}

std::string LookupLoad::run() {
  return fmt::format(R"({},"handles":{})", pacer_.run(engine_), handles_);
}

}  // namespace opaline::bench
