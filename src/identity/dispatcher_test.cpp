#include "identity/dispatcher.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "identity/personas_test_world.hpp"

namespace opaline::identity {
namespace {

using testing::ipv4;
using testing::Person;
using testing::text;
using testing::World;

Bytes bytes_of(const google::protobuf::MessageLite& message) {
  return to_bytes(message.SerializeAsString());
}
template <class Message>
Message parsed(ByteView bytes) {
  Message out;
  EXPECT_TRUE(out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return out;
}

class Dispatcher : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world.enrol(ada, "ada@example.org"));
    ASSERT_TRUE(world.enrol(bob, "bob@example.org"));
  }
  CallReply call(int method, const google::protobuf::MessageLite& request) {
    return CallDispatcher(*world.service).call(ada.caller(), static_cast<std::uint16_t>(method), bytes_of(request));
  }
  HttpAnswer post(std::string_view step, ByteView body) {
    return CallDispatcher(*world.service).registration(ipv4(1), step, body);
  }
  testing::BusinessWorld world;
  Person ada{7}, bob{8};
};

TEST_F(Dispatcher, RegistersOverHttp) {
  calls::StartRequest start;
  start.set_handle("eve@example.org");
  const auto started = post("start", bytes_of(start));
  ASSERT_EQ(started.http_status, 200);
  calls::CheckRequest check;
  check.set_verification(parsed<calls::StartReply>(started.body).verification());
  check.set_code(world.codes.codes["eve@example.org"]);
  const auto checked = post("check", bytes_of(check));
  ASSERT_EQ(checked.http_status, 200);
  Person eve(9);
  const auto completed =
      post("complete", bytes_of(eve.complete_request(parsed<calls::CheckReply>(checked.body), world.clock.now())));
  ASSERT_EQ(completed.http_status, 200);
  const auto reply = parsed<calls::CompleteReply>(completed.body);
  EXPECT_EQ(reply.handle(), "eve@example.org");
  EXPECT_EQ(reply.server_time_ms(), static_cast<std::uint64_t>(unix_millis(testing::kStart)));
  EXPECT_TRUE(world.authenticate(eve));
}

TEST_F(Dispatcher, HttpStatusesAreThoseOfTheDeviceApi) {
  EXPECT_EQ(post("start", as_view("\xff\xff")).http_status, 400);
  EXPECT_EQ(post("unknown", {}).http_status, 404);
  EXPECT_EQ(post("", {}).http_status, 404);
  calls::CheckRequest check;
  check.set_code("123456");
  EXPECT_EQ(post("check", bytes_of(check)).http_status, 410);
  calls::StartRequest start;
  start.set_handle("eve@example.org");
  check.set_verification(parsed<calls::StartReply>(post("start", bytes_of(start)).body).verification());
  check.set_code(world.codes.codes["eve@example.org"] == "000000" ? "000001" : "000000");
  const auto wrong = post("check", bytes_of(check));
  EXPECT_EQ(wrong.http_status, 403);
  EXPECT_EQ(wrong.status, calls::CALL_STATUS_WRONG_CODE);
  EXPECT_EQ(parsed<calls::Failure>(wrong.body).tries_left(), 4u);
  for (int i = 0; i < 20; ++i) (void)post("start", bytes_of(start));
  const auto quota = post("start", bytes_of(start));
  EXPECT_EQ(quota.http_status, 429);
  EXPECT_EQ(quota.retry_after_seconds, 8640u) << "a tenth of a day";
  EXPECT_FALSE(parsed<calls::Failure>(quota.body).message().empty());
  world.codes.answer = CodeQueued::busy;
  start.set_handle("zoe@example.org");
  EXPECT_EQ(post("start", bytes_of(start)).http_status, 503);
}

TEST_F(Dispatcher, EveryMethodAnswers) {
  EXPECT_EQ(call(calls::METHOD_ACCOUNT, calls::Empty()).status, calls::CALL_STATUS_OK);
  EXPECT_EQ(call(calls::METHOD_PREKEY_STATUS, calls::Empty()).status, calls::CALL_STATUS_OK);
  calls::LookupRequest lookup;
  lookup.add_items()->set_handle("bob@example.org");
  const auto found = call(calls::METHOD_LOOKUP, lookup);
  ASSERT_EQ(found.status, calls::CALL_STATUS_OK);
  const auto item = parsed<calls::LookupReply>(found.body).items(0);
  calls::BundlesRequest bundles;
  bundles.set_account(item.account());
  bundles.set_renewal_token(item.renewal_token());
  EXPECT_EQ(call(calls::METHOD_BUNDLES, bundles).status, calls::CALL_STATUS_OK);
  calls::SendTokensRequest tokens;
  tokens.set_account(item.account());
  EXPECT_EQ(call(calls::METHOD_SEND_TOKENS, tokens).status, calls::CALL_STATUS_OK);
  calls::UploadPrekeysRequest upload;
  *upload.mutable_prekeys() = ada.make_prekeys(world.clock.now());
  EXPECT_EQ(call(calls::METHOD_UPLOAD_PREKEYS, upload).status, calls::CALL_STATUS_OK);
  calls::HandleAddStartRequest add;
  add.set_handle("+4915112345678");
  const auto started = call(calls::METHOD_HANDLE_ADD_START, add);
  ASSERT_EQ(started.status, calls::CALL_STATUS_OK);
  calls::HandleAddFinishRequest finish;
  finish.set_verification(parsed<calls::StartReply>(started.body).verification());
  finish.set_code(world.codes.codes["+4915112345678"]);
  EXPECT_EQ(call(calls::METHOD_HANDLE_ADD_FINISH, finish).status, calls::CALL_STATUS_OK);
  calls::HandleRemoveRequest remove;
  remove.set_handle("+4915112345678");
  EXPECT_EQ(call(calls::METHOD_HANDLE_REMOVE, remove).status, calls::CALL_STATUS_OK);
  calls::SetPinRequest pin;
  pin.set_pin("123456");
  EXPECT_EQ(call(calls::METHOD_SET_PIN, pin).status, calls::CALL_STATUS_OK);
  calls::AccountDeleteRequest gone;
  gone.set_confirm_account(text(ada.account.view()));
  EXPECT_EQ(call(calls::METHOD_ACCOUNT_DELETE, gone).status, calls::CALL_STATUS_OK);
  EXPECT_EQ(call(calls::METHOD_ACCOUNT, calls::Empty()).status, calls::CALL_STATUS_NOT_FOUND);
}

TEST_F(Dispatcher, AGatewayEnrolsOverHttpAndAPersonTalksToIt) {
  const AccountId shop = world.create();
  Person gateway(20), root(30), there(31);
  const auto enrolled = post("complete", bytes_of(world.enrol_request(gateway, *world.service->enrol_business(shop))));
  ASSERT_EQ(enrolled.http_status, 200);
  EXPECT_TRUE(parsed<calls::CompleteReply>(enrolled.body).handle().empty());
  calls::BusinessProfileRequest profile;
  profile.set_business(text(shop.view()));
  const auto shown = call(calls::METHOD_BUSINESS_PROFILE, profile);
  ASSERT_EQ(shown.status, calls::CALL_STATUS_OK);
  EXPECT_EQ(parsed<calls::BusinessProfile>(shown.body).name(), "Shop");
  calls::PersonaOpenRequest open;
  open.set_business(text(shop.view()));
  const auto opened = call(calls::METHOD_PERSONA_OPEN, open);
  ASSERT_EQ(opened.status, calls::CALL_STATUS_OK);
  const auto join = world.join_request(parsed<calls::PersonaOpenReply>(opened.body), shop, root, there);
  const auto joined = call(calls::METHOD_PERSONA_JOIN, join);
  ASSERT_EQ(joined.status, calls::CALL_STATUS_OK);
  EXPECT_GT(parsed<calls::PersonaJoinReply>(joined.body).server_time_ms(), 0u);
  calls::PersonaCloseRequest close;
  close.set_business(text(shop.view()));
  ASSERT_EQ(call(calls::METHOD_PERSONA_CLOSE, close).status, calls::CALL_STATUS_OK);
  calls::BundlesRequest bundles;
  bundles.set_account(text(there.account.view()));
  const auto closed = CallDispatcher(*world.service).call(gateway.caller(), calls::METHOD_BUNDLES, bytes_of(bundles));
  EXPECT_EQ(closed.status, calls::CALL_STATUS_CLOSED);
  // A business's id of another length, in each of them.
  for (const std::string& id : {std::string(), std::string(15, 'x'), std::string(17, 'x')}) {
    profile.set_business(id), open.set_business(id), close.set_business(id);
    auto bad = join;
    bad.set_business(id);
    EXPECT_EQ(call(calls::METHOD_BUSINESS_PROFILE, profile).status, calls::CALL_STATUS_BAD_REQUEST);
    EXPECT_EQ(call(calls::METHOD_PERSONA_OPEN, open).status, calls::CALL_STATUS_BAD_REQUEST);
    EXPECT_EQ(call(calls::METHOD_PERSONA_JOIN, bad).status, calls::CALL_STATUS_BAD_REQUEST);
    EXPECT_EQ(call(calls::METHOD_PERSONA_CLOSE, close).status, calls::CALL_STATUS_BAD_REQUEST);
  }
}

TEST_F(Dispatcher, LinksADeviceOverHttpAndCalls) {
  const auto ok = [&](const char* path, const google::protobuf::MessageLite& request) {
    auto answer = CallDispatcher(*world.service).post(ipv4(1), path, bytes_of(request));
    EXPECT_EQ(answer.http_status, 200) << path;
    return std::move(answer.body);
  };
  calls::LinkOpenRequest open;
  open.add_send("hello");
  const auto opened = parsed<calls::LinkOpenReply>(ok("link/open", open));
  calls::LinkJoinRequest join;
  join.set_number(opened.number());
  const auto join_reply = call(calls::METHOD_LINK_JOIN, join);
  ASSERT_EQ(join_reply.status, calls::CALL_STATUS_OK);
  const auto joined = parsed<calls::LinkJoinReply>(join_reply.body);
  ASSERT_EQ(joined.messages_size(), 1);
  calls::LinkTurnRequest turn;
  turn.set_exchange(opened.exchange());
  turn.add_send("welcome");
  EXPECT_EQ(call(calls::METHOD_LINK_TURN, turn).status, calls::CALL_STATUS_OK);
  turn.clear_send();
  turn.set_secret(opened.secret());
  turn.set_sent(1);
  EXPECT_EQ(parsed<calls::LinkTurnReply>(ok("link/turn", turn)).messages(0), "welcome");
  turn.set_secret("wrong");
  EXPECT_EQ(CallDispatcher(*world.service).post(ipv4(1), "link/turn", bytes_of(turn)).http_status, 404);
  Person laptop(9);
  const auto updated = call(calls::METHOD_UPDATE_DEVICES, world.add_request(ada, laptop, joined));
  ASSERT_EQ(updated.status, calls::CALL_STATUS_OK);
  EXPECT_EQ(parsed<calls::AccountReply>(updated.body).list_number(), 2u);
  EXPECT_TRUE(world.authenticate(laptop));
}

TEST_F(Dispatcher, RecoversAnAccountOverHttp) {
  const auto recovery = [&](const char* path, const google::protobuf::MessageLite& request) {
    return CallDispatcher(*world.service).post(ipv4(1), path, bytes_of(request));
  };
  calls::RecoveryStartRequest start;
  start.set_account(text(ada.account.view()));
  const auto started = recovery("recovery/start", start);
  ASSERT_EQ(started.http_status, 200);
  calls::RecoveryOpenRequest open;
  open.set_account(start.account());
  open.set_challenge(parsed<calls::RecoveryStartReply>(started.body).challenge());
  open.set_signature(std::string(crypto::HybridSignature::kSize, 'x'));
  EXPECT_EQ(recovery("recovery/open", open).http_status, 403);
  Bytes message = to_bytes(open.challenge());
  append(message, ada.account.view());
  open.set_signature(text(ada.account_key.signer().sign("opaline account recovery v1", message, ada.random).view()));
  const auto answer = recovery("recovery/open", open);
  ASSERT_EQ(answer.http_status, 200);
  const auto opened = parsed<calls::RecoveryOpenReply>(answer.body);
  Person phone(9);
  calls::RecoveryCompleteRequest complete;
  complete.set_ticket(opened.ticket());
  complete.set_device_list(text(session::sign_device_list(
      testing::list_with(world.list_of(ada), phone, as_view(opened.mailbox()), world.clock.now()), ada.account_key,
      ada.random)));
  *complete.mutable_prekeys() = phone.make_prekeys(world.clock.now());
  EXPECT_EQ(recovery("recovery/complete", complete).http_status, 200);
  EXPECT_TRUE(world.authenticate(phone));
  complete.set_ticket("no ticket");
  EXPECT_EQ(recovery("recovery/complete", complete).http_status, 410);
  for (const char* path : {"recovery/", "recovery/other", "link/", "link/join", "other/start", "registration", ""}) {
    EXPECT_EQ(recovery(path, start).http_status, 404) << path;
  }
}

TEST_F(Dispatcher, UnknownMethodsAreBadRequests) {
  for (const int method : {0, 200, 255, 65535}) {
    const auto reply = call(method, calls::Empty());
    EXPECT_EQ(reply.status, calls::CALL_STATUS_BAD_REQUEST) << method;
    EXPECT_FALSE(parsed<calls::Failure>(reply.body).message().empty());
  }
}

TEST_F(Dispatcher, RefusesTextThatIsNotUtf8AndNamesNoInput) {
  const Bytes body = *from_hex("0a04ff40412e");  // StartRequest{handle: "\xff@A."}
  ::testing::internal::CaptureStderr();
  const auto answer = post("start", body);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "") << "nobody outside may fill a log";
  EXPECT_EQ(answer.http_status, 400);
  EXPECT_EQ(to_string(answer.body).find("\xff"), std::string::npos);
}

TEST_F(Dispatcher, HugeBodiesAreRefusedUnread) {
  calls::StartRequest start;
  start.set_handle(std::string(kMaxRegistrationBodyBytes, 'a'));
  EXPECT_EQ(post("start", bytes_of(start)).http_status, 400);
}

TEST_F(Dispatcher, NothingThatIsSentCrashesOrChangesWhatIsNotTheCallers) {
  // Random bytes, and damaged copies of good requests, at every method and step.
  std::vector<Bytes> seeds;
  calls::LookupRequest lookup;
  for (int i = 0; i < 3; ++i) lookup.add_items()->set_handle("bob@example.org");
  seeds.push_back(bytes_of(lookup));
  calls::BundlesRequest bundles;
  bundles.set_account(text(bob.account.view()));
  bundles.add_devices(1);
  seeds.push_back(bytes_of(bundles));
  calls::UploadPrekeysRequest upload;
  *upload.mutable_prekeys() = ada.make_prekeys(world.clock.now());
  seeds.push_back(bytes_of(upload));
  const auto checked = world.verify("zoe@example.org");
  Person zoe(10);
  seeds.push_back(bytes_of(zoe.complete_request(*checked, world.clock.now())));
  Person laptop(11);
  const auto joined = world.exchange(ada);
  seeds.push_back(bytes_of(world.add_request(ada, laptop, joined)));
  calls::LinkTurnRequest turn;
  turn.set_exchange(joined.exchange());
  turn.add_send("hello");
  seeds.push_back(bytes_of(turn));
  const AccountId shop = world.create();
  Person gateway(20), root(30), there(31);
  seeds.push_back(bytes_of(world.enrol_request(gateway, *world.service->enrol_business(shop))));
  seeds.push_back(bytes_of(world.join_request(*world.open(ada, shop), shop, root, there)));
  CallDispatcher dispatcher(*world.service);
  SeededRandom random(5);
  for (int round = 0; round < 1500; ++round) {
    Bytes body;
    if (round % 3 == 0) {
      body.resize(random.below(64));
      random.fill(body);
    } else {
      body = seeds[random.below(seeds.size())];
      if (round % 3 == 1) body.resize(random.below(body.size() + 1));
      for (std::uint64_t flips = random.below(4); flips > 0 && !body.empty(); --flips) {
        body[random.below(body.size())] ^= std::byte(1 + random.below(255));
      }
    }
    for (std::uint16_t method = 0; method <= calls::Method_MAX; ++method) {
      if (method == calls::METHOD_ACCOUNT_DELETE) continue;
      const CallReply reply = dispatcher.call(ada.caller(), method, body);
      if (reply.status != calls::CALL_STATUS_OK) (void)parsed<calls::Failure>(reply.body);
    }
    for (const char* path : {"registration/start", "registration/check", "registration/complete", "link/open",
                             "link/turn", "recovery/start", "recovery/open", "recovery/complete"}) {
      const HttpAnswer answer = dispatcher.post(ipv4(static_cast<std::uint8_t>(round % 200)), path, body);
      EXPECT_TRUE(answer.http_status >= 200 && answer.http_status <= 503);
    }
    if (round % 50 == 0) world.clock.advance(std::chrono::hours(1));
  }
  EXPECT_TRUE(world.service->account(bob.caller()));
  EXPECT_TRUE(world.authenticate(bob));
  EXPECT_EQ(*world.service->find_account(*normalize_handle("bob@example.org")), bob.account);
}

}  // namespace
}  // namespace opaline::identity
