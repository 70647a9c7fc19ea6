#pragma once
// A node, a disk and some devices on one thread, with everything between them in the test's hand: which bytes arrive
// when, what the disk does, when the clock moves, when the machine dies.
#include "relay/test_support/test_device.hpp"
#include "store/drivers/memory_disk.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/memory_mailbox_store.hpp"

namespace opaline::relay::testing {

/// Passes everything on, and tells what is appended.
class WatchedStore final : public store::MailboxStore {
 public:
  explicit WatchedStore(store::MemoryMailboxStore& under) : under_(under) {}
  std::function<void(const store::Append&)> on_append = [](const auto&) {};

  [[nodiscard]] std::optional<store::OwnerEpoch> acquire_all() override { return under_.acquire_all(); }
  void append(store::OwnerEpoch epoch, std::vector<store::Append> batch, AppendDone done) override {
    for (const store::Append& each : batch) on_append(each);
    under_.append(epoch, std::move(batch), std::move(done));
  }
  void remove(store::OwnerEpoch epoch, std::vector<store::Removal> batch) override {
    under_.remove(epoch, std::move(batch));
  }
  void destroy(store::OwnerEpoch epoch, MailboxId mailbox) override { under_.destroy(epoch, mailbox); }
  void summarize(store::OwnerEpoch epoch, MailboxId mailbox, SummaryDone done) override {
    under_.summarize(epoch, mailbox, std::move(done));
  }
  void read(store::OwnerEpoch epoch, MailboxId mailbox, store::Sequence from, std::size_t max_count,
            std::size_t max_bytes, ReadDone done) override {
    under_.read(epoch, mailbox, from, max_count, max_bytes, std::move(done));
  }
  void expire_through(Day day, ExpireDone done) override { under_.expire_through(day, std::move(done)); }

 private:
  store::MemoryMailboxStore& under_;
};

class World final : public Authenticator, public CallHandler {
 public:
  World(std::uint64_t seed, NodeConfig config, std::size_t devices);
  ~World() override;

  void start();
  /// The process dies and the disk forgets what was not synced; or, if not `hard`, dies with the disk intact.
  void crash();
  [[nodiscard]] bool running() const { return node != nullptr; }

  void connect(std::size_t device);
  /// The transport breaks: what was on its way is lost.
  void cut(std::size_t device);
  /// The device has lost the connection and the node does not know yet.
  void abandon(std::size_t device);
  /// One batch from the device reaches the node / one batch of the node reaches the device. False: none waits.
  bool deliver_up(std::size_t device);
  bool deliver_down(std::size_t device);
  /// Answers one AUTH that waits.
  bool answer_auth();
  void route_all(std::size_t device);
  /// Delivers, stores and answers until nothing moves.
  void settle();
  void end_round() {
    if (node) node->end_round();
  }

  // Authenticator, CallHandler
  void authenticate(ConnectionId connection, AuthRequest request) override;
  void call(ConnectionId connection, const AccountId&, DeviceNumber, std::uint32_t call, std::uint16_t method,
            ByteView body) override;

  SeededRandom random;
  ManualClock clock{Time(std::chrono::days(20'000))};
  const NodeConfig config;
  store::MemoryDisk disk{random};
  store::MemoryKeyVault vault{random};
  std::unique_ptr<store::MemoryMailboxStore> store;
  std::unique_ptr<WatchedStore> watched;
  std::unique_ptr<RelayNode> node;
  wire::SendTokenKey token_key;

  std::vector<std::unique_ptr<TestDevice>> devices;
  struct Connection {
    std::unique_ptr<PipeLink> link;
    std::optional<ConnectionId> id;
  };
  std::vector<Connection> connections;  ///< by device
  std::deque<std::pair<ConnectionId, std::optional<Authenticated>>> auths;
  std::function<void()> on_start = [] {};
  bool auto_route = true;  ///< ROUTE for every peer as soon as READY has come

 private:
  std::vector<std::unique_ptr<PipeLink>> old_links_;  // the node may still send to a link that the device has left
};

}  // namespace opaline::relay::testing
