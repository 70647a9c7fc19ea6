#include <fmt/format.h>

#include "net/certificates.hpp"
#include "net/metrics_page.hpp"
#include "server/internal/node.hpp"
#include "server/routes.hpp"

namespace opaline::server {
namespace {

constexpr seconds kIoPatience{2};
constexpr std::string_view kPlain = "text/plain; charset=utf-8";

}  // namespace

// ---------------------------------------------------------------- the I/O thread's figures

void Server::Impl::ask_io(IoDone done) {
  const auto question = next_question_++;
  io_questions_.emplace(question, std::move(done));
  io_.post([this, question] {
    control_.post([this, question, snapshot = edge_->snapshot()] { answer_io(question, snapshot); });
  });
  if (io_patience_.armed()) return;
  io_patience_.arm(kIoPatience, [this] {
    auto waiting = std::exchange(io_questions_, {});
    for (auto& [number, answer] : waiting) answer(last_io_, false);
  });
}

void Server::Impl::answer_io(std::uint64_t question, EdgeSnapshot snapshot) {
  last_io_ = snapshot;
  auto answer = io_questions_.extract(question);
  if (io_questions_.empty()) io_patience_.cancel();
  if (!answer.empty()) answer.mapped()(last_io_, true);
}

// ---------------------------------------------------------------- metrics

MetricsSnapshot Server::Impl::metrics_snapshot(const EdgeSnapshot& io, bool answered) {
  MetricsSnapshot out;
  out.io = io;
  out.io_answered = answered;
  out.store = mailboxes_->stats();
  out.blobs = {blobs_->counters(),    blobs_->usage(),       blob_store_->stats(),
               blob_desk_->refused(), blob_desk_->waiting(), blob_desk_->memory_used()};
  out.identity = desk_.service().counters();
  if (codes_.smtp != nullptr) out.mail = codes_.smtp->counters();
  out.lookup_log = lookups_.log->stats();
  out.lookups_not_collected = collecting_->lost();
  out.lookup_log_days = config_.lookups.log_days;
  if (codes_.sms) out.short_messages = codes_.sms->counters();
  out.control_jobs_waiting = desk_.waiting();
  out.admin_requests = admin_->counters().requests;
  out.admin_refused = admin_->counters().refused;
  out.ready = ready_;
  out.waiting_for_clock = waiting_for_clock_;
  out.swap_possible = swap_possible_;
  out.started = started_;
  out.now = ports_.clock.now();
  if (const auto certificate = net::read_certificate(config_.public_listener.tls.certificate)) {
    out.certificate_expires = certificate->not_after;
  }
  read_process_figures(out);
  return out;
}

void Server::Impl::serve_metrics(const net::HttpRequest& request, net::HttpResponder responder) {
  const auto path = is_path(kMetricsRoutes, request.path()) ? request.path() : std::string_view();
  if (path == "/healthz") {
    responder.respond(net::text_response(200, kPlain, "ok\n"));
  } else if (path == "/readyz") {
    ask_io([this, responder = std::move(responder)](const EdgeSnapshot&, bool answered) mutable {
      const bool ready = ready_ && answered;
      responder.respond(net::text_response(ready ? 200 : 503, kPlain, ready ? "ready\n" : "not ready\n"));
    });
  } else if (path == "/metrics") {
    ask_io([this, responder = std::move(responder)](const EdgeSnapshot& io, bool answered) mutable {
      responder.respond(
          net::text_response(200, net::kMetricsContentType, render_metrics(metrics_snapshot(io, answered))));
    });
  } else {
    responder.respond(net::text_response(404, kPlain, "/metrics, /healthz, /readyz\n"));
  }
}

// ---------------------------------------------------------------- NodeControl

void Server::Impl::status(std::move_only_function<void(NodeStatus)> done) {
  ask_io([this, done = std::move(done)](const EdgeSnapshot& io, bool answered) mutable {
    NodeStatus out;
    out.server_name = config_.server.name;
    out.role = "all";
    out.ready = ready_ && answered;
    out.started = started_;
    out.now = ports_.clock.now();
    const auto open = ports();
    out.public_port = open.public_port;
    out.operator_port = open.operator_port;
    out.metrics_port = open.metrics_port;
    out.device_connections = io.edge.connections;
    out.devices_ready = io.edge.ready;
    out.accepted_online = io.relay.accepted_online;
    out.accepted_stored = io.relay.accepted_stored;
    out.envelopes_in_memory = io.relay.envelopes_in_ram;
    const auto stats = mailboxes_->stats();
    out.store_queue = stats.queued_items;
    out.stored_days = stats.days;
    out.retention_days = config_.relay.retention.count();
    out.expiry_waits_for_operator = waiting_for_clock_;
    if (const auto tick = guard_->last_tick()) out.last_expiry_tick = *tick;
    if (const auto certificate = net::read_certificate(config_.public_listener.tls.certificate)) {
      out.certificate_expires = certificate->not_after;
      out.certificate_sha256 = certificate->sha256_hex;
    }
    out.swap_possible = swap_possible_;
    done(std::move(out));
  });
}

void Server::Impl::reload(std::move_only_function<void(Result<void, std::string>)> done) {
  std::string problem;
  if (const auto reopened = ports_.log.reopen(); !reopened) problem = reopened.error();
  if (operator_tls_) {
    if (const auto loaded = operator_tls_->reload(); !loaded) {
      problem = fmt::format("operator.certificate: {}", net::name(loaded.error()));
    }
  }
  io_.post([this, problem = std::move(problem), done = std::move(done)]() mutable {
    if (const auto loaded = edge_->reload_certificates(); !loaded) {
      problem = fmt::format("public.certificate: {}", net::name(loaded.error()));
    }
    control_.post([this, problem = std::move(problem), done = std::move(done)]() mutable {
      if (problem.empty()) {
        ports_.log.event(LogLevel::info, "reloaded", {});
        return done({});
      }
      ports_.log.event(LogLevel::error, "reload_failed", {{"error", problem}});
      done(fail(std::move(problem)));
    });
  });
}

Result<void, std::string> Server::Impl::confirm_clock() {
  const auto now = ports_.clock.now();
  if (!guard_->confirm(now)) return fail(std::string("the clock's row cannot be written; see the log"));
  trust_clock(true);
  expire(now);
  return {};
}

Result<NodeControl::Checkpoint, std::string> Server::Impl::checkpoint() {
  Checkpoint out;
  out.directory = config_.paths.data / kCheckpointDirectory;
  const auto purposes = vault_->named_purposes();
  if (!purposes) return fail(std::string("the vault cannot be read"));
  for (const auto& purpose : *purposes) {
    auto key = vault_->named_key(purpose);
    if (!key) return fail(std::string("the vault cannot be read"));
    out.keys.emplace_back(purpose, std::move(*key));
  }
  std::error_code error;
  std::filesystem::remove_all(out.directory, error);
  if (!rows_->checkpoint(out.directory)) return fail(std::string("the copy could not be made; see the log"));
  return out;
}

}  // namespace opaline::server
