#pragma once
// What a Service is made of. Its methods are in service.cpp, registration.cpp, lookup.cpp, bundles.cpp, account.cpp,
// devices.cpp, link.cpp, recovery.cpp, pin.cpp.
#include "credentials/device_list.hpp"
#include "identity/internal/directory.hpp"
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

/// What is to be told to the relay once a change is durable.
struct Effects {
  std::vector<MailboxId> destroyed;
  std::vector<credentials::DeviceAddress> removed;
  std::vector<std::pair<credentials::DeviceAddress, calls::AccountReply>> changed;
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
  /// The caller's own account. NOT_FOUND: it is gone.
  [[nodiscard]] Answer<internal::LoadedAccount> load_own(const Caller& caller);
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
  /// The account's lists after `known` and before the present one, oldest first: as many as fit into `room` bytes of an
  /// answer, without a gap. None for 0, and none if the first of them is not kept any more.
  [[nodiscard]] Answer<std::vector<std::string>> list_history(const internal::LoadedAccount& account,
                                                              std::uint32_t known, std::size_t room);
  /// Makes the decoy's row if there is none.
  [[nodiscard]] Result<void, store::RowError> make_decoy();

  // ---- changes of accounts
  void remove_account(internal::Changes& changes, internal::Effects& effects, const internal::LoadedAccount& account,
                      Time now);
  /// The account loses the handle (its row is not touched); without any left it is removed.
  void lose_handle(internal::Changes& changes, internal::Effects& effects, internal::LoadedAccount account,
                   const Handle& handle, Time now);
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
  /// One write: the list takes the place of the account's, which goes to the history; a device that was added comes
  /// with `device` (asserted); those left out are gone. `by` is not told. BAD_REQUEST: what came with the device.
  [[nodiscard]] Answer<internal::LoadedAccount> change_list(internal::LoadedAccount account, internal::NextList next,
                                                            const std::optional<internal::NewDevice>& device,
                                                            DeviceNumber by, Time now);
  /// Before saying that a change is there: tells the relay what an attempt with an unknown outcome left untold.
  [[nodiscard]] Answer<void> settle(Time now);

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
  crypto::HybridPublicKey decoy_key;  ///< stands in for the key of a device that does not exist

  internal::Verifications verifications;
  internal::LinkExchanges links;
  internal::Recoveries recoveries;
  internal::DailyKey daily;
  internal::Buckets codes_per_handle, codes_per_source, codes_per_network, failed_auth, calls_per_account,
      one_time_per_pair, one_time_per_target, list_updates, link_joins, link_opens_per_source, link_opens_per_network;
  [[nodiscard]] std::array<internal::Buckets*, 11> all_buckets();

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
