#pragma once
// A person and businesses (docs/adr/0015-personas.md): for each business a home inside the home, and a client of its
// own, on the same loop. What the person says of a business is kept in the account's book and told to the person's
// other devices; what those say is followed here.
#include <map>

#include "client/persona_renewal.hpp"
#include "wire/business_part.hpp"

namespace opaline::client {

/// Clients that run at once; of more businesses those with the newest messages. 27.5 KiB at the service each.
inline constexpr std::size_t kMaxPersonasRunning = 64;
/// Within this time a device joins what another one opened, at a random moment: businesses cannot tell people by when
/// their devices change.
inline constexpr std::chrono::hours kJoinWithin{48};
/// How long closing waits for the business's gateway to have been told.
inline constexpr std::chrono::seconds kCloseWithin{5};

/// What every message to a business says of this device: coarse, the same for many.
struct Manners {
  std::string locale;        ///< "en_US" or "en"; empty: not said
  std::string device_agent;  ///< the platform's family
};
/// Of this process: LC_ALL, LC_MESSAGES or LANG, and "linux".
[[nodiscard]] Manners manners_of_environment();

/// A message to a business, or an answer.
struct BusinessMessage {
  SecretBytes text;
  std::vector<endpoint::Attachment> attachments = {};
  wire::PartKind kind = wire::PartKind::words;
  SecretBytes json = {};                  ///< of `interactive`
  bool in_file = false;                   ///< the last attachment holds it
  std::optional<MessageId> answers = {};  ///< of the business's message
  std::string shared = {};                ///< names of what is shared, with commas
};

/// How the person stands with one business.
struct BusinessStanding {
  AccountId business;
  std::optional<endpoint::PersonaStanding> standing;  ///< nullopt: looked at, never written to
  std::optional<credentials::OpaqueId> opaque_id;
  bool here = false;     ///< this device is in
  bool pending = false;  ///< something is still to be done when the service is reached
};

[[nodiscard]] inline Failure never_written() {
  return {ClientError::unknown_peer,
          "you have never written to this business; it does not know you, and cannot write to you first"};
}
class Personas {
 public:
  /// All outlive this.
  struct Parts {
    net::EventLoop& loop;
    const Clock& clock;
    RandomSource& random;
    const Home& home;
    const LocalStore& store;
    const Service& service;
    Client& account;  ///< the person's own
  };
  struct Events {
    std::function<void(const AccountId& business, const endpoint::Event&)> on_event = [](const AccountId&,
                                                                                         const auto&) {};
    /// What is asked for or promised here may be done by now.
    std::function<void()> on_progress = [] {};
  };
  Personas(const Parts& parts, Events events, Manners manners = manners_of_environment());
  ~Personas();
  Personas(const Personas&) = delete;
  Personas& operator=(const Personas&) = delete;

  // ---- running
  /// Connects all open personas and goes on with what is planned. Without it, those alone that are asked for.
  void start();
  /// Says goodbye for all of them.
  void stop();
  /// To be told of the account's events, and when its connection is up.
  void account_event(const endpoint::Event& event);
  void account_online();
  /// Nothing is under way that ends by itself.
  [[nodiscard]] bool settled() const;
  /// Every client that reached the service has all that waited there.
  [[nodiscard]] bool drained() const;
  [[nodiscard]] bool offline() const;

  // ---- the person
  /// The gateway's key has changed, and the profile, which may say why, is on its way: then the line about it is shown.
  [[nodiscard]] bool looks_why(const AccountId& business) const;
  /// Asks for the profile, and keeps it if there is a home for the business already. no_such_business, connect_failed.
  void fetch_profile(const AccountId& business, Done<Bytes> done);
  /// Keeps a profile as the service gave it, and notes it if the gateway has moved since the one that was kept.
  [[nodiscard]] static Result<void, ClientError> keep_profile(const PersonaHome& home, ByteView profile);
  /// Makes the home; nothing is told to anybody. The profile is one of fetch_profile.
  [[nodiscard]] Result<PersonaHome*, Failure> remember(const AccountId& business, ByteView profile);
  /// After it messages can be written. At once where this device is in. blocked, and PersonaOpening's.
  void open(const AccountId& business, Done<std::monostate> done);
  /// The same, and if a link named the gateway's key, it is that one: identity_changed, timed_out.
  void ready(const AccountId& business, Done<std::monostate> done);
  /// Queues a message, after opening where that has to be. bad_text and the like as Client::send.
  void send(const AccountId& business, BusinessMessage message, Done<MessageId> done);
  /// Closes, or blocks. True: it is done; false: it will be when the service is reached next. unknown_peer: never
  /// written to.
  void close(const AccountId& business, endpoint::PersonaStanding standing, Done<bool> done);
  /// The block is lifted: the conversation is closed then. unknown_peer.
  [[nodiscard]] Result<void, Failure> unblock(const AccountId& business);
  /// The business is to know nothing of who this is: closes, and opens under another opaque id.
  void be_new(const AccountId& business, Done<std::monostate> done);
  /// Closes, and deletes the conversation on all devices.
  void erase(const AccountId& business, Done<bool> done);

  // ---- what there is
  /// By business. store_damaged, store_failed.
  [[nodiscard]] Result<std::vector<BusinessStanding>, Failure> list();
  /// nullptr: there is none.
  [[nodiscard]] Result<PersonaHome*, Failure> home(const AccountId& business);
  /// The client that runs for a business; nullptr: none does.
  [[nodiscard]] Client* running(const AccountId& business);
  /// All businesses of which there is a home.
  [[nodiscard]] std::vector<AccountId> known() const;
  /// Encodes what stands beside the words; for uploads, which queue later.
  [[nodiscard]] Result<SecretBytes, Failure> part_of(const AccountId& business, const BusinessMessage& message);

 private:
  struct One;
  using Standing = endpoint::PersonaStanding;
  [[nodiscard]] Result<One*, Failure> at(const AccountId& business);
  [[nodiscard]] Result<std::optional<endpoint::PersonaState>, Failure> word(const AccountId& business) const;
  [[nodiscard]] Result<void, Failure> say(endpoint::PersonaState state);
  void look_at_all();
  void look(const AccountId& business);
  [[nodiscard]] Result<void, Failure> look_closer(const AccountId& business);
  [[nodiscard]] Result<void, Failure> follow_deletion(const AccountId& business);
  [[nodiscard]] Result<void, Failure> plan_join(One& one);
  void wake();
  [[nodiscard]] Result<bool, Failure> run(One& one);
  void retire(One& one);
  void lost(const AccountId& business, const Failure& why);
  void on_event(One& one, const endpoint::Event& event);
  void look_why(One& one, const endpoint::Event& event);

  void begin(One& one, PersonaOpening::For whom);
  void opened(One& one, PersonaOpening::For whom, Result<PersonaOpening::Opened, Failure> result);
  [[nodiscard]] Result<void, Failure> settle_in(One& one, PersonaOpening::For whom,
                                                const PersonaOpening::Opened& opened);
  [[nodiscard]] Result<std::uint32_t, Failure> devices_lost() const;
  [[nodiscard]] Result<bool, Failure> renewal_due(const One& one) const;
  void renew(One& one);
  void renewed(One& one, Result<std::optional<SecretBytes>, Failure> result);
  [[nodiscard]] Result<void, Failure> settle_root(One& one, std::optional<SecretBytes> root);
  [[nodiscard]] Result<void, Failure> follow_root(One& one, const endpoint::PersonaState& word);
  [[nodiscard]] Result<MessageId, Failure> queue(One& one, BusinessMessage message);
  [[nodiscard]] Result<bool, Failure> check_key(One& one);
  void await_key(One& one, int looks, Done<std::monostate> then);
  [[nodiscard]] Result<void, Failure> plan_closing(One& one, Standing standing);
  void go_on_closing(One& one);
  [[nodiscard]] bool close_told(One& one, const ClosingPlan& plan);
  void told(One& one);
  void close_at_service(One& one);
  [[nodiscard]] Result<void, Failure> closed(One& one);
  void end_closing(One& one, const Result<bool, Failure>& result);

  Parts parts_;
  Events events_;
  Manners manners_;
  PersonaBook book_;
  std::map<AccountId, std::unique_ptr<One>> ones_;
  std::vector<std::unique_ptr<Client>> retired_;
  net::Timer wake_;
  bool started_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace opaline::client
