#pragma once
// A device as the frames see it, for system tests: registers over HTTPS with the code of the outbox file, connects,
// authenticates, submits and receives raw envelopes. Blocks; runs its own loop.
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "identity/identity_test_world.hpp"
#include "net/http_client.hpp"
#include "net/websocket_client.hpp"
#include "wire/frames.hpp"

namespace opaline::system_test {

struct HttpAnswer {
  unsigned status = 0;
  std::string body;
  net::HttpHeaders headers;
};
/// One request. nullopt: no answer (see `error`). `authority` empty: plaintext on loopback.
struct HttpCall {
  std::string method = "GET";
  std::string url;
  std::filesystem::path authority = {};
  net::HttpHeaders headers = {};
  std::string body = {};
};
[[nodiscard]] Result<HttpAnswer, net::NetError> http(const HttpCall& call);

class DeviceClient {
 public:
  /// `server` is the --dev directory; the port is read from its ports.json at each use.
  DeviceClient(std::filesystem::path server, std::uint64_t seed);
  ~DeviceClient();

  /// One step of registration, linking or recovery: what follows /v1/.
  [[nodiscard]] HttpAnswer post(const std::string& path, const google::protobuf::MessageLite& request);
  /// Its keys; once registered or linked its account, number and mailbox.
  [[nodiscard]] identity::testing::Person& person() { return person_; }

  /// All three steps of registration; the HTTP status of the first that is not 200, else 200.
  unsigned register_as(const std::string& handle);

  /// Connects and authenticates. False: GOODBYE or the connection ended.
  bool connect();
  void disconnect();
  [[nodiscard]] bool connected() const { return link_ != nullptr; }
  [[nodiscard]] std::optional<wire::GoodbyeCode> goodbye() const { return goodbye_; }

  /// A CALL and its REPLY's body; nullopt where the status is not OK or the connection ended.
  template <class Reply, class Request>
  std::optional<Reply> call(identity::calls::Method method, const Request& request) {
    last_status_ = identity::calls::CALL_STATUS_OK;
    const auto body = raw_call(static_cast<std::uint16_t>(method), request.SerializeAsString());
    Reply reply;
    if (!body || !reply.ParseFromString(*body)) return std::nullopt;
    return reply;
  }

  /// What the last call answered; OK if it did not.
  [[nodiscard]] identity::calls::CallStatus last_status() const { return last_status_; }

  /// Looks the other up, opens a route and submits; the answer's status, nullopt if the connection ended first.
  std::optional<wire::SubmitStatus> send(const DeviceClient& to, const EnvelopeId& id, const std::string& ciphertext);
  /// The same, without waiting for the answer; the submit number.
  std::uint32_t submit(const DeviceClient& to, const EnvelopeId& id, const std::string& ciphertext);
  std::optional<wire::SubmitStatus> wait_result(std::uint32_t number);
  /// The next pushed envelope, waited for; acknowledged unless `acknowledge` is false. nullopt: the connection ended.
  struct Pushed {
    EnvelopeId id;
    std::string ciphertext;
  };
  std::optional<Pushed> receive(bool acknowledge = true);
  /// Waits for DRAINED: nothing of before this connection is left.
  bool wait_drained();
  /// Waits for the end of the connection.
  void wait_end() {
    run_until([] { return false; });
  }
  /// The next ACCOUNT_CHANGED notice's list number; 0: the connection ended.
  std::uint32_t wait_list_notice();

  [[nodiscard]] const AccountId& account() const { return person_.account; }
  [[nodiscard]] EnvelopeId new_id() { return person_.random.id<EnvelopeId>(); }

 private:
  class Handler;
  void on_frames(ByteView batch);
  void send_frames(const Bytes& batch);
  bool run_until(const std::function<bool()>& done);
  std::optional<std::string> raw_call(std::uint16_t method, const std::string& body);
  bool open_route(const DeviceClient& to);

  std::filesystem::path server_;
  identity::testing::Person person_;
  SystemClock clock_;
  net::EventLoop loop_{clock_};
  std::optional<net::TlsClientContext> tls_;
  std::unique_ptr<net::WebSocketClient> client_;
  net::WebSocketConnection* link_ = nullptr;
  bool ended_ = true;
  bool ready_ = false;
  bool drained_ = false;
  std::optional<wire::GoodbyeCode> goodbye_;
  std::deque<Pushed> pushed_;
  std::uint32_t pushes_taken_ = 0;
  std::map<std::uint32_t, wire::SubmitStatus> results_;
  std::uint32_t submitted_ = 0;
  std::map<MailboxId, std::uint16_t> routes_;
  std::uint32_t calls_ = 0;
  identity::calls::CallStatus last_status_ = identity::calls::CALL_STATUS_OK;
  std::map<std::uint32_t, std::pair<std::uint16_t, std::string>> replies_;
  std::deque<std::uint32_t> list_notices_;
};

}  // namespace opaline::system_test
