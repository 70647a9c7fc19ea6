#include "server/identity_desk.hpp"

#include "server/blob_desk.hpp"
#include "server/ledger_page.hpp"
#include "server/public_edge.hpp"

namespace opaline::server {

Result<void, std::string> IdentityDesk::open(const identity::Config& config, const Ports& ports) {
  auto service = identity::Service::open(config, {.rows = ports.rows,
                                                  .vault = ports.vault,
                                                  .codes = ports.codes,
                                                  .relay = *this,
                                                  .lookups = ports.lookups,
                                                  .notices = ports.notices,
                                                  .crypto = ports.crypto,
                                                  .clock = ports.clock,
                                                  .random = ports.random,
                                                  .log = ports.log});
  if (!service) {
    switch (service.error()) {
      case identity::OpenError::vault:
        return fail(std::string("the identity service's keys cannot be read from the vault"));
      case identity::OpenError::store:
        return fail(std::string(
            "the directory's rows (data/rows) cannot be read: the log says which file is damaged (rows.read_failed). "
            "Put back the whole directory from one copy; if none is damaged, put back the vault "
            "that belongs to this data"));
    }
  }
  service_ = std::move(*service);
  dispatcher_ = std::make_unique<identity::CallDispatcher>(*service_);
  return {};
}

// ---------------------------------------------------------------- jobs

bool IdentityDesk::authenticate(AuthJob job) {
  return control_.try_post([this, job = std::move(job)] {
    const auto& request = job.request;
    const auto known = service_->authenticate({.account = request.account,
                                               .device = request.device,
                                               .binding = request.binding,
                                               .message = request.message,
                                               .signature = request.signature,
                                               .source = job.source});
    std::optional<relay::Authenticated> device;
    if (known) device = relay::Authenticated{request.account, request.device, known->mailbox};
    const bool unavailable = !known && known.error() == identity::AuthError::unavailable;
    tell_edge([connection = job.connection, device, unavailable](PublicEdge& edge) {
      if (unavailable) {
        edge.cut(connection);
      } else {
        edge.on_auth(connection, device);
      }
    });
  });
}

bool IdentityDesk::call(CallJob job) {
  return control_.try_post([this, job = std::move(job)] {
    if (job.method == identity::calls::METHOD_BLOB_CREATE) return blobs_->create(*service_, job);
    caller_ = Caller{job.account, job.device, std::nullopt};
    auto reply = dispatcher_->call({job.account, job.device, job.source}, job.method, job.body);
    const auto goodbye = std::exchange(caller_, std::nullopt)->goodbye;
    tell_edge([connection = job.connection, call = job.call, reply = std::move(reply)](PublicEdge& edge) {
      edge.on_reply(connection, call, static_cast<std::uint16_t>(reply.status), reply.body);
    });
    if (goodbye) disconnect(job.account, job.device, *goodbye);
  });
}

bool IdentityDesk::registration(RegistrationJob job) {
  return control_.try_post([this, job = std::move(job)] {
    auto response = to_response(dispatcher_->post(job.source, job.path, job.body));
    tell_edge([request = job.request, response = std::move(response)](PublicEdge& edge) mutable {
      edge.on_response(request, std::move(response));
    });
  });
}

bool IdentityDesk::ledger(LedgerJob job) {
  return control_.try_post([this, job = std::move(job)] {
    tell_edge([request = job.request, response = ledger_page_->serve(job.http)](PublicEdge& edge) mutable {
      edge.on_response(request, std::move(response));
    });
  });
}

net::HttpResponse to_response(identity::HttpAnswer answer) {
  net::HttpResponse response;
  response.status = answer.http_status;
  response.headers = {{"Content-Type", "application/x-protobuf"}, {"Cache-Control", "no-store"}};
  if (answer.status != identity::calls::CALL_STATUS_OK) {
    response.headers.push_back({"Opaline-Status", std::to_string(static_cast<int>(answer.status))});
  }
  if (answer.retry_after_seconds > 0) {
    response.headers.push_back({"Retry-After", std::to_string(answer.retry_after_seconds)});
  }
  response.body = std::move(answer.body);
  return response;
}

// ---------------------------------------------------------------- orders to the relay

void IdentityDesk::tell_edge(std::move_only_function<void(PublicEdge&)> what) {
  io_.post([this, what = std::move(what)]() mutable { what(*edge_); });
}

void IdentityDesk::destroy(const MailboxId& mailbox, Time at) {
  tell_edge([mailbox, at](PublicEdge& edge) {
    edge.node().destroy(mailbox, at);
    edge.touched();
  });
}

void IdentityDesk::revoke_mailbox(const MailboxId& mailbox, Time issued_until) {
  tell_edge([mailbox, issued_until](PublicEdge& edge) {
    edge.node().revoke_mailbox(mailbox, issued_until);
    edge.touched();
  });
}

void IdentityDesk::revoke_sender(const AccountId& sender, Time issued_until) {
  tell_edge([sender, issued_until](PublicEdge& edge) {
    edge.node().revoke_sender(sender, issued_until);
    edge.touched();
  });
}

void IdentityDesk::disconnect(const AccountId& account, DeviceNumber device, wire::GoodbyeCode reason) {
  if (caller_ && caller_->account == account && caller_->device == device) {
    caller_->goodbye = reason;
    return;
  }
  tell_edge([account, device, reason](PublicEdge& edge) {
    edge.node().disconnect(account, device, reason);
    edge.touched();
  });
}

void IdentityDesk::notify(const AccountId& account, DeviceNumber device, wire::v1::NoticeKind kind, std::string body) {
  tell_edge([account, device, kind, body = std::move(body)](PublicEdge& edge) {
    std::ignore = edge.node().notify(account, device, static_cast<std::uint16_t>(kind), as_view(body));
    edge.touched();
  });
}

}  // namespace opaline::server
