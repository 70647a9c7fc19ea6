#include "gateway/store.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "base/fault_point.hpp"
#include "gateway/away.hpp"
#include "gateway/records.hpp"

namespace opaline::gateway {

using endpoint::StoreError;
using internal::error_of;

namespace {

constexpr std::size_t kRowsAtOnce = 1'024;

Outcome outcome_of(endpoint::MessageState state, endpoint::Reason reason) {
  using endpoint::MessageState;
  using endpoint::Reason;
  switch (state) {
    case MessageState::queued:
      return Outcome::pending;
    case MessageState::sent:
      return Outcome::accepted;
    case MessageState::delivered:
      return Outcome::delivered;
    case MessageState::read:
      return Outcome::read;
    case MessageState::failed:
      break;
  }
  if (reason == Reason::closed) return Outcome::closed;
  if (reason == Reason::no_such_account || reason == Reason::no_device) return Outcome::unknown;
  return Outcome::expired;
}

}  // namespace

Store::Store(const Ports& ports, const msp::Uuid& business, const store::VaultKey& outcome_key)
    : ports_(ports),
      business_(business),
      seal_(ports.vault, ports.clock, ports.expiry, ports.random),
      outcomes_(ports.rows, ports.expiry, business, outcome_key),
      dead_letters_(ports.rows, business) {}

Result<std::unique_ptr<Store>, StoreError> Store::open(const Ports& ports, const msp::Uuid& business) {
  const auto key = ports.vault.named_key("gateway-outcomes");
  if (!key) return fail(StoreError::failed);
  std::unique_ptr<Store> out(new Store(ports, business, *key));
  OPALINE_CHECK(out->load());
  return out;
}

Result<void, StoreError> Store::each_row(std::string_view table, const std::function<bool(ByteView, ByteView)>& take) {
  for (Bytes after;;) {
    const auto rows = ports_.rows.scan(table, business_.view(), after, kRowsAtOnce);
    if (!rows) return fail(error_of(rows.error()));
    if (rows->empty()) return {};
    for (const auto& row : *rows)
      if (!take(ByteView(row.key).subspan(msp::Uuid::kSize), row.value)) return fail(StoreError::failed);
    after = rows->back().key;
  }
}

Result<void, StoreError> Store::load() {
  OPALINE_CHECK(each_row(tables::kPeople, [this](ByteView key, ByteView value) {
    const auto persona = AccountId::from(key);
    const auto record = decode_person(value);
    if (!persona || !record) return false;
    people_.emplace(*persona, Person{record->id, record->closed, record->away_told, {}});
    return true;
  }));
  OPALINE_CHECK(each_row(tables::kInbox, [this](ByteView key, ByteView) {
    Reader in(key);
    const auto person = people_.find(AccountId(in.array<AccountId::kSize>()));
    const Number number = in.u64();
    if (!in.finished() || person == people_.end()) return false;
    next_ = std::max(next_, number + 1);
    person->second.waiting.push_back(number);
    ++waiting_;
    return true;
  }));
  OPALINE_CHECK(
      each_row(tables::kDeadLetters, [this](ByteView key, ByteView value) { return dead_letters_.load(key, value); }));
  // A number is of one message as long as that may come back.
  for (const auto& [row, letter] : dead_letters_.all()) next_ = std::max(next_, letter.number + 1);
  for (const auto& [persona, person] : people_)
    if (!person.waiting.empty()) arrived_.push_back(persona);
  return {};
}

// ---- keys

Bytes Store::key(ByteView rest) const {
  Bytes out = to_bytes(business_.view());
  append(out, rest);
  return out;
}

Bytes Store::inbox_key(const AccountId& persona, Number number) const {
  Bytes out = key(persona.view());
  Writer(out).u64(number);
  return out;
}

Bytes Store::endpoint_key(endpoint::Table table, ByteView row) const {
  Bytes out = key({});
  Writer(out).u8(static_cast<std::uint8_t>(table)).bytes(row);
  return out;
}

Result<void, StoreError> Store::write(Changes changes) {
  for (const Bytes& row : taken_) changes.erase(tables::kInbox, row);
  if (changes.empty()) return {};
  if (const auto done = ports_.rows.write(std::move(changes)); !done) return fail(error_of(done.error()));
  taken_.clear();
  return {};
}

// ---- the endpoint's rows

Result<std::optional<SecretBytes>, StoreError> Store::get(endpoint::Table table, ByteView row) {
  auto value = ports_.rows.get(tables::kEndpoint, endpoint_key(table, row));
  if (!value) return fail(error_of(value.error()));
  return std::move(*value);
}

Result<std::vector<endpoint::EndpointStore::Row>, StoreError> Store::scan(endpoint::Table table, ByteView prefix,
                                                                          ByteView after, std::size_t limit) {
  const std::size_t head = endpoint_key(table, {}).size();
  const Bytes behind = after.empty() ? Bytes() : endpoint_key(table, after);
  auto rows = ports_.rows.scan(tables::kEndpoint, endpoint_key(table, prefix), behind, limit);
  if (!rows) return fail(error_of(rows.error()));
  std::vector<Row> out;
  out.reserve(rows->size());
  for (auto& row : *rows) out.push_back({to_bytes(ByteView(row.key).subspan(head)), std::move(row.value)});
  return out;
}

Result<std::optional<endpoint::MessageBody>, StoreError> Store::outgoing(const MessageId& id) {
  const Bytes place = key(id.view());
  const auto sealed = ports_.rows.get(tables::kOutbox, place);
  if (!sealed) return fail(error_of(sealed.error()));
  if (!*sealed) return std::optional<endpoint::MessageBody>();
  OPALINE_TRY(const auto plain, seal_.open(place, **sealed));
  if (!plain) return std::optional<endpoint::MessageBody>();
  auto body = decode_body(*plain);
  if (!body) return fail(StoreError::failed);
  return body;
}

Result<void, StoreError> Store::commit(endpoint::Batch batch) {
  Changes changes;
  for (const endpoint::RowChange& change : batch.rows) {
    const auto place = endpoint_key(change.table, change.key);
    if (change.value) {
      changes.put(tables::kEndpoint, place, *change.value);
    } else {
      changes.erase(tables::kEndpoint, place);
    }
  }
  Steps steps;
  for (const AccountId& persona : closing_)
    if (!is_closed(persona)) OPALINE_CHECK(close(changes, steps, persona, people_.at(persona).id));
  for (const endpoint::HistoryChange& change : batch.history) {
    if (const auto* incoming = std::get_if<endpoint::AddIncoming>(&change)) {
      OPALINE_CHECK(add(changes, steps, *incoming));
    } else if (const auto* outgoing = std::get_if<endpoint::AddOutgoing>(&change)) {
      OPALINE_CHECK(add(changes, *outgoing));
    } else if (const auto* state = std::get_if<endpoint::SetOutgoingState>(&change)) {
      OPALINE_CHECK(add(changes, steps, *state));
    }
  }
  const bool is_message = !batch.history.empty();
  if (is_message) fault_point("gateway.before_commit");
  OPALINE_CHECK(write(std::move(changes)));
  if (is_message) fault_point("gateway.after_commit");
  closing_.clear();
  apply(steps);
  return {};
}

// ---- what the business writes

Result<void, StoreError> Store::add(Changes& changes, const endpoint::AddOutgoing& change) {
  const Bytes place = key(change.message.id.view());
  OPALINE_TRY(const Bytes sealed, seal_.seal(place, encode(change.message.body)));
  changes.put(tables::kOutbox, place, sealed);
  outcomes_.add(changes, change.message.id.view(), Outcome::pending);
  return {};
}

Result<void, StoreError> Store::add(Changes& changes, Steps& steps, const endpoint::SetOutgoingState& change) {
  Outcome outcome = outcome_of(change.state, change.reason);
  if (outcome == Outcome::pending) return {};
  const auto person = people_.find(change.peer);
  const bool known = person != people_.end(), closed = is_closed(steps, change.peer);
  // The service took it before it heard of the closing, and has dropped it since.
  if (outcome == Outcome::accepted && closed) outcome = Outcome::closed;
  changes.erase(tables::kOutbox, key(change.id.view()));
  OPALINE_CHECK(outcomes_.set(changes, change.id.view(), outcome));
  if (!known || closed) return {};
  const auto& id = person->second.id;
  if (outcome == Outcome::closed) return close(changes, steps, change.peer, id);
  const bool read = outcome == Outcome::read;
  if (!tells_statuses_ || (!read && outcome != Outcome::delivered) || is_own_id(change.id)) return {};
  Received message;
  message.kind = read ? Received::Kind::read : Received::Kind::delivered;
  message.id = msp::Uuid(ports_.random.bytes<msp::Uuid::kSize>());
  message.opaque_id = id.text();
  message.about = msp::Uuid(change.id.view());
  return enqueue(changes, steps, change.peer, id, message);
}

Result<void, StoreError> Store::refuse(const msp::Uuid& id) {
  Changes changes;
  outcomes_.add(changes, id.view(), Outcome::closed);
  return write(std::move(changes));
}

Result<std::optional<Outcome>, StoreError> Store::outcome(const msp::Uuid& id) {
  return outcomes_.find(id.view());
}

std::vector<DeadLetter> Store::dead_letters() const {
  std::vector<DeadLetter> out;
  for (const auto& [row, letter] : dead_letters_.all()) out.push_back(letter);
  return out;
}

void Store::tick() {
  const Time now = ports_.expiry.now();
  Changes changes;
  outcomes_.drop_old(changes);
  std::vector<Bytes> over;
  for (const auto& [row, letter] : dead_letters_.all()) {
    if (letter.at + std::chrono::days(internal::kWaitingDays) > now) break;
    dead_letters_.erase(changes, row);
    over.push_back(row);
  }
  if (!write(std::move(changes))) return;  // the next tick tries again
  for (const Bytes& row : over) dead_letters_.is_erased(row);
}

Result<void, StoreError> Store::erase(const Ports& ports, const msp::Uuid& business) {
  for (const std::string_view table :
       {tables::kEndpoint, tables::kInbox, tables::kOutbox, tables::kPeople, tables::kDeadLetters}) {
    for (;;) {
      const auto rows = ports.rows.scan(table, business.view(), {}, kRowsAtOnce);
      if (!rows) return fail(error_of(rows.error()));
      if (rows->empty()) break;
      Changes changes;
      for (const auto& row : *rows) changes.erase(table, row.key);
      if (const auto done = ports.rows.write(std::move(changes)); !done) return fail(error_of(done.error()));
    }
  }
  return {};
}

}  // namespace opaline::gateway
