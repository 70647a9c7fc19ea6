#pragma once
// A simulated server: the real relay and the real identity service on a disk that forgets what was not synced.
#include <deque>
#include <memory>

#include "endpoint/endpoint.hpp"
#include "identity/dispatcher.hpp"
#include "identity/tables.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/memory_mailbox_store.hpp"
#include "store/drivers/memory_row_store.hpp"
#include "tests/sim/pipe.hpp"

namespace opaline::sim {

class Node final : relay::Authenticator, relay::CallHandler, identity::RelayControl, identity::CodeSender {
 public:
  Node(RandomSource& random, const Clock& clock);
  ~Node() override;

  /// Starts the process on what the disk has.
  void start();
  /// The machine loses power.
  void crash();
  [[nodiscard]] bool running() const { return relay_ != nullptr; }

  /// Makes an account for a device: start, check, complete. The service must run.
  void enrol(endpoint::EndpointStore& rows, const std::string& handle);
  /// A business that nobody has written to yet; its account.
  [[nodiscard]] AccountId found_business(const std::string& name);
  /// Puts a gateway in as the business's device.
  void enrol_gateway(endpoint::EndpointStore& rows, const AccountId& business);

  /// An exchange that a new device opens and this device of an account joins (what they would say in it is skipped:
  /// src/session tests that), and the new device's mailbox. The service must run.
  struct Exchange {
    Bytes id;
    MailboxId mailbox;
  };
  [[nodiscard]] std::optional<Exchange> exchange(const session::DeviceAddress& primary);

  [[nodiscard]] bool open(const std::shared_ptr<Pipe>& pipe);
  void receive(Pipe& pipe, const Bytes& batch);
  void closed(Pipe& pipe);
  /// Does one thing that was waiting: a job of the service, or a step of the store. False: nothing waits.
  bool step(std::uint64_t which);
  /// Something waits between the service and the relay.
  [[nodiscard]] bool has_orders() const { return !jobs_.empty(); }
  void tick();
  /// As the server's upkeep does.
  void expire(std::chrono::days retention);

  store::MemoryDisk mailbox_disk, row_disk;
  store::MemoryKeyVault vault;
  [[nodiscard]] std::size_t envelopes_on_disk() const;
  [[nodiscard]] const relay::Counters& counters() const { return relay_->counters(); }

 private:
  void authenticate(relay::ConnectionId connection, relay::AuthRequest request) override;
  void call(relay::ConnectionId connection, const AccountId& account, DeviceNumber device, std::uint32_t call,
            std::uint16_t method, ByteView body) override;
  void destroy(const MailboxId& mailbox, Time at) override;
  void revoke_mailbox(const MailboxId& mailbox, Time issued_until) override;
  void revoke_sender(const AccountId& sender, Time issued_until) override;
  void disconnect(const AccountId& account, DeviceNumber device, wire::GoodbyeCode reason) override;
  void notify(const AccountId& account, DeviceNumber device, wire::v1::NoticeKind kind, std::string body) override;
  [[nodiscard]] identity::CodeQueued send(const identity::Handle& handle, const identity::Code& code,
                                          seconds valid_for) override;
  void complete(endpoint::EndpointStore& rows, const endpoint::Enrolment& enrolment, std::string ticket,
                const std::string& handle);
  void order(std::move_only_function<void(relay::RelayNode&)> what);

  RandomSource& random_;
  const Clock& clock_;
  NullLog log_;
  identity::NullLookupLog lookups_;
  identity::NullLegalNotices notices_;
  std::unique_ptr<identity::CostlyCrypto> crypto_ = identity::make_costly_crypto();
  std::string last_code_;
  std::deque<std::move_only_function<void()>> jobs_;  // between the relay's and the service's thread, both ways
  std::unique_ptr<store::MemoryRowStore> row_store_;
  std::unique_ptr<store::SealedRows> rows_;
  std::unique_ptr<store::MemoryMailboxStore> mailboxes_;
  std::unique_ptr<identity::Service> service_;
  std::unique_ptr<identity::CallDispatcher> dispatcher_;
  std::unique_ptr<relay::RelayNode> relay_;
};

}  // namespace opaline::sim
