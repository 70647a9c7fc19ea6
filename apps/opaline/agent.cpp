#include "apps/opaline/agent.hpp"

#include <fmt/format.h>

#include "apps/opaline/business.hpp"
#include "apps/opaline/devices.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using endpoint::MessageState;
using namespace std::chrono_literals;

net::HttpResponse json_response(unsigned status, const boost::json::object& body) {
  return net::text_response(status, "application/json", boost::json::serialize(body));
}

}  // namespace

/// One `send` that waits for its state, until its time is over.
class Agent::Waiting : public std::enable_shared_from_this<Waiting> {
 public:
  Waiting(Agent& agent, net::HttpResponder responder, AgentSend send)
      : agent_(agent),
        context_(agent.context_),
        responder_(std::move(responder)),
        send_(std::move(send)),
        late_(context_.loop()) {}

  /// At first, and again when the device is back.
  void start() {
    if (done_ || !id_.is_zero()) return;
    if (away()) return late_.arm(send_.wait, [this] { answer(); });
    late_.cancel();
    if (upload_) {
      agent_.files_->look();
      return look();
    }
    send_to(context_, send_.to, send_.text, [self = shared_from_this()](Result<MessageId, Failure> id) {
      if (self->done_ || (!id && self->away())) return;  // the device went meanwhile, and nothing is queued
      if (!id) {
        self->done_ = true;
        return self->responder_.respond(json_response(409, failure_json(id.error())));
      }
      self->id_ = *id;
      self->late_.arm(self->send_.wait, [waiting = self.get()] { waiting->answer(); });  // a member: ends with it
      self->look();
    });
  }

  /// Answers if the message is so far.
  void look() {
    if (done_ || away()) return;
    if (id_.is_zero() && upload_ && !is_queued()) return;
    const auto found = find_outgoing(context_, send_.to, id_);
    if (found && *found && ((*found)->state >= send_.until || (*found)->state == MessageState::failed)) return answer();
  }
  [[nodiscard]] bool done() const { return done_; }
  /// Answers with what there is.
  void answer() {
    if (std::exchange(done_, true)) return;
    late_.cancel();
    if (id_.is_zero() && upload_) return answer_upload();
    if (id_.is_zero())
      return responder_.respond(json_response(503, failure_json(away() ? home_is_lent() : process_ended())));
    const auto found = find_outgoing(context_, send_.to, id_);
    if (found && *found) {
      auto object = entry_json(**found, send_.to);
      if (!names_business(send_.to)) object["reachable"] = "opaline";
      return responder_.respond(json_response(200, object));
    }
    responder_.respond(json_response(500, failure_json(history_failure(context_, ClientError::store_failed))));
  }

 private:
  [[nodiscard]] bool away() const { return agent_.files_ == nullptr; }
  /// Its files are up; else it may be that they will not be for now.
  bool is_queued() {
    const auto id = agent_.files_->queued(*upload_);
    if (!id) {
      const auto upload = agent_.files_->transfers().upload(*upload_);
      const bool there = upload && *upload;
      // Its message is a moment old if it is not there the first time; the second time it was cancelled.
      const bool ended = there ? (*upload)->reason != client::UploadReason::none : std::exchange(missing_, true);
      if (ended || !agent_.files_->busy()) {
        answer();
      } else {
        late_.arm(200ms, [this] { look(); });
      }
      return false;
    }
    id_ = *id;
    late_.arm(send_.wait, [this] { answer(); });
    return true;
  }
  void answer_upload() {
    const auto upload = client::Transfers(context_.store(), context_.random()).upload(*upload_);
    if (upload && *upload) return responder_.respond(json_response(200, upload_json(**upload)));
    responder_.respond(json_response(409, failure_json({ClientError::refused, "it was cancelled"})));
  }

  Agent& agent_;
  Context& context_;
  net::HttpResponder responder_;
  AgentSend send_;
  std::optional<client::UploadId> upload_ = client::UploadId::from_hex(send_.upload);
  MessageId id_;
  net::Timer late_;
  bool done_ = false, missing_ = false;
};

std::unique_ptr<Agent> Agent::start(Context& context, Files& files) {
  std::unique_ptr<Agent> agent(new Agent(context, files));
  net::HttpServerOptions options;
  options.address.unix_path = context.home().socket_file().string();
  options.max_connections = 32;
  auto server = net::HttpServer::start(context.loop(), std::move(options),
                                       [raw = agent.get()](net::HttpRequest request, net::HttpResponder responder) {
                                         raw->handle(request, std::move(responder));
                                       });
  if (!server) {
    context.output().hint(fmt::format("other opaline commands will not work beside this process: no socket in {} ({})",
                                      context.home().directory().string(), net::name(server.error())));
    return nullptr;
  }
  agent->server_ = std::move(*server);
  files.on_upload = [raw = agent.get()] { raw->look(); };
  return agent;
}

Agent::~Agent() {
  if (files_ != nullptr) files_->on_upload = [] {};
}

void Agent::suspend() {
  if (files_ != nullptr) files_->on_upload = [] {};
  files_ = nullptr;
}

void Agent::lent() {
  lent_ = true;
  for (auto& borrower : std::exchange(borrowers_, {})) borrower.respond(json_response(200, {}));
}

void Agent::resume(Files& files) {
  lent_ = false;
  files_ = &files;
  files.on_upload = [this] { look(); };
  for (auto& [to, responder] : std::exchange(unresolved_, {})) resolve(to, std::move(responder));
  for (const auto& each : std::vector(waiting_)) each->start();
  look();
}

void Agent::end() {
  ended_ = true;
  for (auto& borrower : std::exchange(borrowers_, {}))
    borrower.respond(json_response(503, failure_json(process_ended())));
  for (auto& [to, responder] : std::exchange(unresolved_, {}))
    responder.respond(json_response(503, failure_json(process_ended())));
  for (const auto& each : std::exchange(waiting_, {})) each->answer();
  for (int i = 0; i < 2; ++i) {  // the answers leave at the end of a round
    bool turned = false;
    context_.loop().post([&turned] { turned = true; });
    context_.loop().run_until([&turned] { return turned; });
  }
}

void Agent::handle(const net::HttpRequest& request, net::HttpResponder responder) {
  if (ended_) return responder.respond(json_response(503, failure_json(process_ended())));
  const auto target = request.method == "POST" ? request.path() : std::string_view();
  if (target == "/lend") {
    if (lent_) return responder.respond(json_response(200, {}));
    return borrowers_.push_back(std::move(responder));
  }
  if (target == "/resolve") {
    const auto to = parse_resolve(request.body);
    if (!to)
      return responder.respond(json_response(400, failure_json({ClientError::protocol, "not a request to resolve"})));
    return resolve(*to, std::move(responder));
  }
  auto send = target == "/send" ? parse_send(request.body) : std::nullopt;
  if (!send)
    return responder.respond(json_response(400, failure_json({ClientError::protocol, "not a request to send"})));
  waiting_.push_back(std::make_shared<Waiting>(*this, std::move(responder), std::move(*send)));
  waiting_.back()->start();
}

void Agent::look() {
  for (const auto& each : waiting_) each->look();
  std::erase_if(waiting_, [](const auto& each) { return each->done(); });
}

void Agent::resolve(const std::string& to, net::HttpResponder responder) {
  if (files_ == nullptr) {
    unresolved_.emplace_back(to, std::move(responder));
    return;
  }
  auto shared = std::make_shared<net::HttpResponder>(std::move(responder));
  context_.client().resolve(to, [this, to, shared](const Result<AccountId, Failure>& account) {
    if (!account && files_ == nullptr) {  // the device went meanwhile
      unresolved_.emplace_back(to, std::move(*shared));
      return;
    }
    if (!account) return shared->respond(json_response(409, failure_json(account.error())));
    endpoint::Endpoint& device = context_.client().device();
    const auto status = device.peer_status(*account);
    if (*account == device.address().account)
      return shared->respond(json_response(409, failure_json(client::failure_of(endpoint::Error::to_self))));
    if (status && status->blocked)
      return shared->respond(json_response(409, failure_json(client::failure_of(endpoint::Error::blocked))));
    shared->respond(json_response(200, {{"account", account->hex()}}));
  });
}

}  // namespace opaline::cli
