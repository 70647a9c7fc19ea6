#include <algorithm>

#include "base/rfc3339.hpp"
#include "net/certificates.hpp"
#include "server/internal/node.hpp"

namespace opaline::server {
namespace {

constexpr std::chrono::minutes kMinute{1};
constexpr std::chrono::minutes kExpiryEvery{30};
constexpr std::chrono::hours kFilesEvery{1};
constexpr std::chrono::days kCertificateWarning{14};
constexpr std::chrono::hours kCertificateWarnEvery{24};

/// The first and last day that both the store and the relay call over: an envelope of day D is served while today is
/// before D + retention.
Day last_expired_day(Time now, std::chrono::days retention) {
  const auto today = number(day_of(now));
  const auto days = static_cast<std::uint32_t>(retention.count());
  return Day(today > days ? today - days : 0);
}

}  // namespace

void Server::Impl::start_upkeep() {
  files_timer_.emplace(upkeep_);
  upkeep_expiry();
  upkeep_minute();
  files_timer_->arm(kFilesEvery, [this] { upkeep_files(); });
}

void Server::Impl::upkeep_minute() {
  desk_.service().tick();
  watch_certificate();
  minute_timer_.arm(kMinute, [this] { upkeep_minute(); });
}

void Server::Impl::watch_certificate() {
  const auto instant = ports_.clock.monotonic();
  if (certificate_warned_ != Instant{} && instant - certificate_warned_ < kCertificateWarnEvery) return;
  const auto certificate = net::read_certificate(config_.public_listener.tls.certificate);
  if (!certificate || certificate->not_after - ports_.clock.now() < kCertificateWarning) {
    ports_.log.event(LogLevel::warning, "certificate_ends",
                     {{"expires", certificate ? rfc3339(certificate->not_after) : "cannot be read"}});
    certificate_warned_ = instant;
  }
}

// ---------------------------------------------------------------- expiry (promise 4)

void Server::Impl::upkeep_expiry() {
  const auto now = ports_.clock.now();
  switch (guard_->tick(now)) {
    case store::ExpiryGuard::Verdict::proceed:
      trust_clock(true);
      expire(now);
      break;
    case store::ExpiryGuard::Verdict::wait_for_operator: {
      const auto last = guard_->last_tick();
      ports_.log.event(
          LogLevel::warning, "clock_jumped",
          {{"now", rfc3339(now)},
           {"last_seen", last && *last ? rfc3339(**last) : "unknown"},
           {"help", "nothing is destroyed until `opalined admin confirm-clock` says that the clock is right"}});
      if (last && *last) lookups_.log->trust_clock(**last);
      trust_clock(false);
      break;
    }
    case store::ExpiryGuard::Verdict::failed:
      ports_.log.event(LogLevel::error, "expiry_failed", {{"why", "the clock's row cannot be read or written"}});
      trust_clock(false);
      break;
  }
  // At midnight, too: no entry of the lookup log may grow older than promised.
  const auto to_midnight = std::chrono::floor<std::chrono::days>(now) + std::chrono::days(1) - now;
  expiry_timer_.arm(std::min<milliseconds>(kExpiryEvery, to_midnight), [this] { upkeep_expiry(); });
}

void Server::Impl::trust_clock(bool trusted) {
  waiting_for_clock_ = !trusted;
  blobs_->trust_clock(trusted);
  io_.post([this, trusted] {
    edge_->node().trust_clock(trusted);
    edge_->touched();
  });
}

void Server::Impl::expire(Time now) {
  const auto day = last_expired_day(now, config_.relay.retention);
  mailboxes_->expire_through(day, [this, day](bool destroyed) {  // on the I/O thread; the log takes calls from any
    if (!destroyed) {
      ports_.log.event(LogLevel::error, "expiry_failed",
                       {{"day", number(day)}, {"why", "the vault or the disk failed"}});
    }
  });
  const bool destroyed = lookups_.log->expire(now);
  if (!destroyed) {
    ports_.log.event(LogLevel::error, "expiry_failed", {{"why", "lookup log: the vault failed"}});
  }
  upkeep_.post([this] {
    if (!lookups_.log->remove_expired()) {
      ports_.log.event(LogLevel::error, "expiry_failed", {{"why", "lookup log: the disk failed"}});
    }
  });
  lookups_.log->flush();
  if (!cases_->tick()) ports_.log.event(LogLevel::error, "expiry_failed", {{"why", "legal requests: the disk failed"}});
  upkeep_.post([this] {  // as long as it takes to remove a day's files; what is over is not served before that
    if (!blobs_->expire()) {
      ports_.log.event(LogLevel::error, "expiry_failed", {{"why", "attachments: the vault or the disk failed"}});
    }
  });
}

// ---------------------------------------------------------------- files

void Server::Impl::upkeep_files() {
  rewriting_files_ = true;
  const auto now = ports_.clock.now();
  if (!stopping_) mailboxes_->maintain(now);
  if (!stopping_) rows_->maintain(now);
  rewriting_files_ = false;
  control_.post([this] {
    if (stopping_) end_when_idle();
  });
  files_timer_->arm(kFilesEvery, [this] { upkeep_files(); });
}

}  // namespace opaline::server
