#include "sms/carrier.hpp"

#include <csignal>

#include "sms/carrier_http.hpp"
#include "sms/metrics.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline::sms {
namespace {

using namespace std::chrono_literals;

constexpr auto kShutdownWithin = 5s;
constexpr auto kMaintainEvery = 1h;
constexpr std::size_t kMaxKannelBytes = 64 * 1024;  // 255 parts of a long message are 39 KiB in UTF-8

}  // namespace

class Carrier::Impl {
 public:
  Impl(CarrierOptions options, const Ports& ports)
      : options_(std::move(options)), ports_(ports), loop_(ports.clock), maintain_timer_(loop_) {}
  ~Impl() {
    metrics_.reset();
    from_kannel_.reset();
    webhooks_.reset();
  }

  [[nodiscard]] Result<void, std::string> open() {
    const auto on = [&](int number, std::function<void()> task) { return loop_.on_signal(number, std::move(task)); };
    if (!on(SIGTERM, [this] { stop(); }) || !on(SIGINT, [this] { stop(); }) || !on(SIGHUP, [this] { reload(); }))
      return fail(std::string("the system does not let us handle signals"));
    OPALINE_CHECK(open_store());
    OPALINE_CHECK(open_ways());
    OPALINE_CHECK(listen_for_kannel());
    bridge_.emplace(
        Bridge::Ports{loop_, *kannel_, *budgets_, *texts_, *gateway_, ports_.clock, ports_.random, ports_.log},
        report_url());
    if (!bridge_->resume()) return fail(std::string("the data cannot be read"));
    door_.emplace(options_.kannel_secret, *bridge_);
    OPALINE_CHECK(listen_for_webhooks());
    return listen_for_metrics();
  }

  void run() {
    bridge_->expire();
    maintain();
    loop_.run();
  }

  [[nodiscard]] std::uint16_t webhook_port() const { return webhooks_->port(); }
  [[nodiscard]] std::uint16_t kannel_port() const { return from_kannel_->port(); }
  [[nodiscard]] std::uint16_t metrics_port() const { return metrics_ ? metrics_->port() : std::uint16_t{0}; }

 private:
  [[nodiscard]] Result<void, std::string> open_store() {
    auto vault = store::FileKeyVault::open(
        {.directory = options_.vault, .master_key_file = store::systemd_credential("sms-master-key")}, ports_.random);
    if (!vault) return fail("the vault " + options_.vault.string() + ": " + vault.error().message);
    vault_ = std::move(*vault);
    store::RocksdbRowOptions rows;
    rows.directory = options_.data / "rows";
    for (const std::string_view table : kTables) rows.tables.emplace_back(table);
    auto opened = store::RocksdbRowStore::open(rows, ports_.log);
    if (!opened) return fail("the data in " + rows.directory.string() + ": " + opened.error().message);
    rows_ = std::move(*opened);
    auto sealed = store::SealedRows::open(*rows_, *vault_, ports_.random, kSealCheckTable);
    if (!sealed) return fail("the data in " + rows.directory.string() + ": " + sealed.error().message);
    sealed_.emplace(std::move(*sealed));
    const auto number_key = vault_->named_key("sms-numbers");
    if (!number_key) return fail("the vault " + options_.vault.string() + " cannot be used");
    texts_.emplace(*sealed_, *number_key, ports_.clock);
    budgets_.emplace(*sealed_, ports_.clock, options_.budgets);
    return {};
  }

  [[nodiscard]] Result<void, std::string> open_ways() {
    net::TlsClientOptions tls;
    tls.authority_file = options_.gateway_authority;
    tls.minimum = net::TlsVersion::tls_1_2;
    tls.cleanse_plaintext = true;
    auto to_gateway = net::TlsClientContext::create(tls);
    if (!to_gateway) return fail("carrier.authority " + options_.gateway_authority.string() + " is no certificate");
    to_gateway_.emplace(std::move(*to_gateway));
    OPALINE_TRY(gateway_, GatewayApi::create(loop_, ports_.clock, options_.gateway, *to_gateway_));
    const bool secure = options_.kannel.url.starts_with("https:");
    if (secure) {
      auto to_kannel = net::TlsClientContext::create({.authority_file = {}, .cleanse_plaintext = true});
      if (!to_kannel) return fail(std::string("sms.url: this system has no authorities to check https with"));
      to_kannel_.emplace(std::move(*to_kannel));
    }
    auto kannel = Kannel::create(loop_, std::move(options_.kannel), secure ? &*to_kannel_ : nullptr);
    if (!kannel) return fail(std::string("sms.url cannot be used"));
    kannel_ = std::move(*kannel);
    return {};
  }

  [[nodiscard]] std::string report_url() const {
    const bool six = options_.kannel_listen.ip.find(':') != std::string::npos;
    const std::string host = six ? "[" + options_.kannel_listen.ip + "]" : options_.kannel_listen.ip;
    return "http://" + host + ":" + std::to_string(from_kannel_->port()) + "/" + options_.kannel_secret + "/report";
  }

  [[nodiscard]] Result<void, std::string> listen_for_kannel() {
    net::HttpServerOptions options;
    options.address = options_.kannel_listen;
    options.max_body_bytes = kMaxKannelBytes;
    auto started = net::HttpServer::start(loop_, std::move(options),
                                          [this](net::HttpRequest request, net::HttpResponder responder) {
                                            door_->handle(std::move(request), std::move(responder));
                                          });
    if (!started) return fail("carrier.kannel_listen: " + std::string(net::name(started.error())));
    from_kannel_ = std::move(*started);
    return {};
  }

  [[nodiscard]] Result<void, std::string> listen_for_webhooks() {
    auto door = WebhookDoor::create({.business = options_.gateway.business,
                                     .msp_id = options_.gateway.msp_id,
                                     .msp_secret = options_.gateway.msp_secret},
                                    ports_.clock, *bridge_);
    if (!door) return fail(std::string("carrier.msp_secret_file has no MSP secret"));
    webhook_door_.emplace(std::move(*door));
    net::HttpServerOptions options;
    options.address = options_.listen;
    options.max_body_bytes = msp::kMaxBodyBytes;
    if (!options_.certificate.empty()) {
      auto tls = net::TlsServerContext::create({.certificate_file = options_.certificate,
                                                .key_file = options_.key,
                                                .minimum = net::TlsVersion::tls_1_2,
                                                .cleanse_plaintext = true});
      if (!tls)
        return fail("carrier.certificate " + options_.certificate.string() + ": " +
                    std::string(net::name(tls.error())));
      tls_.emplace(std::move(*tls));
      options.tls = &*tls_;
    }
    auto started = net::HttpServer::start(loop_, std::move(options),
                                          [this](const net::HttpRequest& request, net::HttpResponder responder) {
                                            responder.respond(webhook_door_->handle(request));
                                          });
    if (!started) return fail("carrier.listen: " + std::string(net::name(started.error())));
    webhooks_ = std::move(*started);
    return {};
  }

  [[nodiscard]] Result<void, std::string> listen_for_metrics() {
    if (!options_.metrics) return {};
    net::HttpServerOptions options;
    options.address = *options_.metrics;
    options.max_connections = 64;
    auto started = net::HttpServer::start(
        loop_, std::move(options), [this](const net::HttpRequest& request, net::HttpResponder responder) {
          responder.respond(serve_metrics(request, bridge_->counters(), bridge_->untold()));
        });
    if (!started) return fail("carrier.metrics: " + std::string(net::name(started.error())));
    metrics_ = std::move(*started);
    return {};
  }

  void maintain() {
    rows_->maintain(ports_.clock.now());
    maintain_timer_.arm(kMaintainEvery, [this] { maintain(); });
  }
  void reload() {
    if (tls_ && !tls_->reload()) ports_.log.event(LogLevel::error, "sms.certificate_not_reloaded");
  }
  void stop() {
    webhooks_->shutdown(kShutdownWithin, [this] { loop_.stop(); });
  }

  CarrierOptions options_;
  const Ports ports_;
  net::EventLoop loop_;
  std::unique_ptr<store::FileKeyVault> vault_;
  std::unique_ptr<store::RocksdbRowStore> rows_;
  std::optional<store::SealedRows> sealed_;
  std::optional<Texts> texts_;
  std::optional<Budgets> budgets_;
  std::optional<net::TlsClientContext> to_gateway_, to_kannel_;
  std::optional<net::TlsServerContext> tls_;
  std::unique_ptr<GatewayApi> gateway_;
  std::unique_ptr<Kannel> kannel_;
  std::optional<Bridge> bridge_;
  std::optional<KannelDoor> door_;
  std::optional<WebhookDoor> webhook_door_;
  std::unique_ptr<net::HttpServer> from_kannel_, webhooks_, metrics_;
  net::Timer maintain_timer_;
};

Result<std::unique_ptr<Carrier>, std::string> Carrier::open(CarrierOptions options, const Ports& ports) {
  auto impl = std::make_unique<Impl>(std::move(options), ports);
  OPALINE_CHECK(impl->open());
  return std::unique_ptr<Carrier>(new Carrier(std::move(impl)));
}

Carrier::Carrier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Carrier::~Carrier() = default;

std::uint16_t Carrier::webhook_port() const {
  return impl_->webhook_port();
}
std::uint16_t Carrier::kannel_port() const {
  return impl_->kannel_port();
}
std::uint16_t Carrier::metrics_port() const {
  return impl_->metrics_port();
}
void Carrier::run() {
  impl_->run();
}

}  // namespace opaline::sms
