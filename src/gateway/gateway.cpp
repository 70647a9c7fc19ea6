#include "gateway/gateway.hpp"

#include <fmt/format.h>

#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>

#include <csignal>
#include <map>
#include <set>

#include "gateway/admin.hpp"
#include "gateway/api.hpp"
#include "gateway/business.hpp"
#include "gateway/internal/day_seal.hpp"
#include "gateway/internal/expiry_clock.hpp"
#include "gateway/internal/leftovers.hpp"
#include "gateway/internal/storage.hpp"
#include "gateway/metrics.hpp"
#include "msp/entry_link.hpp"
#include "net/http_server.hpp"

namespace opaline::gateway {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

/// How soon a change of the operator's takes effect.
constexpr auto kAskEvery = 2s;
constexpr auto kDayEvery = 1h;
/// What was taken or changed leaves the journal so soon.
constexpr auto kSettleEvery = 1s;
constexpr auto kSettleMoreAfter = 5ms;
constexpr std::size_t kMaxUploadsBytes = std::size_t{512} << 20;
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 20;

std::string text(const json::object& object, std::string_view member) {
  const auto* value = object.if_contains(member);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// One business as the service's operator has set it up.
struct Listed {
  msp::Uuid id;
  std::string name, version, settings;
  bool enrolled = false;
};
std::optional<std::vector<Listed>> parse_listed(ByteView body) {
  boost::system::error_code error;
  const auto value = json::parse(as_text(body), error);
  const auto* object = error ? nullptr : value.if_object();
  const auto* businesses = object == nullptr ? nullptr : object->if_contains("businesses");
  if (businesses == nullptr || !businesses->is_array()) return std::nullopt;
  std::vector<Listed> out;
  for (const auto& one : businesses->get_array()) {
    if (!one.is_object()) return std::nullopt;
    const auto& business = one.get_object();
    const auto id = msp::parse_uuid(text(business, "id"));
    const auto* settings = business.if_contains("settings");
    const auto* enrolled = business.if_contains("enrolled");
    if (!id || settings == nullptr) return std::nullopt;
    out.push_back({*id, text(business, "name"), text(business, "version"), json::serialize(*settings),
                   enrolled != nullptr && enrolled->is_bool() && enrolled->get_bool()});
  }
  return out;
}

}  // namespace

class Gateway::Impl final : public Businesses {
 public:
  Impl(Options options, const Ports& ports)
      : options_(std::move(options)),
        ports_(ports),
        expiry_clock_(ports.clock),
        loop_(ports.clock),
        ask_timer_(loop_),
        day_timer_(loop_),
        settle_timer_(loop_) {}

  ~Impl() override {
    metrics_.reset();
    admin_.reset();
    server_.reset();
    api_.reset();
    files_.reset();
    businesses_.clear();
  }

  [[nodiscard]] Result<void, std::string> open() {
    const auto on = [&](int number, std::function<void()> task) { return loop_.on_signal(number, std::move(task)); };
    if (!on(SIGTERM, [this] { stop(); }) || !on(SIGINT, [this] { stop(); }) || !on(SIGHUP, [this] { reload(); }))
      return fail(std::string("the system does not let us handle signals"));
    OPALINE_CHECK(open_store());
    OPALINE_CHECK(open_network());
    OPALINE_CHECK(open_admin());
    OPALINE_CHECK(open_metrics());
    return open_businesses();
  }

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] std::uint16_t metrics_port() const { return metrics_ ? metrics_->port() : std::uint16_t{0}; }

  void run() {
    expire();
    settle();
    for (auto& [id, served] : businesses_) served.business->start();
    loop_.run();
    if (!storage_->rows().settle_all()) ports_.log.event(LogLevel::error, "gateway_store_failed");
  }

  [[nodiscard]] BusinessPort* find(const msp::Uuid& id) override {
    const auto found = businesses_.find(id);
    return found == businesses_.end() ? nullptr : found->second.business.get();
  }

  [[nodiscard]] std::vector<BusinessPort*> of_msp(std::string_view msp_id) override {
    std::vector<BusinessPort*> out;
    for (const auto& [id, served] : businesses_)
      if (served.business->config().msp_id == msp_id) out.push_back(served.business.get());
    return out;
  }

 private:
  struct Served {
    std::unique_ptr<Business> business;
    std::string version;
  };

  [[nodiscard]] Result<void, std::string> open_store() {
    OPALINE_TRY(storage_, internal::Storage::open(options_.data, options_.vault, ports_.random, ports_.log));
    leftovers_.emplace(storage_->rows(), ports_.clock);
    const auto tick = storage_->guard().last_tick();
    if (!tick) return fail("the clock's row in the data in " + options_.data.string() + " cannot be read");
    if (*tick) expiry_clock_.trust(**tick);
    return {};
  }

  [[nodiscard]] Result<void, std::string> open_network() {
    const auto client = [](const std::filesystem::path& authority, net::TlsVersion minimum) {
      net::TlsClientOptions options;
      options.authority_file = authority;
      options.minimum = minimum;
      options.cleanse_plaintext = true;
      return net::TlsClientContext::create(options);
    };
    auto to_service = client(options_.service_authority, net::TlsVersion::tls_1_3);
    if (!to_service) return fail("business.authority " + options_.service_authority.string() + " is no certificate");
    to_service_.emplace(std::move(*to_service));
    auto to_webhooks = client(options_.webhook_authority, net::TlsVersion::tls_1_2);
    if (!to_webhooks)
      return fail("business.webhook_authority " + options_.webhook_authority.string() + " is no certificate");
    to_webhooks_.emplace(std::move(*to_webhooks));
    auto tls = net::TlsServerContext::create({.certificate_file = options_.certificate,
                                              .key_file = options_.key,
                                              .minimum = net::TlsVersion::tls_1_2,
                                              .cleanse_plaintext = true});
    if (!tls)
      return fail("business.certificate " + options_.certificate.string() + ": " + std::string(net::name(tls.error())));
    tls_.emplace(std::move(*tls));
    files_ = std::make_unique<Files>(loop_, ports_.random, options_.service, *to_service_);
    net::HttpServerOptions server;
    server.address = options_.listen;
    server.tls = &*tls_;
    server.max_buffered_bytes = server.max_buffered_body_bytes = kMaxUploadsBytes;
    server.body_limit = [this](const net::HttpRequest& head) { return api_ ? api_->body_limit(head) : 0; };
    server.refusal = Api::refusal;
    auto started = net::HttpServer::start(loop_, std::move(server),
                                          [this](net::HttpRequest request, net::HttpResponder responder) {
                                            api_->handle(std::move(request), std::move(responder));
                                          });
    if (!started) return fail("business.listen: " + std::string(net::name(started.error())));
    server_ = std::move(*started);
    std::string base = options_.base_url;
    if (base.empty()) base = "https://localhost:" + std::to_string(server_->port());
    api_ =
        std::make_unique<Api>(ports_.clock, ports_.random, *this, *files_, Api::Options{.base_url = std::move(base)});
    return {};
  }

  [[nodiscard]] Result<void, std::string> open_admin() {
    net::HttpServerOptions options;
    options.address.unix_path = (options_.data / kAdminSocketName).string();
    options.max_connections = 64;
    const std::string where = options.address.unix_path;
    auto started = net::HttpServer::start(
        loop_, std::move(options), [this](const net::HttpRequest& request, net::HttpResponder responder) {
          AdminParts parts{.own_user = getuid(), .businesses = {}, .confirm_clock = [this] { return confirm_clock(); }};
          for (auto& [id, served] : businesses_) parts.businesses.push_back(served.business.get());
          serve_admin(request, std::move(responder), parts);
        });
    if (!started) return fail("the admin socket " + where + ": " + std::string(net::name(started.error())));
    admin_ = std::move(*started);
    return {};
  }

  [[nodiscard]] Result<void, std::string> open_metrics() {
    if (!options_.metrics) return {};
    net::HttpServerOptions options;
    options.address = *options_.metrics;
    options.max_connections = 64;
    auto started = net::HttpServer::start(loop_, std::move(options),
                                          [this](const net::HttpRequest& request, net::HttpResponder responder) {
                                            responder.respond(serve_metrics(request, figures()));
                                          });
    if (!started) return fail("business.metrics: " + std::string(net::name(started.error())));
    metrics_ = std::move(*started);
    return {};
  }

  [[nodiscard]] MetricsSnapshot figures() const {
    MetricsSnapshot out{.counters = gone_, .api = server_->counters()};
    out.businesses = businesses_.size();
    for (const auto& [id, served] : businesses_) {
      add(out.counters, served.business->counters());
      out.connected += served.business->online() ? 1 : 0;
      out.dead_letters += served.business->dead_letters().size();
    }
    return out;
  }

  [[nodiscard]] Surroundings surroundings() {
    return {loop_,        ports_.clock,     expiry_clock_,     ports_.random,
            ports_.log,   storage_->rows(), storage_->vault(), options_.service,
            *to_service_, *to_webhooks_};
  }

  [[nodiscard]] Result<void, std::string> open_businesses() {
    if (auto* own = std::get_if<OwnHouse>(&options_.source)) return open_own(*own);
    net::HttpClientOptions options;
    options.origin = net::Url{.tls = false, .host = "localhost", .port = 80, .target = "/"};
    options.unix_path = std::get<Hosted>(options_.source).admin_socket.string();
    options.max_response_bytes = kMaxAnswerBytes;
    operator_ = std::make_unique<net::HttpClient>(loop_, std::move(options));
    ask();
    return {};
  }

  [[nodiscard]] Result<void, std::string> open_own(const OwnHouse& own) {
    auto opened = Business::open(surroundings(), own.business);
    if (!opened && opened.error() == Business::OpenError::not_enrolled) {
      if (own.enrolment.empty())
        return fail(
            std::string("this gateway is not enrolled yet: put the enrolment that the service's operator gave "
                        "(opalined admin business enrol) into business.enrolment_file"));
      std::optional<Result<void, std::string>> done;
      Business::enrol(surroundings(), own.business.id, own.enrolment,
                      [&done](Result<void, std::string> result) { done = std::move(result); });
      if (!loop_.run_until([&done] { return done.has_value(); })) return fail(std::string("stopped while enrolling"));
      if (!*done) return fail(done->error());
      opened = Business::open(surroundings(), own.business);
    }
    const auto fingerprint = opened ? (*opened)->fingerprint() : fail(Business::OpenError::store);
    if (!fingerprint) return fail(std::string("the gateway's store cannot be read"));
    // For the business's entry links: with it clients can tell this gateway from one that somebody put in its place.
    msp::EntryLink entry;
    entry.business = own.business.id;
    entry.gateway = msp::GatewayFingerprint(*fingerprint);
    if (const auto link = msp::write_entry_link(entry))
      ports_.log.event(LogLevel::info, "gateway_in_own_house", {{"link", std::string_view(*link)}});
    businesses_[own.business.id] = {std::move(*opened), {}};
    return {};
  }

  // ---- hosted: what the operator has set up

  void ask() {
    net::HttpClientRequest request;
    request.target = "/v1/admin/gateway";
    request.deadline = 30s;
    operator_->request(
        std::move(request), [this, before = enrolments_ended_](const Result<net::HttpResponse, net::NetError>& answer) {
          if (before != enrolments_ended_) return;  // it was asked again after that: this answer may not know of it
          const auto listed = answer && answer->status == 200 ? parse_listed(answer->body) : std::nullopt;
          if (listed) {
            take(*listed);
          } else if (!std::exchange(operator_lost_, true)) {
            ports_.log.event(LogLevel::warning, "gateway_service_socket_silent",
                             {{"status", static_cast<std::int64_t>(answer ? answer->status : 0)}});
          }
          if (listed) operator_lost_ = false;
          ask_timer_.arm(kAskEvery, [this] { ask(); });
        });
  }

  void take(const std::vector<Listed>& listed) {
    for (auto at = businesses_.begin(); at != businesses_.end();) {
      const bool kept = std::ranges::any_of(listed, [&](const Listed& one) { return one.id == at->first; });
      if (kept) {
        ++at;
        continue;
      }
      retire(std::move(at->second.business));
      at = businesses_.erase(at);
    }
    listed_.clear();
    for (const Listed& one : listed) {
      listed_.insert(one.id);
      take(one);
    }
  }

  void take(const Listed& one) {
    if (enrolling_.contains(one.id)) return;
    auto served = businesses_.find(one.id);
    if (served != businesses_.end() && !one.enrolled) {  // the service has forgotten the keys that it is served with
      retire(std::move(served->second.business));
      businesses_.erase(served);
      served = businesses_.end();
    }
    if (served != businesses_.end() && served->second.version == one.version) return;
    auto config = parse_business(one.id, one.name, one.settings);
    if (!config) {
      if (refused_[one.id] != one.version)
        ports_.log.event(LogLevel::error, "gateway_business_settings_refused",
                         {{"problem", std::string_view(config.error())}});
      refused_[one.id] = one.version;
      return;
    }
    if (served != businesses_.end()) {
      served->second.business->reconfigure(std::move(*config));
      served->second.version = one.version;
      return;
    }
    if (!one.enrolled) return enrol(one);  // what may be here is of before the business went elsewhere
    auto opened = Business::open(surroundings(), *config);
    if (!opened) {
      if (opened.error() == Business::OpenError::not_enrolled) return enrol(one);
      if (std::exchange(refused_[one.id], one.version) != one.version)
        ports_.log.event(LogLevel::error, "gateway_business_store_failed");
      return;
    }
    (*opened)->start();
    businesses_[one.id] = {std::move(*opened), one.version};
    ports_.log.event(LogLevel::info, "gateway_serves_business");
  }

  /// The operator's socket gives a ticket; the service then takes this gateway's keys.
  void enrol(const Listed& one) {
    if (one.enrolled && std::exchange(refused_[one.id], one.version) != one.version) {
      ports_.log.event(LogLevel::warning, "gateway_enrols_anew");  // its store was lost: people will see new keys
    }
    enrolling_.insert(one.id);
    net::HttpClientRequest request;
    request.method = "POST";
    request.target = "/v1/admin/gateway/enrol";
    request.headers = {{"Content-Type", "application/json"}};
    request.body = to_bytes(json::serialize(json::value{{"business", msp::to_text(one.id)}}));
    operator_->request(std::move(request), [this, id = one.id](const Result<net::HttpResponse, net::NetError>& answer) {
      boost::system::error_code error;
      const auto value = answer && answer->status == 200 ? json::parse(as_text(answer->body), error) : json::value();
      const std::string enrolment = value.is_object() ? text(value.get_object(), "enrolment") : std::string();
      if (enrolment.empty()) {
        enrolling_.erase(id);
        return;
      }
      Business::enrol(surroundings(), id, enrolment, [this, id](const Result<void, std::string>& done) {
        if (!done)
          ports_.log.event(LogLevel::error, "gateway_enrolment_failed", {{"problem", std::string_view(done.error())}});
        enrolling_.erase(id);  // the next round opens it, or tries again
        if (!done) return;
        ++enrolments_ended_;
        ask_timer_.arm(0ns, [this] { ask(); });
      });
    });
  }

  void retire(std::unique_ptr<Business> business) {
    business->stop();
    Counters last = business->counters();
    last.waiting = last.people = 0;
    add(gone_, last);
    std::shared_ptr<Business> kept(std::move(business));
    loop_.post([kept] {});  // not from inside its own callbacks
  }

  // ---- upkeep

  void expire() {
    const Time now = ports_.clock.now();
    storage_->maintain(now);
    switch (storage_->guard().tick(now)) {
      case store::ExpiryGuard::Verdict::proceed:
        expiry_clock_.trust(now);
        destroy_keys(number(day_of(now)));
        erase_leftovers();
        break;
      case store::ExpiryGuard::Verdict::wait_for_operator:
        ports_.log.event(LogLevel::warning, "gateway_clock_jumped",
                         {{"help",
                           "nothing is over and nothing is destroyed until `opalined --role gateway admin "
                           "confirm-clock` says that the clock is right"}});
        break;
      case store::ExpiryGuard::Verdict::failed:
        ports_.log.event(LogLevel::error, "gateway_expiry_failed");
        break;
    }
    day_timer_.arm(kDayEvery, [this] { expire(); });
  }
  [[nodiscard]] bool confirm_clock() {
    if (!storage_->guard().confirm(ports_.clock.now())) return false;
    expire();
    return true;
  }
  void erase_leftovers() {
    if (!operator_ || operator_lost_) return;
    const auto over = leftovers_->over(listed_);
    if (!over) return ports_.log.event(LogLevel::error, "gateway_expiry_failed");
    for (const msp::Uuid& business : *over) {
      const bool done =
          Store::erase({storage_->rows(), storage_->vault(), ports_.clock, expiry_clock_, ports_.random}, business)
              .has_value();
      ports_.log.event(done ? LogLevel::info : LogLevel::error,
                       done ? "gateway_leftovers_erased" : "gateway_expiry_failed");
    }
  }
  void destroy_keys(std::uint32_t today) {
    // The newest day that nothing is served of any more.
    if (today > internal::kWaitingDays + 1 &&
        !storage_->vault().destroy_through(Day{today - internal::kWaitingDays - 1}))
      ports_.log.event(LogLevel::error, "gateway_expiry_failed");
  }
  void settle() {
    const auto more = storage_->rows().settle();  // failed, full: the next time
    settle_timer_.arm(more && *more ? kSettleMoreAfter : kSettleEvery, [this] { settle(); });
  }
  void reload() {
    if (!tls_->reload()) ports_.log.event(LogLevel::error, "gateway_certificate_not_reloaded");
  }
  void stop() {
    for (auto& [id, served] : businesses_) served.business->stop();
    server_->shutdown(5s, [this] { loop_.stop(); });
  }

  Options options_;
  const Ports ports_;
  internal::ExpiryClock expiry_clock_;
  net::EventLoop loop_;
  std::unique_ptr<internal::Storage> storage_;
  std::optional<internal::Leftovers> leftovers_;
  std::optional<net::TlsClientContext> to_service_, to_webhooks_;
  std::optional<net::TlsServerContext> tls_;
  std::unique_ptr<Files> files_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<net::HttpServer> server_, admin_, metrics_;
  Counters gone_;  ///< of businesses that are not served any more
  std::unique_ptr<net::HttpClient> operator_;
  std::map<msp::Uuid, Served> businesses_;
  std::set<msp::Uuid> listed_, enrolling_;
  std::map<msp::Uuid, std::string> refused_;  ///< said once of each version
  bool operator_lost_ = false;
  std::uint64_t enrolments_ended_ = 0;
  net::Timer ask_timer_, day_timer_, settle_timer_;
};

Result<std::unique_ptr<Gateway>, std::string> Gateway::open(Options options, const Ports& ports) {
  auto impl = std::make_unique<Impl>(std::move(options), ports);
  OPALINE_CHECK(impl->open());
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() = default;

std::uint16_t Gateway::port() const {
  return impl_->port();
}
std::uint16_t Gateway::metrics_port() const {
  return impl_->metrics_port();
}
void Gateway::run() {
  impl_->run();
}

}  // namespace opaline::gateway
