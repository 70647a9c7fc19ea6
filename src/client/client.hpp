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

/// Where somebody can be reached by a handle. `sms`: not here, and it is a telephone number: by SMS, not encrypted.
enum class Reachable : std::uint8_t { here, sms, not_here, unknown };
/// Of a handle that is not here.
[[nodiscard]] Reachable reachable_elsewhere(std::string_view handle);

/// What is known of a handle.
struct LookedUp {
  std::string handle;  ///< as the directory spells it; as it was asked, if the answer was remembered
  Reachable reachable = Reachable::unknown;
  std::optional<AccountId> account = {};  ///< who has it now; of `here` alone
  bool changed = false;                   ///< it was another account's, and the person has not accepted this one yet
  bool from_cache = false;                ///< remembered; nobody was asked
  Time asked_at{};                        ///< when the service answered
  Time ask_again_at{};                    ///< until then nobody is asked
  std::string problem = {};               ///< not empty: it can be no handle, in the service's words
};

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

  /// Finds the account of a handle: from the cache while it is good (or while offline, and it was ever known). Else a
  /// known account is asked about by its id, with its renewal token, if there is one; anything else is a lookup. Who
  /// was not here is remembered, too. An account id in hexadecimal is taken as it is. no_such_handle, connect_failed,
  /// refused (quota).
  void resolve(std::string_view to, Done<AccountId> done);
  /// The same of many handles, in as few requests as there can be; `again`: whatever is remembered. In the order asked;
  /// a failure (connect_failed, quota): those that were not answered are `unknown`. Nothing is opened by it, and nobody
  /// else told.
  void look_up(const std::vector<std::string>& handles, bool again,
               std::function<void(std::vector<LookedUp>, std::optional<Failure>)> done);
  /// What is remembered, and good still; nullopt: the service would be asked.
  [[nodiscard]] std::optional<LookedUp> remembered(std::string_view handle) const;
  /// The business that hands texts to carriers, as the last answer to a lookup named it; nullopt: none, or nobody was
  /// looked up yet.
  [[nodiscard]] std::optional<AccountId> carrier() const;
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
  void lookup(const std::string& handle, const Bytes& renewal_token, Done<AccountId> done);
  void confirm(Contact contact);
  struct Answered {
    Contact contact;     ///< with the directory's spelling
    bool first = false;  ///< nobody had the handle, as far as it was known here
  };
  [[nodiscard]] Result<std::vector<Answered>, Failure> lookup_answers(std::span<const std::string> asked,
                                                                      ByteView body);
  void keep_carrier(ByteView named);
  [[nodiscard]] Result<bool, Failure> keep_answer(Contact& contact, const std::string& normal);
  struct ManyLookups;
  void next_lookup(std::shared_ptr<ManyLookups> many);
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
