#pragma once
// A home inside the home: what this device has of one business (docs/adr/0015-personas.md). `businesses/<uuid>/` with a
// store of its own, opened by the outer store's key, so that nothing of two businesses lies in one file.
#include <memory>

#include "client/home.hpp"
#include "client/progress.hpp"
#include "client/sqlite_endpoint_store.hpp"
#include "credentials/device_list.hpp"
#include "credentials/opaque_id.hpp"
#include "msp/text.hpp"

namespace opaline::client {

/// `urn:biz:` and the UUID that the business's account id is.
[[nodiscard]] std::string business_urn(const AccountId& business);

/// What a link said that opened the conversation: given along until the business has answered.
struct EntryTags {
  msp::Text intent, group;
  Time since;  ///< when it was opened
};
/// The person wants to write to a business, and this device may not be in yet.
struct OpeningPlan {
  Time since;
  std::optional<credentials::OpaqueId> left;  ///< the id under which the person is not to be known any more
};
/// The person has closed or blocked a business, and the service may not know it yet.
struct ClosingPlan {
  Time since;
  endpoint::PersonaStanding standing{};  ///< closed or blocked
  bool told = false;                     ///< the business was told, or could not be
};

/// A new root, on its way to the service.
struct RenewalPlan {
  SecretBytes root;  ///< session::AccountKey::serialise
  Bytes list;        ///< signed by it
};

/// What the person gave a business.
struct SharedData {
  MessageId message;
  Time at;
  std::string names;  ///< with commas
  SecretBytes text;   ///< as it was sent
};

class PersonaHome {
 public:
  /// The outer home and its store, which outlive this.
  struct Outer {
    const Home& home;
    const LocalStore& store;
    RandomSource& random;
  };
  /// Opens it, or makes it. store_full, store_failed, store_damaged, store_newer, permissions.
  [[nodiscard]] static Result<std::unique_ptr<PersonaHome>, ClientError> open(const Outer& outer,
                                                                              const AccountId& business);
  /// nullptr: there is none.
  [[nodiscard]] static Result<std::unique_ptr<PersonaHome>, ClientError> find(const Outer& outer,
                                                                              const AccountId& business);
  /// The businesses of which there is a home, in order.
  [[nodiscard]] static std::vector<AccountId> all(const Home& outer);

  [[nodiscard]] const AccountId& business() const { return business_; }
  [[nodiscard]] const Home& home() const { return home_; }
  [[nodiscard]] const LocalStore& store() const { return store_; }
  [[nodiscard]] SqliteEndpointStore& rows() { return rows_; }

  // ---- what is remembered; each is written on its own. store_full, store_failed, store_damaged
  /// A BusinessProfile (proto/device.proto), as it came; empty: it was never fetched.
  [[nodiscard]] Result<Bytes, ClientError> profile() const;
  [[nodiscard]] Result<void, ClientError> set_profile(ByteView profile) const;
  /// Where the gateway has moved, with another key, since the person last agreed to it: true: into the business's own
  /// house, false: to the service. nullopt: it has not.
  [[nodiscard]] Result<std::optional<bool>, ClientError> moved_to_own() const;
  [[nodiscard]] Result<void, ClientError> set_moved_to_own(std::optional<bool> own) const;
  [[nodiscard]] Result<std::optional<EntryTags>, ClientError> tags() const;
  [[nodiscard]] Result<void, ClientError> set_tags(const std::optional<EntryTags>& tags) const;
  /// The gateway's fingerprint that a link named; empty: none did.
  [[nodiscard]] Result<Bytes, ClientError> fingerprint() const;
  [[nodiscard]] Result<void, ClientError> set_fingerprint(ByteView fingerprint) const;
  [[nodiscard]] Result<std::optional<OpeningPlan>, ClientError> opening() const;
  [[nodiscard]] Result<void, ClientError> set_opening(const std::optional<OpeningPlan>& plan) const;
  [[nodiscard]] Result<std::optional<ClosingPlan>, ClientError> closing() const;
  [[nodiscard]] Result<void, ClientError> set_closing(const std::optional<ClosingPlan>& plan) const;
  /// When this device joins what another one opened.
  [[nodiscard]] Result<std::optional<Time>, ClientError> join_at() const;
  [[nodiscard]] Result<void, ClientError> set_join_at(const std::optional<Time>& at) const;

  [[nodiscard]] Result<std::optional<RenewalPlan>, ClientError> renewal() const;
  [[nodiscard]] Result<void, ClientError> set_renewal(const std::optional<RenewalPlan>& plan) const;
  /// How many devices the person's account had lost before the root was made; nullopt: not known.
  [[nodiscard]] Result<std::optional<std::uint32_t>, ClientError> root_made_after() const;
  [[nodiscard]] Result<void, ClientError> set_root_made_after(std::uint32_t devices_lost) const;

  /// Whether the business has written since then.
  [[nodiscard]] Result<bool, ClientError> answered_since(Time since) const;
  /// When the newest message came or went; the epoch: none did.
  [[nodiscard]] Result<Time, ClientError> active_at() const;

  /// What was shared, the oldest first; also what was sent from the person's other devices, or was deleted since.
  [[nodiscard]] Result<std::vector<SharedData>, ClientError> shared() const;
  /// What a message's last attachment held (fetch_part_file); nullopt: it was not fetched.
  [[nodiscard]] Result<std::optional<SecretBytes>, ClientError> part_file(const MessageId& message) const;
  [[nodiscard]] Result<void, ClientError> set_part_file(const MessageId& message, ByteView content) const;

  // ---- the persona's device
  /// The account that it is a device of; nullopt: it is none (yet).
  [[nodiscard]] Result<std::optional<AccountId>, ClientError> device_of();
  /// The persona's list, as the device knows it that there is, or knew that drop_device forgot; nullopt: there was
  /// none.
  [[nodiscard]] Result<std::optional<credentials::VerifiedDeviceList>, ClientError> newest_list();
  /// Forgets keys, sessions and all that waits; the conversation stays, what had not gone out has failed (closed).
  [[nodiscard]] Result<void, ClientError> drop_device();
  /// Deletes of the conversation what was sent up to `through`; the person's other devices do not bring it back.
  [[nodiscard]] Result<void, ClientError> delete_conversation(Time through);

 private:
  PersonaHome(const AccountId& business, Home home, LocalStore store, RandomSource& random);
  [[nodiscard]] Result<void, ClientError> put(std::string_view name, ByteView value) const;
  [[nodiscard]] Progress progress() const { return {store_, random_}; }

  AccountId business_;
  Home home_;
  LocalStore store_;
  RandomSource& random_;
  SqliteEndpointStore rows_;
};

}  // namespace opaline::client
