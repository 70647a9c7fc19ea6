// Pen registers: what is collected from now on, and the productions that its days become.
#include <algorithm>

#include "records/canonical.hpp"
#include "records/cases.hpp"

namespace opaline::records {

namespace json = boost::json;

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

namespace {

Time end_of(const Case& one) {
  return std::min(one.ended.value_or(one.facts.to), one.facts.to);
}

}  // namespace

void Cases::produce_day(const CaseId& id) {
  const auto found = find(id);
  if (!found || (*found)->state != State::collecting || extracting_.contains(id)) return;
  const Time from = *(*found)->produced_until;
  const Time midnight = std::chrono::floor<std::chrono::days>(from) + std::chrono::days(1);
  const Time to = std::min(midnight, end_of(**found));
  if (to > ports_.clock.now()) return;
  auto input = input_of(**found);
  input.from = from;
  input.to = to;
  extracting_.insert(id);
  ports_.aside([this, id, work = making(EventKind::collected, "service", **found, std::move(input))]() mutable {
    auto made = seal_day(work);
    ports_.back([this, id, work = std::move(work), made = std::move(made)]() mutable {
      extracting_.erase(id);
      const auto done = made ? collected(work, std::move(*made)) : fail(made.error());
      if (!done) {
        day_failed_ = true;
        if (!stale_) std::ignore = erase_pieces(id, work.input.number);
      } else if (done->state == State::collecting) {
        produce_day(id);
      } else {
        collect_now();
      }
    });
  });
}

Result<Cases::Day, Error> Cases::seal_day(Making& work) const {
  auto& in = work.input;
  OPALINE_TRY(in.rows, ports_.collecting.read(in.id, in.facts.handles, in.from, in.to));
  if (in.rows.size() > kMaxRows) {
    in.gaps.damaged = in.rows.size() - kMaxRows;
    in.rows.resize(kMaxRows);
  }
  OPALINE_TRY(auto made, seal(work));
  if (!store_pieces(in.id, in.number, made.pieces)) return fail(Error::unavailable);
  Day out{std::move(made.produced), ports_.rows.batch()};
  OPALINE_CHECK(ports_.collecting.erase(in.id, in.to, out.erased));
  return out;
}

Result<Case, Error> Cases::collected(const Making& work, Day made) {
  OPALINE_TRY(const auto* now, find(work.next.id));
  Case next = *now;  // it may have been ended meanwhile
  next.produced_until = work.input.to;
  if (work.input.to >= end_of(next)) next.state = State::collected;
  next.productions.push_back(made.produced);
  next.productions.back().event = next.events + 1;
  // What is in the production now is erased here, in the same write.
  return commit(EventKind::collected, work.by, std::move(next), details_of(work, made.produced), std::nullopt,
                [&](auto& batch) { batch.add(std::move(made.erased)); });
}

}  // namespace opaline::records
