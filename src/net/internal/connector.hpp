#pragma once
// A connected TCP or Unix socket, from a name.
#include <memory>
#include <vector>

#include "net/internal/loop_core.hpp"
#include "net/internal/socket.hpp"

namespace opaline::net::internal {

/// Which addresses a name may have: all of them have to be such.
enum class Reach : std::uint8_t { anywhere, loopback, public_only };

/// Loop thread only. Destroying it ends the attempt; also from inside its callback.
class Connector final : public Watcher {
 public:
  using Done = std::move_only_function<void(Result<UniqueFd, NetError>)>;
  /// `done` is called once, never from inside `connect_*`.
  Connector(EventLoop& loop, Done done);
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  /// Names are looked up on a thread of their own, since the resolver blocks; the addresses are tried one after the
  /// other.
  void connect_tcp(const std::string& host, std::uint16_t port, Reach reach);
  void connect_unix(const std::string& path);

  void on_ready(std::uint32_t events) override;

 private:
  struct Lookup;
  void resolve(const std::string& host, std::uint16_t port);
  void resolved(std::vector<SocketAddress> addresses);
  void try_next();
  [[nodiscard]] bool try_address(const SocketAddress& address);
  void abandon_attempt();
  void finish(Result<UniqueFd, NetError> result);
  void finish_later(Result<UniqueFd, NetError> result);

  EventLoop& loop_;
  Done done_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_ = 0;
  Reach reach_ = Reach::anywhere;
  UniqueFd fd_;
  bool watching_ = false;
  std::shared_ptr<Lookup> lookup_;
  Timer timer_;
};

}  // namespace opaline::net::internal
