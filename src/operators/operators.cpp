#include "operators/operators.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "crypto/hash.hpp"

namespace opaline::operators {
namespace {

// All rows are sealed. An operator's row: key 16 random bytes; value
//   u8 version (1) | u8 role | u64 created (ms) | u8 revoked (0, 1) | u64 revoked at (ms) | rest: name
// A token's row: key SHA-256("opaline operator token v1" || token); value
//   u8 version (1) | u64 created (ms) | u64 expires (ms) | rest: name
constexpr std::uint8_t kVersion = 1;
constexpr std::string_view kTokenLabel = "opaline operator token v1";
constexpr std::size_t kPage = 256;
constexpr std::size_t kOperatorKeyBytes = 16;

store::SealedKey token_key(FixedView<32> token) {
  return store::clear(crypto::sha256({as_view(kTokenLabel), token}));
}

std::uint64_t millis(Time t) {
  return static_cast<std::uint64_t>(unix_millis(t));
}
Time read_time(Reader& in) {
  return from_unix_millis(static_cast<std::int64_t>(in.u64()));
}

}  // namespace

struct Operators::Row {
  Bytes key;
  std::string name;
  Role role{};
  Time created;
  bool revoked = false;
  Time revoked_at;

  [[nodiscard]] Bytes encode() const {
    Bytes out;
    Writer(out)
        .u8(kVersion)
        .u8(static_cast<std::uint8_t>(role))
        .u64(millis(created))
        .u8(revoked ? 1 : 0)
        .u64(millis(revoked_at))
        .bytes(as_view(name));
    return out;
  }
  static std::optional<Row> decode(ByteView value) {
    Reader in(value);
    const auto version = in.u8();
    const auto role = in.u8();
    Row out;
    out.created = read_time(in);
    const auto revoked = in.u8();
    out.revoked = revoked != 0;
    out.revoked_at = read_time(in);
    out.name = to_string(in.rest());
    if (!in.finished() || version != kVersion || revoked > 1 || role < 1 || role > 4) return std::nullopt;
    if (!valid_name(out.name)) return std::nullopt;
    out.role = Role{role};
    return out;
  }
};

struct Operators::TokenRow {
  Time created, expires;
  std::string name;

  [[nodiscard]] Bytes encode() const {
    Bytes out;
    Writer(out).u8(kVersion).u64(millis(created)).u64(millis(expires)).bytes(as_view(name));
    return out;
  }
  static std::optional<TokenRow> decode(ByteView value) {
    Reader in(value);
    const auto version = in.u8();
    TokenRow out;
    out.created = read_time(in);
    out.expires = read_time(in);
    out.name = to_string(in.rest());
    if (!in.finished() || version != kVersion || !valid_name(out.name)) return std::nullopt;
    return out;
  }
};

Principal local_owner(std::uint32_t uid) {
  return {"local:" + std::to_string(uid), Role::owner};
}

std::string IssuedToken::reveal_text() const {
  return std::string(kTokenPrefix) + to_base64url(secret.reveal());
}

bool Operators::valid_name(std::string_view name) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && name.size() <= kMaxNameBytes && letter(name[0]) && std::ranges::all_of(name, [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

Result<std::vector<Operators::Row>, Error> Operators::all() {
  auto rows = rows_.scan(kOperatorsTable, {}, {}, kMaxOperators);
  if (!rows) return fail(Error::unavailable);
  std::vector<Row> out;
  for (auto& [key, value] : *rows) {
    auto row = Row::decode(value);
    if (!row) return fail(Error::unavailable);
    row->key = std::move(key);
    out.push_back(std::move(*row));
  }
  std::ranges::sort(out, {}, &Row::name);
  return out;
}

Result<std::optional<Operators::Row>, Error> Operators::find(const std::string& name) {
  OPALINE_TRY(auto rows, all());
  const auto found = std::ranges::find(rows, name, &Row::name);
  if (found == rows.end()) return std::optional<Row>{};
  return std::optional<Row>(std::move(*found));
}

Result<void, Error> Operators::record(const Principal& actor, Action action, const std::string& object,
                                      Outcome outcome) {
  return audit_.append(clock_.now(), {actor.name, action, object, outcome});
}

Result<void, Error> Operators::require(const Principal& actor, Permission permission, Action action,
                                       const std::string& object) {
  if (may(actor.role, permission)) return {};
  std::ignore = record(actor, action, object, Outcome::denied);  // refused either way
  return fail(Error::forbidden);
}

Result<void, Error> Operators::each_token(const TokenVisitor& visit) {
  for (Bytes after;;) {
    auto rows = rows_.scan(kTokensTable, {}, after, kPage);
    if (!rows) return fail(Error::unavailable);
    for (const auto& [key, value] : *rows) {
      const auto token = TokenRow::decode(value);
      if (!token) return fail(Error::unavailable);
      visit(key, *token);
    }
    if (rows->size() < kPage) return {};
    after = std::move(rows->back().key);
  }
}

Result<IssuedToken, Error> Operators::add_token(const Principal& actor, Action action, const std::string& name,
                                                seconds lifetime, store::SealedRows::Batch changes) {
  const auto now = clock_.now();
  std::size_t valid = 0;
  OPALINE_CHECK(each_token([&](const Bytes& key, const TokenRow& token) {
    if (token.expires <= now) {
      changes.erase(kTokensTable, store::clear(key));  // over: nobody needs it any more
    } else if (token.name == name) {
      ++valid;
    }
  }));
  if (valid >= kMaxTokensPerOperator) return fail(Error::too_many);
  IssuedToken token;
  random_.fill(token.secret.fill());
  token.expires = now + lifetime;
  changes.put(kTokensTable, token_key(token.secret.reveal()), TokenRow{now, token.expires, name}.encode());
  OPALINE_CHECK(audit_.append(now, {actor.name, action, name, Outcome::done}, std::move(changes)));
  return token;
}

Result<IssuedToken, Error> Operators::create(const Principal& actor, const std::string& name, Role role,
                                             seconds lifetime) {
  OPALINE_CHECK(require(actor, Permission::change_operators, Action::operator_create, name));
  if (!valid_name(name) || lifetime < seconds(1) || lifetime > kMaxTokenLifetime) return fail(Error::invalid);
  OPALINE_TRY(const auto present, all());
  if (std::ranges::find(present, name, &Row::name) != present.end()) return fail(Error::exists);
  if (present.size() >= kMaxOperators) return fail(Error::too_many);
  auto changes = rows_.batch();
  const auto key = store::clear(random_.bytes<kOperatorKeyBytes>());
  changes.put(kOperatorsTable, key, Row{{}, name, role, clock_.now(), false, {}}.encode());
  return add_token(actor, Action::operator_create, name, lifetime, std::move(changes));
}

Result<IssuedToken, Error> Operators::issue_token(const Principal& actor, const std::string& name, seconds lifetime) {
  OPALINE_CHECK(require(actor, Permission::change_operators, Action::token_issue, name));
  if (lifetime < seconds(1) || lifetime > kMaxTokenLifetime) return fail(Error::invalid);
  OPALINE_TRY(const auto row, find(name));
  if (!row) return fail(Error::not_found);
  if (row->revoked) return fail(Error::revoked);
  return add_token(actor, Action::token_issue, name, lifetime, rows_.batch());
}

Result<void, Error> Operators::revoke(const Principal& actor, const std::string& name) {
  OPALINE_CHECK(require(actor, Permission::change_operators, Action::operator_revoke, name));
  OPALINE_TRY(auto row, find(name));
  if (!row) return fail(Error::not_found);
  if (row->revoked) return fail(Error::revoked);
  row->revoked = true;
  row->revoked_at = clock_.now();
  auto changes = rows_.batch();
  changes.put(kOperatorsTable, store::clear(row->key), row->encode());
  OPALINE_CHECK(each_token([&](const Bytes& key, const TokenRow& token) {
    if (token.name == name) changes.erase(kTokensTable, store::clear(key));
  }));
  return audit_.append(clock_.now(), {actor.name, Action::operator_revoke, name, Outcome::done}, std::move(changes));
}

Result<std::vector<Operator>, Error> Operators::list(const Principal& actor) {
  OPALINE_CHECK(require(actor, Permission::read_operators, Action::operator_list, {}));
  OPALINE_TRY(const auto rows, all());
  std::vector<Operator> out;
  for (const auto& row : rows) out.push_back({row.name, row.role, row.created, row.revoked, row.revoked_at, 0});
  const auto now = clock_.now();
  OPALINE_CHECK(each_token([&](const Bytes&, const TokenRow& token) {
    const auto owner = std::ranges::find(out, token.name, &Operator::name);
    if (owner != out.end() && !owner->revoked && token.expires > now) ++owner->valid_tokens;
  }));
  return out;
}

Result<std::optional<Role>, Error> Operators::role_of(const std::string& name) {
  OPALINE_TRY(const auto row, find(name));
  if (!row || row->revoked) return std::optional<Role>{};
  return std::optional<Role>(row->role);
}

Result<std::optional<Principal>, Error> Operators::authenticate(std::string_view token_text) {
  if (!token_text.starts_with(kTokenPrefix) || token_text.size() > 128) return std::optional<Principal>{};
  const auto bytes = from_base64url(token_text.substr(kTokenPrefix.size()));
  if (!bytes || bytes->size() != TokenSecret::kSize) return std::optional<Principal>{};
  const auto value = rows_.get(kTokensTable, token_key(FixedView<32>(bytes->data(), 32)));
  if (!value) return fail(Error::unavailable);
  if (!*value) return std::optional<Principal>{};
  const auto token = TokenRow::decode(**value);
  if (!token) return fail(Error::unavailable);
  if (token->expires <= clock_.now()) return std::optional<Principal>{};
  OPALINE_TRY(const auto row, find(token->name));
  if (!row || row->revoked) return std::optional<Principal>{};
  return std::optional<Principal>(Principal{token->name, row->role});
}

}  // namespace opaline::operators
