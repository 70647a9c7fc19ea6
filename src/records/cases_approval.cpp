// What two officers' approval does: counting, extracting, sealing, handing over.
#include <algorithm>

#include "records/canonical.hpp"
#include "records/cases.hpp"
#include "records/internal/case_rows.hpp"

namespace opaline::records {

namespace json = boost::json;

namespace {

LookupQuery query_of(const Facts& facts, const std::string& handle, Direction direction) {
  return {identity::Handle::from_stored(handle),
          direction == Direction::by ? LookupSide::by_handle : LookupSide::of_handle, facts.from, facts.to};
}

void note(Gaps& gaps, const LookupFindings& found) {
  gaps.damaged += found.damaged;
  for (const auto day : found.unreadable_days)
    gaps.unreadable_days.emplace_back(std::chrono::days(opaline::number(day)));
  std::ranges::sort(gaps.unreadable_days);
  const auto twice = std::ranges::unique(gaps.unreadable_days);
  gaps.unreadable_days.erase(twice.begin(), twice.end());
}

}  // namespace

Result<Cases::Found, Error> Cases::counts(const Facts& facts) {
  Found out;
  if (facts.instrument == Instrument::pen_register) return out;
  for (const auto& handle : facts.handles) {
    Count one{handle, 0, 0};
    for (const auto direction : {Direction::by, Direction::of}) {
      auto& into = direction == Direction::by ? one.by : one.of;
      const auto found = ports_.find(query_of(facts, handle, direction), [&](const auto&) { return ++into, true; });
      if (!found) return fail(Error::unavailable);
      note(out.gaps, *found);
    }
    out.counts.push_back(std::move(one));
  }
  return out;
}

Result<std::vector<Row>, Error> Cases::rows(const Facts& facts, Gaps& gaps) {
  std::vector<Row> out;
  for (const auto& handle : facts.handles) {
    for (const auto direction : {Direction::by, Direction::of}) {
      const auto found = ports_.find(query_of(facts, handle, direction), [&](const auto& entry) {
        out.push_back({handle, direction, entry});
        return out.size() <= kMaxRows;
      });
      if (!found) return fail(Error::unavailable);
      if (out.size() > kMaxRows) return fail(Error::too_large);
      note(gaps, *found);
    }
  }
  return out;
}

Result<Preview, Error> Cases::preview(const CaseId& id) {
  OPALINE_TRY(const auto* found, find(id));
  if (found->state != State::open) return fail(Error::not_possible);
  OPALINE_TRY(auto now, counts(found->facts));
  return Preview{found->revision, found->facts, digest(id, found->revision, found->facts), std::move(now.counts),
                 std::move(now.gaps)};
}

Result<Case, Error> Cases::approve(const std::string& by, const CaseId& id, const Approving& approving) {
  OPALINE_TRY(const auto* found, find(id));
  if (found->state != State::open) return fail(Error::not_possible);
  const auto* officer = key_of(by);
  if (officer == nullptr) return fail(Error::no_key);
  const auto facts = digest(id, found->revision, found->facts);
  if (approving.revision != found->revision || approving.facts != facts) return fail(Error::stale);
  const auto text = signed_text({service_, id, approving.revision, facts, approving.counts});
  const auto verifier = crypto::HybridVerifier::from(officer->key.signing);
  if (!verifier || !verifier->verify(kApprovalLabel, as_view(text), approving.signature))
    return fail(Error::bad_signature);
  OPALINE_TRY(const auto in_log, counts(found->facts));
  const auto& now = in_log.counts;
  if (approving.counts != now) return fail(Error::changed);
  if (total(now) > kMaxRows) return fail(Error::too_large);

  Case next = *found;
  json::array lapsed;
  std::erase_if(next.approvals, [&](const Approval& one) {
    if (one.counts == now && ports_.is_officer(one.officer)) return false;
    lapsed.push_back(json::string(one.officer));
    return true;
  });
  if (std::ranges::find(next.approvals, by, &Approval::officer) != next.approvals.end())
    return fail(Error::same_officer);
  next.approvals.push_back({by, ports_.clock.now(), officer->key.signing, approving.signature, now});
  if (next.approvals.size() >= kApprovals) return extract(by, std::move(next));
  json::object details{{"counts", to_json(now)}, {"revision", next.revision}};
  if (!lapsed.empty()) details["lapsed"] = std::move(lapsed);
  return commit(EventKind::approved, by, std::move(next), std::move(details));
}

ProductionInput Cases::input_of(const Case& of) const {
  return {.service_name = ports_.service_name,
          .service = service_,
          .retention = ports_.retention,
          .id = of.id,
          .revision = of.revision,
          .facts = of.facts,
          .counts = of.approvals.front().counts,
          .approvals = of.approvals,
          .number = static_cast<std::uint32_t>(of.productions.size() + 1),
          .from = of.facts.from,
          .to = of.facts.to,
          .made = std::chrono::floor<seconds>(ports_.clock.now()),
          .rows = {},
          .gaps = {}};
}

/// `next` has its approvals. What they saw is what is taken: another number of entries is refused.
Result<Case, Error> Cases::extract(const std::string& by, Case next) {
  if (next.facts.instrument == Instrument::pen_register) return start_collecting(by, std::move(next));
  std::optional<Case> also;
  if (next.facts.opens) {
    OPALINE_TRY(const auto* kept, find(*next.facts.opens));
    if (kept->state != State::preserved || kept->opened_by) return fail(Error::gone);
    also = *kept;
    also->opened_by = next.id;
    also->destroy_at.reset();  // with the case that opened it
  }
  auto input = input_of(next);
  OPALINE_TRY(input.rows, rows(next.facts, input.gaps));
  if (count(next.facts.handles, input.rows) != input.counts) return fail(Error::changed);
  const bool keep = next.facts.instrument == Instrument::preservation;
  next.state = keep ? State::preserved : State::produced;
  if (keep) next.destroy_at = ports_.clock.now() + kPreserved;
  json::object details;
  if (next.facts.opens) details["opens"] = to_text(*next.facts.opens);
  return produce(EventKind::extracted, by, std::move(next), std::move(input), std::move(details), also);
}

Result<Case, Error> Cases::produce(EventKind kind, const std::string& by, Case next, ProductionInput input,
                                   json::object details, const std::optional<Case>& also) {
  const auto production = render(input, ports_.ledger);
  std::vector<OfficerPublicKey> recipients;
  json::array who;
  for (const auto& one : next.approvals) {
    recipients.push_back(key_of(one.officer)->key);
    who.push_back(json::string(one.officer));
  }
  const auto bundle = seal_bundle(production.files, recipients, ports_.random);
  if (!bundle) return fail(Error::too_large);
  next.productions.push_back({.number = input.number,
                              .made = input.made,
                              .from = input.from,
                              .to = input.to,
                              .pieces = static_cast<std::uint32_t>(bundle->pieces.size()),
                              .rows = input.rows.size(),
                              .core_sha256 = production.core_sha256,
                              .bundle_sha256 = bundle->digest(),
                              .event = next.events + 1,
                              .destroyed = false});
  details["approvals"] = std::move(who);
  details["bundle_sha256"] = to_hex(bundle->digest());
  details["core_sha256"] = to_hex(production.core_sha256);
  details["number"] = input.number;
  details["revision"] = next.revision;
  details["rows"] = input.rows.size();
  const auto id = next.id;
  // Of a pen register: what is in the production now is erased here, in the same write.
  auto erased = ports_.rows.batch();
  if (kind == EventKind::collected) OPALINE_CHECK(ports_.collecting.erase(id, input.to, erased));
  return commit(kind, by, std::move(next), std::move(details), also, [&](auto& batch) {
    batch.add(std::move(erased));
    for (std::uint32_t i = 0; i < bundle->pieces.size(); ++i)
      batch.put(tables::kBundles, store::clear(internal::key_of(id, input.number, i)), bundle->pieces[i]);
  });
}

// ---------------------------------------------------------------- pen registers

Result<Case, Error> Cases::start_collecting(const std::string& by, Case next) {
  const auto now = std::chrono::ceil<seconds>(ports_.clock.now());
  if (next.facts.to <= now) return fail(Error::not_possible);
  next.state = State::collecting;
  next.collected_from = next.produced_until = std::max<Time>(now, next.facts.from);
  json::array who;
  for (const auto& one : next.approvals) who.push_back(json::string(one.officer));
  auto done = commit(EventKind::collecting, by, std::move(next), {{"approvals", std::move(who)}});
  if (done) collect_now();
  return done;
}

Result<Case, Error> Cases::end(const std::string& by, const CaseId& id, const std::string& reason) {
  OPALINE_TRY(const auto* found, find(id));
  if (found->state != State::collecting || found->ended) return fail(Error::not_possible);
  if (!is_words(reason)) return fail(Error::invalid);
  Case next = *found;
  next.ended = std::max<Time>(std::chrono::ceil<seconds>(ports_.clock.now()), *next.produced_until);
  auto done = commit(EventKind::ended, by, std::move(next), {{"reason", reason}});
  if (done) collect_now();
  return done;
}

void Cases::collect_now() {
  std::vector<CollectTarget> targets;
  for (const auto& [id, one] : cases_) {
    if (one.state == State::collecting && !one.ended)
      targets.push_back({id, one.facts.handles, *one.collected_from, one.facts.to});
  }
  ports_.collect(std::move(targets));
}

std::size_t Cases::collections() const {
  const auto now = ports_.clock.now();
  return static_cast<std::size_t>(std::ranges::count_if(cases_, [&](const auto& one) {
    const Case& c = one.second;
    return c.state == State::collecting && !c.ended && now < c.facts.to;
  }));
}

Result<bool, Error> Cases::produce_day(const CaseId& id) {
  OPALINE_TRY(const auto* found, find(id));
  const Time end = std::min(found->ended.value_or(found->facts.to), found->facts.to);
  const Time from = *found->produced_until;
  const Time midnight = std::chrono::floor<std::chrono::days>(from) + std::chrono::days(1);
  const Time to = std::min(midnight, end);
  const bool last = to >= end;
  if (found->state != State::collecting || to > ports_.clock.now()) return false;
  Case next = *found;
  next.produced_until = to;
  if (last) next.state = State::collected;
  auto input = input_of(next);
  input.from = from;
  input.to = to;
  OPALINE_TRY(input.rows, ports_.collecting.read(id, next.facts.handles, from, to));
  if (input.rows.size() > kMaxRows) {
    input.gaps.damaged = input.rows.size() - kMaxRows;
    input.rows.resize(kMaxRows);
  }
  OPALINE_CHECK(produce(EventKind::collected, "service", std::move(next), std::move(input), {}, std::nullopt));
  if (last) collect_now();
  return !last;
}

// ---------------------------------------------------------------- handing over

Result<LedgerPart, Error> Cases::proofs(const std::vector<std::pair<CaseId, std::uint32_t>>& events) {
  const auto head = ports_.ledger.head();
  if (!head) return fail(Error::unavailable);
  LedgerPart out{.events = {}, .head = *head};
  for (const auto& [id, number] : events) {
    OPALINE_TRY(auto one, event(id, number));
    const auto leaf = ports_.ledger.leaf(one.index);
    auto proof = ports_.ledger.inclusion(one.index, head->head.size);
    if (!leaf || !proof) return fail(Error::unavailable);
    out.events.push_back({std::move(one.text), one.salt, one.index, leaf->time, leaf->kind, std::move(*proof)});
  }
  return out;
}

Result<Cases::Handover, Error> Cases::production(const CaseId& id, std::uint32_t number) {
  OPALINE_TRY(const auto* found, find(id));
  const auto at = std::ranges::find(found->productions, number, &Produced::number);
  if (at == found->productions.end()) return fail(Error::not_found);
  std::vector<std::pair<CaseId, std::uint32_t>> events{{id, at->event}};
  if (found->facts.instrument == Instrument::preservation) {
    if (!found->opened_by) return fail(at->destroyed ? Error::gone : Error::not_possible);
    OPALINE_TRY(const auto* order, find(*found->opened_by));
    events.emplace_back(order->id, order->productions.front().event);
  }
  if (at->destroyed) return fail(Error::gone);
  OPALINE_TRY(auto part, proofs(events));
  return Handover{*at, std::move(part)};
}

Result<Bytes, Error> Cases::piece(const CaseId& id, std::uint32_t number, std::uint32_t piece) {
  OPALINE_TRY(const auto handover, production(id, number));
  if (piece >= handover.produced.pieces) return fail(Error::not_found);
  const auto row = ports_.rows.get(tables::kBundles, store::clear(internal::key_of(id, number, piece)));
  if (!row || !*row) return fail(Error::unavailable);
  return to_bytes(**row);
}

}  // namespace opaline::records
