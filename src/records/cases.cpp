#include "records/cases.hpp"

#include <algorithm>

#include "base/fault_point.hpp"
#include "records/canonical.hpp"
#include "records/internal/case_rows.hpp"

namespace opaline::records {

namespace json = boost::json;

namespace {

constexpr std::string_view kService = "service";

Cases::Refused refused(Error error, std::string why = {}) {
  return {error, std::move(why)};
}

}  // namespace

std::string_view name(State state) {
  switch (state) {
    case State::open:
      return "open";
    case State::produced:
      return "produced";
    case State::preserved:
      return "preserved";
    case State::collecting:
      return "collecting";
    case State::collected:
      return "collected";
    case State::refused:
      return "refused";
    case State::closed:
      return "closed";
  }
  return "unknown";
}

std::string_view name(EventKind kind) {
  switch (kind) {
    case EventKind::opened:
      return "opened";
    case EventKind::approved:
      return "approved";
    case EventKind::extracted:
      return "extracted";
    case EventKind::narrowed:
      return "narrowed";
    case EventKind::refused:
      return "refused";
    case EventKind::answered:
      return "answered";
    case EventKind::noticed:
      return "noticed";
    case EventKind::closed:
      return "closed";
    case EventKind::destroyed:
      return "destroyed";
    case EventKind::renewed:
      return "renewed";
    case EventKind::collecting:
      return "collecting";
    case EventKind::collected:
      return "collected";
    case EventKind::ended:
      return "ended";
    case EventKind::officer:
      return "officer";
  }
  return "unknown";
}

// ---------------------------------------------------------------- loading

Cases::Cases(Ports ports) : ports_(std::move(ports)), service_(ledger::fingerprint(ports_.ledger.public_key())) {}

Result<std::unique_ptr<Cases>, Error> Cases::open(Ports ports) {
  auto out = std::unique_ptr<Cases>(new Cases(std::move(ports)));
  if (!out->load()) return fail(Error::unavailable);
  for (const auto& [id, one] : out->cases_) {  // pieces of an extract that came to nothing
    const auto next = static_cast<std::uint32_t>(one.productions.size() + 1);
    if (!out->erase_pieces(id, next)) return fail(Error::unavailable);
  }
  out->collect_now();
  return out;
}

bool Cases::load() {
  cases_.clear();
  officers_.clear();
  officer_events_ = 0;
  stale_ = true;
  const bool read = internal::each_row(ports_.rows, tables::kCases, {},
                                       [&](const auto& row) {
                                         auto one = internal::decode_case(row.value);
                                         if (!one || internal::key_of(one->id) != row.key) return false;
                                         const auto id = one->id;
                                         cases_.emplace(id, std::move(*one));
                                         return true;
                                       }) &&
                    internal::each_row(ports_.rows, tables::kOfficers, {},
                                       [&](const auto& row) {
                                         auto one = internal::decode_officer(row.value);
                                         if (one) officers_.push_back(std::move(*one));
                                         return one.has_value();
                                       }) &&
                    internal::each_row(ports_.rows, tables::kEvents, internal::key_of(internal::kNoCase),
                                       [&](const auto&) { return ++officer_events_ > 0; });
  stale_ = !read;
  return read;
}

Result<Case*, Error> Cases::find(const CaseId& id) {
  if (stale_ && !load()) return fail(Error::unavailable);
  const auto at = cases_.find(id);
  if (at == cases_.end()) return fail(Error::not_found);
  return &at->second;
}

// ---------------------------------------------------------------- officers

const Officer* Cases::key_of(std::string_view officer) const {
  const auto at = std::ranges::find(officers_, officer, &Officer::name);
  return at == officers_.end() ? nullptr : &*at;
}

Result<void, Error> Cases::register_key(const std::string& officer, const OfficerPublicKey& key,
                                        const crypto::HybridSignature& signature) {
  if (stale_ && !load()) return fail(Error::unavailable);
  const auto taken = [&](const Officer& one) {
    return one.name == officer || one.key.signing == key.signing || one.key.x25519 == key.x25519 ||
           one.key.mlkem == key.mlkem;
  };
  if (std::ranges::any_of(officers_, taken) || officers_.size() >= kMaxOfficers) return fail(Error::exists);
  const auto verifier = crypto::HybridVerifier::from(key.signing);
  if (!verifier || !verifier->verify(kOfficerKeyLabel, as_view(registration_text(service_, officer, key)), signature))
    return fail(Error::bad_signature);
  const Officer made{officer, key, ports_.clock.now()};
  const auto text = canonical_own(json::object{{"at", to_text_millis(made.registered)},
                                               {"by", officer},
                                               {"event", name(EventKind::officer)},
                                               {"key_sha256", fingerprint(key)}});
  const auto done = ports_.ledger.append(
      static_cast<std::uint8_t>(EventKind::officer), as_view(text), [&](const auto& appended, auto& batch) {
        const Event event{officer_events_ + 1, text, appended.index, appended.salt};
        batch.put(tables::kEvents, store::clear(internal::key_of(internal::kNoCase, event.number)),
                  as_view(internal::encode(event)));
        batch.put(tables::kOfficers, store::clear(crypto::sha256(encode(key))), as_view(internal::encode(made)));
      });
  if (!done) {
    stale_ = true;
    return fail(Error::unavailable);
  }
  ++officer_events_;
  officers_.push_back(made);
  return {};
}

// ---------------------------------------------------------------- reading

Result<Case, Error> Cases::show(const CaseId& id) {
  OPALINE_TRY(const auto* one, find(id));
  return *one;
}

Result<std::vector<Case>, Error> Cases::list(const std::optional<CaseId>& after) {
  if (stale_ && !load()) return fail(Error::unavailable);
  std::vector<Case> out;
  for (auto at = after ? cases_.upper_bound(*after) : cases_.begin(); at != cases_.end() && out.size() < kMaxCasePage;
       ++at)
    out.push_back(at->second);
  return out;
}

Result<std::vector<Event>, Error> Cases::events(const CaseId& id) {
  OPALINE_CHECK(find(id));
  std::vector<Event> out;
  const bool read = internal::each_row(ports_.rows, tables::kEvents, internal::key_of(id), [&](const auto& row) {
    auto event = internal::decode_event(static_cast<std::uint32_t>(out.size() + 1), row.value);
    if (event) out.push_back(std::move(*event));
    return event.has_value();
  });
  if (!read) return fail(Error::unavailable);
  return out;
}

Result<Event, Error> Cases::event(const CaseId& id, std::uint32_t number) {
  const auto row = ports_.rows.get(tables::kEvents, store::clear(internal::key_of(id, number)));
  auto out = row && *row ? internal::decode_event(number, **row) : std::nullopt;
  if (!out) return fail(Error::unavailable);
  return std::move(*out);
}

// ---------------------------------------------------------------- what every step does

Result<Case, Error> Cases::commit(EventKind kind, const std::string& by, Case next, json::object details,
                                  const std::optional<Case>& also, const Changes& changes) {
  ++next.events;
  const auto row = internal::encode(next);
  details["at"] = to_text_millis(ports_.clock.now());
  details["by"] = by;
  details["case"] = to_text(next.id);
  details["case_sha256"] = to_hex(sha256_of(row));
  details["event"] = name(kind);
  std::string also_row;
  if (also) {
    also_row = internal::encode(*also);
    details["also"] = {{"case", to_text(also->id)}, {"case_sha256", to_hex(sha256_of(also_row))}};
  }
  const auto text = canonical_own(details);
  fault_point("cases.before_event");
  const auto done =
      ports_.ledger.append(static_cast<std::uint8_t>(kind), as_view(text), [&](const auto& appended, auto& batch) {
        const Event event{next.events, text, appended.index, appended.salt};
        batch.put(tables::kCases, store::clear(internal::key_of(next.id)), as_view(row));
        batch.put(tables::kEvents, store::clear(internal::key_of(next.id, event.number)),
                  as_view(internal::encode(event)));
        if (also) batch.put(tables::kCases, store::clear(internal::key_of(also->id)), as_view(also_row));
        if (changes) changes(batch);
      });
  if (!done) {
    stale_ = true;  // written or not: the rows know
    return fail(Error::unavailable);
  }
  fault_point("cases.after_event");
  if (also) cases_[also->id] = *also;
  return cases_[next.id] = std::move(next);
}

// ---------------------------------------------------------------- steps

namespace {

/// Whether what `facts` asks for covers all that the preservation keeps: its extract is handed out whole or not at all.
bool covers(const Facts& facts, const Case& kept) {
  return std::ranges::includes(facts.handles, kept.facts.handles) && facts.from <= kept.facts.from &&
         facts.to >= kept.facts.to;
}

}  // namespace

Result<Case, Cases::Refused> Cases::open_case(const std::string& by, Facts given) {
  if (stale_ && !load()) return fail(refused(Error::unavailable));
  const auto now = ports_.clock.now();
  auto facts = checked(std::move(given), now);
  if (!facts) return fail(refused(Error::invalid, facts.error()));
  if (facts->opens) {
    const auto kept = find(*facts->opens);
    if (!kept || (*kept)->state != State::preserved || (*kept)->opened_by)
      return fail(refused(Error::invalid, "opens: this case keeps no preserved extract that could be opened"));
    if (!covers(*facts, **kept))
      return fail(refused(Error::invalid,
                          "opens: a preserved extract is handed out whole: name all its handles, and "
                          "a range that covers its own"));
  }
  const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
  Case made;
  made.id.year = static_cast<std::uint32_t>(int{today.year()});
  const auto after = cases_.lower_bound(CaseId{made.id.year + 1, 0});
  const bool first = after == cases_.begin() || std::prev(after)->first.year != made.id.year;
  made.id.number = first ? 1 : std::prev(after)->first.number + 1;
  made.opened = now;
  made.facts = std::move(*facts);
  json::object details{{"facts", to_json(made.facts)}, {"revision", made.revision}};
  auto done = commit(EventKind::opened, by, std::move(made), std::move(details));
  if (!done) return fail(refused(done.error()));
  return std::move(*done);
}

Result<Case, Cases::Refused> Cases::narrow(const std::string& by, const CaseId& id, Facts given,
                                           const std::string& reason) {
  const auto found = find(id);
  if (!found) return fail(refused(found.error()));
  if ((*found)->state != State::open) return fail(refused(Error::not_possible));
  if (!is_words(reason)) return fail(refused(Error::invalid, "reason: 1 to 4000 bytes"));
  auto facts = checked(std::move(given), std::max(ports_.clock.now(), (*found)->opened));
  if (!facts) return fail(refused(Error::invalid, facts.error()));
  if (!narrows((*found)->facts, *facts))
    return fail(refused(Error::invalid,
                        "a revision asks for less: some of the handles, a range inside the one before; "
                        "all else stays"));
  Case next = **found;
  if (facts->opens) {
    const auto kept = find(*facts->opens);
    if (!kept || !covers(*facts, **kept))
      return fail(refused(Error::invalid, "opens: a preserved extract is handed out whole: it cannot be narrowed"));
  }
  ++next.revision;
  next.facts = std::move(*facts);
  next.approvals.clear();
  json::object details{{"facts", to_json(next.facts)}, {"reason", reason}, {"revision", next.revision}};
  auto done = commit(EventKind::narrowed, by, std::move(next), std::move(details));
  if (!done) return fail(refused(done.error()));
  return std::move(*done);
}

Result<Case, Error> Cases::refuse(const std::string& by, const CaseId& id, const std::string& reason) {
  OPALINE_TRY(const auto* found, find(id));
  if (found->state != State::open) return fail(Error::not_possible);
  if (!is_words(reason)) return fail(Error::invalid);
  Case next = *found;
  next.state = State::refused;
  next.was_refused = true;
  next.approvals.clear();
  return commit(EventKind::refused, by, std::move(next), {{"reason", reason}});
}

Result<Case, Error> Cases::answer(const std::string& by, const CaseId& id, const std::string& words) {
  OPALINE_TRY(const auto* found, find(id));
  if (found->state == State::closed) return fail(Error::not_possible);
  if (!is_words(words)) return fail(Error::invalid);
  return commit(EventKind::answered, by, *found, {{"words", words}});
}

Result<Case, Error> Cases::notify(const std::string& by, const CaseId& id, Time when, const std::string& words) {
  OPALINE_TRY(const auto* found, find(id));
  if (!is_words(words) || when > ports_.clock.now() + std::chrono::days(3660)) return fail(Error::invalid);
  Case next = *found;
  next.notice_at = when;
  return commit(EventKind::noticed, by, std::move(next), {{"not_before", to_text_millis(when)}, {"words", words}});
}

Result<Case, Error> Cases::close(const std::string& by, const CaseId& id, const std::string& reason) {
  OPALINE_TRY(const auto* found, find(id));
  if (found->state == State::closed || found->state == State::collecting) return fail(Error::not_possible);
  if (!is_words(reason)) return fail(Error::invalid);
  const auto now = ports_.clock.now();
  Case next = *found;
  const bool opened_by_other = next.opened_by.has_value();
  next.state = State::closed;
  next.closed = now;
  if (!next.productions.empty() && !opened_by_other && !next.destroy_at) next.destroy_at = now + kKeptAfterClose;
  std::optional<Case> also;
  if (next.facts.opens && !next.productions.empty()) {
    OPALINE_TRY(const auto* kept, find(*next.facts.opens));
    also = *kept;
    also->destroy_at = now + kKeptAfterClose;
  }
  return commit(EventKind::closed, by, std::move(next), {{"reason", reason}}, also);
}

Result<Case, Error> Cases::renew(const std::string& by, const CaseId& id, const std::string& reason) {
  OPALINE_TRY(const auto* found, find(id));
  if (found->state != State::preserved || found->renewed || found->opened_by || !found->destroy_at)
    return fail(Error::not_possible);
  if (!is_words(reason)) return fail(Error::invalid);
  Case next = *found;
  next.renewed = true;
  *next.destroy_at += kPreserved;
  return commit(EventKind::renewed, by, std::move(next), {{"reason", reason}});
}

// ---------------------------------------------------------------- the end

Result<void, Error> Cases::destroy(const CaseId& id) {
  OPALINE_TRY(const auto* found, find(id));
  Case next = *found;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> gone;
  json::array numbers;
  for (auto& produced : next.productions) {
    if (produced.destroyed) continue;
    for (std::uint32_t piece = 0; piece < produced.pieces; ++piece) gone.emplace_back(produced.number, piece);
    produced.destroyed = true;
    numbers.push_back(produced.number);
  }
  next.destroy_at.reset();
  if (next.state == State::preserved) next.state = State::closed;
  const auto done = commit(EventKind::destroyed, std::string(kService), std::move(next),
                           {{"productions", std::move(numbers)}}, std::nullopt, [&](auto& batch) {
                             for (const auto& [production, piece] : gone)
                               batch.erase(tables::kBundles, store::clear(internal::key_of(id, production, piece)));
                           });
  if (!done) return fail(done.error());
  return {};
}

bool Cases::tick() {
  if (stale_ && !load()) return false;
  std::vector<CaseId> over, collecting;
  for (const auto& [id, one] : cases_) {
    if (one.state == State::collecting) collecting.push_back(id);
  }
  for (const auto& id : collecting) produce_day(id);
  for (const auto& [id, one] : cases_) {
    if (one.destroy_at && *one.destroy_at <= ports_.clock.now()) over.push_back(id);
  }
  const bool destroyed = std::ranges::all_of(over, [&](const CaseId& id) { return destroy(id).has_value(); });
  return !std::exchange(day_failed_, false) && destroyed;
}

}  // namespace opaline::records
