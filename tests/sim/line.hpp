#pragma once
// The client's half of a device connection, with a real Endpoint at its end: of a person's device or of a business's
// gateway.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "endpoint/frames.hpp"
#include "tests/sim/pipe.hpp"
#include "uplink/connection.hpp"

namespace opaline::sim {

class Line {
 public:
  Line(std::string line_name, RandomSource& random, const Clock& clock)
      : name(std::move(line_name)), random_(random), clock_(clock) {}
  virtual ~Line() = default;
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  /// After the account exists at the service.
  virtual void load() = 0;
  /// The process dies: what was not committed is forgotten.
  virtual void crash();
  /// Its store fails with the next commit.
  virtual void fail_commit() = 0;
  /// It fails no more.
  virtual void mend() = 0;
  [[nodiscard]] bool running() const { return endpoint_ != nullptr; }
  [[nodiscard]] endpoint::Endpoint& endpoint() { return *endpoint_; }
  [[nodiscard]] const endpoint::Endpoint& endpoint() const { return *endpoint_; }

  void attach(std::shared_ptr<Pipe> pipe);
  /// The line is gone (or never was): the endpoint is told.
  void detach();
  [[nodiscard]] const std::shared_ptr<Pipe>& pipe() const { return pipe_; }
  [[nodiscard]] bool ready() const { return pipe_ && ready_; }
  /// One batch from the node.
  void receive(ByteView batch);
  /// Commits what was changed and lets it out.
  void round();
  /// The reply; nullptr: the connection ended before it, or there is none.
  using Answered = std::function<void(const uplink::CallResult*)>;
  void call(std::uint16_t method, const std::string& body, Answered answered);

  std::string name;
  bool wants_online = true;
  bool removed = false;  ///< the node said so

 protected:
  void use(std::unique_ptr<endpoint::Endpoint> endpoint) { endpoint_ = std::move(endpoint); }
  virtual void on_notice(const wire::Notice&) {}
  /// What the round changed is durable; before its actions are done.
  virtual void on_committed() {}
  virtual void on_event(const endpoint::Event&) {}

  RandomSource& random_;
  const Clock& clock_;

 private:
  struct OfEndpoint {
    endpoint::RequestId request;
    std::uint16_t method = 0;
  };
  void take(const wire::Frame& frame);
  void perform(const endpoint::Action& action);
  void forget_connection();
  template <class F>
  void send(const F& frame) {
    wire::encode(out_, frame);
    flush_if_large();
  }
  void flush_if_large() {
    if (out_.size() > wire::kMaxBatchBytes / 4) flush();
  }
  void flush();

  std::unique_ptr<endpoint::Endpoint> endpoint_;
  std::shared_ptr<Pipe> pipe_;
  bool ready_ = false;
  Bytes out_;
  std::uint32_t next_call_ = 1;
  std::map<std::uint32_t, std::variant<OfEndpoint, Answered>> calls_;
};

}  // namespace opaline::sim
