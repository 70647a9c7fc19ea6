#pragma once
// Pairs of devices that write through a relay: while the receivers are there, while they are not, and when they come
// back. Message n of a pair carries n in its envelope id and bytes that the receiver can recompute.
#include <memory>

#include "load/pacer.hpp"
#include "load/payloads.hpp"
#include "relay_load/device.hpp"

namespace opaline::bench {

class RelayLoad final : DeviceEvents, Sender {
 public:
  /// Pair i writes from account i to account pairs + i. All must outlive the load.
  RelayLoad(const Service& service, const std::vector<Account>& accounts, const Plan& plan);
  ~RelayLoad() override;

  void connect_senders();
  void connect_receivers();
  /// The receivers say goodbye; what is sent from now on waits for them.
  void disconnect_receivers();

  /// One run of the plan; returns its figures (Meter::json).
  [[nodiscard]] std::string run();
  /// Gives the receivers credit and reads until everything sent has arrived; returns the figures as members of a JSON
  /// object.
  [[nodiscard]] std::string drain();

 private:
  void on_push(Device& device, Nanos now, const EnvelopeId& id, ByteView ciphertext, bool gap) override;
  void on_result(Device& device, Nanos now, std::uint32_t number, wire::SubmitStatus status) override;
  void on_drained(Device& device, Nanos now) override;
  void on_read(Device& device, Nanos now) override;
  [[nodiscard]] bool may_send(std::size_t pair) override;
  void send(std::size_t pair, std::uint64_t number) override;
  [[nodiscard]] EnvelopeId id_of(std::size_t pair, std::uint64_t number) const;
  [[nodiscard]] std::unique_ptr<Device> connect(std::size_t account, std::size_t pair);

  const Service& service_;
  const std::vector<Account>& accounts_;
  const Plan plan_;
  Meter meter_;
  Payloads payloads_;
  Engine engine_;
  std::vector<std::unique_ptr<Device>> senders_, receivers_;
  std::vector<std::uint64_t> sent_;  // by pair, since the beginning
  Pacer pacer_;
  std::size_t drained_ = 0;
  Nanos last_push_ = 0;
};

}  // namespace opaline::bench
