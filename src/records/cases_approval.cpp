// What two officers' approval does: counting, extracting, sealing, handing over.
#include <algorithm>

#include "records/canonical.hpp"
#include "records/cases.hpp"
#include "records/internal/case_rows.hpp"

namespace opaline::records {

namespace json = boost::json;

Result<Counts, Error> Cases::counts(const Facts& facts) {
  Counts out;
  if (facts.instrument == Instrument::pen_register) return out;
  for (const auto& handle : facts.handles) {
    Count one{handle, 0, 0};
    for (const auto direction : {Direction::by, Direction::of}) {
      auto& into = direction == Direction::by ? one.by : one.of;
      const bool read = ports_.find(handle, direction, facts.from, facts.to, [&](const auto&) { return ++into, true; });
      if (!read) return fail(Error::unavailable);
    }
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::vector<Row>, Error> Cases::rows(const Facts& facts) {
  std::vector<Row> out;
  for (const auto& handle : facts.handles) {
    for (const auto direction : {Direction::by, Direction::of}) {
      const bool read = ports_.find(handle, direction, facts.from, facts.to, [&](const auto& entry) {
        out.push_back({handle, direction, entry});
        return out.size() <= kMaxRows;
      });
      if (!read) return fail(Error::unavailable);
      if (out.size() > kMaxRows) return fail(Error::too_large);
    }
  }
  return out;
}

Result<Preview, Error> Cases::preview(const CaseId& id) {
  OPALINE_TRY(const auto* found, find(id));
  if (found->state != State::open) return fail(Error::not_possible);
  Preview out{found->revision, found->facts, digest(id, found->revision, found->facts), {}};
  OPALINE_TRY(out.counts, counts(found->facts));
  return out;
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
  OPALINE_TRY(const auto now, counts(found->facts));
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

/// `next` has its approvals. What they saw is what is taken: another number of entries is refused.
Result<Case, Error> Cases::extract(const std::string& by, Case next) {
  const auto now = std::chrono::floor<seconds>(ports_.clock.now());
  json::array who;
  for (const auto& one : next.approvals) who.push_back(json::string(one.officer));
  if (next.facts.instrument == Instrument::pen_register) {
    if (next.facts.to <= now) return fail(Error::not_possible);
    next.state = State::collecting;
    return commit(EventKind::collecting, by, std::move(next), {{"approvals", std::move(who)}});
  }
  std::optional<Case> also;
  if (next.facts.opens) {
    OPALINE_TRY(const auto* kept, find(*next.facts.opens));
    if (kept->state != State::preserved || kept->opened_by) return fail(Error::gone);
    also = *kept;
    also->opened_by = next.id;
    also->destroy_at.reset();  // with the case that opened it
  }
  OPALINE_TRY(auto found, rows(next.facts));
  const auto& approved = next.approvals.front().counts;
  if (count(next.facts.handles, found) != approved) return fail(Error::changed);

  ProductionInput input{.service_name = ports_.service_name,
                        .service = service_,
                        .retention = ports_.retention,
                        .id = next.id,
                        .revision = next.revision,
                        .facts = next.facts,
                        .counts = approved,
                        .approvals = next.approvals,
                        .number = 1,
                        .from = next.facts.from,
                        .to = next.facts.to,
                        .made = now,
                        .rows = std::move(found)};
  const auto production = render(input, ports_.ledger);
  std::vector<OfficerPublicKey> recipients;
  for (const auto& one : next.approvals) recipients.push_back(key_of(one.officer)->key);
  const auto bundle = seal_bundle(production.files, recipients, ports_.random);
  if (!bundle) return fail(Error::too_large);

  next.productions.push_back({.number = 1,
                              .made = now,
                              .from = input.from,
                              .to = input.to,
                              .pieces = static_cast<std::uint32_t>(bundle->pieces.size()),
                              .rows = input.rows.size(),
                              .core_sha256 = production.core_sha256,
                              .bundle_sha256 = bundle->digest(),
                              .event = next.events + 1,
                              .destroyed = false});
  const bool keep = next.facts.instrument == Instrument::preservation;
  next.state = keep ? State::preserved : State::produced;
  if (keep) next.destroy_at = ports_.clock.now() + kPreserved;
  json::object details{{"approvals", std::move(who)},
                       {"bundle_sha256", to_hex(bundle->digest())},
                       {"core_sha256", to_hex(production.core_sha256)},
                       {"number", 1},
                       {"revision", next.revision},
                       {"rows", input.rows.size()}};
  if (next.facts.opens) details["opens"] = to_text(*next.facts.opens);
  const auto id = next.id;
  return commit(EventKind::extracted, by, std::move(next), std::move(details), also, [&](auto& batch) {
    for (std::uint32_t i = 0; i < bundle->pieces.size(); ++i)
      batch.put(tables::kBundles, store::clear(internal::key_of(id, 1, i)), bundle->pieces[i]);
  });
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
