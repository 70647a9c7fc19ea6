#include "gateway/store.hpp"

#include <algorithm>

#include "base/codec.hpp"
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

/// The opaque id that a person's client says it is known by; nullopt: none, or another's.
std::optional<credentials::OpaqueId> opaque_id_of(ByteView part, const AccountId& persona) {
  const auto decoded = wire::decode_business_part(part);
  if (!decoded || decoded->opaque_id.size() != credentials::kOpaqueIdBytes) return std::nullopt;
  ByteArray<credentials::kOpaqueIdBytes> bytes{};
  std::ranges::copy(decoded->opaque_id, bytes.begin());
  const credentials::OpaqueId id(bytes);
  if (id.persona() != persona) return std::nullopt;
  return id;
}

bool says_closed(ByteView part) {
  const auto decoded = wire::decode_business_part(part);
  return decoded && decoded->kind == wire::PartKind::close;
}

}  // namespace

Store::Store(const Ports& ports, const msp::Uuid& business, const store::VaultKey& outcome_key)
    : ports_(ports),
      business_(business),
      seal_(ports.vault, ports.clock, ports.random),
      outcomes_(ports.rows, ports.clock, business, outcome_key) {}

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
    people_.emplace(*persona, Person{record->id, record->closed, {}});
    return true;
  }));
  OPALINE_CHECK(each_row(tables::kInbox, [this](ByteView key, ByteView) {
    Reader in(key);
    const auto person = people_.find(AccountId(in.array<AccountId::kSize>()));
    const Number number = in.u64();
    if (!in.finished() || person == people_.end()) return false;
    person->second.waiting.push_back(number);
    ++waiting_;
    next_ = std::max(next_, number + 1);
    return true;
  }));
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
  if (changes.empty()) return {};
  if (const auto done = ports_.rows.write(std::move(changes)); !done) return fail(error_of(done.error()));
  return {};
}

// ---- the endpoint's rows

Result<std::optional<SecretBytes>, StoreError> Store::get(endpoint::Table table, ByteView row) {
  auto value = ports_.rows.get(tables::kEndpoint, store::clear(endpoint_key(table, row)));
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
  const auto sealed = ports_.rows.get(tables::kOutbox, store::clear(place));
  if (!sealed) return fail(error_of(sealed.error()));
  if (!*sealed) return std::optional<endpoint::MessageBody>();
  OPALINE_TRY(const auto plain, seal_.open(place, **sealed));
  if (!plain) return std::optional<endpoint::MessageBody>();
  auto body = decode_body(*plain);
  if (!body) return fail(StoreError::failed);
  return body;
}

Result<void, StoreError> Store::commit(endpoint::Batch batch) {
  Changes changes = ports_.rows.batch();
  for (const endpoint::RowChange& change : batch.rows) {
    const auto place = store::clear(endpoint_key(change.table, change.key));
    if (change.value) {
      changes.put(tables::kEndpoint, place, *change.value);
    } else {
      changes.erase(tables::kEndpoint, place);
    }
  }
  Steps steps;
  for (const endpoint::HistoryChange& change : batch.history) {
    if (const auto* incoming = std::get_if<endpoint::AddIncoming>(&change)) {
      OPALINE_CHECK(add(changes, steps, *incoming));
    } else if (const auto* outgoing = std::get_if<endpoint::AddOutgoing>(&change)) {
      OPALINE_CHECK(add(changes, *outgoing));
    } else if (const auto* state = std::get_if<endpoint::SetOutgoingState>(&change)) {
      OPALINE_CHECK(add(changes, *state));
    }
  }
  OPALINE_CHECK(write(std::move(changes)));
  apply(steps);
  return {};
}

// ---- what people write

bool Store::is_closed(const Steps& steps, const AccountId& persona) const {
  const auto last = std::ranges::find(steps.rbegin(), steps.rend(), persona, &Step::persona);
  if (last != steps.rend()) return last->closes;
  const auto person = people_.find(persona);
  return person != people_.end() && person->second.closed;
}

Result<void, StoreError> Store::add(Changes& changes, Steps& steps, const endpoint::AddIncoming& change) {
  const endpoint::IncomingMessage& in = change.message;
  const AccountId& persona = in.sender.account;
  auto id = opaque_id_of(in.body.part, persona);
  if (!id) id = opaque_id(persona);
  if (!id || in.kind != endpoint::IncomingKind::text) {
    ++dropped_;
    return {};
  }
  if (says_closed(in.body.part)) {
    if (is_closed(steps, persona)) return {};
    return close(changes, steps, persona, *id);
  }
  Received message{.kind = Received::Kind::message,
                   .id = msp::Uuid(in.id.view()),
                   .opaque_id = id->text(),
                   .text = in.body.text,
                   .attachments = in.body.attachments,
                   .part = in.body.part};
  return enqueue(changes, steps, persona, *id, message);
}

Result<void, StoreError> Store::enqueue(Changes& changes, Steps& steps, const AccountId& persona,
                                        const credentials::OpaqueId& id, const Received& message) {
  const Number number = next_++;
  const Bytes place = inbox_key(persona, number);
  OPALINE_TRY(const Bytes sealed, seal_.seal(place, encode(WaitingRecord{ports_.clock.now(), message})));
  changes.put(tables::kInbox, store::clear(place), sealed);
  const bool closes = message.kind == Received::Kind::closed;
  const auto person = people_.find(persona);
  if (person == people_.end() || person->second.closed != closes || !steps.empty())
    changes.put(tables::kPeople, store::clear(key(persona.view())), encode(PersonRecord{id, closes}));
  steps.push_back({.persona = persona, .id = id, .closes = closes, .number = number});
  return {};
}

Result<void, StoreError> Store::close(Changes& changes, Steps& steps, const AccountId& persona,
                                      const credentials::OpaqueId& id) {
  const auto person = people_.find(persona);
  if (person != people_.end()) {
    for (const Number number : person->second.waiting)
      changes.erase(tables::kInbox, store::clear(inbox_key(persona, number)));
  }
  for (const Step& step : steps) {
    if (step.persona == persona && step.number)
      changes.erase(tables::kInbox, store::clear(inbox_key(persona, *step.number)));
  }
  ByteArray<msp::Uuid::kSize> fresh{};
  ports_.random.fill(fresh);
  Received message;
  message.kind = Received::Kind::closed;
  message.id = msp::Uuid(fresh);
  message.opaque_id = id.text();
  return enqueue(changes, steps, persona, id, message);
}

void Store::apply(const Steps& steps) {
  for (const Step& step : steps) {
    Person& person = people_.try_emplace(step.persona, Person{step.id, false, {}}).first->second;
    person.id = step.id;
    person.closed = step.closes;
    if (step.closes) {
      waiting_ -= person.waiting.size();
      person.waiting.clear();
    }
    if (!step.number) continue;
    person.waiting.push_back(*step.number);
    ++waiting_;
    arrived_.push_back(step.persona);
  }
}

std::vector<AccountId> Store::people_waiting() const {
  std::vector<AccountId> out;
  for (const auto& [persona, person] : people_)
    if (!person.waiting.empty()) out.push_back(persona);
  return out;
}

bool Store::has_waiting(const AccountId& persona) const {
  const auto person = people_.find(persona);
  return person != people_.end() && !person->second.waiting.empty();
}

std::optional<credentials::OpaqueId> Store::opaque_id(const AccountId& persona) const {
  const auto person = people_.find(persona);
  if (person == people_.end()) return std::nullopt;
  return person->second.id;
}

Result<std::optional<Store::Waiting>, StoreError> Store::front(const AccountId& persona) {
  for (;;) {
    const auto person = people_.find(persona);
    if (person == people_.end() || person->second.waiting.empty()) return std::optional<Waiting>();
    const Number number = person->second.waiting.front();
    const Bytes place = inbox_key(persona, number);
    const auto sealed = ports_.rows.get(tables::kInbox, store::clear(place));
    if (!sealed) return fail(error_of(sealed.error()));
    std::optional<WaitingRecord> record;
    if (*sealed) {
      OPALINE_TRY(const auto plain, seal_.open(place, **sealed));
      if (plain) record = decode_waiting(*plain);
    }
    if (record) return Waiting{number, record->received_at, std::move(record->message)};
    OPALINE_CHECK(bury(persona, number, msp::Uuid(), Refusal::expired));  // its id went with its day's key
  }
}

Result<void, StoreError> Store::remove(Changes changes, const AccountId& persona, Number number) {
  const auto person = people_.find(persona);
  if (person == people_.end() || person->second.waiting.empty() || person->second.waiting.front() != number) return {};
  changes.erase(tables::kInbox, store::clear(inbox_key(persona, number)));
  OPALINE_CHECK(write(std::move(changes)));
  person->second.waiting.pop_front();
  --waiting_;
  return {};
}

Result<void, StoreError> Store::finish(const AccountId& persona, Number number) {
  return remove(ports_.rows.batch(), persona, number);
}

Result<void, StoreError> Store::bury(const AccountId& persona, Number number, const msp::Uuid& id, Refusal why) {
  Changes changes = ports_.rows.batch();
  Bytes value;
  Writer(value).u8(static_cast<std::uint8_t>(why));
  changes.put(tables::kDeadLetters, store::clear(dead_letter_key(ports_.clock.now(), id.view())), value);
  return remove(std::move(changes), persona, number);
}

Result<void, StoreError> Store::close(const AccountId& persona) {
  const auto person = people_.find(persona);
  if (person == people_.end() || person->second.closed) return {};
  Changes changes = ports_.rows.batch();
  Steps steps;
  OPALINE_CHECK(close(changes, steps, persona, person->second.id));
  OPALINE_CHECK(write(std::move(changes)));
  apply(steps);
  return {};
}

// ---- what the business writes

Result<void, StoreError> Store::add(Changes& changes, const endpoint::AddOutgoing& change) {
  const Bytes place = key(change.message.id.view());
  OPALINE_TRY(const Bytes sealed, seal_.seal(place, encode(change.message.body)));
  changes.put(tables::kOutbox, store::clear(place), sealed);
  outcomes_.add(changes, change.message.id.view(), Outcome::pending);
  return {};
}

Result<void, StoreError> Store::add(Changes& changes, const endpoint::SetOutgoingState& change) {
  const Outcome outcome = outcome_of(change.state, change.reason);
  if (outcome == Outcome::pending) return {};
  changes.erase(tables::kOutbox, store::clear(key(change.id.view())));
  return outcomes_.set(changes, change.id.view(), outcome);
}

Result<std::optional<Outcome>, StoreError> Store::outcome(const msp::Uuid& id) {
  return outcomes_.find(id.view());
}

Bytes Store::dead_letter_key(Time at, ByteView id) const {
  Bytes out = key({});
  Writer(out).u64(static_cast<std::uint64_t>(unix_millis(at))).bytes(id);
  return out;
}

std::vector<DeadLetter> Store::dead_letters() {
  std::vector<DeadLetter> out;
  (void)each_row(tables::kDeadLetters, [&out](ByteView key, ByteView value) {
    Reader in(key);
    DeadLetter letter;
    letter.at = from_unix_millis(static_cast<std::int64_t>(in.u64()));
    letter.message = in.array<16>();
    if (in.finished() && value.size() == 1) {
      letter.refusal = Refusal(std::to_integer<std::uint8_t>(value[0]));
      out.push_back(letter);
    }
    return true;
  });
  return out;
}

void Store::tick() {
  const Time now = ports_.clock.now();
  Changes changes = ports_.rows.batch();
  outcomes_.drop_old(changes);
  for (const DeadLetter& letter : dead_letters()) {
    if (letter.at + std::chrono::days(internal::kWaitingDays) > now) break;
    changes.erase(tables::kDeadLetters, store::clear(dead_letter_key(letter.at, letter.message)));
  }
  (void)write(std::move(changes));  // the next tick tries again
}

Result<void, StoreError> Store::erase(const Ports& ports, const msp::Uuid& business) {
  for (const std::string_view table :
       {tables::kEndpoint, tables::kInbox, tables::kOutbox, tables::kPeople, tables::kDeadLetters}) {
    for (;;) {
      const auto rows = ports.rows.scan(table, business.view(), {}, kRowsAtOnce);
      if (!rows) return fail(error_of(rows.error()));
      if (rows->empty()) break;
      Changes changes = ports.rows.batch();
      for (const auto& row : *rows) changes.erase(table, store::clear(row.key));
      if (const auto done = ports.rows.write(std::move(changes)); !done) return fail(error_of(done.error()));
    }
  }
  return {};
}

}  // namespace opaline::gateway
