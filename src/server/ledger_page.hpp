#pragma once
// What everybody may see of the ledger, on the public listener (docs/records.md, "The public page"):
//   GET /v1/ledger                             a page for people: the newest heads, how many collections are on
//   GET /v1/ledger/heads?after=SIZE            signed heads of greater sizes as JSON, oldest first, at most 100;
//   without
//                                              `after` the newest 100
//   GET /v1/ledger/consistency?first=N&second=M   a proof that the tree of M leaves goes on from that of N
#include <functional>
#include <string>

#include "ledger/ledger.hpp"
#include "net/http.hpp"

namespace opaline::server {

inline constexpr std::string_view kLedgerPath = "/v1/ledger";
inline constexpr std::size_t kMaxHeads = 100;

/// Control thread. Borrows the ledger.
class LedgerPage {
 public:
  struct Facts {
    std::string service;                       ///< its name
    std::function<std::size_t()> collections;  ///< pen registers that collect at this moment
  };
  LedgerPage(ledger::Ledger& ledger, Facts facts) : ledger_(ledger), facts_(std::move(facts)) {}

  /// `request`'s path begins with kLedgerPath. 404, 405, 400 (with what is wrong), 503 (the store failed).
  [[nodiscard]] net::HttpResponse serve(const net::HttpRequest& request);

 private:
  [[nodiscard]] net::HttpResponse page();
  [[nodiscard]] net::HttpResponse heads(std::string_view query);
  [[nodiscard]] net::HttpResponse consistency(std::string_view query);

  ledger::Ledger& ledger_;
  Facts facts_;
};

}  // namespace opaline::server
