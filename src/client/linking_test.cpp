// Linking and recovery at the client, against a service that loses answers, tampers, and lies; over real sockets.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/back_off.hpp"
#include "client/recovering.hpp"
#include "crypto/random.hpp"
#include "endpoint/memory_endpoint_store.hpp"
#include "net/certificates.hpp"
#include "net/http_server.hpp"
#include "proto/device.pb.h"

namespace opaline::client {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using net::HttpResponse;
using session::LinkDigits;
using session::LinkExchangeId;
using Welcome = NewDeviceLinking::Welcome;

constexpr crypto::Argon2Cost kCheap{.memory_kib = 64, .passes = 1, .lanes = 1};
const Failure kLost{ClientError::connect_failed, "lost"};

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

template <class Message>
Message read(ByteView body) {
  Message out;
  EXPECT_TRUE(out.ParseFromArray(body.data(), static_cast<int>(body.size())));
  return out;
}

/// A link exchange as docs/device-api.md has it. Side 0 is the new device, side 1 the one that joined.
struct FakeExchange {
  std::vector<Bytes> said[2];
  bool ended[2] = {false, false};
  bool joined = false, forgotten = false;
  /// What somebody in between makes of the answer to a side.
  std::function<void(int to, std::vector<Bytes>&)> tamper = [](int, std::vector<Bytes>&) {};

  Bytes turn(int side, ByteView body) {
    const auto request = read<wire::v1::LinkTurnRequest>(body);
    auto& mine = said[side];
    for (int i = 0; i < request.send_size(); ++i)
      if (request.sent() + static_cast<std::size_t>(i) >= mine.size()) mine.push_back(to_bytes(request.send(i)));
    ended[side] = ended[side] || request.end();
    const auto& theirs = said[1 - side];
    std::vector<Bytes> out(theirs.begin() + std::min<std::ptrdiff_t>(request.received(), std::ssize(theirs)),
                           theirs.end());
    tamper(side, out);
    wire::v1::LinkTurnReply reply;
    for (const Bytes& message : out) reply.add_messages(to_string(message));
    reply.set_joined(joined);
    reply.set_ended(ended[1 - side]);
    return to_bytes(reply.SerializeAsString());
  }
};

class LinkExchangeTest : public testing::Test {
 protected:
  LinkExchange side(int number) {
    return {LinkExchangeId(), {}, [this, number](ByteView request) -> Result<Bytes, Failure> {
              if (lose_request > 0 && --lose_request == 0) return fail(kLost);
              ++requests;
              Bytes answer = exchange_.turn(number, request);
              if (lose_answer > 0 && --lose_answer == 0) return fail(kLost);
              if (std::exchange(nonsense, false)) return to_bytes("\xff\xff\xff");
              return answer;
            }};
  }
  FakeExchange exchange_;
  int lose_request = 0, lose_answer = 0, requests = 0;
  bool nonsense = false;
};

TEST_F(LinkExchangeTest, MessagesComeOnceAndInOrderWhateverIsLost) {
  const std::vector<Bytes> three{to_bytes("a"), to_bytes("b"), to_bytes("c")};
  for (int at = 1; at <= 3; ++at) {
    for (const bool answer : {false, true}) {
      exchange_ = {};
      LinkExchange from = side(0), to = side(1);
      (answer ? lose_answer : lose_request) = at;
      const auto first = from.turn(three);
      EXPECT_FALSE(first);
      EXPECT_TRUE(from.turn());
      EXPECT_EQ(exchange_.said[0], three) << at << answer;
      lose_answer = 1;
      EXPECT_FALSE(to.turn());
      const auto came = to.turn();
      ASSERT_TRUE(came);
      EXPECT_EQ(came->messages, three);
      EXPECT_TRUE(to.turn()->messages.empty()) << "again";
    }
  }
}

TEST_F(LinkExchangeTest, NonsenseIsNoAnswer) {
  LinkExchange from = side(0), to = side(1);
  nonsense = true;
  const auto first = from.turn({to_bytes("a")});
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().error, ClientError::protocol);
  EXPECT_TRUE(from.turn({to_bytes("b")}, true));
  EXPECT_EQ(exchange_.said[0], (std::vector{to_bytes("a"), to_bytes("b")}));
  const auto came = to.turn();
  ASSERT_TRUE(came);
  EXPECT_TRUE(came->ended);
  EXPECT_EQ(came->messages.size(), 2U);
}

TEST(BackOff, DoublesUpToItsLimitAndBeginsAgain) {
  BackOff wait(500ms, 3s);
  for (const auto expected : {500ms, 1000ms, 2000ms, 3000ms, 3000ms}) EXPECT_EQ(wait.next(), expected);
  wait.reset();
  SeededRandom random(1);
  for (const auto whole : {500ms, 1000ms, 2000ms, 3000ms}) {
    const auto next = wait.next(random);
    EXPECT_GE(next, whole / 2);
    EXPECT_LE(next, whole);
  }
}

/// Answers a device that connects: it is known, or not.
class Gate final : public net::WebSocketHandler {
 public:
  explicit Gate(bool known) : known_(known) {}
  void on_open(net::WebSocketConnection& connection) override {
    connection_ = &connection;
    wire::Hello hello;
    hello.server_name = as_view("localhost");
    say(hello);
  }
  void on_message(ByteView) override {
    if (known_) return say(wire::Ready{});
    say(wire::Goodbye{wire::GoodbyeCode::auth_failed, {}});
    connection_->close(net::close_code::kNormal, "");
  }
  void on_closed(const net::WebSocketClosed&) override {}

 private:
  template <class Frame>
  void say(const Frame& frame) {
    Bytes out;
    wire::encode(out, frame);
    connection_->send(out);
  }
  bool known_;
  net::WebSocketConnection* connection_ = nullptr;
};

class LinkingTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/opaline-linking.XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    directory_ = path;
    const net::CertificatePaths authority{directory_ / "ca.pem", directory_ / "ca.key"};
    const net::CertificatePaths server{directory_ / "s.pem", directory_ / "s.key"};
    ASSERT_TRUE(net::make_authority(authority, "linking test", clock_.now()));
    ASSERT_TRUE(
        net::issue_server_certificate({.authority = authority, .out = server, .names = {}, .now = clock_.now()}));
    tls_ = std::make_unique<net::TlsServerContext>(
        std::move(*net::TlsServerContext::create({.certificate_file = server.certificate, .key_file = server.key})));
    net::HttpServerOptions options;
    options.address.ip = "127.0.0.1";
    options.tls = tls_.get();
    server_ = std::move(*net::HttpServer::start(loop_, std::move(options),
                                                [this](const net::HttpRequest& request, net::HttpResponder responder) {
                                                  log_.emplace_back(request.path());
                                                  if (request.path() == "/v1/device" && known_) {
                                                    responder.upgrade(std::make_unique<Gate>(*known_));
                                                  } else {
                                                    responder.respond(answer(request));
                                                  }
                                                }));
    settings_ = {"https://localhost:" + std::to_string(server_->port()), content_of(authority.certificate)};
    new_home();
    service_ = std::move(*Service::create(loop_, settings_));
    // The account's primary device.
    account_ = random_.id<AccountId>();
    ASSERT_TRUE(endpoint::Endpoint::create(primary_rows_, random_, clock_,
                                           {account_, DeviceNumber{1}, random_.id<MailboxId>()}));
    ASSERT_TRUE(endpoint::Endpoint::confirm_registration(primary_rows_));
    primary_ = std::move(*endpoint::Endpoint::load(primary_rows_, random_, clock_));
  }
  void TearDown() override { fs::remove_all(directory_); }
  /// An empty home, and an exchange that nobody has opened.
  void new_home() {
    home_ = std::make_unique<Home>(*Home::at(directory_ / ("home" + std::to_string(++homes_))));
    store_ = std::make_unique<LocalStore>(
        std::move(*LocalStore::create(*home_, {std::nullopt, home_->key_file()}, settings_, random_, kCheap)));
    rows_ = std::make_unique<SqliteEndpointStore>(*store_, random_);
    exchange_ = {};
  }

  static HttpResponse ok(const google::protobuf::MessageLite& reply) {
    HttpResponse out;
    out.body = to_bytes(reply.SerializeAsString());
    return out;
  }
  static HttpResponse refused(int status) {
    HttpResponse out;
    out.status = 400;
    out.headers.push_back({"Opaline-Status", std::to_string(status)});
    return out;
  }
  HttpResponse answer(const net::HttpRequest& request) {
    if (request.path() == "/v1/link/open") {
      exchange_.said[0].push_back(to_bytes(read<wire::v1::LinkOpenRequest>(request.body).send(0)));
      wire::v1::LinkOpenReply reply;
      reply.set_exchange(std::string(16, 'e'));
      reply.set_secret(std::string(32, 's'));
      reply.set_number("123456789");
      reply.set_valid_seconds(600);
      return ok(reply);
    }
    if (request.path() == "/v1/link/turn" && !exchange_.forgotten) {
      HttpResponse out;
      out.body = exchange_.turn(0, request.body);
      return out;
    }
    if (request.path() == "/v1/link/turn") return refused(wire::v1::CALL_STATUS_NOT_FOUND);
    return recovery_(request);
  }
  [[nodiscard]] NewDeviceLinking::Parts parts() { return {loop_, *service_, *store_, *rows_, random_, clock_}; }

  struct Outcome {
    std::optional<ClientError> error;  ///< of whichever side failed first
    std::string message;
    bool linked = false;
  };
  /// Links by the number; `until` ends the new device there, as a kill would.
  Outcome link(const std::function<bool(const NewDeviceLinking::News&)>& until = {}) {
    NewDeviceLinking fresh(parts(), "tablet", false);
    const auto opened = fresh.open();
    if (!opened) return {opened.error().error, opened.error().message};
    exchange_.joined = true;
    const LinkExchangeId id = *LinkExchangeId::from(as_view(std::string(16, 'e')));
    const auto list = *primary_->own_list();
    PrimaryLinking adds(
        random_,
        LinkExchange(id, {}, [this](ByteView request) -> Result<Bytes, Failure> { return exchange_.turn(1, request); }),
        session::LinkPrimary({id, random_.id<MailboxId>(), list, "anna@example.org", clock_.now()}), {});
    for (int i = 0; i < 30; ++i) {
      const auto news = fresh.poll();
      if (!news) return {news.error().error, news.error().message};
      if (until && until(*news)) return {};
      if (std::holds_alternative<NewDeviceLinking::Linked>(*news)) return {{}, "", true};
      if (std::holds_alternative<session::LinkRefusal>(*news)) return {ClientError::refused, ""};
      if (std::holds_alternative<LinkDigits>(*news))
        if (const auto done = fresh.confirm(true); !done) return {done.error().error, done.error().message};
      const auto theirs = adds.poll();
      if (!theirs) return {theirs.error().error, theirs.error().message};
      if (std::holds_alternative<LinkDigits>(*theirs))
        if (const auto done = adds.confirm(); !done) return {done.error().error, done.error().message};
      if (std::holds_alternative<session::LinkProposal>(*theirs))
        adds.approve(*session::verify_device_list(
            session::sign_device_list(adds.next_list(clock_.now()), *primary_->account_key(), random_)));
    }
    return {ClientError::timed_out, ""};
  }
  [[nodiscard]] bool is_device() { return endpoint::Endpoint::load(*rows_, random_, clock_).has_value(); }
  [[nodiscard]] bool unfinished() { return *NewDeviceLinking::unfinished(*store_, random_); }
  Result<NewDeviceLinking::Before, Failure> resume() {
    return NewDeviceLinking::resume(
        parts(),
        [this](std::chrono::milliseconds) {
          clock_.advance(1min);
          return ++pauses_ < stop_after_;
        },
        [this] { ++waits_; });
  }

  SeededRandom random_{20};
  ManualClock clock_{SystemClock().now()};
  SystemClock real_;
  net::EventLoop loop_{real_};
  fs::path directory_;
  std::unique_ptr<net::TlsServerContext> tls_;
  std::unique_ptr<net::HttpServer> server_;
  Settings settings_;
  std::unique_ptr<Home> home_;
  std::unique_ptr<LocalStore> store_;
  std::unique_ptr<SqliteEndpointStore> rows_;
  std::unique_ptr<Service> service_;
  AccountId account_;
  endpoint::MemoryEndpointStore primary_rows_;
  std::unique_ptr<endpoint::Endpoint> primary_;
  FakeExchange exchange_;
  std::optional<bool> known_;  ///< whether the service knows the device that connects; nullopt: it does not answer
  std::function<HttpResponse(const net::HttpRequest&)> recovery_ = [](const auto&) { return refused(4); };
  std::vector<std::string> log_;
  int homes_ = 0, pauses_ = 0, waits_ = 0, stop_after_ = 1000;
};

TEST_F(LinkingTest, BothSidesComeThrough) {
  const Outcome done = link();
  EXPECT_TRUE(done.linked) << done.message;
  EXPECT_TRUE(is_device());
  EXPECT_TRUE(unfinished()) << "until its caller has done the rest";
  ASSERT_TRUE(NewDeviceLinking::finish(*store_, random_));
  EXPECT_FALSE(unfinished());
}

TEST_F(LinkingTest, NoChangedMessageLinksAnything) {
  ASSERT_TRUE(link().linked);
  const std::size_t counts[] = {exchange_.said[1].size(), exchange_.said[0].size()};
  enum class Way { flip, cut, twice, empty };
  for (int to : {0, 1}) {
    for (std::size_t at = 0; at < counts[to]; ++at) {
      for (const Way way : {Way::flip, Way::cut, Way::twice, Way::empty}) {
        new_home();
        exchange_.tamper = [&, seen = std::size_t{0}](int side, std::vector<Bytes>& messages) mutable {
          if (side != to) return;
          for (std::size_t i = 0; i < messages.size(); ++i, ++seen) {
            if (seen != at) continue;
            Bytes& bytes = messages[i];
            if (way == Way::flip) bytes[bytes.size() / 2] ^= std::byte{1};
            if (way == Way::cut) bytes.pop_back();
            if (way == Way::empty) bytes.clear();
            if (way == Way::twice) messages.insert(messages.begin() + static_cast<std::ptrdiff_t>(i), Bytes(bytes));
            ++i;
          }
        };
        const Outcome done = link();
        const std::string where = std::to_string(to) + " " + std::to_string(at) + " " + std::to_string(int(way));
        // What comes a second time after the last message is not looked at any more.
        const bool too_late = way == Way::twice && at + 1 == counts[to];
        EXPECT_EQ(done.linked, too_late && to == 0) << where;
        if (!too_late) EXPECT_EQ(done.error, ClientError::link_failed) << where << done.message;
        EXPECT_EQ(is_device(), done.linked) << where;
      }
    }
  }
}

TEST_F(LinkingTest, MessagesOfAnotherExchangeAreRefused) {
  ASSERT_TRUE(link().linked);
  const auto earlier = exchange_.said[1];
  new_home();
  exchange_.tamper = [&earlier](int side, std::vector<Bytes>& messages) {
    if (side == 0 && !messages.empty()) messages = earlier;
  };
  const Outcome done = link();
  EXPECT_EQ(done.error, ClientError::link_failed) << done.message;
  EXPECT_FALSE(is_device());
}

TEST_F(LinkingTest, NothingToResume) {
  EXPECT_EQ(*resume(), NewDeviceLinking::Before::nothing);
  EXPECT_TRUE(log_.empty()) << "nobody is asked";
}

TEST_F(LinkingTest, AnAttemptThatShowedNoKeysIsEndedAndForgotten) {
  ASSERT_FALSE(link([](const auto& news) { return std::holds_alternative<LinkDigits>(news); }).linked);
  EXPECT_TRUE(unfinished());
  EXPECT_EQ(*resume(), NewDeviceLinking::Before::nothing);
  EXPECT_TRUE(exchange_.ended[0]) << "the other side need not wait";
  EXPECT_FALSE(unfinished());
  EXPECT_EQ(waits_, 0);
}

TEST_F(LinkingTest, ADamagedAttemptIsForgotten) {
  ASSERT_FALSE(link([](const auto& news) { return std::holds_alternative<LinkDigits>(news); }).linked);
  const Progress progress(*store_, random_);
  const SecretBytes whole = **progress.get("link");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_TRUE(progress.put("link", ByteView(whole).first(size)));
    EXPECT_EQ(*resume(), NewDeviceLinking::Before::nothing);
    EXPECT_FALSE(unfinished());
  }
}

TEST_F(LinkingTest, WhoShowedKeysIsLinkedIfTheServiceKnowsIt) {
  ASSERT_FALSE(link([](const auto& news) { return std::holds_alternative<Welcome>(news); }).linked);
  const auto unknown = resume();
  ASSERT_FALSE(unknown) << "the service does not answer: not known";
  EXPECT_TRUE(unfinished());
  EXPECT_FALSE(is_device());
  known_ = true;
  EXPECT_EQ(*resume(), NewDeviceLinking::Before::linked);
  EXPECT_TRUE(is_device());
}

TEST_F(LinkingTest, WhoShowedKeysWaitsUntilNobodyCanAgreeAnyMore) {
  ASSERT_FALSE(link([](const auto& news) { return std::holds_alternative<Welcome>(news); }).linked);
  known_ = false;
  stop_after_ = 3;
  const auto stopped = resume();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().error, ClientError::timed_out);
  EXPECT_TRUE(unfinished()) << "Ctrl-C: it may still be agreed to";
  stop_after_ = 1000;
  EXPECT_EQ(*resume(), NewDeviceLinking::Before::nothing);
  EXPECT_EQ(waits_, 2) << "said once each time";
  EXPECT_LE(pauses_, 3 + 12) << "ten minutes and some";
  EXPECT_FALSE(unfinished());
  EXPECT_FALSE(is_device());
}

TEST_F(LinkingTest, WhoShowedKeysNeedNotWaitForAnExchangeThatIsGone) {
  ASSERT_FALSE(link([](const auto& news) { return std::holds_alternative<Welcome>(news); }).linked);
  known_ = false;
  exchange_.forgotten = true;
  EXPECT_EQ(*resume(), NewDeviceLinking::Before::nothing);
  EXPECT_EQ(pauses_, 0);
}

// ---- recovery

class RecoveringTest : public LinkingTest {
 protected:
  /// The service's part, with the given lists as what it has.
  void serve(Bytes stored, std::vector<Bytes> between = {}) {
    recovery_ = [this, stored = std::move(stored), between = std::move(between)](const net::HttpRequest& request) {
      if (request.path() == "/v1/recovery/start") {
        wire::v1::RecoveryStartReply reply;
        reply.set_challenge(std::string(challenge_bytes_, 'c'));
        return ok(reply);
      }
      if (request.path() == "/v1/recovery/open") {
        wire::v1::RecoveryOpenReply reply;
        reply.set_ticket(std::string(ticket_bytes_, 't'));
        reply.set_mailbox(std::string(16, 'm'));
        reply.set_device_list(to_string(stored));
        if (opens_++ == 0)
          for (const Bytes& list : between) reply.add_list_history(to_string(list));
        return ok(reply);
      }
      ++completes_;
      if (complete_status_ != 0) return refused(complete_status_);
      if (lose_complete_) {
        HttpResponse nothing;
        nothing.status = 503;
        return nothing;
      }
      return ok(wire::v1::CompleteReply());
    };
  }
  session::Recovery recovery() {
    return {std::move(*primary_->account_key()), *primary_->own_list(), DeviceNumber{1}, clock_.now(), {}};
  }
  /// The next list, with one device number used up.
  [[nodiscard]] session::VerifiedDeviceList next(const session::VerifiedDeviceList& before,
                                                 const session::AccountKey& key) {
    session::DeviceList list = before.list();
    list.number = ListNumber{static_cast<std::uint32_t>(list.number) + 1};
    list.previous = before.hash();
    list.next_device = DeviceNumber{static_cast<std::uint32_t>(list.next_device) + 1};
    return *session::verify_device_list(session::sign_device_list(list, key, random_));
  }
  Recovering recovering() { return Recovering(parts()); }
  std::size_t challenge_bytes_ = 32, ticket_bytes_ = 32;
  int opens_ = 0, completes_ = 0, complete_status_ = 0;
  bool lose_complete_ = false;
};

TEST_F(RecoveringTest, TakesThePrimaryDevicesPlace) {
  const auto list = *primary_->own_list();
  serve(to_bytes(list.bytes()));
  EXPECT_FALSE(*recovering().resume()) << "nothing was begun";
  const auto done = recovering().run(recovery());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(is_device());
  EXPECT_TRUE(*Recovering::unfinished(*store_, random_));
  ASSERT_TRUE(Recovering::finish(*store_, random_));
  EXPECT_FALSE(*Recovering::unfinished(*store_, random_));
}

TEST_F(RecoveringTest, ListsThatDoNotFollowTheFilesAreRefused) {
  const auto first = *primary_->own_list();
  const auto key = *primary_->account_key();
  const auto second = next(first, key), third = next(second, key);
  endpoint::MemoryEndpointStore other_rows;
  ASSERT_TRUE(
      endpoint::Endpoint::create(other_rows, random_, clock_, {account_, DeviceNumber{1}, random_.id<MailboxId>()}));
  ASSERT_TRUE(endpoint::Endpoint::confirm_registration(other_rows));
  const auto other = *(*endpoint::Endpoint::load(other_rows, random_, clock_))->own_list();
  Bytes flipped = to_bytes(second.bytes()), cut = to_bytes(second.bytes());
  flipped[flipped.size() / 2] ^= std::byte{1};
  cut.pop_back();
  session::Recovery later{std::move(*primary_->account_key()), third, DeviceNumber{1}, clock_.now(), {}};

  struct Case {
    const char* what;
    Bytes stored;
    std::vector<Bytes> between;
  };
  for (const Case& c : {Case{"a flipped bit", flipped, {}}, Case{"a cut", cut, {}}, Case{"nothing", {}, {}},
                        Case{"another account key", to_bytes(other.bytes()), {}},
                        Case{"a flipped list in between", to_bytes(third.bytes()), {flipped}}}) {
    opens_ = 0;
    serve(c.stored, c.between);
    const auto done = recovering().run(recovery());
    ASSERT_FALSE(done) << c.what;
    EXPECT_EQ(done.error().error, ClientError::bad_recovery_file) << c.what;
    EXPECT_EQ(completes_, 0) << c.what;
    EXPECT_FALSE(*Recovering::unfinished(*store_, random_)) << c.what;
  }
  serve(to_bytes(second.bytes()));
  const auto stale = recovering().run(later);
  ASSERT_FALSE(stale) << "the file knows a later list than the service shows";
  EXPECT_EQ(stale.error().error, ClientError::bad_recovery_file);
  opens_ = 0;
  serve(to_bytes(third.bytes()), {to_bytes(second.bytes())});
  EXPECT_TRUE(recovering().run(recovery())) << "followed, list by list";
}

TEST_F(RecoveringTest, AnswersOfAnotherShapeAreRefused) {
  serve(to_bytes(primary_->own_list()->bytes()));
  for (const std::size_t size : {0, 31, 33}) {
    challenge_bytes_ = size;
    EXPECT_EQ(recovering().run(recovery()).error().error, ClientError::protocol);
    challenge_bytes_ = 32;
    ticket_bytes_ = size;
    EXPECT_EQ(recovering().run(recovery()).error().error, ClientError::protocol);
    ticket_bytes_ = 32;
  }
  EXPECT_FALSE(*Recovering::unfinished(*store_, random_));
}

TEST_F(RecoveringTest, GoesOnAfterALostAnswer) {
  serve(to_bytes(primary_->own_list()->bytes()));
  lose_complete_ = true;
  ASSERT_FALSE(recovering().run(recovery()));
  EXPECT_FALSE(is_device());
  EXPECT_FALSE(recovering().resume()) << "still no answer: not known";
  EXPECT_TRUE(*Recovering::unfinished(*store_, random_));
  lose_complete_ = false;
  EXPECT_TRUE(*recovering().resume());
  EXPECT_TRUE(is_device());
  EXPECT_EQ(completes_, 3);
}

TEST_F(RecoveringTest, ATicketThatIsOverStartsOverUnlessItCameThrough) {
  serve(to_bytes(primary_->own_list()->bytes()));
  complete_status_ = wire::v1::CALL_STATUS_EXPIRED;
  ASSERT_FALSE(recovering().run(recovery()));
  EXPECT_FALSE(recovering().resume()) << "the service does not answer whether it came through";
  EXPECT_TRUE(*Recovering::unfinished(*store_, random_));
  known_ = false;
  EXPECT_FALSE(*recovering().resume());
  EXPECT_FALSE(*Recovering::unfinished(*store_, random_));
  EXPECT_FALSE(is_device());
  ASSERT_FALSE(recovering().run(recovery()));
  known_ = true;
  EXPECT_TRUE(*recovering().resume()) << "it had come through";
  EXPECT_TRUE(is_device());
}

}  // namespace
}  // namespace opaline::client
