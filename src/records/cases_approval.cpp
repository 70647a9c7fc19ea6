// What two officers' approval does: counting, extracting, sealing, handing over.
#include <algorithm>

#include "base/fault_point.hpp"
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

Result<Cases::Found, Error> Cases::search(const Facts& facts, bool with_rows) const {
  Found out;
  if (facts.instrument == Instrument::pen_register) return out;
  for (const auto& handle : facts.handles) {
    Count one{handle, 0, 0};
    for (const auto direction : {Direction::by, Direction::of}) {
      auto& into = direction == Direction::by ? one.by : one.of;
      const auto found = ports_.find(query_of(facts, handle, direction), [&](const auto& entry) {
        ++into;
        if (with_rows && out.rows.size() < kMaxRows) out.rows.push_back({handle, direction, entry});
        return true;
      });
      if (!found) return fail(Error::unavailable);
      note(out.gaps, *found);
    }
    out.counts.push_back(std::move(one));
  }
  fault_point("cases.searched");
  return out;
}

void Cases::preview(const CaseId& id, Done<Preview> done) {
  const auto found = find(id);
  if (!found) return done(fail(found.error()));
  if ((*found)->state != State::open) return done(fail(Error::not_possible));
  Preview seen{(*found)->revision, (*found)->facts, digest(id, (*found)->revision, (*found)->facts), {}, {}};
  ports_.aside([this, seen = std::move(seen), done = std::move(done)]() mutable {
    auto now = search(seen.facts, false);
    ports_.back([now = std::move(now), seen = std::move(seen), done = std::move(done)]() mutable {
      if (!now) return done(fail(now.error()));
      seen.counts = std::move(now->counts);
      seen.gaps = std::move(now->gaps);
      done(std::move(seen));
    });
  });
}

// ---------------------------------------------------------------- approving

Result<Case*, Error> Cases::signable(const std::string& by, const CaseId& id, const Approving& approving) {
  OPALINE_TRY(auto* found, find(id));
  if (found->state != State::open || extracting_.contains(id)) return fail(Error::not_possible);
  if (key_of(by) == nullptr) return fail(Error::no_key);
  if (approving.revision != found->revision || approving.facts != digest(id, found->revision, found->facts))
    return fail(Error::stale);
  return found;
}

void Cases::approve(const std::string& by, const CaseId& id, Approving approving, Done<Case> done) {
  const auto found = signable(by, id, approving);
  if (!found) return done(fail(found.error()));
  const auto text = signed_text({service_, id, approving.revision, approving.facts, approving.counts});
  const auto verifier = crypto::HybridVerifier::from(key_of(by)->key.signing);
  if (!verifier || !verifier->verify(kApprovalLabel, as_view(text), approving.signature))
    return done(fail(Error::bad_signature));
  const bool with_rows = (*found)->approvals.size() + 1 >= kApprovals;  // it may be the second
  ports_.aside([this, by, id, facts = (*found)->facts, approving = std::move(approving), with_rows,
                done = std::move(done)]() mutable {
    auto in_log = search(facts, with_rows);
    ports_.back([this, by, id, approving = std::move(approving), with_rows, in_log = std::move(in_log),
                 done = std::move(done)]() mutable {
      if (!in_log) return done(fail(in_log.error()));
      approve_found(by, id, approving, with_rows, std::move(*in_log), std::move(done));
    });
  });
}

void Cases::approve_found(const std::string& by, const CaseId& id, const Approving& approving, bool with_rows,
                          Found found, Done<Case> done) {
  const auto now = signable(by, id, approving);  // others worked meanwhile
  if (!now) return done(fail(now.error()));
  if (approving.counts != found.counts) return done(fail(Error::changed));
  if (total(found.counts) > kMaxRows) return done(fail(Error::too_large));
  Case next = **now;
  json::array lapsed;
  std::erase_if(next.approvals, [&](const Approval& one) {
    if (one.counts == found.counts && ports_.is_officer(one.officer)) return false;
    lapsed.push_back(json::string(one.officer));
    return true;
  });
  if (std::ranges::find(next.approvals, by, &Approval::officer) != next.approvals.end())
    return done(fail(Error::same_officer));
  next.approvals.push_back({by, ports_.clock.now(), key_of(by)->key.signing, approving.signature, found.counts});
  if (next.approvals.size() < kApprovals) {
    json::object details{{"counts", to_json(found.counts)}, {"revision", next.revision}};
    if (!lapsed.empty()) details["lapsed"] = std::move(lapsed);
    return done(commit(EventKind::approved, by, std::move(next), std::move(details)));
  }
  if (next.facts.instrument == Instrument::pen_register) return done(start_collecting(by, std::move(next)));
  if (!with_rows) return approve(by, id, approving, std::move(done));  // the first came while this one searched
  if (const auto begun = extract(by, std::move(next), std::move(found), done); !begun) done(fail(begun.error()));
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

// ---------------------------------------------------------------- extracting

Cases::Making Cases::making(EventKind kind, const std::string& by, Case next, ProductionInput input) const {
  Making out{.kind = kind, .by = by, .next = std::move(next), .input = std::move(input), .recipients = {}, .opens = {}};
  for (const auto& one : out.next.approvals) out.recipients.push_back(key_of(one.officer)->key);
  return out;
}

/// `next` has its approvals. What they saw is what is taken.
Result<void, Error> Cases::extract(const std::string& by, Case next, Found found, Done<Case>& done) {
  if (next.facts.opens) {
    OPALINE_TRY(const auto* kept, find(*next.facts.opens));
    if (kept->state != State::preserved || kept->opened_by) return fail(Error::gone);
  }
  const auto id = next.id;
  auto input = input_of(next);
  input.rows = std::move(found.rows);
  input.gaps = std::move(found.gaps);
  const bool keep = next.facts.instrument == Instrument::preservation;
  next.state = keep ? State::preserved : State::produced;
  auto work = making(EventKind::extracted, by, std::move(next), std::move(input));
  work.opens = work.next.facts.opens;
  extracting_.insert(id);
  ports_.aside([this, id, work = std::move(work), done = std::move(done)]() mutable {
    auto made = seal(work);
    if (made && !store_pieces(id, work.input.number, made->pieces)) made = fail(Error::unavailable);
    if (made) made->pieces.clear();
    ports_.back([this, id, work = std::move(work), made = std::move(made), done = std::move(done)]() mutable {
      extracting_.erase(id);
      auto finished = made ? extracted(work, made->produced) : fail(made.error());
      // Not where a write's outcome is unknown: the next start, or the next attempt, knows what they are.
      if (!finished && !stale_) std::ignore = erase_pieces(id, work.input.number);
      done(std::move(finished));
    });
  });
  return {};
}

Result<Cases::Made, Error> Cases::seal(const Making& making) const {
  const auto production = render(making.input, ports_.ledger);
  auto bundle = seal_bundle(production.files, making.recipients, ports_.random);
  if (!bundle) return fail(Error::too_large);
  const auto digest = bundle->digest();
  Made out;
  out.produced = {.number = making.input.number,
                  .made = making.input.made,
                  .from = making.input.from,
                  .to = making.input.to,
                  .pieces = static_cast<std::uint32_t>(bundle->pieces.size()),
                  .rows = making.input.rows.size(),
                  .core_sha256 = production.core_sha256,
                  .bundle_sha256 = digest,
                  .event = 0,
                  .destroyed = false};
  out.pieces = std::move(bundle->pieces);
  fault_point("cases.sealed");
  return out;
}

bool Cases::store_pieces(const CaseId& id, std::uint32_t production, const std::vector<Bytes>& pieces) const {
  if (!erase_pieces(id, production)) return false;
  for (std::uint32_t i = 0; i < pieces.size(); ++i) {
    auto batch = ports_.rows.batch();
    batch.put(tables::kBundles, store::clear(internal::key_of(id, production, i)), pieces[i]);
    if (!ports_.rows.write(std::move(batch))) return false;
    fault_point("cases.after_piece");
  }
  return true;
}

/// They were stored in their order: the first that is not there ends them.
bool Cases::erase_pieces(const CaseId& id, std::uint32_t production) const {
  std::uint32_t end = 0;
  const auto key = [&](std::uint32_t piece) { return store::clear(internal::key_of(id, production, piece)); };
  for (;; ++end) {
    const auto row = ports_.rows.get(tables::kBundles, key(end));
    if (!row) return false;
    if (!*row) break;
  }
  auto batch = ports_.rows.batch();
  while (end > 0) batch.erase(tables::kBundles, key(--end));
  return batch.empty() || ports_.rows.write(std::move(batch)).has_value();
}

json::object Cases::details_of(const Making& making, const Produced& produced) {
  json::array who;
  for (const auto& one : making.next.approvals) who.push_back(json::string(one.officer));
  return {{"approvals", std::move(who)},
          {"bundle_sha256", to_hex(produced.bundle_sha256)},
          {"core_sha256", to_hex(produced.core_sha256)},
          {"number", produced.number},
          {"revision", making.next.revision},
          {"rows", produced.rows}};
}

Result<Case, Error> Cases::extracted(const Making& making, const Produced& produced) {
  OPALINE_TRY(const auto* now, find(making.next.id));
  // An answer or a notice may have come; a narrower request or a refusal makes this extract one of no case.
  if (now->state != State::open || now->revision != making.next.revision ||
      !std::ranges::all_of(making.next.approvals, [&](const auto& one) { return ports_.is_officer(one.officer); }))
    return fail(Error::stale);
  Case next = *now;
  next.approvals = making.next.approvals;
  next.state = making.next.state;
  if (next.state == State::preserved) next.destroy_at = ports_.clock.now() + kPreserved;
  next.productions.push_back(produced);
  next.productions.back().event = next.events + 1;
  auto details = details_of(making, produced);
  std::optional<Case> also;
  if (making.opens) {
    OPALINE_TRY(const auto* kept, find(*making.opens));
    if (kept->state != State::preserved || kept->opened_by) return fail(Error::gone);
    also = *kept;
    also->opened_by = next.id;
    also->destroy_at.reset();  // with the case that opened it
    details["opens"] = to_text(*making.opens);
  }
  return commit(EventKind::extracted, making.by, std::move(next), std::move(details), also);
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
