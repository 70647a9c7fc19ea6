#include "system/device_client.hpp"

#include <boost/json.hpp>
#include <fstream>

#include "crypto/random.hpp"

namespace opaline::system_test {
namespace {

std::string last_line_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string last;
  for (std::string line; std::getline(in, line);) last = line;
  return last;
}

std::uint16_t public_port(const std::filesystem::path& server) {
  std::ifstream in(server / "ports.json");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  return static_cast<std::uint16_t>(boost::json::parse(text).at("public").as_int64());
}

}  // namespace

Result<HttpAnswer, net::NetError> http(const HttpCall& call) {
  const SystemClock clock;
  net::EventLoop loop(clock);
  const auto url = net::Url::parse(call.url);
  if (!url) return fail(url.error());
  std::optional<net::TlsClientContext> tls;
  if (url->tls) {
    auto context = net::TlsClientContext::create({.authority_file = call.authority});
    if (!context) return fail(context.error());
    tls.emplace(std::move(*context));
  }
  net::HttpClientOptions options;
  options.origin = *url;
  options.tls = tls ? &*tls : nullptr;
  net::HttpClient client(loop, std::move(options));
  net::HttpClientRequest request;
  request.method = call.method;
  request.target = url->target;
  request.headers = call.headers;
  request.body = to_bytes(call.body);
  std::optional<Result<net::HttpResponse, net::NetError>> answer;
  client.request(std::move(request), [&](Result<net::HttpResponse, net::NetError> got) { answer = std::move(got); });
  loop.run_until([&] { return answer.has_value(); });
  if (!*answer) return fail(answer->error());
  return HttpAnswer{(*answer)->status, to_string((*answer)->body), (*answer)->headers};
}

class DeviceClient::Handler final : public net::WebSocketHandler {
 public:
  explicit Handler(DeviceClient& device) : device_(device) {}
  void on_open(net::WebSocketConnection& connection) override { device_.link_ = &connection; }
  void on_message(ByteView message) override { device_.on_frames(message); }
  void on_closed(const net::WebSocketClosed&) override {
    device_.link_ = nullptr;
    device_.ended_ = true;
  }

 private:
  DeviceClient& device_;
};

DeviceClient::DeviceClient(std::filesystem::path server, std::uint64_t seed)
    : server_(std::move(server)), person_(seed) {}
DeviceClient::~DeviceClient() = default;

HttpAnswer DeviceClient::post(const std::string& path, const google::protobuf::MessageLite& request) {
  const auto answer = http({.method = "POST",
                            .url = "https://localhost:" + std::to_string(public_port(server_)) + "/v1/" + path,
                            .authority = server_ / "ca.pem",
                            .headers = {{"Content-Type", "application/x-protobuf"}},
                            .body = request.SerializeAsString()});
  return answer ? *answer : HttpAnswer{};
}

unsigned DeviceClient::register_as(const std::string& handle) {
  namespace calls = identity::calls;
  calls::StartRequest start;
  start.set_handle(handle);
  const auto started = post("registration/start", start);
  if (started.status != 200) return started.status;
  calls::StartReply start_reply;
  start_reply.ParseFromString(started.body);

  calls::CheckRequest check;
  check.set_verification(start_reply.verification());
  const auto code = boost::json::parse(last_line_of(server_ / "outbox.jsonl"));
  check.set_code(std::string(code.at("code").as_string()));
  const auto checked = post("registration/check", check);
  if (checked.status != 200) return checked.status;
  calls::CheckReply check_reply;
  check_reply.ParseFromString(checked.body);

  const auto complete = person_.complete_request(check_reply, clock_.now());
  return post("registration/complete", complete).status;
}

bool DeviceClient::run_until(const std::function<bool()>& done) {
  loop_.run_until([&] { return ended_ || done(); });
  return done();  // what came before the end counts
}

bool DeviceClient::connect() {
  client_.reset();
  tls_.emplace(std::move(*net::TlsClientContext::create({.authority_file = server_ / "ca.pem"})));
  ended_ = ready_ = drained_ = false;
  goodbye_.reset();
  submitted_ = pushes_taken_ = 0;
  results_.clear();
  routes_.clear();
  pushed_.clear();
  net::WebSocketClientOptions options;
  options.url = *net::Url::parse("wss://localhost:" + std::to_string(public_port(server_)) + "/v1/device");
  options.tls = &*tls_;
  client_ = std::make_unique<net::WebSocketClient>(loop_, person_.random, std::move(options),
                                                   std::make_unique<Handler>(*this),
                                                   [this](net::WebSocketConnectFailure) { ended_ = true; });
  if (!run_until([&] { return ready_; })) return false;
  Bytes batch;
  wire::encode(batch, wire::Credit{1000, 10 << 20});
  send_frames(batch);
  // An answer that comes after the credit: the relay now knows that this device can take envelopes.
  return raw_call(identity::calls::METHOD_PREKEY_STATUS, {}).has_value();
}

void DeviceClient::disconnect() {
  client_.reset();
  link_ = nullptr;
  ended_ = true;
}

void DeviceClient::send_frames(const Bytes& batch) {
  if (link_ != nullptr) link_->send(batch);
}

void DeviceClient::on_frames(ByteView batch) {
  for (wire::FrameReader in(batch); !in.done();) {
    const auto frame = in.next();
    if (!frame) {
      ended_ = true;
      return;
    }
    if (const auto* hello = std::get_if<wire::Hello>(&*frame)) {
      wire::Auth auth;
      auth.account = person_.account;
      auth.device = person_.device;
      const auto binding = link_->channel_binding();
      const auto message = wire::auth_message(auth, *hello, binding ? ByteView(*binding) : ByteView{});
      const auto signature = person_.sign_auth(message);
      auth.signature = signature;
      Bytes out;
      wire::encode(out, auth);
      send_frames(out);
    } else if (std::holds_alternative<wire::Ready>(*frame)) {
      ready_ = true;
    } else if (const auto* results = std::get_if<wire::ResultFrame>(&*frame)) {
      for (std::size_t i = 0; i < results->size(); ++i) {
        const auto range = results->at(i);
        for (std::uint32_t n = 0; n < range.count; ++n) results_[range.first + n] = range.status;
      }
    } else if (const auto* push = std::get_if<wire::Push>(&*frame)) {
      pushed_.push_back({push->id, to_string(push->ciphertext)});
    } else if (std::holds_alternative<wire::Drained>(*frame)) {
      drained_ = true;
    } else if (const auto* reply = std::get_if<wire::Reply>(&*frame)) {
      replies_[reply->id] = {reply->status, to_string(reply->body)};
    } else if (const auto* notice = std::get_if<wire::Notice>(&*frame)) {
      identity::calls::AccountReply account;
      if (notice->kind == identity::calls::NOTICE_ACCOUNT_CHANGED &&
          account.ParseFromArray(notice->body.data(), static_cast<int>(notice->body.size())))
        list_notices_.push_back(account.list_number());
    } else if (const auto* goodbye = std::get_if<wire::Goodbye>(&*frame)) {
      goodbye_ = goodbye->code;
    }
  }
}

std::optional<std::string> DeviceClient::raw_call(std::uint16_t method, const std::string& body) {
  const auto id = ++calls_;
  Bytes batch;
  wire::encode(batch, wire::Call{id, method, as_view(body)});
  send_frames(batch);
  if (!run_until([&] { return replies_.contains(id); })) return std::nullopt;
  auto [status, reply] = replies_.extract(id).mapped();
  last_status_ = static_cast<identity::calls::CallStatus>(status);
  if (last_status_ != identity::calls::CALL_STATUS_OK) return std::nullopt;
  return reply;
}

bool DeviceClient::open_route(const DeviceClient& to) {
  if (routes_.contains(to.person_.mailbox)) return true;
  identity::calls::SendTokensRequest request;
  request.set_account(identity::testing::text(to.account().view()));
  const auto reply = call<identity::calls::SendTokensReply>(identity::calls::METHOD_SEND_TOKENS, request);
  if (!reply) return false;
  const auto wanted = identity::testing::text(to.person_.mailbox.view());
  const auto found = std::ranges::find(reply->devices(), wanted, &identity::calls::BundlesReply::Device::mailbox);
  if (found == reply->devices().end()) return false;
  const auto& device = *found;
  wire::Route route;
  route.route = static_cast<std::uint16_t>(routes_.size());
  route.mailbox = *MailboxId::from(as_view(device.mailbox()));
  route.token = to_array<wire::kSendTokenBytes>(as_view(device.send_token()));
  Bytes batch;
  wire::encode(batch, route);
  send_frames(batch);
  routes_[to.person_.mailbox] = route.route;
  return true;
}

std::uint32_t DeviceClient::submit(const DeviceClient& to, const EnvelopeId& id, const std::string& ciphertext) {
  if (!open_route(to)) return 0;
  Bytes batch;
  wire::encode(batch,
               wire::Submit{routes_.at(to.person_.mailbox), wire::EnvelopeClass::normal, id, as_view(ciphertext)});
  send_frames(batch);
  loop_.run_once(std::chrono::nanoseconds(0));  // out with it: the caller may go on with another device's loop
  return ++submitted_;
}

std::optional<wire::SubmitStatus> DeviceClient::wait_result(std::uint32_t number) {
  if (!run_until([&] { return results_.contains(number); })) return std::nullopt;
  return results_.at(number);
}

std::optional<wire::SubmitStatus> DeviceClient::send(const DeviceClient& to, const EnvelopeId& id,
                                                     const std::string& ciphertext) {
  const auto number = submit(to, id, ciphertext);
  return number == 0 ? std::nullopt : wait_result(number);
}

std::optional<DeviceClient::Pushed> DeviceClient::receive(bool acknowledge) {
  if (!run_until([&] { return !pushed_.empty(); })) return std::nullopt;
  auto out = std::move(pushed_.front());
  pushed_.pop_front();
  ++pushes_taken_;
  if (acknowledge) {
    Bytes batch;
    wire::encode(batch, wire::Ack{pushes_taken_});
    send_frames(batch);
    loop_.run_once(std::chrono::nanoseconds(0));
  }
  return out;
}

std::uint32_t DeviceClient::wait_list_notice() {
  if (!run_until([&] { return !list_notices_.empty(); })) return 0;
  const auto out = list_notices_.front();
  list_notices_.pop_front();
  return out;
}

bool DeviceClient::wait_drained() {
  return run_until([&] { return drained_; });
}

}  // namespace opaline::system_test
