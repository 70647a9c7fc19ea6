#pragma once
// The administration API (docs/operations.md, "Administration"): JSON over HTTP, on the operator listener with bearer
// tokens and on the admin socket, where the kernel says who it is.
//   GET  /v1/admin/status
//   GET  /v1/admin/operators
//   POST /v1/admin/operators                  {"name", "role", "token_days"?}   -> 201 with the token, shown once
//   POST /v1/admin/operators/<name>/tokens    {"token_days"?}                   -> 201 with the token, shown once
//   POST /v1/admin/operators/<name>/revoke
//   GET  /v1/admin/audit?after=N&limit=N
//   GET  /v1/admin/audit/verify?sequence=N&hash=HEX   (both or none: a head noted earlier)
//   POST /v1/admin/reload
//   POST /v1/admin/clock/confirm
//   .../businesses, .../gateway               business_api.hpp
//   /v1/records/...                           records_api.hpp
//   POST /v1/admin/backup/checkpoint          admin socket alone: a consistent copy of the rows, and the keys
#include <filesystem>
#include <functional>
#include <string>

#include "base/log.hpp"
#include "net/http_server.hpp"
#include "operators/operators.hpp"

namespace opaline::server {

class BusinessApi;
class RecordsApi;
namespace internal {
struct AdminCall;
}

struct NodeStatus {
  std::string server_name, role;
  bool ready = false;
  Time started, now;
  std::uint16_t public_port = 0, operator_port = 0, metrics_port = 0;
  std::size_t device_connections = 0, devices_ready = 0;
  std::uint64_t accepted_online = 0, accepted_stored = 0;
  std::uint64_t envelopes_in_memory = 0, store_queue = 0, stored_days = 0;
  std::int64_t retention_days = 0;
  bool expiry_waits_for_operator = false;
  std::optional<Time> last_expiry_tick;
  Time certificate_expires;
  std::string certificate_sha256;
  bool swap_possible = false;
};

/// What the API asks of the node it administers. Control thread; each answers once, now or in a later round.
class NodeControl {
 public:
  virtual ~NodeControl() = default;
  virtual void status(std::move_only_function<void(NodeStatus)> done) = 0;
  /// Certificates and log file. The error is a sentence; what could not be read stays as it was.
  virtual void reload(std::move_only_function<void(Result<void, std::string>)> done) = 0;
  /// The clock is right: expiry goes on.
  [[nodiscard]] virtual Result<void, std::string> confirm_clock() = 0;
  struct Checkpoint {
    std::filesystem::path directory;  ///< a new one inside the data directory; an earlier one is removed
    std::vector<std::pair<std::string, store::VaultKey>> keys;  ///< the vault's named keys, by purpose
  };
  /// A consistent copy of all rows, and the keys to read them.
  [[nodiscard]] virtual Result<Checkpoint, std::string> checkpoint() = 0;
};

struct AdminCounters {
  std::uint64_t requests = 0, refused = 0;
};

/// Control thread. Everything must outlive it, and it the servers whose requests it takes.
class AdminApi {
 public:
  AdminApi(operators::Operators& operators, NodeControl& node, std::uint32_t own_uid)
      : operators_(operators), node_(node), own_uid_(own_uid) {}
  /// Who answers for businesses; without it there is nothing at their paths. Outlives this.
  void attach(BusinessApi& businesses) { businesses_ = &businesses; }
  /// Who answers for legal requests, the same.
  void attach(RecordsApi& records) { records_ = &records; }

  /// A request of the operator listener: needs `Authorization: Bearer <token>`.
  void serve_operator(net::HttpRequest request, net::HttpResponder responder);
  /// A request of the admin socket: root and the service's own user are owners, everybody else is refused.
  void serve_local(net::HttpRequest request, net::HttpResponder responder);

  [[nodiscard]] const AdminCounters& counters() const { return counters_; }

 private:
  using Call = internal::AdminCall;
  void dispatch(Call call);
  void refuse(Call& call, unsigned status, std::string_view error, std::string_view message);

  void status(Call call);
  void list_operators(Call call);
  void create_operator(Call call);
  void operator_action(Call call, std::string_view rest);
  void read_audit(Call call);
  void verify_audit(Call call);
  void reload(Call call);
  void confirm_clock(Call call);
  void checkpoint(Call call);
  bool allowed(Call& call, operators::Permission permission, operators::Action action, const std::string& object);
  void answer_error(Call& call, operators::Error error, std::string_view message);

  operators::Operators& operators_;
  NodeControl& node_;
  const std::uint32_t own_uid_;
  BusinessApi* businesses_ = nullptr;
  RecordsApi* records_ = nullptr;
  AdminCounters counters_;
};

}  // namespace opaline::server
