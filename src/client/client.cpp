#include "client/client.hpp"

#include <algorithm>

#include "base/fault_point.hpp"
#include "proto/device.pb.h"
#include "uplink/requests.hpp"

namespace opaline::client {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t kClaimsAtOnce = 8;  // half of the calls that a connection may have open
/// The credit that a device keeps open for what the server pushes.
constexpr wire::Credit kReceiveCredit{wire::kInitialCreditEnvelopes, wire::kInitialCreditBytes};

Failure offline_failure() {
  return {ClientError::connect_failed, "not connected to the server"};
}

}  // namespace

Client::Client(net::EventLoop& loop, const Clock& clock, RandomSource& random, const LocalStore& store,
               const Service& service, Events events, Kind kind)
    : loop_(loop),
      clock_(clock),
      random_(random),
      store_(store),
      service_(service),
      events_(std::move(events)),
      kind_(kind),
      rows_(store, random),
      history_(store),
      contacts_(store, random),
      tick_(loop),
      reconnect_(loop) {}

Client::~Client() = default;

Result<std::unique_ptr<Client>, Failure> Client::open(net::EventLoop& loop, const Clock& clock, RandomSource& random,
                                                      const LocalStore& store, const Service& service, Events events,
                                                      Kind kind) {
  std::unique_ptr<Client> client(new Client(loop, clock, random, store, service, std::move(events), kind));
  auto device = endpoint::Endpoint::load(
      client->rows_, random, clock, {.serves_strangers = kind == Kind::business, .persona = kind == Kind::persona});
  if (!device) return fail(failure_of(device.error()));
  client->device_ = std::move(*device);
  client->rows_.set_own_device(client->device_->address().device);
  return client;
}

// ---- connection

void Client::start() {
  wanted_ = true;
  connect();
}

void Client::stop() {
  wanted_ = false;
  reconnect_.cancel();
  if (connection_) connection_->close();
}

bool Client::online() const {
  return connection_ && connection_->ready();
}

bool Client::settled() const {
  return names_settled() && !round_scheduled_ && !device_->has_work() && device_->waiting() == 0 &&
         (!connection_ || connection_->idle());
}

void Client::connect() {
  uplink::ConnectionOwner& owner = *this;
  connection_ = std::make_unique<uplink::Connection>(loop_, random_, service_.url(), service_.tls(), *device_, owner);
}

void Client::on_ready(const wire::Ready& ready) {
  back_off_.reset();
  device_->connected(ready);
  connection_->send(kReceiveCredit);
  schedule_round();
  // Questions to which the last connection ended before there was an answer.
  if (const auto accounts = contacts_.claimants(kClaimsAtOnce))
    for (const AccountId& account : *accounts) confirm_claim(account);
  events_.on_link(nullptr);
}

void Client::on_frame(const wire::Frame& frame) {
  endpoint::give_frame(*device_, frame);
  if (std::holds_alternative<wire::Drained>(frame)) {
    events_.on_drained();
  } else if (const auto* notice = std::get_if<wire::Notice>(&frame)) {
    uplink::give_notice(*device_, *notice);
  }
}

void Client::on_batch_end() {
  round();
}

void Client::on_ended(const uplink::Ended& ended) {
  Failure why = failure_of(ended, service_.url());
  // What may have happened depends on which device this is.
  if (why.error == ClientError::removed) why = removed_failure(device_->is_primary().value_or(false));
  device_->disconnected();
  tick_.cancel();
  open_claims_ = 0;
  events_.on_link(&why);
  if (why.error == ClientError::refused || why.error == ClientError::removed) return fatal(why);
  if (!wanted_) return;
  reconnect_.arm(back_off_.next(random_), [this] { connect(); });
}

void Client::fatal(const Failure& why) {
  wanted_ = false;
  reconnect_.cancel();
  events_.on_fatal(why);
}

// ---- rounds

void Client::schedule_round() {
  if (std::exchange(round_scheduled_, true)) return;
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    round_scheduled_ = false;
    round();
  });
}

void Client::round() {
  const auto done = commit();  // on an error the connection's end leads to the next attempt
  if (!done && done.error() == endpoint::Error::corrupt_state) fatal(failure_of(done.error()));
}

/// Commits what the device changed and lets it out; on an error ends the connection.
Result<void, endpoint::Error> Client::commit() {
  auto actions = device_->commit_round();
  if (!actions) {
    if (connection_) connection_->close();
    return fail(actions.error());
  }
  // A handle that another device knows as somebody else's: as when a lookup says so.
  for (const AccountId& account : rows_.take_alarms())
    if (!sound_alarm(account)) break;  // the handle stays pending: whoever writes to it hears it then
  for (const endpoint::Action& action : *actions) perform(action);
  if (connection_) connection_->flush();
  if (!actions->empty()) fault_point("client.after_frames");
  arm_tick();
  return {};
}

void Client::perform(const endpoint::Action& action) {
  if (const auto* event = std::get_if<endpoint::Event>(&action)) return tell(*event);
  if (!online()) return;
  if (const auto* request = std::get_if<endpoint::Request>(&action)) {
    uplink::ask(*connection_, *device_, *request, [this] { schedule_round(); });
  } else {
    connection_->send(action);
  }
}

void Client::tell(const endpoint::Event& event) {
  const auto* changed = std::get_if<endpoint::MessageStateChanged>(&event);
  const bool gone =
      changed != nullptr && changed->state == endpoint::MessageState::failed &&
      (changed->reason == endpoint::Reason::no_such_account || changed->reason == endpoint::Reason::no_device);
  if (gone) look_again(changed->peer);
  if (const auto* received = std::get_if<endpoint::MessageReceived>(&event)) confirm_claim(received->sender.account);
  events_.on_event(event);
}

/// An account is gone. Who has its handle now? If it is another account, the person is to know before writing on.
void Client::look_again(const AccountId& account) {
  (void)contacts_.distrust(account);  // a cache: the worst is one lookup less
  const auto contact = contacts_.find(account);
  if (!contact || !*contact || !online()) return;
  ++open_claims_;
  lookup((*contact)->handle, (*contact)->renewal_token, [this](const Result<AccountId, Failure>&) { --open_claims_; });
}

/// A sender says by which handle it is reached. The directory is asked, once; only then is it shown by that name.
void Client::confirm_claim(const AccountId& account) {
  if (kind_ != Kind::person) return;  // a business has no handle
  const auto known = contacts_.find(account);
  const auto claim = contacts_.claim(account);
  if (!known || *known || !claim || !*claim || !online()) return;
  if (!claims_asked_.insert(account).second) return;  // many messages of one stranger are one question
  ++open_claims_;
  lookup(**claim, {}, [this, account](const Result<AccountId, Failure>& found) {
    --open_claims_;
    claims_asked_.erase(account);
    const bool answered = found || found.error().error == ClientError::no_such_handle ||
                          found.error().error == ClientError::identity_changed;
    if (answered) (void)contacts_.settle_claim(account);
  });
}

void Client::arm_tick() {
  const auto wait = uplink::next_tick(*device_, clock_.now());
  if (!wait || !online()) return;
  tick_.arm(*wait, [this] {
    device_->tick();
    round();
  });
}

// ---- the person

Result<void, Failure> Client::change(const std::function<void(endpoint::Endpoint&)>& what) {
  what(*device_);
  if (const auto done = commit(); !done) return fail(failure_of(done.error()));
  return {};
}

Result<MessageId, Failure> Client::send_message(const AccountId& peer, endpoint::NewMessage message,
                                                std::function<Result<void, DatabaseError>(const Database&)> also) {
  std::optional<Result<MessageId, endpoint::Error>> queued;
  const auto changed = change([&](endpoint::Endpoint& device) {
    queued = device.send(peer, std::move(message));
    if (*queued && also) rows_.also_commit(std::move(also));
  });
  if (!*queued) return fail(failure_of(queued->error()));
  if (!changed) return fail(changed.error());
  return **queued;
}

Result<MessageId, Failure> Client::send_files(const AccountId& peer, ByteView text,
                                              std::vector<endpoint::Attachment> attachments,
                                              std::function<Result<void, DatabaseError>(const Database&)> also) {
  return send_message(peer, {.utf8 = as_text(text), .attachments = std::move(attachments)}, std::move(also));
}

void Client::send(std::string_view to, std::string_view text, Done<MessageId> done) {
  resolve(to, [this, text = SecretBytes(to_secret_bytes(as_view(text))),
               done = std::move(done)](Result<AccountId, Failure> account) {
    if (!account) return done(fail(account.error()));
    std::optional<Result<MessageId, endpoint::Error>> queued;
    const auto changed =
        change([&](endpoint::Endpoint& device) { queued = device.send_text(*account, as_text(text)); });
    if (!*queued) return done(fail(failure_of(queued->error())));
    if (!changed) return done(fail(changed.error()));
    done(**queued);
  });
}

void Client::call(std::uint16_t method, ByteView body, Done<Bytes> done) {
  if (!online()) return done(fail(offline_failure()));
  auto shared = std::make_shared<Done<Bytes>>(std::move(done));
  const bool sent = connection_->call(method, body, [shared](const uplink::CallResult& result) {
    if (result.status == wire::v1::CALL_STATUS_OK) return (*shared)(result.body);
    (*shared)(fail(refusal(result.status, result.body,
                           "the connection ended before the server answered; whether it was done is not known")));
  });
  if (!sent) (*shared)(fail(Failure{ClientError::timed_out, "too many questions to the server at once"}));
}

}  // namespace opaline::client
