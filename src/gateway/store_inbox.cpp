// What people write, until the business's software has it.
#include <algorithm>

#include "base/codec.hpp"
#include "gateway/away.hpp"
#include "gateway/records.hpp"
#include "gateway/store.hpp"

namespace opaline::gateway {

using endpoint::StoreError;
using internal::error_of;

namespace {

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
  changes.put(tables::kInbox, place, sealed);
  const bool closes = message.kind == Received::Kind::closed;
  const auto person = people_.find(persona);
  const bool known = person != people_.end() || std::ranges::find(steps, persona, &Step::persona) != steps.end();
  if (!known || is_closed(steps, persona) != closes)
    changes.put(tables::kPeople, key(persona.view()),
                encode(PersonRecord{id, closes, person == people_.end() ? Time() : person->second.away_told}));
  steps.push_back({.persona = persona, .id = id, .closes = closes, .number = number});
  return {};
}

Result<void, StoreError> Store::close(Changes& changes, Steps& steps, const AccountId& persona,
                                      const credentials::OpaqueId& id) {
  const auto person = people_.find(persona);
  if (person != people_.end()) {
    for (const Number number : person->second.waiting) changes.erase(tables::kInbox, inbox_key(persona, number));
  }
  for (const Step& step : steps) {
    if (step.persona == persona && step.number) changes.erase(tables::kInbox, inbox_key(persona, *step.number));
  }
  dead_letters_.erase_of(changes, persona);
  Received message;
  message.kind = Received::Kind::closed;
  message.id = msp::Uuid(ports_.random.bytes<msp::Uuid::kSize>());
  message.opaque_id = id.text();
  return enqueue(changes, steps, persona, id, message);
}

Result<bool, StoreError> Store::take_away_turn(const AccountId& persona) {
  const auto person = people_.find(persona);
  const Time now = ports_.clock.now();
  // A clock that was set back must not silence it for longer.
  if (person == people_.end() || (person->second.away_told <= now && now < person->second.away_told + kAwayAgain))
    return false;
  Changes changes;
  changes.put(tables::kPeople, key(persona.view()),
              encode(PersonRecord{person->second.id, person->second.closed, now}));
  OPALINE_CHECK(write(std::move(changes)));
  person->second.away_told = now;
  return true;
}

void Store::apply(const Steps& steps) {
  for (const Step& step : steps) {
    Person& person = people_.try_emplace(step.persona, Person{step.id, false, {}, {}}).first->second;
    person.id = step.id;
    person.closed = step.closes;
    if (step.closes) {
      dead_letters_.are_erased_of(step.persona);
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
    const auto sealed = ports_.rows.get(tables::kInbox, place);
    if (!sealed) return fail(error_of(sealed.error()));
    std::optional<WaitingRecord> record;
    if (*sealed) {
      OPALINE_TRY(const auto plain, seal_.open(place, **sealed));
      if (plain) record = decode_waiting(*plain);
    }
    if (record) return Waiting{number, record->received_at, std::move(record->message)};
    OPALINE_CHECK(bury(persona, number, msp::Uuid(), Refusal::expired, 0));  // its id went with its day's key
  }
}

bool Store::is_waiting(const AccountId& persona, Number number) const {
  const auto person = people_.find(persona);
  return person != people_.end() && std::ranges::binary_search(person->second.waiting, number);
}

void Store::remove(const AccountId& persona, Number number) {
  std::erase(people_.at(persona).waiting, number);
  --waiting_;
}

void Store::finish(const AccountId& persona, Number number) {
  if (!is_waiting(persona, number)) return;
  remove(persona, number);
  taken_.push_back(inbox_key(persona, number));
}

Result<void, StoreError> Store::forget_taken() {
  const auto done = write(Changes());
  if (done || done.error() != StoreError::full) return done;
  // There is no room to say anything of a row that the journal has. The others go all the same.
  const auto can_go = [this](const Bytes& row) { return ports_.rows.is_settled(tables::kInbox, row); };
  Changes changes;
  for (const Bytes& row : taken_)
    if (can_go(row)) changes.erase(tables::kInbox, row);
  if (ports_.rows.write(std::move(changes))) std::erase_if(taken_, can_go);
  return done;
}

Result<void, StoreError> Store::bury(const AccountId& persona, Number number, const msp::Uuid& id, Refusal why,
                                     std::uint32_t attempts) {
  if (!is_waiting(persona, number)) return {};
  SecretBytes sealed;
  if (why != Refusal::expired && why != Refusal::unwritable) {
    auto row = ports_.rows.get(tables::kInbox, inbox_key(persona, number));
    if (!row) return fail(error_of(row.error()));
    if (*row) sealed = std::move(**row);
  }
  DeadLetter letter{
      .refusal = why, .at = ports_.clock.now(), .attempts = attempts, .persona = persona, .number = number};
  std::ranges::copy(id.view(), letter.message.begin());
  letter.kept = !sealed.empty();
  Changes changes;
  dead_letters_.put(changes, letter, sealed);
  changes.erase(tables::kInbox, inbox_key(persona, number));
  OPALINE_CHECK(write(std::move(changes)));
  remove(persona, number);
  dead_letters_.is_put(letter);
  return {};
}

Result<Store::Retry, StoreError> Store::retry(const msp::Uuid& message) {
  const auto found = dead_letters_.find(message);
  if (found == dead_letters_.all().end()) return Retry::unknown;
  const auto [row, letter] = *found;
  OPALINE_TRY(const Bytes sealed, dead_letters_.sealed(row));
  const Bytes place = inbox_key(letter.persona, letter.number);
  OPALINE_TRY(const auto plain, seal_.open(place, sealed));
  const auto person = people_.find(letter.persona);
  if (!plain || person == people_.end()) return Retry::lost;
  // The bytes go back as they were: under the key of their own day, so that nothing lives longer.
  Changes changes;
  changes.put(tables::kInbox, place, sealed);
  dead_letters_.erase(changes, row);
  OPALINE_CHECK(write(std::move(changes)));
  dead_letters_.is_erased(row);
  auto& waiting = person->second.waiting;
  waiting.insert(std::ranges::lower_bound(waiting, letter.number), letter.number);
  ++waiting_;
  arrived_.push_back(letter.persona);
  return Retry::queued;
}

Result<void, StoreError> Store::close(const AccountId& persona) {
  const auto person = people_.find(persona);
  if (person == people_.end() || person->second.closed) return {};
  Changes changes;
  Steps steps;
  auto done = close(changes, steps, persona, person->second.id);
  if (done) done = write(std::move(changes));
  std::erase(closing_, persona);
  if (done) {
    apply(steps);
  } else {
    closing_.push_back(persona);
  }
  return done;
}

}  // namespace opaline::gateway
