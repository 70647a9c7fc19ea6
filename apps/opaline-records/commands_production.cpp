// Productions: fetched and opened here, and checked anywhere.
#include <fmt/format.h>

#include "apps/opaline-records/key.hpp"
#include "apps/opaline-records/service.hpp"
#include "records/officer_client.hpp"
#include "records/verify.hpp"

namespace opaline::officer {
namespace {

Exit print_verdict(const records::Verdict& verdict) {
  for (const auto& check : verdict.checks) fmt::print("{} {}\n", check.good ? "ok  " : "BAD ", check.sentence);
  fmt::print("{}\n", verdict.good() ? "This production is what it says." : "This production must not be relied upon.");
  return verdict.good() ? Exit::ok : Exit::failed;
}

}  // namespace

Exit produce(const Options& options) {
  if (!records::case_id_from(options.id)) return complain("a case is named like 2026-0001");
  const auto home = load_home(options.home);
  if (!home) return complain(home.error());
  const Service service(*home);
  const std::string target = fmt::format("cases/{}/productions/{}", options.id, options.number);
  const auto told = service.ask("GET", target);
  if (!told) return complain(told.error());
  const auto offered = records::offered_from(as_text(*told));
  if (!offered) return complain("the service's answer is not understood: is this program older than the service?");
  std::vector<Bytes> pieces;
  for (std::uint32_t i = 0; i < offered->pieces; ++i) {
    auto piece = service.ask("GET", fmt::format("{}/pieces/{}", target, i));
    if (!piece) return complain(piece.error());
    pieces.push_back(std::move(*piece));
  }
  const auto key = open_key(options, *home);
  if (!key) return complain(key.error());
  const auto files = records::open_production(pieces, *offered, *key);
  if (!files) return complain(files.error());
  const auto folder = options.folder.value_or(fmt::format("production-{}-{}", options.id, options.number));
  if (const auto written = records::write_folder(folder, *files); !written) return complain(written.error());
  fmt::print("Written to {}\n", folder.string());
  return print_verdict(records::verify(*files, home->service));
}

Exit verify_folder(const Options& options) {
  const auto files = records::read_folder(*options.folder);
  if (!files) return complain(files.error());
  std::string service = options.service;
  std::erase(service, ' ');
  return print_verdict(records::verify(*files, service));
}

Exit ledger_verify(const Options& options) {
  const auto home = load_home(options.home);
  if (!home) return complain(home.error());
  const auto told =
      Service(*home).json("GET", options.head.empty() ? "ledger/verify" : "ledger/verify?head=" + options.head);
  if (!told) return complain(told.error());
  if (options.json) {
    fmt::print("{}\n", boost::json::serialize(*told));
  } else if (field(*told, "/intact") == "true") {
    fmt::print("Every recorded event is as it was: {} events.\n", field(*told, "/events"));
  } else {
    fmt::print("THE RECORD WAS CHANGED: {}\n", field(*told, "/why"));
  }
  return field(*told, "/intact") == "true" ? Exit::ok : Exit::failed;
}

}  // namespace opaline::officer
