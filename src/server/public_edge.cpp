#include "server/public_edge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "identity/dispatcher.hpp"
#include "server/blob_desk.hpp"
#include "server/device_link.hpp"
#include "server/ledger_page.hpp"
#include "server/routes.hpp"

namespace opaline::server {
namespace {

/// What the identity service answers lies below these.
constexpr std::array<std::string_view, 3> kIdentitySteps{"/v1/registration/", "/v1/link/", "/v1/recovery/"};
constexpr std::string_view kVersion = "/v1/";
constexpr std::string_view kPlain = "text/plain; charset=utf-8";
/// For closing handshakes after the relay has finished.
constexpr std::chrono::seconds kCloseWithin{2};

net::HttpResponse busy(std::string_view what) {
  auto response = net::text_response(503, kPlain, what);
  response.headers.push_back({"Retry-After", "5"});
  return response;
}

}  // namespace

Result<std::unique_ptr<PublicEdge>, std::string> PublicEdge::start(Options options, const Ports& ports,
                                                                   std::vector<wire::SendTokenKey> token_keys) {
  auto tls = net::TlsServerContext::create({.certificate_file = options.tls.certificate, .key_file = options.tls.key});
  if (!tls) {
    return fail(fmt::format("public.certificate {} with public.key {}: {}", options.tls.certificate.string(),
                            options.tls.key.string(), net::name(tls.error())));
  }
  net::HttpServerOptions http;
  http.address = options.address;
  http.max_connections = options.max_connections;
  http.max_connections_per_source = options.max_connections_per_source;
  http.max_body_bytes = identity::kMaxRegistrationBodyBytes;
  http.max_buffered_body_bytes = http.max_buffered_bytes / 2;
  http.body_limit = [usual = http.max_body_bytes](const net::HttpRequest& head) {
    return head.path().starts_with(kBlobsPath) ? blob_body_limit(head) : usual;
  };
  std::unique_ptr<PublicEdge> edge(new PublicEdge(std::move(options), ports, std::move(*tls), std::move(token_keys)));
  http.tls = &edge->tls_;
  auto server = net::HttpServer::start(ports.loop, std::move(http),
                                       [raw = edge.get()](net::HttpRequest request, net::HttpResponder responder) {
                                         raw->serve(std::move(request), std::move(responder));
                                       });
  if (!server) return fail(std::string(net::name(server.error())));
  edge->server_ = std::move(*server);
  return edge;
}

PublicEdge::PublicEdge(Options options, const Ports& ports, net::TlsServerContext tls,
                       std::vector<wire::SendTokenKey> token_keys)
    : options_(std::move(options)),
      ports_(ports),
      tls_(std::move(tls)),
      node_(std::make_unique<relay::RelayNode>(options_.node,
                                               relay::RelayNode::Ports{.store = ports.store,
                                                                       .epoch = ports.epoch,
                                                                       .authenticator = *this,
                                                                       .calls = *this,
                                                                       .clock = ports.clock,
                                                                       .random = ports.random},
                                               std::move(token_keys))),
      relay_timer_(ports.loop),
      shutdown_timer_(ports.loop) {}

PublicEdge::~PublicEdge() = default;

// ---------------------------------------------------------------- requests

void PublicEdge::serve(net::HttpRequest request, net::HttpResponder responder) {
  const auto path = is_path(kPublicRoutes, request.path()) ? request.path() : std::string_view();
  if (path == "/v1/device") {
    responder.upgrade(std::make_unique<DeviceLink>(*this, request.peer));
  } else if (std::ranges::any_of(kIdentitySteps, [&](auto steps) { return path.starts_with(steps); })) {
    registration(std::move(request), std::move(responder));
  } else if (path.starts_with(kBlobsPath)) {
    blob(std::move(request), std::move(responder));
  } else if (path.starts_with(kLedgerPath)) {
    ledger(std::move(request), std::move(responder));
  } else if (path == "/healthz") {
    responder.respond(net::text_response(200, kPlain, "ok\n"));
  } else if (path == "/readyz") {
    const bool ready = ports_.ready.load(std::memory_order_relaxed);
    responder.respond(net::text_response(ready ? 200 : 503, kPlain, ready ? "ready\n" : "not ready\n"));
  } else {
    responder.respond(net::text_response(404, kPlain, "not found\n"));
  }
}

void PublicEdge::registration(net::HttpRequest request, net::HttpResponder responder) {
  if (request.method != "POST") {
    auto refused = net::text_response(405, kPlain, "use POST\n");
    refused.headers.push_back({"Allow", "POST"});
    responder.respond(std::move(refused));
    return;
  }
  const auto id = next_request_++;
  std::string path(request.path().substr(kVersion.size()));
  if (!ports_.control.registration({RequestId{id}, {request.peer.ip}, std::move(path), std::move(request.body)})) {
    ++jobs_refused_;
    responder.respond(busy("too many requests are waiting\n"));
    return;
  }
  waiting_.emplace(id, std::move(responder));
}

void PublicEdge::blob(net::HttpRequest request, net::HttpResponder responder) {
  const net::Peer peer = request.peer;
  auto parsed = parse_blob_request(std::move(request));
  if (auto* const answer = std::get_if<net::HttpResponse>(&parsed)) return responder.respond(std::move(*answer));
  const auto id = next_request_++;
  if (auto refused = ports_.blobs.serve(RequestId{id}, peer, std::move(std::get<BlobRequest>(parsed)))) {
    return responder.respond(std::move(*refused));
  }
  waiting_.emplace(id, std::move(responder));
}

void PublicEdge::ledger(net::HttpRequest request, net::HttpResponder responder) {
  const auto id = next_request_++;
  if (!ports_.control.ledger({RequestId{id}, std::move(request)})) {
    ++jobs_refused_;
    responder.respond(busy("too many requests are waiting\n"));
    return;
  }
  waiting_.emplace(id, std::move(responder));
}

void PublicEdge::on_response(RequestId request, net::HttpResponse response) {
  auto waiting = waiting_.extract(static_cast<std::uint64_t>(request));
  if (!waiting.empty()) waiting.mapped().respond(std::move(response));
}

// ---------------------------------------------------------------- the relay's questions

identity::SourceAddress PublicEdge::source_of(relay::ConnectionId connection) const {
  const auto link = links_.find(connection);
  return link == links_.end() ? identity::SourceAddress{} : identity::SourceAddress{link->second->peer().ip};
}

void PublicEdge::authenticate(relay::ConnectionId connection, relay::AuthRequest request) {
  if (ports_.control.authenticate({connection, std::move(request), source_of(connection)})) return;
  ++jobs_refused_;
  // Not "refused": that would tell the device that it is unknown.
  ports_.loop.after_round([this, connection] { cut(connection); });
}

void PublicEdge::cut(relay::ConnectionId connection) {
  if (const auto link = links_.find(connection); link != links_.end()) link->second->cut();
}

void PublicEdge::call(relay::ConnectionId connection, const AccountId& account, DeviceNumber device,
                      std::uint32_t call_id, std::uint16_t method, ByteView body) {
  CallJob job{connection, account, device, source_of(connection), call_id, method, to_bytes(body)};
  if (ports_.control.call(std::move(job))) return;
  ++jobs_refused_;
  ports_.loop.after_round(
      [this, connection, call_id] { on_reply(connection, call_id, identity::calls::CALL_STATUS_UNAVAILABLE, {}); });
}

void PublicEdge::on_auth(relay::ConnectionId connection, const std::optional<relay::Authenticated>& device) {
  node_->on_auth_result(connection, device);
  touched();
}

void PublicEdge::on_reply(relay::ConnectionId connection, std::uint32_t call_id, std::uint16_t status, ByteView body) {
  node_->on_reply(connection, call_id, status, body);
  touched();
}

// ---------------------------------------------------------------- rounds

void PublicEdge::touched() {
  if (round_ends_) return;
  round_ends_ = true;
  ports_.loop.after_round([this] {
    round_ends_ = false;
    node_->end_round();
    arm_timer();
  });
}

void PublicEdge::arm_timer() {
  const auto due = node_->next_deadline();
  if (!due || (relay_timer_.armed() && relay_timer_due_ <= *due)) return;
  relay_timer_due_ = *due;
  const auto now = ports_.loop.now();
  relay_timer_.arm(*due > now ? *due - now : std::chrono::nanoseconds(0), [this] {
    node_->tick();
    arm_timer();
  });
}

EdgeSnapshot PublicEdge::snapshot() const {
  return {node_->counters(), node_->edge_counters(), server_->counters(), jobs_refused_, waiting_.size()};
}

// ---------------------------------------------------------------- the end

void PublicEdge::shut_down(std::chrono::nanoseconds within, std::move_only_function<void(bool)> done) {
  if (shutdown_done_) {  // asked again: do not wait any longer
    cut_ = true;
    close_server(std::chrono::nanoseconds(0));
    return;
  }
  shutdown_done_ = std::move(done);
  shutdown_timer_.arm(within, [this] {
    cut_ = true;
    close_server(std::chrono::nanoseconds(0));
  });
  node_->shut_down([this] { ports_.loop.post([this] { close_server(kCloseWithin); }); });
  touched();
}

void PublicEdge::close_server(std::chrono::nanoseconds within) {
  if (server_closing_) return;
  server_closing_ = true;
  server_->shutdown(within, [this] {
    shutdown_timer_.cancel();
    shutdown_done_(!cut_);
  });
}

}  // namespace opaline::server
