#pragma once
// A simulated device: a real Endpoint on a store in memory, and the client's half of the device connection.
#include <map>
#include <memory>
#include <string>

#include "endpoint/frames.hpp"
#include "endpoint/memory_endpoint_store.hpp"
#include "tests/sim/pipe.hpp"

namespace opaline::sim {

class Device {
 public:
  Device(std::string name, RandomSource& random, const Clock& clock)
      : name(std::move(name)), random_(random), clock_(clock) {}

  /// After the account exists at the service.
  void load();
  /// The process dies: what was not committed is forgotten.
  void crash();
  [[nodiscard]] bool running() const { return endpoint_ != nullptr; }
  [[nodiscard]] endpoint::Endpoint& endpoint() { return *endpoint_; }

  void attach(std::shared_ptr<Pipe> pipe);
  /// The line is gone (or never was): the endpoint is told.
  void detach();
  [[nodiscard]] const std::shared_ptr<Pipe>& pipe() const { return pipe_; }
  [[nodiscard]] bool ready() const { return pipe_ && ready_; }
  /// One batch from the node.
  void receive(ByteView batch);
  /// Commits what was changed and lets it out.
  void round();

  std::string name;
  endpoint::MemoryEndpointStore store;
  std::vector<endpoint::Event> events;
  bool removed = false;  ///< the node said so
  /// Texts in the order in which they were queued, by recipient.
  std::map<AccountId, std::vector<std::pair<MessageId, std::string>>> written;

 private:
  void take(const wire::Frame& frame);
  void perform(const endpoint::Action& action);
  template <class F>
  void send(const F& frame) {
    wire::encode(out_, frame);
    flush_if_large();
  }
  void flush_if_large() {
    if (out_.size() > wire::kMaxBatchBytes / 4) flush();
  }
  void flush();

  RandomSource& random_;
  const Clock& clock_;
  std::unique_ptr<endpoint::Endpoint> endpoint_;
  std::shared_ptr<Pipe> pipe_;
  bool ready_ = false;
  Bytes out_;
  std::uint32_t next_call_ = 1;
  std::map<std::uint32_t, std::pair<endpoint::RequestId, std::uint16_t>> calls_;
};

}  // namespace opaline::sim
