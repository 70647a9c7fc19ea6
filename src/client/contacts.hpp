#pragma once
// What lookups answered: which handle is which account, for how long, and the token that makes asking again free.
#include "base/ids.hpp"
#include "base/random.hpp"
#include "base/time.hpp"
#include "client/home.hpp"

namespace opaline::client {

struct Contact {
  std::string handle;                ///< normalised
  std::optional<AccountId> account;  ///< the last one that the person wrote to; nullopt: never anybody
  /// Another account that has the handle now, until the person agrees to it (`accept`).
  std::optional<AccountId> pending;
  Bytes renewal_token;
  Time expires_at, refresh_at;  ///< the epoch: to be asked before it is used
  /// Nobody has the handle now. `account` stays, so that whoever has it next raises the alarm.
  bool gone = false;
  /// When the service last answered about the handle, or (asked by its id) about the account; the epoch: not known.
  Time asked_at{};
};

/// The place that binds a sealed claim.
[[nodiscard]] Bytes claim_place(const AccountId& account);

class Contacts {
 public:
  Contacts(const LocalStore& store, RandomSource& random) : store_(store), random_(random) {}
  [[nodiscard]] Result<std::optional<Contact>, ClientError> find(std::string_view handle) const;
  /// Any handle under which this account was looked up.
  [[nodiscard]] Result<std::optional<Contact>, ClientError> find(const AccountId& account) const;
  /// Every handle that was ever looked up, or that another device knows.
  [[nodiscard]] Result<std::vector<Contact>, ClientError> all() const;
  [[nodiscard]] Result<void, ClientError> save(const Contact& contact) const;
  /// What this account said it is reached by, where no lookup has confirmed or refuted it; nullopt: nothing.
  [[nodiscard]] Result<std::optional<std::string>, ClientError> claim(const AccountId& account) const;
  /// Accounts that no lookup has found and whose claim was not looked up yet, at most `limit`.
  [[nodiscard]] Result<std::vector<AccountId>, ClientError> claimants(std::size_t limit) const;
  /// The claim was looked up.
  [[nodiscard]] Result<void, ClientError> settle_claim(const AccountId& account) const;
  /// The account does not answer any more: its handles are to be looked up again before they are used.
  [[nodiscard]] Result<void, ClientError> distrust(const AccountId& account) const;
  /// The pending account becomes the contact's, under each spelling of the handle; the one before is remembered as
  /// former: its messages are still shown by this handle. Precondition: pending.
  [[nodiscard]] Result<void, ClientError> accept(const Contact& contact) const;
  /// The handle that an account had; nullopt: none.
  [[nodiscard]] Result<std::optional<std::string>, ClientError> former_handle(const AccountId& account) const;
  /// How to show an account: the handle under which it was looked up, else the one that it had, else its id.
  [[nodiscard]] std::string display_name(const AccountId& account) const;
  /// All accounts that a handle has belonged to, as far as the person wrote to them or accepted them.
  [[nodiscard]] Result<std::vector<AccountId>, ClientError> accounts_of(std::string_view handle) const;

 private:
  [[nodiscard]] Result<std::optional<Contact>, ClientError> read(Statement& statement) const;
  /// After a step that found a row.
  [[nodiscard]] Result<Contact, ClientError> read_row(const Statement& statement) const;
  /// The one handle that `query` finds for an account, opened at its place.
  [[nodiscard]] Result<std::optional<std::string>, ClientError> sealed_handle(std::string_view query,
                                                                              const AccountId& account,
                                                                              ByteView place) const;
  const LocalStore& store_;
  RandomSource& random_;
};

}  // namespace opaline::client
