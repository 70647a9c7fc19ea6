#pragma once
// Devices that ask the directory who is here: handles that it does not know, which cost it what the others do.
#include <memory>

#include "load/pacer.hpp"
#include "relay_load/device.hpp"

namespace opaline::bench {

class LookupLoad final : DeviceEvents, Sender {
 public:
  /// plan.pairs devices, each with plan.in_flight / plan.pairs requests on their way; `handles` (1 to 100) in each.
  /// The plan's payload size says nothing here. All must outlive the load.
  LookupLoad(const Service& service, const std::vector<Account>& accounts, const Plan& plan, std::size_t handles);

  /// One run of the plan; returns its figures (Meter::json: a message is a request, answered is accepted) and
  /// `handles`.
  [[nodiscard]] std::string run();

 private:
  void on_reply(Device& device, Nanos now, std::uint32_t call, ByteView body) override;
  void on_read(Device& device, Nanos now) override;
  [[nodiscard]] bool may_send(std::size_t) override { return true; }
  void send(std::size_t device, std::uint64_t number) override;
  [[nodiscard]] std::string handle_of(std::size_t device, std::uint64_t number, std::size_t item) const;

  const Plan plan_;
  const std::size_t handles_;
  const std::string run_;  ///< in each handle: another process asks about others
  Meter meter_;
  std::vector<std::unique_ptr<Device>> devices_;
  Engine engine_;
  Pacer pacer_;
};

}  // namespace opaline::bench
