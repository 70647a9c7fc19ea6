#pragma once
// The parts of an Endpoint, put together.
#include "endpoint/internal/inbox.hpp"

namespace opaline::endpoint::internal {

class Engine {
 public:
  /// not_registered, store_failed, corrupt_state.
  [[nodiscard]] static Result<std::unique_ptr<Engine>, Error> load(EndpointStore& store, RandomSource& random,
                                                                   const Clock& clock, const Options& options);

  void connected(const wire::Ready& ready);
  void disconnected();
  void on_result(const wire::ResultRange& range);
  void on_devices(RequestId id, const DevicesReply& reply);
  void on_prekeys_left(RequestId id, std::uint32_t one_time_left, std::optional<Time> signed_until);
  void on_devices_updated(RequestId id);
  void on_request_failed(RequestId id, RequestFailure failure, seconds retry_after);
  void accept_changed_identity(Peer& peer);
  void tick();
  [[nodiscard]] Result<std::vector<Action>, Error> commit_round();
  [[nodiscard]] std::optional<Time> next_deadline() const;
  /// The first thing that went wrong with the store in this round.
  [[nodiscard]] std::optional<Error> failure() const;

  Core core;
  Peers peers{core};
  Sessions sessions{core};
  Link link{core};
  Requests requests{core};
  Prekeys prekeys{core, link, requests};
  Outbox outbox{core, peers, sessions, link, requests};
  OwnDevices own_devices{core, peers, outbox, link, requests};
  Healing healing{core, peers, sessions, outbox, prekeys};
  Inbox inbox{core, peers, sessions, outbox, prekeys, healing, own_devices};
  bool touched = false;  ///< inputs came since the last commit_round()

 private:
  template <class... Args>
  explicit Engine(Args&&... args) : core(std::forward<Args>(args)...) {}
  void take_devices(Peer& peer, const Requests::Open& asked, const DevicesReply& reply, bool wanted_again);
  void take_device(Peer& peer, const Requests::Open& asked, const session::DeviceEntry& listed,
                   const DevicesReply& reply);
  void open_session(Peer& peer, PeerDevice& device, ByteView bundle);
  void account_unknown(Peer& peer, RequestFailure failure, bool wanted_again);
  /// Sends what can go, and commits what is staged.
  [[nodiscard]] Result<void, Error> commit();
  void peer_failed(Peer& peer, const Requests::Open& asked, Reason reason, milliseconds at_least, bool wanted_again);

  Instant next_housekeeping_{};
  Instant next_look_at_sessions_{};
  bool was_idle_ = true;
};

}  // namespace opaline::endpoint::internal
