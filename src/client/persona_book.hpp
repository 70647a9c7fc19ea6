#pragma once
// How the person stands with businesses: which opaque id and which root it goes by with each
// (docs/adr/0015-personas.md). Kept in the home of the account, and told to its other devices
// (Endpoint::share_persona).
#include <vector>

#include "client/home.hpp"
#include "endpoint/endpoint_store.hpp"

namespace opaline::client {

class PersonaBook {
 public:
  PersonaBook(const LocalStore& store, RandomSource& random) : store_(store), random_(random) {}
  /// All of them, by business. store_damaged if one does not open.
  [[nodiscard]] Result<std::vector<endpoint::PersonaState>, ClientError> list() const;
  /// nullopt: nothing was ever said of this business.
  [[nodiscard]] Result<std::optional<endpoint::PersonaState>, ClientError> find(const AccountId& business) const;
  /// Keeps it, unless what is there is the later word. Here alone: Endpoint::share_persona does the same and tells the
  /// person's other devices.
  [[nodiscard]] Result<void, ClientError> set(const endpoint::PersonaState& persona) const;
  /// For the next word about a business: `now`, but later than `before`.
  [[nodiscard]] static Time next_word(Time now, const std::optional<endpoint::PersonaState>& before);

 private:
  [[nodiscard]] Result<endpoint::PersonaState, ClientError> read_row(const Statement& row) const;
  const LocalStore& store_;
  RandomSource& random_;
};

}  // namespace opaline::client
