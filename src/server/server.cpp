#include "server/server.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>

#include "identity/tables.hpp"
#include "ledger/tables.hpp"
#include "msp/uuid.hpp"
#include "server/internal/node.hpp"

namespace opaline::server {
namespace {

namespace fs = std::filesystem;

/// On top of server.shutdown_within: then something is stuck, and waiting does not help.
constexpr seconds kStuckAfter{10};

net::ListenAddress address_of(const std::string& text) {
  const auto parsed = net::ListenAddress::parse(text);
  OPALINE_ASSERT(parsed.has_value());  // the configuration was checked
  return *parsed;
}

std::string listen_problem(std::string_view key, const std::string& where, net::NetError error) {
  std::string_view hint;
  if (error == net::NetError::address_in_use) hint = ": something listens there already (another opalined?)";
  if (error == net::NetError::permission_denied) hint = ": ports below 1024 need CAP_NET_BIND_SERVICE";
  return fmt::format("{} = \"{}\": {}{}", key, where, net::name(error), hint);
}

relay::NodeConfig node_config(const Config& config) {
  relay::NodeConfig out;
  out.server_name = config.server.name;
  out.limits.mailbox_envelopes = config.relay.mailbox_envelopes;
  out.limits.mailbox_bytes = config.relay.mailbox_mib << 20;
  out.limits.delivery_deadline = config.relay.delivery_deadline;
  out.limits.retention = config.relay.retention;
  out.limits.max_ram_bytes = config.relay.ram_mib << 20;
  out.edge.max_connections = config.public_listener.max_connections;
  return out;
}

identity::Config identity_config(const Config& config) {
  identity::Config out;
  out.codes_per_handle = {config.registration.codes_per_handle_per_day, std::chrono::days(1)};
  out.codes_per_source = {config.registration.codes_per_source_per_hour, std::chrono::hours(1)};
  out.failed_auth = {config.registration.failed_auth_per_10_minutes, std::chrono::minutes(10)};
  out.link_opens_per_source = {config.registration.link_opens_per_source_per_hour, std::chrono::hours(1)};
  out.list_updates = {config.accounts.device_list_updates_per_day, std::chrono::days(1)};
  out.link_joins = {config.accounts.link_joins_per_hour, std::chrono::hours(1)};
  out.calls_per_account = {config.accounts.calls_per_hour, std::chrono::hours(1)};
  out.calls_per_business = {config.accounts.business_calls_per_hour, std::chrono::hours(1)};
  out.persona_opens = {config.accounts.conversations_opened_per_day, std::chrono::days(1)};
  out.persona_joins = {config.accounts.conversations_joined_per_day, std::chrono::days(1)};
  out.one_time_per_pair = {config.accounts.one_time_prekeys_per_pair_per_day, std::chrono::days(1)};
  out.one_time_per_target = {config.accounts.one_time_prekeys_per_account_per_day, std::chrono::days(1)};
  out.lookup_capacity = config.lookups.bucket;
  out.lookup_refill_per_day = config.lookups.refill_per_day;
  out.lookups_per_source.capacity = config.lookups.per_source_per_day;
  if (const auto carrier = msp::parse_uuid(config.sms.carrier)) out.carrier = AccountId(carrier->view());
  return out;
}

blobs::Config blobs_config(const Config& config) {
  blobs::Config out;
  out.of(blobs::Uploader::person).bytes_per_day = config.blobs.mib_per_account_per_day << 20;
  out.of(blobs::Uploader::business).bytes_per_day = config.blobs.mib_per_business_per_day << 20;
  out.of(blobs::Uploader::conversation).bytes_per_day = config.blobs.mib_per_conversation_per_day << 20;
  out.max_total_bytes = config.blobs.max_total_gib << 30;
  out.retention = config.relay.retention;
  return out;
}

}  // namespace

std::vector<std::string> row_tables() {
  std::vector<std::string> out(identity::kTables.begin(), identity::kTables.end());
  for (const auto table :
       {operators::kOperatorsTable, operators::kTokensTable, operators::kAuditTable, kSealCheckTable, kClockTable}) {
    out.emplace_back(table);
  }
  out.insert(out.end(), ledger::kTables.begin(), ledger::kTables.end());
  out.insert(out.end(), records::kTables.begin(), records::kTables.end());
  out.emplace_back(sms::kBudgetsTable);
  return out;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>, std::string> Server::open(Config config, const Ports& ports) {
  auto impl = std::make_unique<Impl>(std::move(config), ports);
  OPALINE_CHECK(impl->open());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}
bool Server::run() {
  return impl_->run();
}
ServerPorts Server::ports() const {
  return impl_->ports();
}

Server::Impl::Impl(Config config, const Ports& ports)
    : config_(std::move(config)),
      ports_(ports),
      started_(ports.clock.now()),
      control_(ports.clock),
      io_(ports.clock),
      upkeep_(ports.clock),
      extracting_(ports.clock),
      desk_(control_, io_),
      io_patience_(control_),
      minute_timer_(control_),
      expiry_timer_(control_),
      stop_timer_(control_) {}

Server::Impl::~Impl() {
  io_.stop();
  upkeep_.stop();
  extracting_.stop();
  if (io_thread_.joinable()) io_thread_.join();
  if (upkeep_thread_.joinable()) upkeep_thread_.join();
  if (extracting_thread_.joinable()) extracting_thread_.join();
}

// ---------------------------------------------------------------- opening

Result<void, std::string> Server::Impl::open() {
  OPALINE_CHECK(open_signals());  // before any thread, so that all threads leave them to us
  OPALINE_TRY(const auto swap, keep_out_of_swap(config_.server.require_no_swap));
  swap_possible_ = swap == SwapExposure::possible;
  OPALINE_CHECK(open_stores());
  OPALINE_CHECK(open_services());
  OPALINE_CHECK(open_edge());
  OPALINE_CHECK(open_listeners());
  return {};
}

Result<void, std::string> Server::Impl::open_signals() {
  const auto on = [&](int number, std::function<void()> task) { return control_.on_signal(number, std::move(task)); };
  const bool set = on(SIGTERM, [this] { begin_stop(); }) && on(SIGINT, [this] { begin_stop(); }) &&
                   on(SIGHUP, [this] { reload([](const Result<void, std::string>&) {}); });
  if (!set) return fail(std::string("the system does not let us handle signals"));
  return {};
}

Result<void, std::string> Server::Impl::open_stores() {
  const auto& data = config_.paths.data;
  auto lock = DirectoryLock::take(data);
  if (!lock) return fail(lock.error());
  lock_.emplace(std::move(*lock));
  std::error_code error;
  if (fs::exists(data / kRestoreMarker, error)) {
    return fail(fmt::format("a restore into {} did not finish: remove {} and {} and restore again", data.string(),
                            data.string(), config_.paths.vault.string()));
  }
  fs::remove_all(data / kCheckpointDirectory, error);  // of a backup that was interrupted
  fs::create_directories(config_.paths.vault.parent_path(), error);

  auto vault = store::FileKeyVault::open({.directory = config_.paths.vault,
                                          .master_key_file = store::systemd_credential("opaline-vault-key"),
                                          .give_up_damaged_days = config_.paths.accept_damage},
                                         ports_.random);
  if (!vault) return fail(vault.error().message);
  vault_ = std::move(*vault);

  store::RocksdbRowOptions row_options;
  row_options.directory = data / kRowsDirectory;
  row_options.tables = row_tables();
  row_options.accept_damaged_log = config_.paths.accept_damage;
  auto rows = store::RocksdbRowStore::open(row_options, ports_.log);
  if (!rows) return fail(rows.error().message);
  rows_ = std::move(*rows);
  auto sealed = store::SealedRows::open(*rows_, *vault_, ports_.random, kSealCheckTable);
  if (!sealed) return fail(sealed.error().message);
  sealed_.emplace(std::move(*sealed));
  guard_.emplace(*rows_, kClockTable);
  OPALINE_TRY(lookups_, open_lookup_log(config_, ports_.clock, ports_.random, ports_.log));

  store::RocksdbMailboxOptions mailbox_options;
  mailbox_options.directory = data / kMailboxesDirectory;
  mailbox_options.accept_damaged_log = config_.paths.accept_damage;
  auto mailboxes = store::RocksdbMailboxStore::open(
      mailbox_options, *vault_, ports_.random,
      [this](std::move_only_function<void()> task) {
        io_.post([this, task = std::move(task)]() mutable {
          task();
          edge_->touched();
        });
      },
      ports_.log);
  if (!mailboxes) return fail(mailboxes.error().message);
  mailboxes_ = std::move(*mailboxes);

  auto blob_store =
      store::FileBlobStore::open({.directory = data / kBlobsDirectory}, *vault_, ports_.random, ports_.log);
  if (!blob_store) return fail(blob_store.error().message);
  blob_store_ = std::move(*blob_store);
  return {};
}

Result<void, std::string> Server::Impl::open_services() {
  OPALINE_TRY(
      codes_,
      make_code_sender(
          config_,
          {.loop = control_, .rows = *sealed_, .clock = ports_.clock, .random = ports_.random, .log = ports_.log}));
  costly_ = identity::make_costly_crypto();
  OPALINE_CHECK(desk_.open(identity_config(config_), {.rows = *sealed_,
                                                      .vault = *vault_,
                                                      .codes = codes_.first(),
                                                      .lookups = *lookups_.log,
                                                      .notices = case_notices_,
                                                      .crypto = *costly_,
                                                      .clock = ports_.clock,
                                                      .random = ports_.random,
                                                      .log = ports_.log}));
  blobs_ = std::make_unique<blobs::Service>(blobs_config(config_),
                                            blobs::Service::Ports{*blob_store_, ports_.clock, ports_.random});
  blob_desk_.emplace(*blobs_, io_);
  desk_.attach(*blob_desk_);
  operators_.emplace(*sealed_, ports_.clock, ports_.random);
  admin_.emplace(*operators_, static_cast<NodeControl&>(*this), geteuid());
  business_api_.emplace(*operators_, desk_.service(), ports_.random,
                        [this] { return fmt::format("https://{}:{}", config_.server.name, ports().public_port); });
  admin_->attach(*business_api_);
  return open_records();
}

Result<void, std::string> Server::Impl::open_records() {
  auto ledger = ledger::Ledger::open(*sealed_, *vault_, ports_.clock, ports_.random);
  if (!ledger) {
    return fail(
        fmt::format("the ledger in {} cannot be opened: {}. Somebody or a disk changed its rows, or they belong "
                    "to another vault; put back a backup",
                    config_.paths.data.string(), ledger::name(ledger.error())));
  }
  ledger_.emplace(std::move(*ledger));
  ledger_page_.emplace(*ledger_,
                       LedgerPage::Facts{config_.server.name, [this] { return cases_ ? cases_->collections() : 0; }});
  desk_.attach(*ledger_page_);
  collecting_.emplace(*sealed_, ports_.random);
  auto cases = records::Cases::open({.rows = *sealed_,
                                     .ledger = *ledger_,
                                     .clock = ports_.clock,
                                     .random = ports_.random,
                                     .find =
                                         [this](const auto& query, const auto& visit) {
                                           lookups_.log->flush();  // what was answered a moment ago counts, too
                                           return lookups_.log->find(query, visit);
                                         },
                                     .aside = [this](auto job) { extracting_.post(std::move(job)); },
                                     .back = [this](auto job) { control_.post(std::move(job)); },
                                     .collecting = *collecting_,
                                     .collect = [this](auto targets) { collect(std::move(targets)); },
                                     .is_officer =
                                         [this](std::string_view name) {
                                           const auto role = operators_->role_of(std::string(name));
                                           return role && *role == operators::Role::officer;
                                         },
                                     .service_name = config_.server.name,
                                     .retention = config_.lookups.log_days});
  if (!cases) return fail(fmt::format("the legal requests in {} cannot be read", config_.paths.data.string()));
  cases_ = std::move(*cases);
  records_api_.emplace(RecordsApi::Ports{.operators = *operators_,
                                         .cases = *cases_,
                                         .service_key = ledger_->public_key(),
                                         .service_name = config_.server.name,
                                         .retention = config_.lookups.log_days,
                                         .clock = ports_.clock,
                                         .report_bands = config_.records.report_bands});
  admin_->attach(*records_api_);
  return {};
}

void Server::Impl::collect(std::vector<records::CollectTarget> targets) {
  collecting_->set(std::move(targets));
  auto handles = collecting_->handles();
  if (handles.empty()) {
    lookups_.log->clear_targets();
  } else {
    lookups_.log->set_targets(std::move(handles), *collecting_);
  }
}

Result<void, std::string> Server::Impl::open_edge() {
  const auto epoch = mailboxes_->acquire_all();
  if (!epoch)
    return fail(fmt::format("the mailboxes in {} cannot be taken: the disk failed", config_.paths.data.string()));
  const auto token_key = vault_->named_key("send-token");
  if (!token_key) return fail(fmt::format("the vault {} gives no key for send tokens", config_.paths.vault.string()));
  std::vector<wire::SendTokenKey> token_keys;
  token_keys.emplace_back(token_key->reveal());
  PublicEdge::Options options{.address = address_of(config_.public_listener.listen),
                              .tls = config_.public_listener.tls,
                              .max_connections = config_.public_listener.max_connections,
                              .max_connections_per_source = config_.public_listener.max_connections_per_source,
                              .node = node_config(config_)};
  auto edge = PublicEdge::start(std::move(options),
                                {.loop = io_,
                                 .control = desk_,
                                 .blobs = *blob_desk_,
                                 .store = *mailboxes_,
                                 .epoch = *epoch,
                                 .clock = ports_.clock,
                                 .random = ports_.random,
                                 .ready = ready_},
                                std::move(token_keys));
  if (!edge) return fail("public listener " + config_.public_listener.listen + ": " + edge.error());
  edge_ = std::move(*edge);
  desk_.attach(*edge_);
  blob_desk_->attach(*edge_);
  return {};
}

Result<void, std::string> Server::Impl::open_listeners() {
  const auto start = [&](net::ListenAddress address, const net::TlsServerContext* tls, std::string_view key,
                         net::HttpHandler handler) -> Result<std::unique_ptr<net::HttpServer>, std::string> {
    net::HttpServerOptions options;
    options.address = std::move(address);
    options.tls = tls;
    options.max_connections = 64;
    options.max_body_bytes = 128 * 1024;  // a business's logo
    options.max_buffered_bytes = 1 << 20;
    const std::string where = options.address.unix_path.empty()
                                  ? fmt::format("{}:{}", options.address.ip, options.address.port)
                                  : options.address.unix_path;
    auto server = net::HttpServer::start(control_, std::move(options), std::move(handler));
    if (!server) return fail(listen_problem(key, where, server.error()));
    return std::move(*server);
  };

  net::ListenAddress socket;
  socket.unix_path = config_.paths.admin_socket.string();
  std::error_code error;
  fs::create_directories(config_.paths.admin_socket.parent_path(), error);
  auto admin =
      start(socket, nullptr, "paths.admin_socket", [this](net::HttpRequest request, net::HttpResponder responder) {
        admin_->serve_local(std::move(request), std::move(responder));
      });
  if (!admin) return fail(admin.error());
  admin_server_ = std::move(*admin);

  if (!config_.operator_listener.listen.empty()) {
    const auto& tls = config_.operator_listener.tls;
    if (!tls.empty()) {
      auto context = net::TlsServerContext::create({.certificate_file = tls.certificate, .key_file = tls.key});
      if (!context) {
        return fail(fmt::format("operator.certificate {}: {}", tls.certificate.string(), net::name(context.error())));
      }
      operator_tls_.emplace(std::move(*context));
    }
    auto server = start(address_of(config_.operator_listener.listen), operator_tls_ ? &*operator_tls_ : nullptr,
                        "operator.listen", [this](net::HttpRequest request, net::HttpResponder responder) {
                          admin_->serve_operator(std::move(request), std::move(responder));
                        });
    if (!server) return fail(server.error());
    operator_server_ = std::move(*server);
  }
  if (!config_.metrics.listen.empty()) {
    auto server = start(address_of(config_.metrics.listen), nullptr, "metrics.listen",
                        [this](const net::HttpRequest& request, net::HttpResponder responder) {
                          serve_metrics(request, std::move(responder));
                        });
    if (!server) return fail(server.error());
    metrics_server_ = std::move(*server);
  }
  return {};
}

ServerPorts Server::Impl::ports() const {
  const auto port = [](const std::unique_ptr<net::HttpServer>& server) {
    return server ? server->port() : std::uint16_t{0};
  };
  return {edge_->port(), port(operator_server_), port(metrics_server_)};
}

Result<void, std::string> Server::Impl::write_ports_file() {
  if (config_.paths.ports_file.empty()) return {};
  const auto open = ports();
  const auto text = fmt::format("{{\"public\":{},\"operator\":{},\"metrics\":{},\"pid\":{}}}\n", open.public_port,
                                open.operator_port, open.metrics_port, getpid());
  return write_file_atomically(config_.paths.ports_file, text, 0600);
}

// ---------------------------------------------------------------- serving and ending

bool Server::Impl::run() {
  const auto files = raise_file_limit();
  if (files < config_.public_listener.max_connections + std::uint64_t{256}) {
    ports_.log.event(
        LogLevel::warning, "few_file_descriptors",
        {{"limit", static_cast<std::int64_t>(files)}, {"max_connections", config_.public_listener.max_connections}});
  }
  if (swap_possible_) {
    ports_.log.event(LogLevel::warning, "swap_possible",
                     {{"help", "set MemorySwapMax=0 or LimitMEMLOCK=infinity for the service, or switch swap off"}});
  }
  start_upkeep();
  io_thread_ = std::thread([this] { io_.run(); });
  upkeep_thread_ = std::thread([this] { upkeep_.run(); });
  extracting_thread_ = std::thread([this] { extracting_.run(); });
  ready_ = true;
  if (const auto written = write_ports_file(); !written) {
    ports_.log.event(LogLevel::error, "ports_file", {{"error", written.error()}});
  }
  const auto open = ports();
  ports_.log.event(LogLevel::info, "server_ready",
                   {{"version", version()},
                    {"public_port", open.public_port},
                    {"operator_port", open.operator_port},
                    {"metrics_port", open.metrics_port},
                    {"start_ms", (ports_.clock.now() - started_).count()}});
  notify_service_manager("READY=1");
  control_.run();
  io_.stop();
  upkeep_.stop();
  extracting_.stop();
  io_thread_.join();
  upkeep_thread_.join();
  extracting_thread_.join();
  ports_.log.event(LogLevel::info, "server_stopped", {{"clean", clean_ ? 1 : 0}});
  return clean_;
}

void Server::Impl::begin_stop() {
  if (stopping_) {  // asked again: whoever asks does not want to wait
    io_.post([this] { edge_->shut_down(std::chrono::nanoseconds(0), {}); });
    return;
  }
  stopping_ = true;
  ready_ = false;
  notify_service_manager("STOPPING=1");
  ports_.log.event(LogLevel::info, "server_stopping", {});
  std::error_code ignored;
  if (!config_.paths.ports_file.empty()) fs::remove(config_.paths.ports_file, ignored);
  stop_timer_.arm(config_.server.shutdown_within + kStuckAfter, [this] {
    ports_.log.event(edge_ended_ ? LogLevel::warning : LogLevel::error, "shutdown_stuck",
                     {{"what", edge_ended_ ? "rewriting files" : "the I/O thread or the disk"}});
    ports_.log.flush();
    _exit(edge_ended_ ? 0 : 1);  // what was accepted is on stable storage or with its device: as after a power cut
  });
  io_.post([this] {
    edge_->shut_down(config_.server.shutdown_within,
                     [this](bool clean) { control_.post([this, clean] { finish(clean); }); });
  });
}

void Server::Impl::finish(bool clean) {
  clean_ = clean;
  edge_ended_ = true;
  end_when_idle();
}

void Server::Impl::end_when_idle() {
  if (edge_ended_ && !rewriting_files_) control_.stop();
}

}  // namespace opaline::server
