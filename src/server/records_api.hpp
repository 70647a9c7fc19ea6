#pragma once
// Legal requests, for officers (docs/records.md, "The API"): JSON on the operator listener, never on the admin socket.
//   GET  /v1/records/service                      name, ledger key, retention, and the officer's own key if registered
//   GET  /v1/records/officers
//   POST /v1/records/key                          {"key", "signature"}
//   GET  /v1/records/cases?after=ID
//   POST /v1/records/cases                        the facts -> 201 with the case
//   GET  /v1/records/cases/<id>                   with its events
//   GET  /v1/records/cases/<id>/preview           what would be produced, as counts
//   POST /v1/records/cases/<id>/approve           {"revision", "facts_sha256", "counts", "signature"}
//   POST /v1/records/cases/<id>/narrow            {"reason", "handles"?, "from"?, "to"?}
//   POST /v1/records/cases/<id>/refuse, /close, /renew, /end   {"reason"}
//   POST /v1/records/cases/<id>/answer            {"words"}
//   POST /v1/records/cases/<id>/notify            {"words", "not_before"?}
//   GET  /v1/records/cases/<id>/productions/<n>   pieces, hashes, and the ledger's part of the manifest
//   GET  /v1/records/cases/<id>/productions/<n>/pieces/<k>   bytes
//   GET  /v1/records/report?period=2026H2         numbers of a half-year's cases
//   GET  /v1/records/ledger/verify?head=HEX       owners and auditors, too
#include <boost/json.hpp>

#include "operators/operators.hpp"
#include "records/cases.hpp"

namespace opaline::server {

namespace internal {
struct AdminCall;
}

/// Control thread. Everything must outlive it.
class RecordsApi {
 public:
  struct Ports {
    operators::Operators& operators;
    records::Cases& cases;
    const crypto::HybridPublicKey& service_key;
    std::string service_name;
    std::chrono::days retention{};
    const Clock& clock;
    bool report_bands = false;  ///< no exact numbers are to be published
  };
  explicit RecordsApi(Ports ports) : p_(std::move(ports)) {}

  /// `path` is what follows /v1/records/. Always answers.
  void serve(internal::AdminCall& call, std::string_view path);

 private:
  using Call = internal::AdminCall;
  void unknown(Call& call, std::string_view path);
  void service(Call& call);
  void officers(Call& call);
  void register_key(Call& call);
  void list(Call& call);
  void open_case(Call& call);
  void one(Call& call, const records::CaseId& id, std::string_view rest);
  void show(Call& call, const records::CaseId& id);
  void preview(Call& call, const records::CaseId& id);
  void approve(Call& call, const records::CaseId& id);
  void narrow(Call& call, const records::CaseId& id);
  void words_step(Call& call, const records::CaseId& id, std::string_view step);
  void notify(Call& call, const records::CaseId& id);
  void productions(Call& call, const records::CaseId& id, std::string_view rest);
  void piece(Call& call, const records::CaseId& id, std::uint32_t production, std::uint32_t number);
  void report(Call& call);
  void verify_ledger(Call& call);

  /// Asks the table of roles and records what is about to happen. False: it was answered.
  [[nodiscard]] bool allowed(Call& call, operators::Action action, const std::string& object,
                             operators::Permission permission = operators::Permission::handle_cases);
  /// Answers, and records that it came to nothing.
  void refuse(Call& call, operators::Action action, const std::string& object, records::Error error,
              std::string why = {});
  void answer(Call& call, operators::Action action, const records::CaseId& id,
              const Result<records::Case, records::Error>& done);

  Ports p_;
};

}  // namespace opaline::server
