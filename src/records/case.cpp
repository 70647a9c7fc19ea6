#include "records/case.hpp"

#include <algorithm>

#include "base/utf8.hpp"
#include "identity/handle.hpp"
#include "records/canonical.hpp"

namespace opaline::records {
namespace {

namespace json = boost::json;

constexpr Instrument kInstruments[] = {Instrument::subpoena,     Instrument::court_order,  Instrument::warrant,
                                       Instrument::pen_register, Instrument::preservation, Instrument::emergency};

bool is_jurisdiction(std::string_view text) {
  const auto letter = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (text.size() < 2 || !letter(text[0]) || !letter(text[1])) return false;
  if (text.size() == 2) return true;
  const auto part = text.substr(3);
  return text[2] == '-' && !part.empty() && part.size() <= 3 &&
         std::ranges::all_of(part, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

bool is_whole(Time time) {
  return time == std::chrono::floor<seconds>(time);
}

}  // namespace

std::string_view name(Error error) {
  switch (error) {
    case Error::invalid:
      return "invalid";
    case Error::not_found:
      return "not_found";
    case Error::not_possible:
      return "not_possible";
    case Error::no_key:
      return "no_key";
    case Error::exists:
      return "exists";
    case Error::bad_signature:
      return "bad_signature";
    case Error::same_officer:
      return "same_officer";
    case Error::stale:
      return "stale";
    case Error::changed:
      return "changed";
    case Error::too_large:
      return "too_large";
    case Error::gone:
      return "gone";
    case Error::unavailable:
      return "unavailable";
  }
  return "unknown";
}

std::string_view name(Instrument instrument) {
  switch (instrument) {
    case Instrument::subpoena:
      return "subpoena";
    case Instrument::court_order:
      return "court_order";
    case Instrument::warrant:
      return "warrant";
    case Instrument::pen_register:
      return "pen_register";
    case Instrument::preservation:
      return "preservation";
    case Instrument::emergency:
      return "emergency";
  }
  return "unknown";
}

std::optional<Instrument> instrument_from(std::string_view text) {
  for (const auto one : kInstruments) {
    if (name(one) == text) return one;
  }
  return std::nullopt;
}

bool produces(Instrument instrument) {
  return instrument != Instrument::preservation && instrument != Instrument::pen_register;
}

std::string_view name(Direction direction) {
  return direction == Direction::by ? "by" : "of";
}

std::string to_text(const CaseId& id) {
  const auto number = std::to_string(id.number);
  return std::to_string(id.year) + "-" + std::string(number.size() < 4 ? 4 - number.size() : 0, '0') + number;
}

std::optional<CaseId> case_id_from(std::string_view text) {
  if (text.size() < 9 || text.size() > 13 || text[4] != '-') return std::nullopt;
  CaseId out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == 4) continue;
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    auto& into = i < 4 ? out.year : out.number;
    into = into * 10 + static_cast<std::uint32_t>(text[i] - '0');
  }
  if (to_text(out) != text || out.number == 0) return std::nullopt;
  return out;
}

bool is_line(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLineBytes &&
         every_code_point(as_view(text), [](char32_t c) { return !is_control(c); });
}
bool is_words(std::string_view text) {
  return !text.empty() && text.size() <= kMaxWordsBytes &&
         every_code_point(as_view(text), [](char32_t c) { return c == '\n' || !is_control(c); });
}

// ---------------------------------------------------------------- facts

Result<Facts, std::string> checked(Facts facts, Time now) {
  const auto wrong = [](const char* why) { return fail(std::string(why)); };
  if (!is_line(facts.authority)) return wrong("authority: one line of 1 to 200 bytes");
  if (!is_line(facts.reference)) return wrong("reference: one line of 1 to 200 bytes");
  if (!is_jurisdiction(facts.jurisdiction)) return wrong("jurisdiction: as in ISO 3166, \"DE\" or \"US-CA\"");
  for (auto& handle : facts.handles) {
    const auto normal = identity::normalize_handle(handle);
    if (!normal)
      return fail("handles: \"" + handle.substr(0, 300) + "\" is no phone number (+...) and no e-mail address");
    handle = normal->text();
  }
  std::ranges::sort(facts.handles);
  if (std::ranges::adjacent_find(facts.handles) != facts.handles.end()) return wrong("handles: one is there twice");
  if (facts.handles.empty() || facts.handles.size() > kMaxHandles) return wrong("handles: 1 to 100");
  if (!is_whole(facts.from) || !is_whole(facts.to) || facts.from >= facts.to)
    return wrong("from, to: whole seconds, from before to");
  if (facts.due < facts.served) return wrong("due: not before served");
  if (facts.served > now + std::chrono::days(1)) return wrong("served: not in the future");
  if (facts.opens && !produces(facts.instrument))
    return wrong("opens: a preservation or pen register opens no other case");
  if (facts.instrument == Instrument::pen_register) {
    if (facts.to <= now) return wrong("to: a pen register collects what comes; this end is over");
    if (facts.to - std::max(facts.from, now) > kMaxCollection) return wrong("to: a pen register ends within 60 days");
  } else if (facts.to > now) {
    return wrong("to: not in the future; what comes is for a pen register");
  }
  return facts;
}

bool narrows(const Facts& before, const Facts& after) {
  Facts same = after;
  same.handles = before.handles;
  same.from = before.from;
  same.to = before.to;
  return same == before && after != before && after.from >= before.from && after.to <= before.to &&
         std::ranges::includes(before.handles, after.handles);
}

json::object to_json(const Facts& facts) {
  json::array handles;
  for (const auto& handle : facts.handles) handles.push_back(json::string(handle));
  json::object out{{"authority", facts.authority},
                   {"due", to_text(facts.due)},
                   {"from", to_text(facts.from)},
                   {"handles", std::move(handles)},
                   {"instrument", name(facts.instrument)},
                   {"jurisdiction", facts.jurisdiction},
                   {"reference", facts.reference},
                   {"served", to_text(facts.served)},
                   {"to", to_text(facts.to)}};
  if (facts.opens) out["opens"] = to_text(*facts.opens);
  return out;
}

Result<Facts, std::string> facts_from(const json::object& object) {
  constexpr std::string_view kNames[] = {"authority",    "due",       "from",   "handles", "instrument",
                                         "jurisdiction", "reference", "served", "to"};
  const auto wrong = [](std::string_view field, const char* why) { return fail(std::string(field) + ": " + why); };
  for (const auto& field : object) {
    if (std::ranges::find(kNames, std::string_view(field.key())) == std::end(kNames) && field.key() != "opens")
      return wrong(field.key(), "there is no such field");
  }
  Facts out;
  for (const auto& [field, into] :
       {std::pair{"authority", &out.authority}, {"reference", &out.reference}, {"jurisdiction", &out.jurisdiction}}) {
    auto text = text_of(object, field);
    if (!text) return wrong(field, "a text");
    *into = std::move(*text);
  }
  const auto instrument = text_of(object, "instrument");
  const auto kind = instrument ? instrument_from(*instrument) : std::nullopt;
  if (!kind)
    return wrong("instrument",
                 "\"subpoena\", \"court_order\", \"warrant\", \"pen_register\", \"preservation\" or \"emergency\"");
  out.instrument = *kind;
  const auto* handles = array_of(object, "handles");
  if (handles == nullptr || handles->size() > kMaxHandles) return wrong("handles", "an array of 1 to 100 texts");
  for (const auto& handle : *handles) {
    if (!handle.is_string()) return wrong("handles", "an array of 1 to 100 texts");
    out.handles.emplace_back(handle.get_string());
  }
  for (const auto& [field, into] : {std::pair{"from", &out.from}, {"to", &out.to}}) {
    const auto time = time_from(text_of(object, field).value_or(""));
    if (!time) return wrong(field, "a time in UTC, \"2026-11-22T20:00:00Z\"");
    *into = *time;
  }
  for (const auto& [field, into] : {std::pair{"served", &out.served}, {"due", &out.due}}) {
    const auto date = date_from(text_of(object, field).value_or(""));
    if (!date) return wrong(field, "a date, \"2026-11-22\"");
    *into = *date;
  }
  if (object.contains("opens")) {
    out.opens = case_id_from(text_of(object, "opens").value_or(""));
    if (!out.opens) return wrong("opens", "a case, \"2026-0001\"");
  }
  return out;
}

FactsDigest digest(const CaseId& id, std::uint32_t revision, const Facts& facts) {
  return FactsDigest(
      sha256_of(canonical_own(json::object{{"case", to_text(id)}, {"facts", to_json(facts)}, {"revision", revision}})));
}

// ---------------------------------------------------------------- counts and approvals

std::uint64_t total(const Counts& counts) {
  std::uint64_t out = 0;
  for (const auto& count : counts) out += count.by + count.of;
  return out;
}

json::array to_json(const Counts& counts) {
  json::array out;
  for (const auto& count : counts) out.push_back({{"by", count.by}, {"handle", count.handle}, {"of", count.of}});
  return out;
}

std::optional<Counts> counts_from(const json::array& array) {
  if (array.size() > kMaxHandles) return std::nullopt;
  Counts out;
  for (const auto& one : array) {
    const auto* object = one.if_object();
    if (object == nullptr || !has_exactly(*object, {"by", "handle", "of"})) return std::nullopt;
    const auto handle = text_of(*object, "handle");
    const auto by = number_of(*object, "by"), of = number_of(*object, "of");
    constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
    if (!handle || !by || !of || *by > kMost || *of > kMost) return std::nullopt;
    out.push_back({*handle, *by, *of});
  }
  return out;
}

std::string signed_text(const ApprovalSubject& subject) {
  return canonical_own(json::object{{"case", to_text(subject.id)},
                                    {"counts", to_json(subject.counts)},
                                    {"facts_sha256", subject.facts.hex()},
                                    {"format", "opaline approval 1"},
                                    {"revision", subject.revision},
                                    {"service", subject.service}});
}

}  // namespace opaline::records
