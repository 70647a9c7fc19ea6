#pragma once
// Bytes of blobs on their way between the gateway and the service, piece by piece.
#include <deque>
#include <map>

#include "base/back_off.hpp"
#include "gateway/files.hpp"

namespace opaline::gateway::internal {

inline constexpr std::uint64_t kMaxPieceUpBytes = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMaxPieceDownBytes = std::uint64_t{4} << 20;
/// Retry-After where the service says nothing.
inline constexpr seconds kLater{5};

[[nodiscard]] inline msp::Problem problem(unsigned status, msp::Error error, std::string_view message) {
  return {.status = status, .error = error, .pointer = {}, .header = {}, .message = message};
}
/// Memory that is given out in the order of asking.
class Room {
 public:
  using Held = std::shared_ptr<void>;
  Room(std::uint64_t bytes, std::size_t max_waiting) : state_(std::make_shared<State>(bytes, max_waiting)) {}
  ~Room() { close(); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  /// `task` gets the bytes now, or when those before it have given theirs back: which is when the last copy of what it
  /// is given goes. One that is larger than the whole waits until it is alone. False: too many wait.
  [[nodiscard]] bool take(std::uint64_t bytes, std::function<void(Held)> task);
  /// Forgets who waits.
  void close() { state_->waiting.clear(); }

 private:
  struct Waiting {
    std::uint64_t bytes;
    std::function<void(Held)> task;
  };
  struct State {
    State(std::uint64_t all, std::size_t waiting_limit) : bytes(all), max_waiting(waiting_limit) {}
    const std::uint64_t bytes;
    const std::size_t max_waiting;
    std::uint64_t used = 0;
    std::deque<Waiting> waiting;
    bool serving = false;
  };
  static void serve(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

/// Loop thread only.
class Transfers {
 public:
  struct Options {
    milliseconds first_wait;
    int max_failures;
    std::chrono::nanoseconds piece_within;
  };
  Transfers(net::EventLoop& loop, const net::Url& service, const net::TlsClientContext& tls, const Options& options);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  void upload(const Files::Place& place, Bytes ciphertext, Files::Done<ByteArray<32>> done);
  void download(const endpoint::BlobId& blob, Room& room, Files::Done<Files::Download> done);

 private:
  class Transfer;
  class Upload;
  class Download;
  void start(std::unique_ptr<Transfer> transfer);

  net::EventLoop& loop_;
  Options options_;
  std::uint64_t next_ = 1;
  std::map<std::uint64_t, std::unique_ptr<Transfer>> running_;
  net::HttpClient http_;
};

}  // namespace opaline::gateway::internal
