// The roots of personas: renewed when a device of the account was removed, and taken from the person's other devices.
#include "base/fault_point.hpp"
#include "client/personas.hpp"
#include "client/personas_internal.hpp"

namespace opaline::client {

using endpoint::PersonaState;

/// How many devices this account has lost so far: numbers are given once.
Result<std::uint32_t, Failure> Personas::devices_lost() const {
  const auto list = parts_.account.device().own_list();
  if (!list) return fail(failure_of(list.error()));
  return static_cast<std::uint32_t>(list->list().next_device) - 1 -
         static_cast<std::uint32_t>(list->list().devices.size());
}

/// Whether somebody who is no device of the account any more may know the root; the primary one sees to it, which alone
/// removes devices. Or the service was set back.
Result<bool, Failure> Personas::renewal_due(const One& one) const {
  const auto under_way = one.home->renewal();
  if (!under_way) return fail(persona_store_failure(under_way.error()));
  if (*under_way || one.set_back) return true;
  const auto primary = parts_.account.device().is_primary();
  if (!primary) return fail(failure_of(primary.error()));
  if (!*primary) return false;
  const auto made_after = one.home->root_made_after();
  if (!made_after) return fail(persona_store_failure(made_after.error()));
  OPALINE_TRY(const std::uint32_t lost, devices_lost());
  return lost > made_after->value_or(0);
}

void Personas::renew(One& one) {
  one.renewal = std::make_unique<PersonaRenewal>(
      PersonaOpening::Parts{parts_.account, book_, *one.home, parts_.random, parts_.clock},
      [this, &one, alive = std::weak_ptr(alive_)](Result<std::optional<SecretBytes>, Failure> result) {
        if (alive.expired()) return;
        // Within a call of the renewal's own, or of the account's.
        parts_.loop.post([this, &one, alive, result = std::move(result)]() mutable {
          if (!alive.expired()) renewed(one, std::move(result));
        });
      });
  one.renewal->start();
}

void Personas::renewed(One& one, Result<std::optional<SecretBytes>, Failure> result) {
  one.renewal.reset();
  const auto done = result ? settle_root(one, std::move(*result)) : Result<void, Failure>(fail(result.error()));
  if (done) look(one.business());  // what failed is tried again with the next look at all
  events_.on_progress();
}

Result<void, Failure> Personas::settle_root(One& one, std::optional<SecretBytes> root) {
  OPALINE_TRY(std::optional<PersonaState> word, this->word(one.business()));
  if (root && word && word->state == Standing::open && !equal(word->root, *root)) {
    word->root = std::move(*root);
    word->changed_at = PersonaBook::next_word(parts_.clock.now(), word);
    OPALINE_CHECK(say(std::move(*word)));
    fault_point("client.persona_root_told");
  }
  one.set_back = false;
  OPALINE_TRY(const std::uint32_t lost, devices_lost());
  auto done = one.home->set_root_made_after(lost);
  if (done) done = one.home->set_renewal(std::nullopt);
  if (!done) return fail(persona_store_failure(done.error()));
  return {};
}

/// The root that the book names, perhaps by another device of the person.
Result<void, Failure> Personas::follow_root(One& one, const PersonaState& word) {
  if (!one.client) return {};
  const auto present = one.client->device().account_key();
  auto named = session::AccountKey::deserialise(word.root);
  if (!named || (present && present->public_key() == named->public_key())) return {};
  return one.client->change([&](endpoint::Endpoint& device) { device.adopt_account_key(*named); });
}

}  // namespace opaline::client
