// Cases, from opening to closing.
#include <fmt/format.h>

#include "apps/opaline-records/key.hpp"
#include "apps/opaline-records/service.hpp"
#include "apps/opaline/prompt.hpp"
#include "crypto/random.hpp"
#include "records/officer_client.hpp"

namespace opaline::officer {

namespace json = boost::json;

namespace {

std::string list_of(const json::value& value, std::string_view pointer) {
  std::string out;
  boost::system::error_code error;
  const auto* found = value.find_pointer(pointer, error);
  if (error || found == nullptr || !found->is_array()) return out;
  for (const auto& one : found->get_array()) out += (out.empty() ? "" : ", ") + field(one, "");
  return out;
}

void print_facts(const json::value& facts) {
  for (const auto& [label, pointer] : {std::pair{"Authority", "/authority"},
                                       {"Instrument", "/instrument"},
                                       {"Reference", "/reference"},
                                       {"Jurisdiction", "/jurisdiction"},
                                       {"From", "/from"},
                                       {"Before", "/to"},
                                       {"Served", "/served"},
                                       {"Due", "/due"},
                                       {"Opens", "/opens"}}) {
    if (const auto text = field(facts, pointer); !text.empty()) fmt::print("  {:<13}{}\n", label, text);
  }
  fmt::print("  {:<13}{}\n", "Handles", list_of(facts, "/handles"));
}

void print_case(const json::value& one) {
  fmt::print("Case {}: {} (revision {}, opened {})\n", field(one, "/case"), field(one, "/state"),
             field(one, "/revision"), field(one, "/opened"));
  print_facts(one.at("facts"));
  for (const auto& approval : one.at("approvals").as_array()) {
    fmt::print("  Approved by  {}, {}\n", field(approval, "/officer"), field(approval, "/at"));
  }
  for (const auto& made : one.at("productions").as_array()) {
    fmt::print("  Production   {}: {} entries, made {}{}\n", field(made, "/number"), field(made, "/rows"),
               field(made, "/made"), field(made, "/destroyed") == "true" ? ", destroyed" : "");
  }
  if (const auto at = field(one, "/destroy_at"); !at.empty()) fmt::print("  Destroyed on {}\n", at);
  if (const auto at = field(one, "/notice_at"); !at.empty()) fmt::print("  Notice due   {}\n", at);
}

/// Sends a step of a case and shows how it stands then.
Exit step(const Options& options, const std::string& target, const json::object& body) {
  const auto home = load_home(options.home);
  if (!home) return complain(home.error());
  const auto told = Service(*home).json("POST", target, json::serialize(body));
  if (!told) return complain(told.error());
  if (options.json) {
    fmt::print("{}\n", json::serialize(*told));
  } else {
    print_case(*told);
  }
  return Exit::ok;
}

std::string of_case(const Options& options, const std::string& what) {
  return "cases/" + options.id + "/" + what;
}

}  // namespace

Exit case_open(const Options& options) {
  json::object facts{{"authority", options.authority_name},
                     {"instrument", options.instrument},
                     {"reference", options.reference},
                     {"jurisdiction", options.jurisdiction},
                     {"handles", json::array(options.handles.begin(), options.handles.end())},
                     {"from", options.from},
                     {"to", options.to},
                     {"served", options.served},
                     {"due", options.due}};
  if (!options.opens.empty()) facts["opens"] = options.opens;
  const Exit done = step(options, "cases", facts);
  if (done == Exit::ok && !options.json) fmt::print("Next, by two officers: opaline-records case approve ID\n");
  return done;
}

Exit case_list(const Options& options) {
  const auto home = load_home(options.home);
  if (!home) return complain(home.error());
  json::array all;
  for (std::string after;;) {
    const auto told = Service(*home).json("GET", after.empty() ? "cases" : "cases?after=" + after);
    if (!told) return complain(told.error());
    const auto& page = told->at("cases").as_array();
    if (page.empty()) break;
    all.insert(all.end(), page.begin(), page.end());
    after = field(page.back(), "/case");
  }
  if (options.json) {
    fmt::print("{}\n", json::serialize(json::object{{"cases", std::move(all)}}));
    return Exit::ok;
  }
  if (all.empty()) fmt::print("There are no cases. Open one with: opaline-records case open --help\n");
  for (const auto& one : all) {
    fmt::print("{}  {:<11} {:<13} {:<8} due {}  {}\n", field(one, "/case"), field(one, "/state"),
               field(one, "/facts/instrument"), field(one, "/facts/jurisdiction"), field(one, "/facts/due"),
               field(one, "/facts/authority"));
  }
  return Exit::ok;
}

Exit case_show(const Options& options) {
  const auto home = load_home(options.home);
  if (!home) return complain(home.error());
  const auto told = Service(*home).json("GET", "cases/" + options.id);
  if (!told) return complain(told.error());
  if (options.json) {
    fmt::print("{}\n", json::serialize(*told));
    return Exit::ok;
  }
  print_case(*told);
  fmt::print("What was done, each with its place in the ledger:\n");
  for (const auto& event : told->at("events").as_array()) {
    fmt::print("  {:>4}  {}  {}  {}\n", field(event, "/ledger_index"), field(event, "/at"), field(event, "/by"),
               field(event, "/event"));
  }
  return Exit::ok;
}

Exit case_approve(const Options& options) {
  const auto id = records::case_id_from(options.id);
  if (!id) return complain("a case is named like 2026-0001");
  const auto home = load_home(options.home);
  if (!home) return complain(home.error());
  const Service service(*home);
  const auto told = service.ask("GET", of_case(options, "preview"));
  if (!told) return complain(told.error());
  const auto seen = records::preview_from(as_text(*told), *id, home->service);
  if (!seen) return complain(seen.error());
  fmt::print("Case {}, revision {}. Exactly this would be taken out of the log:\n", options.id, seen->subject.revision);
  print_facts(records::to_json(seen->facts));
  for (const auto& count : seen->subject.counts) {
    fmt::print("  {:<30} asked for others {} times, was asked for {} times\n", count.handle, count.by, count.of);
  }
  fmt::print("  {:<30} {} entries\n", "together", records::total(seen->subject.counts));
  if (!options.yes) {
    const auto answer = cli::ask("Sign it? Type the case's number: ");
    if (!answer || *answer != options.id) return complain("nothing was signed");
  }
  const auto key = open_key(options, *home);
  if (!key) return complain(key.error());
  crypto::SystemRandom random;
  const auto done =
      service.json("POST", of_case(options, "approve"), records::approval_body(seen->subject, *key, random));
  if (!done) return complain(done.error());
  if (options.json) {
    fmt::print("{}\n", json::serialize(*done));
  } else {
    fmt::print("Signed.\n");
    print_case(*done);
  }
  return Exit::ok;
}

Exit case_narrow(const Options& options) {
  json::object body{{"reason", options.words}};
  if (!options.handles.empty()) body["handles"] = json::array(options.handles.begin(), options.handles.end());
  if (!options.from.empty()) body["from"] = options.from;
  if (!options.to.empty()) body["to"] = options.to;
  return step(options, of_case(options, "narrow"), body);
}

Exit case_step(const Options& options, const std::string& what) {
  return step(options, of_case(options, what), {{"reason", options.words}});
}

Exit case_answer(const Options& options) {
  return step(options, of_case(options, "answer"), {{"words", options.words}});
}

Exit case_notify(const Options& options) {
  json::object body{{"words", options.words}};
  if (!options.not_before.empty()) body["not_before"] = options.not_before;
  return step(options, of_case(options, "notify"), body);
}

}  // namespace opaline::officer
