#pragma once
// The parts of a node, in the order in which they are opened; they end in the opposite one.
#include <atomic>
#include <map>
#include <optional>
#include <thread>

#include "crypto/random.hpp"
#include "server/admin_api.hpp"
#include "server/blob_desk.hpp"
#include "server/business_api.hpp"
#include "server/identity_desk.hpp"
#include "server/internal/case_notices.hpp"
#include "server/internal/code_delivery.hpp"
#include "server/internal/lookup_log_parts.hpp"
#include "server/ledger_page.hpp"
#include "server/metrics.hpp"
#include "server/process.hpp"
#include "server/public_edge.hpp"
#include "server/records_api.hpp"
#include "server/server.hpp"
#include "store/drivers/file_blob_store.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_mailbox_store.hpp"
#include "store/drivers/rocksdb_row_store.hpp"
#include "store/expiry_guard.hpp"
#include "store/sealed_rows.hpp"

namespace opaline::server {

class Server::Impl final : NodeControl {
 public:
  Impl(Config config, const Ports& ports);
  ~Impl() override;

  // ---- server.cpp: opening and ending
  [[nodiscard]] Result<void, std::string> open();
  [[nodiscard]] bool run();
  [[nodiscard]] ServerPorts ports() const;

 private:
  [[nodiscard]] Result<void, std::string> open_signals();
  [[nodiscard]] Result<void, std::string> open_stores();
  [[nodiscard]] Result<void, std::string> open_services();
  [[nodiscard]] Result<void, std::string> open_records();
  void collect(std::vector<records::CollectTarget> targets);
  [[nodiscard]] Result<void, std::string> open_edge();
  [[nodiscard]] Result<void, std::string> open_listeners();
  [[nodiscard]] Result<void, std::string> write_ports_file();
  void begin_stop();
  void finish(bool clean);
  /// Ends the control loop once devices are served no more and no file is being rewritten.
  void end_when_idle();

  // ---- server_upkeep.cpp: what has to be done from time to time
  void start_upkeep();
  void upkeep_minute();
  void upkeep_expiry();
  void expire(Time now);
  void upkeep_files();
  void trust_clock(bool trusted);
  void watch_certificate();

  // ---- server_control.cpp: what operators and Prometheus ask
  void status(std::move_only_function<void(NodeStatus)> done) override;
  void reload(std::move_only_function<void(Result<void, std::string>)> done) override;
  [[nodiscard]] Result<void, std::string> confirm_clock() override;
  [[nodiscard]] Result<Checkpoint, std::string> checkpoint() override;
  void serve_metrics(const net::HttpRequest& request, net::HttpResponder responder);
  using IoDone = std::move_only_function<void(const EdgeSnapshot& snapshot, bool answered)>;
  /// Asks the I/O thread for its figures; after kIoPatience the last ones come, with false.
  void ask_io(IoDone done);
  void answer_io(std::uint64_t question, EdgeSnapshot snapshot);
  [[nodiscard]] MetricsSnapshot metrics_snapshot(const EdgeSnapshot& io, bool answered);

  const Config config_;
  const Ports ports_;
  const Time started_;
  bool swap_possible_ = false;
  std::atomic<bool> ready_ = false;
  std::atomic<bool> stopping_ = false;
  bool edge_ended_ = false;
  bool clean_ = true;
  std::atomic<bool> rewriting_files_ = false;
  Instant certificate_warned_{};

  // Loops first: everything else has tasks in them.
  net::EventLoop control_;
  net::EventLoop io_;
  net::EventLoop upkeep_;
  net::EventLoop extracting_;  // searches the lookup log for legal requests, and seals what it finds

  std::optional<DirectoryLock> lock_;
  std::unique_ptr<store::FileKeyVault> vault_;
  std::unique_ptr<store::RocksdbRowStore> rows_;
  std::optional<store::SealedRows> sealed_;
  std::optional<store::ExpiryGuard> guard_;
  bool waiting_for_clock_ = false;
  std::optional<records::Collecting> collecting_;  // outlives the log, which writes into it
  LookupLogParts lookups_;
  std::unique_ptr<store::RocksdbMailboxStore> mailboxes_;
  std::unique_ptr<store::FileBlobStore> blob_store_;
  std::unique_ptr<blobs::Service> blobs_;

  CodeSenderChoice codes_;
  std::unique_ptr<identity::CostlyCrypto> costly_;
  IdentityDesk desk_;
  std::optional<BlobDesk> blob_desk_;
  std::optional<operators::Operators> operators_;
  std::optional<AdminApi> admin_;
  std::optional<BusinessApi> business_api_;
  std::optional<ledger::Ledger> ledger_;
  std::optional<LedgerPage> ledger_page_;
  std::unique_ptr<records::Cases> cases_;
  CaseNotices case_notices_{cases_};
  std::optional<RecordsApi> records_api_;
  std::unique_ptr<PublicEdge> edge_;

  std::optional<net::TlsServerContext> operator_tls_;
  std::unique_ptr<net::HttpServer> operator_server_, admin_server_, metrics_server_;

  std::map<std::uint64_t, IoDone> io_questions_;
  std::uint64_t next_question_ = 1;
  EdgeSnapshot last_io_;
  net::Timer io_patience_;
  net::Timer minute_timer_, expiry_timer_, stop_timer_;
  std::optional<net::Timer> files_timer_;  // of the upkeep loop

  std::thread io_thread_, upkeep_thread_, extracting_thread_;
};

}  // namespace opaline::server
