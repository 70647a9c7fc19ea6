#pragma once
// A device in operation: the endpoint, its store, and a connection that comes back by itself. What the command line
// client is a face of.
#include <functional>
#include <memory>
#include <set>

#include "base/back_off.hpp"
#include "client/contacts.hpp"
#include "client/history.hpp"
#include "client/registration.hpp"
#include "uplink/connection.hpp"

namespace opaline::client {

/// Answers of calls that go over the network; called once, from the loop.
template <class T>
using Done = std::function<void(Result<T, Failure>)>;

class Client final : private uplink::ConnectionOwner {
 public:
  struct Events {
    std::function<void(const endpoint::Event&)> on_event = [](const endpoint::Event&) {};
    /// The connection is up (nullptr) or went down.
    std::function<void(const Failure*)> on_link = [](const Failure*) {};
    /// What waited at the server when the connection opened has all been received.
    std::function<void()> on_drained = [] {};
    /// Nothing goes on without the person: the store failed, or the server does not know this device. The link stays
    /// down.
    std::function<void(const Failure&)> on_fatal = [](const Failure&) {};
  };

  /// An account of a person, whose contacts are looked up by handle; or of a persona, which knows one business; or a
  /// business's own, to which anybody may write (for tests: the service's gateway has its own).
  enum class Kind : std::uint8_t { person, persona, business };
  /// All arguments must outlive the client. not_registered, store_damaged, store_failed.
  [[nodiscard]] static Result<std::unique_ptr<Client>, Failure> open(net::EventLoop& loop, const Clock& clock,
                                                                     RandomSource& random, const LocalStore& store,
                                                                     const Service& service, Events events,
                                                                     Kind kind = Kind::person);
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Connects, and again whenever the connection ends: after 0.5 s, doubling to a minute, each with jitter.
  void start();
  /// Says goodbye to the server and stays away.
  void stop();
  [[nodiscard]] bool online() const;

  /// Finds the account of a handle: from the cache while it is good (or while offline, and it was ever known), else by
  /// a lookup. An account id in hexadecimal is taken as it is. no_such_handle, connect_failed, refused
  /// (quota).
  void resolve(std::string_view to, Done<AccountId> done);
  /// The person agrees that a handle belongs to another account now. no_alarm if it does not; then an identity that
  /// changed within the account is for Endpoint::accept_changed_identity.
  [[nodiscard]] Result<void, Failure> accept_new_account(std::string_view handle);
  /// Queues a text. Known recipients: works offline, answers at once.
  void send(std::string_view to, std::string_view text, Done<MessageId> done);
  /// Queues a message, and with `also`, if there is one, in the same commit.
  [[nodiscard]] Result<MessageId, Failure> send_message(
      const AccountId& peer, endpoint::NewMessage message,
      std::function<Result<void, DatabaseError>(const Database&)> also = {});
  /// Queues a message whose files are at the service, and with `also` in the same commit (Transfers::erase).
  [[nodiscard]] Result<MessageId, Failure> send_files(const AccountId& peer, ByteView text,
                                                      std::vector<endpoint::Attachment> attachments,
                                                      std::function<Result<void, DatabaseError>(const Database&)> also);
  /// Runs something on the endpoint and commits it. The failure is the store's.
  [[nodiscard]] Result<void, Failure> change(const std::function<void(endpoint::Endpoint&)>& what);
  /// Calls a method of proto/device.proto. connect_failed if offline; refused with the service's words.
  void call(std::uint16_t method, ByteView body, Done<Bytes> done);

  /// True if no name of a new sender is being looked up: until then it is shown by its account id.
  [[nodiscard]] bool names_settled() const { return open_claims_ == 0; }
  /// True if nothing is under way: no question to the directory (a message of a stranger waits for its answer), nothing
  /// to send, nothing to commit.
  [[nodiscard]] bool settled() const;
  [[nodiscard]] endpoint::Endpoint& device() { return *device_; }
  [[nodiscard]] const History& history() const { return history_; }
  [[nodiscard]] const Contacts& contacts() const { return contacts_; }
  [[nodiscard]] std::string display_name(const AccountId& account) const { return contacts_.display_name(account); }

 private:
  Client(net::EventLoop& loop, const Clock& clock, RandomSource& random, const LocalStore& store,
         const Service& service, Events events, Kind kind);

  void on_ready(const wire::Ready& ready) override;
  void on_frame(const wire::Frame& frame) override;
  void on_batch_end() override;
  void on_ended(const uplink::Ended& ended) override;

  void connect();
  void schedule_round();
  void round();
  [[nodiscard]] Result<void, endpoint::Error> commit();
  void perform(const endpoint::Action& action);
  void tell(const endpoint::Event& event);
  void arm_tick();
  void lookup(const std::string& handle, Bytes renewal_token, Done<AccountId> done);
  [[nodiscard]] Result<AccountId, Failure> lookup_answer(const std::string& asked, ByteView body);
  [[nodiscard]] Result<void, Failure> sound_alarm(const AccountId& before);
  void look_again(const AccountId& account);
  void confirm_claim(const AccountId& account);
  void fatal(const Failure& why);

  net::EventLoop& loop_;
  const Clock& clock_;
  RandomSource& random_;
  const LocalStore& store_;
  const Service& service_;
  Events events_;
  Kind kind_;
  SqliteEndpointStore rows_;
  History history_;
  Contacts contacts_;
  std::unique_ptr<endpoint::Endpoint> device_;
  std::unique_ptr<uplink::Connection> connection_;
  net::Timer tick_, reconnect_;
  BackOff back_off_{std::chrono::milliseconds(500), std::chrono::minutes(1)};
  std::size_t open_claims_ = 0;
  std::set<AccountId> claims_asked_;  ///< accounts whose claim is being looked up
  bool wanted_ = false, round_scheduled_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace opaline::client
