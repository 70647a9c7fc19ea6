#pragma once
// The identity service on the control thread, with the ways to it and back: jobs come from the I/O thread through a
// bounded queue, answers and orders to the relay go back as posts.
#include <memory>
#include <optional>

#include "base/log.hpp"
#include "identity/dispatcher.hpp"
#include "net/http.hpp"
#include "server/control_port.hpp"
#include "server/hop.hpp"

namespace opaline::server {

class BlobDesk;
class LedgerPage;
class PublicEdge;

class IdentityDesk final : public ControlPort, identity::RelayControl {
 public:
  /// Jobs that may wait. Each costs up to a millisecond of the control thread (a hybrid verification), so that what is
  /// let in is answered within a few seconds.
  static constexpr std::size_t kMaxWaitingJobs = 4096;

  /// What the service needs beside the relay. All outlive the desk.
  struct Ports {
    store::SealedRows& rows;
    store::KeyVault& vault;
    identity::CodeSender& codes;
    identity::LookupLog& lookups;
    identity::LegalNotices& notices;
    identity::CostlyCrypto& crypto;
    const Clock& clock;
    RandomSource& random;
    Log& log;
  };

  /// `control` runs the service, `io` the edge.
  IdentityDesk(net::EventLoop& control, net::EventLoop& io) : control_(control, kMaxWaitingJobs), io_(io, 0) {}

  /// On the control thread, or before there is another one. The error is a sentence.
  [[nodiscard]] Result<void, std::string> open(const identity::Config& config, const Ports& ports);
  /// Whom to answer. Before the I/O thread starts.
  void attach(PublicEdge& edge) { edge_ = &edge; }
  /// Who makes attachments, for devices that identity lets. Before the I/O thread starts.
  void attach(BlobDesk& blobs) { blobs_ = &blobs; }
  /// Who answers for the ledger. Before the I/O thread starts.
  void attach(LedgerPage& page) { ledger_page_ = &page; }

  // ---- from the I/O thread
  [[nodiscard]] bool authenticate(AuthJob job) override;
  [[nodiscard]] bool call(CallJob job) override;
  [[nodiscard]] bool registration(RegistrationJob job) override;
  [[nodiscard]] bool ledger(LedgerJob job) override;

  // ---- on the control thread
  [[nodiscard]] identity::Service& service() { return *service_; }
  [[nodiscard]] std::size_t waiting() const { return control_.waiting(); }

 private:
  // identity::RelayControl, on the control thread.
  void destroy(const MailboxId& mailbox, Time at) override;
  void revoke_mailbox(const MailboxId& mailbox, Time issued_until) override;
  void revoke_sender(const AccountId& sender, Time issued_until) override;
  void disconnect(const AccountId& account, DeviceNumber device, wire::GoodbyeCode reason) override;
  void notify(const AccountId& account, DeviceNumber device, wire::v1::NoticeKind kind, std::string body) override;

  void tell_edge(std::move_only_function<void(PublicEdge&)> what);

  Hop control_;
  Hop io_;
  PublicEdge* edge_ = nullptr;
  BlobDesk* blobs_ = nullptr;
  LedgerPage* ledger_page_ = nullptr;
  std::unique_ptr<identity::Service> service_;
  std::unique_ptr<identity::CallDispatcher> dispatcher_;

  /// While a call runs: whose it is, and whether it ends the caller's own connection (account delete). That waits until
  /// the reply is out.
  struct Caller {
    AccountId account;
    DeviceNumber device{};
    std::optional<wire::GoodbyeCode> goodbye;
  };
  std::optional<Caller> caller_;
};

/// A registration's answer as HTTP. Never cached.
[[nodiscard]] net::HttpResponse to_response(identity::HttpAnswer answer);

}  // namespace opaline::server
