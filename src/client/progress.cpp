#include "client/progress.hpp"

namespace opaline::client {
namespace {

Bytes place(std::string_view name) {
  Bytes out = to_bytes("progress");
  append(out, as_view(name));
  return out;
}

}  // namespace

Result<std::optional<SecretBytes>, ClientError> Progress::get(std::string_view name) const {
  auto statement = store_.database().prepare("SELECT value FROM progress WHERE name = ?");
  const auto found = statement.bind_text(1, name).step();
  if (!found) return fail(client_error(found.error()));
  if (!*found) return std::optional<SecretBytes>();
  auto value = store_.key().open_value(place(name), statement.bytes(0));
  if (!value) return fail(ClientError::store_damaged);
  return value;
}

Result<void, ClientError> Progress::put(std::string_view name, ByteView value) const {
  const Bytes sealed = store_.key().seal(place(name), value, random_);
  auto statement =
      store_.database().prepare("INSERT INTO progress VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value");
  if (const auto done = statement.bind_text(1, name).bind(2, sealed).run(); !done)
    return fail(client_error(done.error()));
  return {};
}

Result<void, ClientError> Progress::erase(std::string_view name) const {
  auto statement = store_.database().prepare("DELETE FROM progress WHERE name = ?");
  if (const auto done = statement.bind_text(1, name).run(); !done) return fail(client_error(done.error()));
  return {};
}

}  // namespace opaline::client
