#pragma once
// What a Service is made of. Its methods are in service.cpp, loading.cpp, registration.cpp, lookup.cpp, bundles.cpp,
// account.cpp, devices.cpp, link.cpp, recovery.cpp, pin.cpp, personas.cpp, persona_upkeep.cpp, businesses.cpp.
#include <unordered_set>

#include "credentials/device_list.hpp"
#include "identity/internal/directory.hpp"
#include "identity/internal/enrolments.hpp"
#include "identity/internal/failures.hpp"
#include "identity/internal/link_exchanges.hpp"
#include "identity/internal/quotas.hpp"
#include "identity/internal/recoveries.hpp"
#include "identity/internal/renewal_token.hpp"
#include "identity/internal/verifications.hpp"
#include "identity/service.hpp"
#include "wire/send_token.hpp"

namespace opaline::identity {

namespace internal {

using PinPepper = Secret<struct PinPepperTag, 32>;
/// Makes keys of relationships.
using RelationshipsKey = Secret<struct RelationshipsKeyTag, 32>;
/// Makes the mailboxes of personas' devices.
using PersonaMailboxKey = Secret<struct PersonaMailboxKeyTag, 32>;

/// What is to be told to the relay once a change is durable.
struct Effects {
  std::vector<MailboxId> destroyed;
  std::vector<credentials::DeviceAddress> removed;
  std::vector<std::pair<credentials::DeviceAddress, calls::AccountReply>> changed;
  struct ClosedPersona {
    AccountId persona;
    std::vector<credentials::DeviceAddress> told;  ///< its business's devices
  };
  std::vector<ClosedPersona> closed;
  /// Their rows are in the same write.
  std::vector<MailboxId> revoked_mailboxes;
  std::vector<AccountId> revoked_senders;
  /// Devices that may not connect at present, but are not gone.
  std::vector<credentials::DeviceAddress> shut_out;
};

/// An account row with its list taken apart.
struct LoadedAccount {
  AccountId id;
  AccountRecord record;
  credentials::VerifiedDeviceList list;
};

/// A prekey upload that may be stored for the device.
struct CheckedPrekeys {
  PrekeyRecord record;
  credentials::PrekeySet set;
};
/// Structure, owner, times, one-time root, and the signature by the key that `list` gives the device. BAD_REQUEST.
[[nodiscard]] Answer<CheckedPrekeys> check_prekeys(const calls::PrekeyUpload& upload,
                                                   const credentials::DeviceList& list, DeviceNumber device, Time now);

/// A device list that an account may take next.
struct NextList {
  credentials::VerifiedDeviceList list;
  bool unchanged = false;                                ///< it is the stored one
  std::vector<credentials::VerifiedDeviceList> between;  ///< that lead to it from the stored one
  std::optional<DeviceNumber> added;                     ///< the one device that the stored one has not
};

/// What comes with a device that a list adds.
struct NewDevice {
  MailboxId mailbox;  ///< what it was given
  const calls::PrekeyUpload& prekeys;
  bool web = false;
  std::optional<DeviceNumber> owner_device = std::nullopt;  ///< of a persona's device
};

/// An account's first list and its one device, with prekeys, checked.
struct FirstDevice {
  credentials::VerifiedDeviceList list;
  CheckedPrekeys prekeys;
};
/// What a first list has to name.
struct FirstDeviceWanted {
  AccountId account;
  MailboxId mailbox;
  /// Of a persona: the service may have been set back, so the list may be a later one.
  bool any_number = false;
};
inline constexpr DeviceNumber kFirstDevice{1};
/// Number 1, signed by its account key, with device 1 alone, which has keys of its own. BAD_REQUEST.
[[nodiscard]] Answer<FirstDevice> check_first_device(const FirstDeviceWanted& wanted, ByteView signed_list,
                                                     const calls::PrekeyUpload& upload, Time now);

/// What makes two requests to complete the same.
[[nodiscard]] ByteArray<32> hash_of(const calls::CompleteRequest& request);

/// Under which id an account is known to a business, or would be.
struct KnownAs {
  RelationshipKey key;
  bool is_stored = false;  ///< the row below is in the store
  RelationshipRecord row;
  credentials::OpaqueId opaque_id;
  std::optional<LoadedAccount> persona;  ///< nullopt: no device has joined yet
};

}  // namespace internal

struct Service::State {
  State(const Config& config, const Ports& ports);

  // ---- storage
  template <class T>
  [[nodiscard]] Answer<T> read(Result<T, store::RowError> result) {
    if (!result) return fail(store_failure(result.error()));
    return std::move(*result);
  }
  [[nodiscard]] Answer<void> write(internal::Changes changes);
  /// Writes, and then tells the relay. If the outcome is unknown, replay() finds it out and tells.
  [[nodiscard]] Answer<void> commit(internal::Changes changes, internal::Effects effects, Time now);
  [[nodiscard]] CallFailure store_failure(store::RowError error);
  /// nullopt: no such account. An id of zero finds the decoy (see decoy()).
  [[nodiscard]] Answer<std::optional<internal::LoadedAccount>> load(const AccountId& account);
  [[nodiscard]] Answer<std::optional<internal::LoadedAccount>> take_apart(const AccountId& account,
                                                                          internal::AccountRecord record);
  /// The caller's own account. NOT_FOUND: it is gone.
  [[nodiscard]] Answer<internal::LoadedAccount> load_own(const Caller& caller);
  /// The same, of a person. FORBIDDEN: it is a business or a persona.
  [[nodiscard]] Answer<internal::LoadedAccount> load_person(const Caller& caller);
  /// The same, where the person may use businesses. FORBIDDEN: switched off.
  [[nodiscard]] Answer<internal::LoadedAccount> load_customer(const Caller& caller);
  /// A person's account for what operators do. NOT_FOUND: also for businesses and personas.
  [[nodiscard]] Answer<internal::LoadedAccount> load_person(const AccountId& account);
  /// The account's handles, each since it has it.
  [[nodiscard]] Answer<std::vector<HeldHandle>> held_handles(const internal::LoadedAccount& account);
  /// What a handle stands for. One row is found and one is missed, whether it is there or not.
  [[nodiscard]] Answer<std::optional<AccountId>> look_up(const Handle& handle);
  /// The account that a handle stands for, if it may be reached as a person. Reads and decodes one row, whether it is
  /// there, switched off, or nullopt: then the decoy's.
  [[nodiscard]] Answer<std::optional<internal::LoadedAccount>> load_reachable(const std::optional<AccountId>& account);
  /// The same for an id that a caller named. Where the answer is nullopt, one row is missed and one decoded.
  [[nodiscard]] Answer<std::optional<internal::LoadedAccount>> load_reachable_by_id(const AccountId& account);
  /// The account with this id, switched off or not. Whatever the answer, one row is found and decoded and one is
  /// missed.
  [[nodiscard]] Answer<std::optional<internal::LoadedAccount>> load_by_id(const AccountId& account);
  /// A persona's business, for the persona itself: nullopt for every other account, with the same reads.
  [[nodiscard]] Answer<std::optional<internal::LoadedAccount>> load_business_of(const internal::LoadedAccount& persona,
                                                                                const AccountId& asked);
  /// A business's persona, for the business itself: nullopt for every other account and where the person may not use
  /// businesses, with the same reads. CLOSED.
  [[nodiscard]] Answer<std::optional<internal::LoadedAccount>> load_persona_of(const AccountId& business,
                                                                               const AccountId& asked);
  /// The account's lists after `known` and before the present one, oldest first: as many as fit into `room` bytes of an
  /// answer, without a gap. None for 0, and none if the first of them is not kept any more.
  [[nodiscard]] Answer<std::vector<std::string>> list_history(const internal::LoadedAccount& account,
                                                              std::uint32_t known, std::size_t room);
  /// Makes the decoy's row if there is none.
  [[nodiscard]] Result<void, store::RowError> make_decoy();

  // ---- changes of accounts
  /// With its personas.
  [[nodiscard]] Answer<void> remove_account(internal::Changes& changes, internal::Effects& effects,
                                            const internal::LoadedAccount& account, Time now);
  /// The rows of one account and nothing else.
  void erase_rows(internal::Changes& changes, internal::Effects& effects, const internal::LoadedAccount& account,
                  Time now);
  /// The account's earlier lists.
  void erase_history(internal::Changes& changes, const internal::LoadedAccount& account);
  /// The device is gone: its rows, its mailbox, its connection.
  void erase_device(internal::Changes& changes, internal::Effects& effects, const AccountId& account,
                    DeviceNumber device, const MailboxId& mailbox, Time now);
  /// The account loses the handle (its row is not touched); without any left it is removed.
  [[nodiscard]] Answer<void> lose_handle(internal::Changes& changes, internal::Effects& effects,
                                         internal::LoadedAccount account, const Handle& handle, Time now);
  /// A first device's rows but the account's.
  void put_first_device(internal::Changes& changes, const AccountId& account, const internal::FirstDevice& device,
                        bool web, std::optional<DeviceNumber> owner_device);
  void apply(const internal::Effects& effects, Time now);
  /// Says to the relay again what must outlast a restart, and forgets what need not any more.
  [[nodiscard]] Result<void, store::RowError> replay(Time now);
  void tell_changed(const internal::LoadedAccount& account, std::optional<DeviceNumber> except,
                    internal::Effects& effects) const;

  // ---- device lists (devices.cpp)
  /// Signature, and that it follows the account's list by way of `between`, or is that. BAD_REQUEST; CONFLICT.
  [[nodiscard]] Answer<internal::NextList> check_next_list(
      const internal::LoadedAccount& account, ByteView signed_list,
      const google::protobuf::RepeatedPtrField<std::string>& between = {});
  /// The same of a persona, whose next list may be under another root. CONFLICT: also if such a list names a device
  /// that is gone.
  [[nodiscard]] Answer<internal::NextList> check_personas_next_list(const internal::LoadedAccount& persona,
                                                                    ByteView signed_list);
  /// Devices on the persona's list that the service has no more.
  [[nodiscard]] Answer<std::vector<DeviceNumber>> gone_devices(const internal::LoadedAccount& persona);
  /// One write: the list takes the place of the account's, which goes to the history; a device that was added comes
  /// with `device` (asserted); those left out are gone. `by` is not told. BAD_REQUEST: what came with the device.
  [[nodiscard]] Answer<internal::LoadedAccount> change_list(internal::LoadedAccount account, internal::NextList next,
                                                            const std::optional<internal::NewDevice>& device,
                                                            DeviceNumber by, Time now);
  /// Before saying that a change is there: tells the relay what an attempt with an unknown outcome left untold.
  [[nodiscard]] Answer<void> settle(Time now);

  // ---- personas (personas.cpp, persona_upkeep.cpp)
  [[nodiscard]] internal::RelationshipKey relationship_key(const AccountId& owner, const AccountId& business) const;
  [[nodiscard]] Answer<internal::KnownAs> known_as(const AccountId& owner, const AccountId& business);
  /// The mailbox of the device that the caller's device may put into the persona's next list.
  [[nodiscard]] MailboxId persona_mailbox(const Caller& caller, const internal::KnownAs& known) const;
  /// A persona's first device. FORBIDDEN: too many relationships.
  [[nodiscard]] Answer<void> first_join(const Caller& caller, const internal::KnownAs& known,
                                        const calls::PersonaJoinRequest& request, Time now);
  /// A further device, or the first one of a persona that was closed, or another root.
  [[nodiscard]] Answer<void> next_join(const Caller& caller, internal::KnownAs known,
                                       const calls::PersonaJoinRequest& request, Time now);
  /// Its devices go and its business is told; its account stays and is to be written with `closed`. Nothing for a
  /// closed one.
  [[nodiscard]] Answer<void> close_persona(internal::Changes& changes, internal::Effects& effects,
                                           internal::LoadedAccount& persona, Time now);
  /// Closed for good: of the account's row all is erased but that it was of this business.
  [[nodiscard]] Answer<void> forget_persona(internal::Changes& changes, internal::Effects& effects,
                                            internal::LoadedAccount persona, Time now);
  /// Closed, and no row of it is left.
  [[nodiscard]] Answer<void> remove_persona(internal::Changes& changes, internal::Effects& effects,
                                            internal::LoadedAccount persona, Time now);
  /// With the businesses that there are.
  [[nodiscard]] Answer<std::vector<internal::Directory::Relationship>> relationships_of(const AccountId& owner);
  [[nodiscard]] Answer<void> remove_personas(internal::Changes& changes, internal::Effects& effects,
                                             const AccountId& owner, Time now);
  /// The owner's devices are gone: so are those that they joined. A persona without any other is closed.
  [[nodiscard]] Answer<void> leave_personas(internal::Changes& changes, internal::Effects& effects,
                                            const AccountId& owner, std::span<const DeviceNumber> devices, Time now);
  /// The owner may not use businesses any more.
  [[nodiscard]] Answer<void> shut_personas_out(internal::Changes& changes, internal::Effects& effects,
                                               const AccountId& owner, Time now);
  /// Whether the persona's person may use businesses, and the business is there.
  [[nodiscard]] Answer<bool> persona_is_let(const internal::LoadedAccount& persona);
  /// A page of what removed businesses have left behind.
  [[nodiscard]] Answer<void> sweep(Time now);

  // ---- businesses (businesses.cpp)
  /// complete() with a ticket of enrol_business.
  [[nodiscard]] Answer<calls::CompleteReply> complete_enrolment(internal::Enrolment& ticket,
                                                                const calls::CompleteRequest& request, Time now);

  // ---- registration
  /// Quotas and the code for a new verification.
  [[nodiscard]] Answer<calls::StartReply> begin_verification(const SourceAddress& source, const std::string& handle,
                                                             const std::optional<AccountId>& adding_to);
  /// Charges one try if the account has a PIN and `pin` is not it. PIN_REQUIRED, WRONG_PIN, UNAVAILABLE.
  [[nodiscard]] Answer<void> check_pin(internal::LoadedAccount& account, std::string_view pin, Time now);
  /// Whether the account has a PIN that has not lapsed (docs/device-api.md, "Registration PIN").
  [[nodiscard]] Answer<bool> pin_in_force(const internal::LoadedAccount& account, Time now);
  /// The account that has the handle, or nullopt.
  [[nodiscard]] Answer<std::optional<internal::LoadedAccount>> holder_of(const Handle& handle);
  /// How the caller's request for a code fits the quotas; takes from them.
  [[nodiscard]] Answer<void> charge_code(const SourceAddress& source, const Handle& handle);

  // ---- quotas
  /// QUOTA beyond Config::calls_per_account.
  [[nodiscard]] Answer<void> charge_calls(const AccountId& account, std::uint32_t cost);
  /// What is left of the lookup bucket after `cost`, not yet written. QUOTA.
  [[nodiscard]] Answer<internal::LookupLevel> lookup_level_after(const AccountId& account, std::uint32_t cost,
                                                                 Time now);
  void turn_day(Time now);
  /// The bucket of a source (an IPv4 address, or the first `ipv6_bytes` of an IPv6 one), or of a source and something
  /// else.
  [[nodiscard]] internal::BucketKey source_key(std::string_view kind, const SourceAddress& source,
                                               std::size_t ipv6_bytes, ByteView besides = {}) const;

  [[nodiscard]] Bytes send_token(const AccountId& sender, const MailboxId& mailbox, Time now) const;
  [[nodiscard]] internal::RenewalToken renewal_token(const AccountId& asker, std::string_view handle,
                                                     const AccountId& account, Time now) const;

  Config config;
  Ports ports;
  internal::Directory directory;
  wire::SendTokenKey send_token_key;
  internal::RenewalTokenKey renewal_key;
  internal::PinPepper pin_pepper;
  internal::RelationshipsKey relationships_key;
  internal::PersonaMailboxKey persona_mailbox_key;
  std::optional<internal::OpaqueIds> opaque_ids;  ///< set by open
  crypto::HybridPublicKey decoy_key;              ///< stands in for the key of a device that does not exist

  internal::Verifications verifications;
  internal::LinkExchanges links;
  internal::Recoveries recoveries;
  internal::Enrolments enrolments;
  internal::DailyKey daily;
  internal::Buckets codes_per_handle, codes_per_source, codes_per_network, failed_auth, lookups_per_source,
      lookups_per_network, calls_per_account, calls_per_business, persona_opens, persona_joins, one_time_per_pair,
      one_time_per_target, list_updates, link_joins, link_opens_per_source, link_opens_per_network;
  /// Takes nothing: how long lookups that no token pays for have to wait, by where they come from. Then to be taken.
  struct LookupSource {
    internal::BucketKey site, network;
  };
  [[nodiscard]] Answer<LookupSource> check_lookup_source(const SourceAddress& source, std::uint32_t cost);
  [[nodiscard]] std::array<internal::Buckets*, 16> all_buckets();

  std::unordered_set<AccountId> businesses;  ///< all of identity_businesses
  std::optional<Bytes> sweep_after;          ///< where sweep() goes on; nullopt: nothing was left behind

  Counters counters;
  bool store_failing = false;  ///< so that a broken disk is logged once, not once per call
  bool replay_due = false;     ///< a write whose outcome was unknown may have removed mailboxes
  Instant replayed_at;
  std::vector<credentials::DeviceAddress>
      uncertain_removals;                    ///< of such writes: whose connections are to end if they were stored
  std::vector<AccountId> uncertain_changes;  ///< of such writes: whose devices are to be told again
};

[[nodiscard]] calls::AccountReply to_reply(const internal::LoadedAccount& account);

}  // namespace opaline::identity
