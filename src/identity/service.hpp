#pragma once
// The identity service (docs/architecture.md, "Identity"): accounts, handles, the directory, prekeys and send tokens.
// Synchronous and single-threaded: it runs on a thread of its own, for its stores block, and never on an I/O thread. It
// does no I/O but through its ports. All that it keeps is in identity/tables.hpp; verifications, tickets and quotas are
// in RAM and end with the process.
#include <memory>
#include <vector>

#include "base/log.hpp"
#include "base/random.hpp"
#include "identity/account_kind.hpp"
#include "identity/business.hpp"
#include "identity/config.hpp"
#include "identity/failure.hpp"
#include "identity/ports.hpp"
#include "store/key_vault.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::identity {

/// All must outlive the service.
struct Ports {
  store::SealedRows& rows;  ///< over a RowStore opened with the tables of identity/tables.hpp
  store::KeyVault& vault;
  CodeSender& codes;
  RelayControl& relay;
  LookupLog& lookups;
  LegalNotices& notices;
  CostlyCrypto& crypto;
  const Clock& clock;
  RandomSource& random;
  Log& log;
};

/// Who calls: an authenticated device, and where from.
struct Caller {
  AccountId account;
  DeviceNumber device{};
  SourceAddress source;
};

/// An AUTH frame, as the edge has it.
struct AuthRequest {
  AccountId account;
  DeviceNumber device{};
  wire::Binding binding = wire::Binding::tls_exporter;
  ByteView message;    ///< wire::auth_message()
  ByteView signature;  ///< wire::kAuthSignatureBytes, else refused
  SourceAddress source;
};
struct AuthenticatedDevice {
  MailboxId mailbox;
};
enum class AuthError : std::uint8_t {
  refused,      ///< unknown device, wrong signature, or a binding that this device may not use: all alike
  unavailable,  ///< the store failed: nothing is known
};

/// What an account may use (DESIGN: service switches). A switched-off account looks like an unknown one.
struct ServiceSwitches {
  bool people = true, businesses = true, calls = true;
  friend bool operator==(const ServiceSwitches&, const ServiceSwitches&) = default;
};

/// No identifiers; for metrics.
struct Counters {
  std::uint64_t codes_sent = 0, codes_refused = 0, wrong_codes = 0, registrations = 0, takeovers = 0, wrong_pins = 0;
  std::uint64_t auth_ok = 0, auth_refused = 0, lookups_charged = 0, lookups_renewed = 0, lookups_over_quota = 0,
                handles_looked_up = 0;
  std::uint64_t one_time_given = 0, one_time_withheld = 0, one_time_missing = 0, prekey_uploads = 0, store_errors = 0;
  std::uint64_t list_updates = 0, devices_added = 0, devices_removed = 0;
  std::uint64_t personas_joined = 0, personas_closed = 0, businesses_enrolled = 0;
  std::uint64_t links_opened = 0, links_joined = 0, link_joins_refused = 0, recoveries = 0, recoveries_refused = 0;
  std::size_t businesses = 0;
  std::size_t verifications = 0, tickets = 0, link_exchanges = 0, link_bytes = 0;
};

enum class OpenError : std::uint8_t {
  vault,  ///< the vault's keys are not to be had
  store,  ///< the rows are not readable
};

class Service {
 public:
  /// Reads keys from the vault and tells the relay again which mailboxes are gone and which tokens are stale.
  [[nodiscard]] static Result<std::unique_ptr<Service>, OpenError> open(const Config& config, const Ports& ports);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // ---- registration (docs/device-api.md, "Registration"). Statuses beside BAD_REQUEST (malformed) and UNAVAILABLE:
  /// QUOTA. The answer, its time and its work do not depend on whether the handle is taken.
  [[nodiscard]] Answer<calls::StartReply> start(const SourceAddress& source, const calls::StartRequest& request);
  /// WRONG_CODE with tries left; EXPIRED: no such verification (any more).
  [[nodiscard]] Answer<calls::CheckReply> check(const calls::CheckRequest& request);
  /// EXPIRED, PIN_REQUIRED, WRONG_PIN (0 tries left: none today), CONFLICT: the ticket was used for something else. A
  /// ticket of enrol_business puts a gateway in: the answer's handle is empty.
  [[nodiscard]] Answer<calls::CompleteReply> complete(const calls::CompleteRequest& request);

  // ---- linking and recovery over HTTPS (docs/device-api.md, "One's own devices")
  /// QUOTA; UNAVAILABLE: too many exchanges.
  [[nodiscard]] Answer<calls::LinkOpenReply> link_open(const SourceAddress& source,
                                                       const calls::LinkOpenRequest& request);
  /// The new device's turn. NOT_FOUND: no such exchange (any more), or a wrong secret. CONFLICT: a message was sent
  /// before with other bytes, or after the end. UNAVAILABLE: too much waits in all exchanges together.
  [[nodiscard]] Answer<calls::LinkTurnReply> new_device_turn(const calls::LinkTurnRequest& request);
  /// The same for every account, there or not.
  [[nodiscard]] Answer<calls::RecoveryStartReply> recovery_start(const calls::RecoveryStartRequest& request);
  /// EXPIRED: the challenge. FORBIDDEN: wrong signature or unknown account, with the same reads and operations. QUOTA:
  /// too many of these. Repeated with the same challenge it gives the same ticket.
  [[nodiscard]] Answer<calls::RecoveryOpenReply> recovery_open(const SourceAddress& source,
                                                               const calls::RecoveryOpenRequest& request);
  /// EXPIRED: the ticket; CONFLICT: the list does not follow the stored one, or the ticket was used for another;
  /// NOT_FOUND: the account is gone; QUOTA. The same request again is good and changes nothing.
  [[nodiscard]] Answer<calls::CompleteReply> recovery_complete(const calls::RecoveryCompleteRequest& request);

  // ---- devices
  [[nodiscard]] Result<AuthenticatedDevice, AuthError> authenticate(const AuthRequest& request);

  // ---- calls of authenticated devices. NOT_FOUND where the caller's own account is gone; QUOTA beyond Config. But for
  // ---- bundles, send_tokens, prekeys, account and removals by update_devices, they are for persons: FORBIDDEN for
  // ---- businesses and personas
  /// FORBIDDEN: the caller's `people` switch is off. QUOTA: nothing was charged or answered.
  [[nodiscard]] Answer<calls::LookupReply> lookup(const Caller& caller, const calls::LookupRequest& request);
  /// BAD_REQUEST: `after` is no `next` of an earlier page.
  [[nodiscard]] Answer<calls::MyLookupsReply> my_lookups(const Caller& caller, const calls::MyLookupsRequest& request);
  [[nodiscard]] Answer<calls::MyNoticesReply> my_notices(const Caller& caller, const calls::Empty& request);
  /// Persons see persons, a persona its business, a business its personas. NOT_FOUND: no such account, switched off, or
  /// not to be seen by the caller; all alike. CLOSED: a persona of the calling business, closed by its person.
  [[nodiscard]] Answer<calls::BundlesReply> bundles(const Caller& caller, const calls::BundlesRequest& request);
  [[nodiscard]] Answer<calls::SendTokensReply> send_tokens(const Caller& caller,
                                                           const calls::SendTokensRequest& request);
  /// CONFLICT: not newer than the stored set.
  [[nodiscard]] Answer<calls::UploadPrekeysReply> upload_prekeys(const Caller& caller,
                                                                 const calls::UploadPrekeysRequest& request);
  [[nodiscard]] Answer<calls::PrekeyStatusReply> prekey_status(const Caller& caller);
  [[nodiscard]] Answer<calls::AccountReply> account(const Caller& caller);
  /// Whose account it is, if it may write to people; else FORBIDDEN.
  [[nodiscard]] Answer<AccountKind> writer(const Caller& caller);
  /// CONFLICT: the list does not follow the stored one. FORBIDDEN: the caller is not in it. NOT_FOUND: a device is
  /// added, and this device has not joined that exchange, or it is over. QUOTA. The stored list again is good.
  [[nodiscard]] Answer<calls::AccountReply> update_devices(const Caller& caller,
                                                           const calls::UpdateDevicesRequest& request);
  /// NOT_FOUND: no such exchange (any more), or another device has it. QUOTA, failed ones included.
  [[nodiscard]] Answer<calls::LinkJoinReply> link_join(const Caller& caller, const calls::LinkJoinRequest& request);
  /// The joined device's turn; as new_device_turn, without a secret.
  [[nodiscard]] Answer<calls::LinkTurnReply> link_turn(const Caller& caller, const calls::LinkTurnRequest& request);
  [[nodiscard]] Answer<calls::StartReply> handle_add_start(const Caller& caller,
                                                           const calls::HandleAddStartRequest& request);
  /// WRONG_CODE, EXPIRED, PIN_REQUIRED, WRONG_PIN; FORBIDDEN: too many handles.
  [[nodiscard]] Answer<calls::AccountReply> handle_add_finish(const Caller& caller,
                                                              const calls::HandleAddFinishRequest& request);
  /// NOT_FOUND: not one's own; FORBIDDEN: the last one (delete the account instead).
  [[nodiscard]] Answer<calls::AccountReply> handle_remove(const Caller& caller,
                                                          const calls::HandleRemoveRequest& request);
  [[nodiscard]] Answer<calls::Empty> set_pin(const Caller& caller, const calls::SetPinRequest& request);
  /// Everything about the account is gone when this returns, and its mailboxes are on their way. So are its personas.
  [[nodiscard]] Answer<calls::Empty> delete_account(const Caller& caller, const calls::AccountDeleteRequest& request);

  // ---- personas (personas.cpp). FORBIDDEN: the caller's `businesses` switch is off. NOT_FOUND: no such business
  [[nodiscard]] Answer<calls::BusinessProfile> business_profile(const Caller& caller,
                                                                const calls::BusinessProfileRequest& request);
  /// Writes nothing unless `be_new`, and then only if there is a persona to be forgotten. QUOTA.
  [[nodiscard]] Answer<calls::PersonaOpenReply> persona_open(const Caller& caller,
                                                             const calls::PersonaOpenRequest& request);
  /// CONFLICT: the list is none that may come next (ask persona_open again). BAD_REQUEST: what came with the device.
  /// QUOTA. FORBIDDEN: also beyond kMaxRelationships. The same request again is good as long as the persona's list is
  /// the one that it brought.
  [[nodiscard]] Answer<calls::PersonaJoinReply> persona_join(const Caller& caller,
                                                             const calls::PersonaJoinRequest& request);
  /// Good for a persona that is closed, or never was.
  [[nodiscard]] Answer<calls::Empty> persona_close(const Caller& caller, const calls::PersonaCloseRequest& request);

  // ---- administration (operators; later the organisation room). NOT_FOUND, UNAVAILABLE.
  /// Takes effect at once: tokens are revoked, the account's devices are told.
  [[nodiscard]] Answer<calls::Empty> set_switches(const AccountId& account, const ServiceSwitches& switches);
  /// At most kMaxManagedByBytes of UTF-8; empty: nobody.
  [[nodiscard]] Answer<calls::Empty> set_managed_by(const AccountId& account, std::string_view managed_by);
  /// For operators: the account that has this handle, or NOT_FOUND. Nothing is charged or logged.
  [[nodiscard]] Answer<AccountId> find_account(const Handle& handle);
  /// Persons alone; a business is removed by remove_business.
  [[nodiscard]] Answer<calls::Empty> remove_account(const AccountId& account);

  // ---- businesses (businesses.cpp), for operators. BAD_REQUEST: what the message says
  [[nodiscard]] Answer<AccountId> create_business(const BusinessDetails& details, ByteView settings);
  /// All, in the order of their ids.
  [[nodiscard]] Answer<std::vector<Business>> businesses();
  [[nodiscard]] Answer<Business> business(const AccountId& id);
  [[nodiscard]] Answer<calls::Empty> update_business(const AccountId& id, const BusinessDetails& details,
                                                     ByteView settings);
  /// Its gateway is cut off, and nobody knows it any more; its personas are, too. Their rows go with the next ticks.
  [[nodiscard]] Answer<calls::Empty> remove_business(const AccountId& id);
  /// A fresh ticket; an earlier one of this business ends. Who uses it replaces the gateway that is there now. With
  /// `move` the business moves in the same moment, and not before; a move that is under way goes on with the ticket.
  [[nodiscard]] Answer<BusinessEnrolment> enrol_business(const AccountId& id, std::optional<BusinessMove> move = {});
  /// The business stays where it is: the ticket of its move ends. Nothing happens if there is none.
  void cancel_move(const AccountId& id);

  /// Drops what is over: verifications, tickets, quotas, records of removed mailboxes. Call about once a minute.
  void tick();
  [[nodiscard]] Counters counters() const;

  struct State;  ///< internal/state.hpp

 private:
  explicit Service(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace opaline::identity
