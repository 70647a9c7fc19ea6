// The rules of docs/device-api.md, "The connection", one at a time, through RelayNode.
#include "relay/device_connection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/test_support/world.hpp"

namespace opaline::relay::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using wire::GoodbyeCode;
using wire::SubmitStatus;
using namespace std::chrono_literals;

NodeConfig config() {
  NodeConfig out;
  out.server_name = "relay.test";
  return out;
}

/// A connection that says just what the test wants, and keeps every frame that comes back.
class Raw {
 public:
  Raw(World& world, std::size_t device) : world_(world), device_(*world.devices[device]) {
    id = *world.node->open(link, binding());
    world.end_round();
    read();
  }
  template <class... F>
  void say(const F&... frames) {
    Bytes batch;
    (wire::encode(batch, frames), ...);
    bytes(batch);
  }
  void bytes(ByteView batch) {
    world_.node->on_batch(id, batch);
    world_.end_round();
    read();
  }
  [[nodiscard]] wire::Auth auth() {
    return {.account = device_.account,
            .device = DeviceNumber(1),
            .binding = wire::Binding::tls_exporter,
            .signature = signature_};
  }
  void authenticate() {
    say(auth());
    world_.answer_auth();
    world_.end_round();
    read();
  }
  [[nodiscard]] wire::Route route(std::uint16_t number, const MailboxId& to, std::chrono::seconds valid = 24h) {
    return {.route = number,
            .mailbox = to,
            .token = wire::make_send_token(world_.token_key, device_.account, to, world_.clock.now() + valid)};
  }
  [[nodiscard]] wire::Submit envelope(std::uint16_t route, std::size_t size = 100) {
    ciphertext_.resize(size);
    return {.route = route,
            .envelope_class = wire::EnvelopeClass::normal,
            .id = world_.random.id<EnvelopeId>(),
            .ciphertext = ciphertext_};
  }
  void read() {
    for (const Bytes& batch : link.batches) {
      for (wire::FrameReader in(batch); !in.done();) {
        const wire::Frame frame = *in.next();
        if (const auto* r = std::get_if<wire::ResultFrame>(&frame)) {
          for (std::size_t i = 0; i < r->size(); ++i) ranges.push_back(r->at(i));
        }
        if (const auto* r = std::get_if<wire::Reply>(&frame)) replies.push_back({r->id, r->status, to_bytes(r->body)});
        if (const auto* n = std::get_if<wire::Notice>(&frame)) notices.emplace_back(n->kind, to_bytes(n->body));
        if (const auto* h = std::get_if<wire::Hello>(&frame)) nonce = h->nonce;
        if (const auto* c = std::get_if<wire::Credit>(&frame)) credits.push_back(*c);
        if (const auto* g = std::get_if<wire::Goodbye>(&frame)) {
          goodbye = g->code;
          if (g->code == GoodbyeCode::protocol_error) EXPECT_FALSE(g->text.empty()) << "says which rule was broken";
        }
        if (std::holds_alternative<wire::Push>(frame)) ++pushes;
        if (std::holds_alternative<wire::Drained>(frame)) ++drains;
        types.push_back(frame.index());
      }
    }
    link.batches.clear();
  }
  /// The status of each number so far.
  [[nodiscard]] std::map<std::uint32_t, SubmitStatus> statuses() const {
    std::map<std::uint32_t, SubmitStatus> out;
    for (const wire::ResultRange& r : ranges) {
      for (std::uint32_t n = 0; n < r.count; ++n) {
        EXPECT_TRUE(out.emplace(r.first + n, r.status).second) << "two answers";
      }
    }
    return out;
  }
  static FixedView<32> binding() {
    static const ByteArray<32> value{std::byte{9}};
    return FixedView<32>(value);
  }

  struct Answer {
    std::uint32_t id = 0;
    std::uint16_t status = 0;
    Bytes body;
  };
  PipeLink link;
  ConnectionId id{};
  std::vector<wire::ResultRange> ranges;
  std::vector<Answer> replies;
  std::vector<std::pair<std::uint16_t, Bytes>> notices;
  std::vector<wire::Credit> credits;
  std::vector<std::size_t> types;
  std::optional<GoodbyeCode> goodbye;
  ByteArray<32> nonce{};
  int pushes = 0, drains = 0;

 private:
  World& world_;
  TestDevice& device_;
  Bytes ciphertext_;
  const Bytes signature_ = Bytes(wire::kAuthSignatureBytes);
};

class DeviceConnectionTest : public ::testing::Test {
 protected:
  DeviceConnectionTest() { w.start(); }
  /// Device `i`, authenticated, with a route 0 to device 1.
  std::unique_ptr<Raw> ready(std::size_t i) {
    auto out = std::make_unique<Raw>(w, i);
    out->authenticate();
    out->say(out->route(0, w.devices[1]->mailbox));
    return out;
  }
  /// What only an authenticated device may send, and what only the server may.
  template <class F>
  void expect_refused_at_once(const F& frame) {
    Raw raw(w, 0);
    raw.say(frame);
    EXPECT_EQ(raw.goodbye, GoodbyeCode::protocol_error);
    EXPECT_TRUE(raw.link.closed);
  }
  void settle(Raw& raw) {
    w.settle();
    raw.read();
  }

  World w{7, config(), 3};
};

TEST_F(DeviceConnectionTest, SaysHelloAndSignsOverWhatItOffered) {
  Raw raw(w, 0);
  ASSERT_EQ(raw.types.size(), 1u);
  EXPECT_NE(raw.nonce, (ByteArray<32>{}));
  raw.say(raw.auth());
  ASSERT_EQ(w.auths.size(), 1u);
  w.answer_auth();
  settle(raw);
  EXPECT_EQ(raw.drains, 1);
  EXPECT_EQ(w.node->edge_counters().ready, 1u);
}

TEST_F(DeviceConnectionTest, NoFramesBeforeAuthentication) {
  expect_refused_at_once(wire::Credit{1, 1});
  expect_refused_at_once(wire::Ack{0});
  expect_refused_at_once(wire::Call{1, 1, {}});
  expect_refused_at_once(wire::Clear{0});
  expect_refused_at_once(wire::Drained{0});
  Raw raw(w, 0);
  raw.say(raw.auth());
  raw.say(wire::Credit{1, 1});  // the answer is not there yet
  EXPECT_EQ(raw.goodbye, GoodbyeCode::protocol_error);
  w.answer_auth();  // too late
  w.end_round();
  EXPECT_EQ(w.node->edge_counters().ready, 0u);
}

TEST_F(DeviceConnectionTest, TheServersFramesAreNotForDevices) {
  const auto refused = [this](const auto& frame) {
    auto raw = ready(0);
    raw->say(frame);
    EXPECT_EQ(raw->goodbye, GoodbyeCode::protocol_error);
  };
  refused(wire::Hello{});
  refused(wire::Ready{});
  refused(wire::Drained{});
  refused(wire::Reply{});
  refused(wire::Notice{});
  auto raw = ready(0);
  raw->say(raw->auth());  // a second time
  EXPECT_EQ(raw->goodbye, GoodbyeCode::protocol_error);
}

TEST_F(DeviceConnectionTest, AuthFailures) {
  {
    Raw raw(w, 0);
    auto auth = raw.auth();
    auth.version = 2;
    raw.say(auth);
    EXPECT_EQ(raw.goodbye, GoodbyeCode::unsupported_version);
  }
  {
    Raw raw(w, 0);
    auto auth = raw.auth();
    auth.account = AccountId();
    raw.say(auth);
    w.answer_auth();
    settle(raw);
    EXPECT_EQ(raw.goodbye, GoodbyeCode::auth_failed);
  }
  {
    Raw raw(w, 0);
    w.clock.advance(10s);
    w.node->tick();
    raw.read();
    EXPECT_EQ(raw.goodbye, GoodbyeCode::auth_failed);
  }
  EXPECT_EQ(w.node->edge_counters().connections, 0u);
}

TEST_F(DeviceConnectionTest, ABindingThatWasNotOfferedIsRefused) {
  PipeLink link;
  const ConnectionId id = *w.node->open(link, std::nullopt);
  Raw other(w, 0);
  Bytes batch;
  wire::encode(batch, other.auth());  // claims tls_exporter
  w.node->on_batch(id, batch);
  w.end_round();
  EXPECT_EQ(link.close_code, GoodbyeCode::auth_failed);
  EXPECT_THAT(w.auths, IsEmpty());
}

TEST_F(DeviceConnectionTest, TheSameDeviceTwiceReplacesTheOlder) {
  auto older = ready(0);
  auto newer = ready(0);
  older->read();
  EXPECT_EQ(older->goodbye, GoodbyeCode::replaced);
  EXPECT_EQ(newer->goodbye, std::nullopt);
  newer->say(wire::Credit{9, 9999}, newer->route(1, w.devices[0]->mailbox), newer->envelope(1));
  settle(*newer);
  EXPECT_EQ(newer->pushes, 1);
  EXPECT_EQ(w.node->edge_counters().connections, 1u);
}

TEST_F(DeviceConnectionTest, ResultsJoinToRanges) {
  auto from = ready(0);
  auto to = ready(1);
  auto other = ready(2);
  to->say(wire::Credit{100, 100'000});
  other->say(wire::Credit{100, 100'000});
  settle(*to);
  from->say(from->route(1, w.devices[2]->mailbox));
  for (int i = 0; i < 10; ++i) from->say(from->envelope(0), from->envelope(1));
  EXPECT_THAT(from->ranges, IsEmpty());
  // Both answers fall into one round: 20 numbers, one range.
  Bytes ack;
  wire::encode(ack, wire::Ack{10});
  w.node->on_batch(other->id, ack);
  w.node->on_batch(to->id, ack);
  w.end_round();
  from->read();
  ASSERT_EQ(from->ranges.size(), 1u);
  EXPECT_EQ(from->ranges[0].first, 1u);
  EXPECT_EQ(from->ranges[0].count, 20u);
}

TEST_F(DeviceConnectionTest, RoutesThatAreNotGood) {
  auto raw = ready(0);
  auto forged = raw->route(1, w.devices[2]->mailbox);
  forged.token[20] ^= std::byte{1};
  const auto stolen = wire::Route{
      .route = 2,
      .mailbox = w.devices[1]->mailbox,
      .token = wire::make_send_token(w.token_key, w.devices[2]->account, w.devices[1]->mailbox, w.clock.now() + 24h)};
  raw->say(forged, stolen, raw->route(3, w.devices[1]->mailbox, -1s));
  raw->say(raw->envelope(1), raw->envelope(2), raw->envelope(3), raw->envelope(4), raw->envelope(4));
  EXPECT_EQ(raw->statuses(), (std::map<std::uint32_t, SubmitStatus>{{1, SubmitStatus::refused},
                                                                    {2, SubmitStatus::refused},
                                                                    {3, SubmitStatus::refresh},
                                                                    {4, SubmitStatus::refused},  // never opened
                                                                    {5, SubmitStatus::held_back}}));
}

TEST_F(DeviceConnectionTest, ATokenThatExpiresWhileItsRouteIsOpen) {
  auto raw = ready(0);
  raw->say(raw->route(0, w.devices[1]->mailbox, 5s), raw->envelope(0));
  w.clock.advance(5s);
  raw->say(raw->envelope(0), raw->envelope(0));
  settle(*raw);
  EXPECT_EQ(raw->statuses()[1], SubmitStatus::accepted);
  EXPECT_EQ(raw->statuses()[2], SubmitStatus::refresh);
  EXPECT_EQ(raw->statuses()[3], SubmitStatus::held_back);
  // A new ROUTE to the same mailbox does not say that the device knows: CLEAR does.
  raw->say(raw->route(0, w.devices[1]->mailbox), raw->envelope(0), wire::Clear{0}, raw->envelope(0));
  settle(*raw);
  EXPECT_EQ(raw->statuses()[4], SubmitStatus::held_back);
  EXPECT_EQ(raw->statuses()[5], SubmitStatus::accepted);
}

TEST_F(DeviceConnectionTest, RevocationsReachOpenRoutes) {
  auto raw = ready(0);
  raw->say(raw->route(1, w.devices[2]->mailbox));
  w.node->revoke_mailbox(w.devices[1]->mailbox, w.clock.now());
  raw->say(raw->envelope(0), raw->envelope(1));
  settle(*raw);
  EXPECT_EQ(raw->statuses()[1], SubmitStatus::refresh);
  EXPECT_EQ(raw->statuses()[2], SubmitStatus::accepted);
  w.node->revoke_sender(w.devices[0]->account, w.clock.now());
  raw->say(raw->envelope(1));
  EXPECT_EQ(raw->statuses()[3], SubmitStatus::refresh);
  w.clock.advance(1s);
  const auto fresh = wire::make_send_token(w.token_key, w.devices[0]->account, w.devices[2]->mailbox,
                                           w.clock.now() + wire::kSendTokenLifetime);
  raw->say(wire::Route{.route = 1, .mailbox = w.devices[2]->mailbox, .token = fresh}, wire::Clear{1}, raw->envelope(1));
  settle(*raw);
  EXPECT_EQ(raw->statuses()[4], SubmitStatus::accepted);
}

TEST_F(DeviceConnectionTest, ARemovedDevice) {
  auto raw = ready(0);
  auto removed = ready(1);
  removed->say(wire::Credit{10, 10'000});
  raw->say(raw->envelope(0));
  w.node->disconnect(w.devices[1]->account, DeviceNumber(1), GoodbyeCode::removed);
  w.node->destroy(w.devices[1]->mailbox, w.clock.now());
  settle(*raw);
  removed->read();
  EXPECT_EQ(removed->goodbye, GoodbyeCode::removed);
  EXPECT_EQ(raw->statuses()[1], SubmitStatus::gone);
  raw->say(wire::Clear{0}, raw->envelope(0));
  EXPECT_EQ(raw->statuses()[2], SubmitStatus::gone);
  Raw again(w, 1);
  again.say(again.auth());
  w.answer_auth();
  settle(again);
  EXPECT_EQ(again.goodbye, GoodbyeCode::removed);
  EXPECT_EQ(w.disk.copy().mailboxes[w.devices[1]->mailbox].size(), 0u);
}

TEST_F(DeviceConnectionTest, CreditIsCountedAndComesBack) {
  auto raw = ready(0);
  for (std::uint32_t i = 0; i < wire::kInitialCreditEnvelopes; ++i) raw->say(raw->envelope(0, 1));
  EXPECT_EQ(raw->goodbye, std::nullopt);
  settle(*raw);
  std::uint32_t back = 0;
  for (const auto& credit : raw->credits) back += credit.envelopes;
  EXPECT_EQ(back, wire::kInitialCreditEnvelopes);
  for (std::uint32_t i = 0; i <= wire::kInitialCreditEnvelopes && !raw->goodbye; ++i) {
    Bytes batch;
    wire::encode(batch, raw->envelope(0, 1));
    w.node->on_batch(raw->id, batch);  // no rounds: nothing comes back
    if (i < wire::kInitialCreditEnvelopes) continue;
    w.end_round();
    raw->read();
  }
  EXPECT_EQ(raw->goodbye, GoodbyeCode::credit_exceeded);
}

TEST_F(DeviceConnectionTest, CreditCountsBytesToo) {
  auto raw = ready(0);
  const std::size_t each = 40'000;
  for (std::size_t sent = each; sent <= wire::kInitialCreditBytes; sent += each) {
    Bytes batch;
    wire::encode(batch, raw->envelope(0, each));
    w.node->on_batch(raw->id, batch);
  }
  Bytes batch;
  wire::encode(batch, raw->envelope(0, each));
  w.node->on_batch(raw->id, batch);
  w.end_round();
  raw->read();
  EXPECT_EQ(raw->goodbye, GoodbyeCode::credit_exceeded);
}

TEST_F(DeviceConnectionTest, AcknowledgementsOfNothingEndTheConnection) {
  auto raw = ready(1);
  raw->say(wire::Ack{1});
  EXPECT_EQ(raw->goodbye, GoodbyeCode::protocol_error);
}

TEST_F(DeviceConnectionTest, RoutesAndCallsHaveLimits) {
  {
    auto raw = ready(0);
    raw->say(raw->route(wire::kMaxRoutes - 1, w.devices[1]->mailbox));
    EXPECT_EQ(raw->goodbye, std::nullopt);
    raw->say(raw->route(wire::kMaxRoutes, w.devices[1]->mailbox));
    EXPECT_EQ(raw->goodbye, GoodbyeCode::too_many);
  }
  {
    auto raw = ready(0);
    raw->say(raw->envelope(wire::kMaxRoutes));
    EXPECT_EQ(raw->goodbye, GoodbyeCode::too_many);
  }
  {
    auto raw = ready(0);
    for (std::uint32_t i = 0; i < wire::kMaxOpenCalls; ++i) raw->say(wire::Call{i, 7, {}});
    EXPECT_EQ(raw->goodbye, std::nullopt);
    raw->say(wire::Call{99, 7, {}});
    EXPECT_EQ(raw->goodbye, GoodbyeCode::too_many);
  }
  {
    auto raw = ready(0);
    raw->say(wire::Call{5, 7, {}}, wire::Call{5, 7, {}});  // a number that is in use
    EXPECT_EQ(raw->goodbye, GoodbyeCode::protocol_error);
  }
}

TEST_F(DeviceConnectionTest, CallsAreAnsweredByNumber) {
  auto raw = ready(0);
  const Bytes body = to_bytes("body");
  raw->say(wire::Call{3, 1, body}, wire::Call{4, 7, {}}, wire::Call{5, 1, {}});
  ASSERT_EQ(raw->replies.size(), 2u);
  EXPECT_EQ(raw->replies[0].id, 3u);
  EXPECT_EQ(raw->replies[0].body, body);
  w.node->on_reply(raw->id, 4, 2, as_view("late"));
  w.node->on_reply(raw->id, 4, 2, as_view("twice"));
  w.end_round();
  raw->read();
  ASSERT_EQ(raw->replies.size(), 3u);
  EXPECT_EQ(raw->replies[2].status, 2);
  raw->say(wire::Call{4, 7, {}});
  const Bytes huge(wire::kMaxBatchBytes);
  w.node->on_reply(raw->id, 4, 0, huge);
  w.end_round();
  raw->read();
  EXPECT_EQ(raw->replies.at(3).status, 6);  // CALL_STATUS_UNAVAILABLE
  EXPECT_EQ(w.node->edge_counters().too_large, 1u);
}

TEST_F(DeviceConnectionTest, NoticesGoToConnectedDevices) {
  auto raw = ready(0);
  EXPECT_TRUE(w.node->notify(w.devices[0]->account, DeviceNumber(1), 2, as_view("news")));
  EXPECT_FALSE(w.node->notify(w.devices[0]->account, DeviceNumber(2), 2, as_view("news")));
  EXPECT_FALSE(w.node->notify(w.devices[1]->account, DeviceNumber(1), 2, as_view("news")));
  w.end_round();
  raw->read();
  ASSERT_EQ(raw->notices.size(), 1u);
  EXPECT_EQ(as_text(raw->notices[0].second), "news");
}

TEST_F(DeviceConnectionTest, OutputIsCutIntoBatches) {
  auto from = ready(0);
  auto to = ready(1);
  to->say(wire::Credit{1000, 10'000'000});
  settle(*to);
  for (int i = 0; i < 40; ++i) from->say(from->envelope(0, 20'000));
  for (const Bytes& batch : to->link.batches) EXPECT_LE(batch.size(), wire::kMaxBatchBytes);
  to->read();
  EXPECT_EQ(to->pushes, 40);
}

TEST_F(DeviceConnectionTest, ADeviceThatDoesNotReadIsCutOff) {
  NodeConfig tight = config();
  tight.edge.max_queued_bytes = 50'000;
  World world(1, tight, 2);
  world.start();
  Raw from(world, 0), to(world, 1);
  from.authenticate();
  to.authenticate();
  to.say(wire::Credit{1000, 10'000'000}, from.route(9, world.devices[1]->mailbox));
  world.settle();
  from.say(from.route(0, world.devices[1]->mailbox));
  for (int i = 0; i < 20 && !to.link.closed; ++i) {
    Bytes batch;
    wire::encode(batch, from.envelope(0, 20'000));
    world.node->on_batch(from.id, batch);
    world.end_round();
  }
  EXPECT_TRUE(to.link.closed);
  EXPECT_EQ(to.link.close_code, GoodbyeCode::too_slow);
  world.settle();
  from.read();
  for (const auto& [number, status] : from.statuses()) EXPECT_EQ(status, SubmitStatus::accepted);
  EXPECT_GT(world.disk.copy().mailboxes[world.devices[1]->mailbox].size(), 2u);
}

TEST_F(DeviceConnectionTest, GoodbyeFromTheDeviceStoresWhatItDidNotAcknowledge) {
  auto from = ready(0);
  auto to = ready(1);
  to->say(wire::Credit{10, 10'000});
  settle(*to);
  from->say(from->envelope(0));
  to->say(wire::Goodbye{});
  EXPECT_TRUE(to->link.closed);
  EXPECT_EQ(to->link.close_code, std::nullopt);
  settle(*from);
  EXPECT_EQ(from->statuses()[1], SubmitStatus::accepted);
  EXPECT_EQ(w.disk.copy().mailboxes[w.devices[1]->mailbox].size(), 1u);
}

TEST_F(DeviceConnectionTest, TooManyConnections) {
  NodeConfig tight = config();
  tight.edge.max_connections = 1;
  World world(1, tight, 1);
  world.start();
  PipeLink a, b;
  const auto first = world.node->open(a, std::nullopt);
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(world.node->open(b, std::nullopt).has_value());
  world.node->on_closed(*first);
  EXPECT_TRUE(world.node->open(b, std::nullopt).has_value());
}

TEST_F(DeviceConnectionTest, ShuttingDownSaysGoodbyeAfterTheAnswers) {
  auto from = ready(0);
  auto to = ready(1);
  to->say(wire::Credit{10, 10'000});
  settle(*to);
  from->say(from->envelope(0));
  bool done = false;
  w.node->shut_down([&done] { done = true; });
  PipeLink late;
  EXPECT_FALSE(w.node->open(late, std::nullopt).has_value());
  settle(*from);
  to->read();
  EXPECT_TRUE(done);
  EXPECT_EQ(from->statuses()[1], SubmitStatus::accepted);
  EXPECT_EQ(from->goodbye, GoodbyeCode::shutting_down);
  EXPECT_EQ(to->goodbye, GoodbyeCode::shutting_down);
  EXPECT_EQ(w.node->edge_counters().connections, 0u);
}

TEST_F(DeviceConnectionTest, OldIdsMeanNothing) {
  ConnectionId old{};
  {
    auto raw = ready(0);
    old = raw->id;
    w.node->on_closed(old);
  }
  auto next = ready(0);
  EXPECT_NE(next->id, old);
  w.node->on_batch(old, as_view("anything"));
  w.node->on_closed(old);
  w.node->on_reply(old, 1, 0, {});
  w.node->on_auth_result(old, std::nullopt);
  EXPECT_EQ(w.node->edge_counters().ready, 1u);
}

}  // namespace
}  // namespace opaline::relay::testing
