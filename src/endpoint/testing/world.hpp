#pragma once
// For this room's tests: endpoints in one process around a small relay and directory that can lose connections, lie,
// forget, refuse and damage. Everything follows from a seed.
#include <deque>
#include <functional>
#include <memory>
#include <set>

#include "endpoint/endpoint.hpp"
#include "endpoint/memory_endpoint_store.hpp"

namespace opaline::endpoint::testing {

inline constexpr Time kStart = from_unix_millis(1'700'000'000'000);

/// What a connection carries to a device.
struct Pushed {
  EnvelopeId id;
  Bytes ciphertext;
  bool gap = false;
};
struct Answer {
  wire::ResultRange range;
};
struct Granted {
  std::uint32_t envelopes = 0, bytes = 0;
};
struct DevicesAnswer {
  RequestId id{};
  DevicesReply reply;
};
struct PrekeysAnswer {
  RequestId id{};
  std::uint32_t left = 0;
  std::optional<Time> signed_until;
};
struct FailedAnswer {
  RequestId id{};
  RequestFailure failure{};
  seconds retry_after{};
};
struct PrekeysLow {
  std::uint32_t left = 0;
};
struct ListTaken {
  RequestId id{};
};
struct ListNotice {};
using ToDevice = std::variant<Pushed, Answer, Granted, DevicesAnswer, PrekeysAnswer, FailedAnswer, PrekeysLow,
                              ListTaken, ListNotice>;

/// The world's clock, as a device has it that may be set wrong.
class DeviceClock final : public Clock {
 public:
  explicit DeviceClock(const Clock& right) : right_(right) {}
  [[nodiscard]] Time now() const override { return right_.now() + wrong_by; }
  [[nodiscard]] Instant monotonic() const override { return right_.monotonic(); }
  milliseconds wrong_by{0};

 private:
  const Clock& right_;
};

/// One device with its store and, while it is connected, its connection.
struct Device {
  explicit Device(const Clock& right) : clock(right) {}

  std::string name;
  DeviceClock clock;
  session::DeviceAddress address;
  MailboxId mailbox;
  Options options;
  MemoryEndpointStore store;
  std::unique_ptr<Endpoint> endpoint;
  std::vector<Event> events;
  Counters traced{};

  bool connected = false;
  std::deque<Action> to_server;
  std::deque<ToDevice> to_device;
  std::uint32_t submits = 0;  ///< of this connection
  std::uint32_t pushed = 0, acked = 0;
  struct Route {
    MailboxId mailbox;
    wire::SendToken token{};
    bool held = false;
  };
  std::map<std::uint16_t, Route> routes;

  template <class E>
  [[nodiscard]] std::size_t count_events() const {
    return static_cast<std::size_t>(
        std::count_if(events.begin(), events.end(), [](const Event& e) { return std::holds_alternative<E>(e); }));
  }
  [[nodiscard]] std::size_t notices(NoticeKind kind) const {
    const auto& all = store.history().notices;
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const AddNotice& n) { return n.kind == kind; }));
  }
  [[nodiscard]] ListNumber own_list_number() const { return endpoint->own_list()->list().number; }
  /// The texts that came, in order.
  [[nodiscard]] std::vector<std::string> texts() const;
  [[nodiscard]] MessageState state_of(const MessageId& id) const { return store.history().find(id)->state; }
  [[nodiscard]] Reason reason_of(const MessageId& id) const { return store.history().find(id)->reason; }
};

class World {
 public:
  explicit World(std::uint64_t seed) : random(seed), clock(kStart) {}

  /// A registered device of a new account, whose id is random unless it is given.
  Device& add(std::string name, std::optional<AccountId> account = {}, const Options& options = {});
  /// A second device of an account: the primary signs a new list with it, at once, whether it is connected or not; its
  /// program is started anew.
  Device& link(Device& primary, std::string name);
  /// The account's list without this device, the same way; its mailbox is gone.
  void unlink(Device& primary, const Device& removed);
  /// As it happens: the new device makes its keys, the primary one has the service take the list (once it is connected
  /// and the world goes on), and only then the new one is told (finish_link). `asks` for the history.
  Device& start_link(Device& primary, std::string name);
  /// The list that the service has reaches the new device: its endpoint begins. `told` false: it died before.
  void finish_link(Device& device, bool ask_history = false, bool told = true);
  /// start_link, settle, finish_link, connect, settle.
  Device& link_live(Device& primary, std::string name, bool ask_history = false);
  /// Another account key under the same account id: what a directory that lies shows, with a device of its own.
  Device& impostor(const Device& victim, std::string name);

  /// What a service does with a recovered device: takes its list, drops those that are not on it; the endpoint begins.
  void take_recovery(Device& device, const Registration& made);

  /// As the service closes a persona: its mailboxes are gone, its list stays and is shown to nobody. `closed` says so
  /// until it is erased there.
  void close(const AccountId& persona);

  void connect(Device& device);
  /// The server has seen `processed` more of what was under way to it; the rest is lost.
  void cut(Device& device, std::size_t processed = 0);
  /// The program dies: what was not committed is forgotten.
  void crash(Device& device);
  /// Restores an earlier state of the store.
  void restore(Device& device, MemoryEndpointStore::Contents backup);

  /// Commits the device's round; its actions go on the connection.
  void round(Device& device);
  /// Hands up to `count` frames to the device, or to the server.
  void deliver(Device& device, std::size_t count);
  void serve(Device& device, std::size_t count);
  /// Lets everything that is under way arrive, with no trouble, until nothing moves. False: it never came to rest.
  [[nodiscard]] bool settle(std::size_t max_steps = 20'000);
  /// settle(), then time in steps with ticks, and settle() again.
  [[nodiscard]] bool pass(milliseconds time, milliseconds step = std::chrono::minutes(1));

  /// Sends and commits. The peer's address need not be known to the device.
  MessageId send(Device& from, const Device& to, std::string_view text);

  // ---- the service
  struct Envelope {
    EnvelopeId id;
    Bytes ciphertext;
    AccountId sender;
    bool gap = false;
  };
  struct Mailbox {
    std::deque<Envelope> waiting;
    std::deque<Envelope> pushed;  ///< on the present connection, not acknowledged
    bool gone = false;
    bool gap = false;
    Device* owner = nullptr;
  };
  struct Offer {
    Bytes signed_set;
    Time until{};
    std::deque<Bytes> one_time;
  };
  struct Account {
    std::vector<Bytes> lists;  ///< by number, from 1
    std::map<DeviceNumber, Offer> offers;
  };
  std::map<MailboxId, Mailbox> mailboxes;
  std::map<AccountId, Account> accounts;
  std::vector<std::unique_ptr<Device>> devices;

  // Its moods.
  std::size_t mailbox_limit = 10'000;
  MailboxId full_for;   ///< this mailbox is full ...
  AccountId full_of{};  ///< ... for this sender; zero: for everybody
  std::function<std::optional<wire::SubmitStatus>(const Device&, const EnvelopeId&)> on_submit;
  std::function<void(const Device& to, Bytes& ciphertext)> damage;           ///< of what is pushed
  std::function<void(DevicesReply& reply, const AccountId& about)> falsify;  ///< what the directory answers
  const Device* asking = nullptr;                                            ///< whom `falsify` lies to
  bool directory_out = false;
  std::set<AccountId> closed;        ///< their persons have closed the conversation
  bool refuse_lists = false;         ///< UPDATE_DEVICES is refused
  bool notices = true;               ///< devices hear of a new list
  std::size_t history_at_once = 64;  ///< lists in one answer
  std::size_t lists_kept = 64;       ///< before the present one, as the service does
  std::uint64_t token_epoch = 1;
  std::size_t duplicate_one_in = 0;  ///< an envelope is stored twice now and then; 0: never
  std::uint64_t envelopes = 0;       ///< submitted in all
  std::map<AccountId, std::uint64_t> lookups;
  bool trace = false;  ///< prints what moves, to find out why a seed fails

  SeededRandom random;
  ManualClock clock;

 private:
  void push(Device& device);
  void handle(Device& device, const SubmitEnvelope& submit);
  void handle(Device& device, const Request& request);
  wire::SubmitStatus store(Device& from, Device::Route& route, const SubmitEnvelope& submit);
  DevicesReply devices_of(const AccountId& account, ListNumber known, const FetchBundles* bundles);
  void update(Device& device, RequestId id, const UpdateDevices& update);
  void take_list(const AccountId& about, const Bytes& signed_list, const UploadPrekeys& prekeys);
  void offer(const session::DeviceAddress& owner, const UploadPrekeys& upload);
  void load(Device& device);
};

}  // namespace opaline::endpoint::testing
