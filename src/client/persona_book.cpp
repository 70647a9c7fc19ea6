#include "client/persona_book.hpp"

#include <algorithm>

#include "session/identity.hpp"

namespace opaline::client {
namespace {

using endpoint::PersonaStanding;
using endpoint::PersonaState;

constexpr std::size_t kOpaqueIdBytes = std::tuple_size_v<decltype(PersonaState::opaque_id)>;

Bytes place(const AccountId& business) {
  Bytes out = to_bytes("persona");
  append(out, business.view());
  return out;
}

}  // namespace

Result<PersonaState, ClientError> PersonaBook::read_row(const Statement& row) const {
  PersonaState out;
  const auto business = AccountId::from(row.bytes(0));
  if (!business) return fail(ClientError::store_damaged);
  const auto secret = store_.key().open_value(place(*business), row.bytes(1));
  const std::int64_t state = row.integer(2);
  if (!secret || secret->size() < kOpaqueIdBytes || state < static_cast<std::int64_t>(PersonaStanding::open) ||
      state > static_cast<std::int64_t>(PersonaStanding::blocked))
    return fail(ClientError::store_damaged);
  out.business = *business;
  out.opaque_id = to_array<kOpaqueIdBytes>(ByteView(*secret).first(kOpaqueIdBytes));
  out.root = to_secret_bytes(ByteView(*secret).subspan(kOpaqueIdBytes));
  if (!session::AccountKey::deserialise(out.root)) return fail(ClientError::store_damaged);
  out.state = static_cast<PersonaStanding>(state);
  out.changed_at = from_unix_millis(row.integer(3));
  return out;
}

Result<std::vector<PersonaState>, ClientError> PersonaBook::list() const {
  auto statement =
      store_.database().prepare("SELECT business, secret, state, changed_at FROM persona ORDER BY business");
  std::vector<PersonaState> out;
  for (;;) {
    const auto found = statement.step();
    if (!found) return fail(client_error(found.error()));
    if (!*found) return out;
    OPALINE_TRY(PersonaState persona, read_row(statement));
    out.push_back(std::move(persona));
  }
}

Result<std::optional<PersonaState>, ClientError> PersonaBook::find(const AccountId& business) const {
  auto statement =
      store_.database().prepare("SELECT business, secret, state, changed_at FROM persona WHERE business = ?");
  const auto found = statement.bind(1, business.view()).step();
  if (!found) return fail(client_error(found.error()));
  if (!*found) return std::optional<PersonaState>();
  OPALINE_TRY(PersonaState out, read_row(statement));
  return std::optional<PersonaState>(std::move(out));
}

Result<void, ClientError> PersonaBook::set(const PersonaState& persona) const {
  OPALINE_TRY(const std::optional<PersonaState> known, find(persona.business));
  if (known && !is_later(persona, *known)) return {};
  SecretBytes secret = to_secret_bytes(persona.opaque_id);
  secret.insert(secret.end(), persona.root.begin(), persona.root.end());
  const Bytes sealed = store_.key().seal(place(persona.business), secret, random_);
  auto statement = store_.database().prepare(
      "INSERT INTO persona VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE "
      "SET secret = excluded.secret, state = excluded.state, changed_at = excluded.changed_at");
  statement.bind(1, persona.business.view()).bind(2, sealed).bind(3, static_cast<std::int64_t>(persona.state));
  if (const auto done = statement.bind(4, unix_millis(persona.changed_at)).run(); !done)
    return fail(client_error(done.error()));
  return {};
}

Time PersonaBook::next_word(Time now, const std::optional<PersonaState>& before) {
  return before ? std::max<Time>(now, before->changed_at + milliseconds(1)) : now;
}

}  // namespace opaline::client
