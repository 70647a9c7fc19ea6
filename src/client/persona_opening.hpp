#pragma once
// Being in: this device becomes one of the persona towards a business. Every step may be done again, by a program that
// was started anew too: what is on the way is in the persona's home (docs/adr/0015-personas.md, "Joining").
#include "client/client.hpp"
#include "client/persona_book.hpp"
#include "client/persona_home.hpp"
#include "proto/device.pb.h"

namespace opaline::client {

class PersonaOpening {
 public:
  /// All outlive the opening.
  struct Parts {
    Client& account;  ///< the person's own, which asks
    const PersonaBook& book;
    PersonaHome& home;
    RandomSource& random;
    const Clock& clock;
  };
  enum class For : std::uint8_t {
    person,  ///< who wants to write: opens what is closed or new, and leaves an id as PersonaHome::opening() says
    book,    ///< joins what another device opened, if it is still that
  };
  struct Opened {
    credentials::OpaqueId opaque_id;
    SecretBytes root;
  };

  PersonaOpening(const Parts& parts, For whom, Done<Opened> done)
      : parts_(parts), whom_(whom), done_(std::move(done)) {}
  PersonaOpening(const PersonaOpening&) = delete;
  PersonaOpening& operator=(const PersonaOpening&) = delete;

  /// `done` is called once, perhaps at once; it may destroy this. After it the home has a device that the service
  /// knows. connect_failed, no_such_business, no_gateway, refused, quota, keys_elsewhere, list_full, protocol, store_*;
  /// of `book` also expired: it is not what the book says.
  void start();
  /// What the service has of a persona, and what its devices know that the service may have lost.
  struct Lists {
    std::optional<session::VerifiedDeviceList> services, ours;
    bool known_before = false;  ///< the person's devices know of it
    /// The service was set back to a time before the newest list.
    [[nodiscard]] bool set_back() const;
  };
  [[nodiscard]] static Result<Lists, Failure> lists_of(const Parts& parts, const credentials::OpaqueId& opaque_id,
                                                       std::optional<session::VerifiedDeviceList> services);
  /// The list that comes next, without a device of ours and under no key yet. Of a closed one it has no devices; at a
  /// service that was set back it has a number that is above all that there can have been.
  [[nodiscard]] static session::DeviceList next_list(const Lists& lists, const wire::v1::PersonaOpenReply& reply,
                                                     Time now);

 private:
  /// What the home has: a device that is in, or one that was made and perhaps is.
  struct Own {
    endpoint::Enrolment enrolment;
    session::DevicePublicKeys keys;
    bool registered = false;
    std::optional<session::AccountKey> root;
  };
  [[nodiscard]] Result<std::optional<Own>, Failure> own() const;
  [[nodiscard]] Result<std::optional<session::AccountKey>, Failure> known_root(
      const std::optional<Own>& own, const crypto::HybridPublicKey& account_key) const;
  void ask_profile();
  void ask(bool be_new);
  void answered(const Result<Bytes, Failure>& body, bool be_new);
  [[nodiscard]] Result<void, Failure> take(const wire::v1::PersonaOpenReply& reply);
  [[nodiscard]] Result<void, Failure> make(const std::optional<Own>& own,
                                           const std::optional<session::VerifiedDeviceList>& list,
                                           const wire::v1::PersonaOpenReply& reply, const MailboxId& mailbox);
  void join();
  void joined(const Result<Bytes, Failure>& body);
  [[nodiscard]] Result<Opened, Failure> confirmed();
  void end(Result<Opened, Failure> result);

  Parts parts_;
  For whom_;
  Done<Opened> done_;
  std::optional<credentials::OpaqueId> opaque_id_;
  bool is_in_ = false;
  int conflicts_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// What a person hears of the store of a business's home.
[[nodiscard]] Failure persona_store_failure(ClientError error);

}  // namespace opaline::client
