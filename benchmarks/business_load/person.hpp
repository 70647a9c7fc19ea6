#pragma once
// A person as a business meets them: a persona that was opened through the public API, with one device of its own: a
// real endpoint::Endpoint on a connection of relay_load. Messages are encrypted when they leave, or ahead.
#include <deque>
#include <unordered_map>

#include "business_load/person_store.hpp"
#include "credentials/opaque_id.hpp"
#include "crypto/random.hpp"
#include "endpoint/endpoint.hpp"
#include "relay_load/device.hpp"

namespace opaline::bench {

class Person;

class PersonEvents {
 public:
  virtual ~PersonEvents() = default;
  /// The relay has answered `accepted` for message `number` of this person.
  virtual void on_accepted(Person& person, std::uint64_t number, Nanos now) = 0;
  /// A text of the business, decrypted and committed.
  virtual void on_text(Person& person, std::string_view text, Nanos now) = 0;
};

class Person final : DeviceEvents {
 public:
  /// `account` opens its persona for this business, joins with a device, and that device connects. Blocking. Ends the
  /// program if any of it is refused. All references must outlive it.
  Person(const Service& service, const Account& account, std::size_t index, const AccountId& business, Engine& engine,
         PersonEvents& events);
  ~Person() override;
  Person(const Person&) = delete;
  Person& operator=(const Person&) = delete;

  [[nodiscard]] std::size_t index() const { return index_; }
  /// "urn:mbid:..."
  [[nodiscard]] const std::string& opaque_id() const { return opaque_id_text_; }

  /// Encrypts the text now; it leaves with a later send(). What comes for the device is acknowledged from then on, but
  /// not looked at before catch_up().
  void prepare(std::string_view text, std::uint64_t number);
  /// The message leaves: the first that was prepared, which must be this one, or, where none was, one made of `text`.
  void send(std::string_view text, std::uint64_t number);
  /// The device does what came since the first prepare(). Everything that was prepared must have left.
  void catch_up();
  /// The endpoint's timers.
  void tick();

  /// Messages without an answer of the relay.
  [[nodiscard]] std::size_t unanswered() const { return unanswered_; }
  /// Whether the business's gateway has answered in the session: no handshake is on its way any more.
  [[nodiscard]] bool is_established() const { return established_; }

 private:
  struct Leaving {
    endpoint::Action action;
    std::optional<std::uint64_t> number;  ///< of a message
  };
  struct Push {
    EnvelopeId id;
    Bytes ciphertext;
  };
  [[nodiscard]] Account join(const Service& service, const Account& account, const AccountId& business);
  /// Encrypts; what leaves is behind `to`.
  void write(std::string_view text, std::uint64_t number, std::deque<Leaving>& to);
  void round(std::deque<Leaving>& to);
  void flush();

  void on_push(Device& device, Nanos now, const EnvelopeId& id, ByteView ciphertext, bool gap) override;
  void on_result(Device& device, Nanos now, std::uint32_t number, wire::SubmitStatus status) override;
  void on_drained(Device& device, Nanos now) override;
  void on_read(Device& device, Nanos now) override;

  std::size_t index_;
  AccountId business_;
  Engine& engine_;
  PersonEvents& events_;
  SystemClock clock_;
  crypto::SystemRandom random_;
  PersonStore store_;
  std::optional<credentials::OpaqueId> opaque_id_;
  std::string opaque_id_text_;
  SecretBytes part_;
  Account persona_;
  std::unique_ptr<endpoint::Endpoint> endpoint_;
  std::unique_ptr<Device> device_;
  std::deque<Leaving> ready_;     ///< waits for the server's credit
  std::deque<Leaving> prepared_;  ///< waits for send()
  std::vector<Push> pushed_;      ///< waits for catch_up()
  bool is_ahead_ = false;         ///< something was prepared
  bool changed_ = false;          ///< the endpoint has had an input
  bool established_ = false;
  std::uint32_t made_ = 0;      ///< submits that the endpoint has made
  std::uint32_t answered_ = 0;  ///< of these it believes to be answered so many, as they were prepared
  std::unordered_map<std::uint32_t, std::uint64_t> numbers_;  ///< of messages, by the number of their submit
  std::size_t unanswered_ = 0;
};

}  // namespace opaline::bench
