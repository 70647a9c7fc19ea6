#pragma once
// One thread, one epoll, many streams. A round: wait; pull and handle every ready stream; then push every stream that
// something was written to, once.
#include <functional>
#include <vector>

#include "load/clock.hpp"
#include "load/tls_stream.hpp"

namespace opaline::bench {

/// What happens on a stream.
class Session {
 public:
  virtual ~Session() = default;
  /// Bytes are in stream().input, as of `now`.
  virtual void on_input(Nanos now) = 0;
  /// The round ends: the last moment to write to stream().output.
  virtual void on_round_end() {}
  /// The peer closed. Ends the program unless overridden.
  virtual void on_closed();
  [[nodiscard]] virtual TlsStream& stream() = 0;

 private:
  friend class Engine;
  bool touched_ = false;
  bool waits_for_room_ = false;
};

class Engine {
 public:
  Engine();
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// The session's stream is driven from now on; the session must outlive the engine, or be removed.
  void add(Session& session);
  void remove(Session& session);
  /// Another descriptor, for reading: `ready` runs when it is.
  void add(int descriptor, std::function<void()> ready);
  /// The session has written, or wants on_round_end: it is pushed at the end of this round.
  void touch(Session& session) {
    if (session.touched_) return;
    session.touched_ = true;
    touched_.push_back(&session);
  }

  /// Rounds until `done`, which is looked at after each one and at least every `look` nanoseconds.
  void run_until(const std::function<bool()>& done, Nanos look = 20'000'000);

 private:
  void handle(Session& session, std::uint32_t events);
  void push_touched();
  void wait_for_room(Session& session, bool wanted);

  struct Listener {
    int descriptor = -1;
    std::function<void()> ready;
  };
  int epoll_ = -1;
  std::vector<Session*> touched_;
  std::vector<std::unique_ptr<Listener>> listeners_;
};

}  // namespace opaline::bench
