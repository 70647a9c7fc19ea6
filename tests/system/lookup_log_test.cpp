// The lookup log of a real opalined: what lies on the disk, what a person sees of it, and nothing where nothing is
// kept.
#include <gmock/gmock.h>

#include <fstream>

#include "server/test_support/temporary_directory.hpp"
#include "system/device_client.hpp"
#include "system/server_process.hpp"

namespace opaline::system_test {
namespace {

namespace calls = identity::calls;
namespace fs = std::filesystem;
using testing::HasSubstr;

class LookupLogSystemTest : public testing::Test {
 protected:
  void start(std::vector<std::string> arguments = {}) {
    if (server_) EXPECT_EQ(server_->stop(), 0);
    server_ = std::make_unique<ServerProcess>(directory(), std::move(arguments));
    ASSERT_TRUE(server_->wait_ready()) << server_->log();
  }
  fs::path directory() const { return dir_.path() / "server"; }
  void register_both() {
    ASSERT_EQ(anna_->register_as("anna@example.org"), 200U);
    ASSERT_EQ(ben_->register_as("+4915112345678"), 200U);
  }
  void look_up(DeviceClient& who, const std::string& handle) {
    ASSERT_TRUE(who.connect());
    calls::LookupRequest request;
    request.add_items()->set_handle(handle);
    ASSERT_TRUE(who.call<calls::LookupReply>(calls::METHOD_LOOKUP, request));
  }
  /// The log is written beside the answers.
  void wait_for_entries(const std::string& number) {
    while (metric("opaline_lookup_log_entries") != number) {
    }
  }
  calls::MyLookupsReply own(DeviceClient& who) {
    const auto reply = who.call<calls::MyLookupsReply>(calls::METHOD_MY_LOOKUPS, calls::MyLookupsRequest());
    EXPECT_TRUE(reply);
    return reply.value_or(calls::MyLookupsReply());
  }
  static bool holds(const fs::path& below, std::string_view bytes) {
    for (const auto& file : fs::recursive_directory_iterator(below)) {
      if (!file.is_regular_file()) continue;
      std::ifstream in(file.path(), std::ios::binary);
      if (std::string(std::istreambuf_iterator<char>(in), {}).find(bytes) != std::string::npos) return true;
    }
    return false;
  }
  std::string metric(const std::string& name) {
    const auto answer = http({.url = "http://127.0.0.1:" + std::to_string(server_->ports().metrics_port) + "/metrics"});
    if (!answer) return "no answer";
    const auto at = answer->body.find("\n" + name + " ");
    return at == std::string::npos ? "no such" : answer->body.substr(at + 2 + name.size(), 1);
  }

  server::TemporaryDirectory dir_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<DeviceClient> anna_ = std::make_unique<DeviceClient>(directory(), 1);
  std::unique_ptr<DeviceClient> ben_ = std::make_unique<DeviceClient>(directory(), 2);
};

TEST_F(LookupLogSystemTest, APersonSeesTheirOwnAndTheFilesNameNobody) {
  start();
  register_both();
  look_up(*anna_, "+4915112345678");
  look_up(*ben_, "nobody-is-here@example.org");
  wait_for_entries("2");
  for (const bool restarted : {false, true}) {
    if (restarted) {
      server_->signal(SIGKILL);
      server_->wait_exit();
      server_.reset();
      start();
      ASSERT_TRUE(anna_->connect());
      ASSERT_TRUE(ben_->connect());
    }
    const auto hers = own(*anna_);
    ASSERT_EQ(hers.entries_size(), 1) << "and nothing of Ben's";
    EXPECT_EQ(hers.log_days(), 30U);
    EXPECT_EQ(hers.next(), "");
    EXPECT_EQ(hers.entries(0).source_handle(), "anna@example.org");
    EXPECT_EQ(hers.entries(0).looked_up_handle(), "+4915112345678");
    EXPECT_EQ(hers.entries(0).capable_devices(), 1U);
    EXPECT_EQ(to_hex(as_view(hers.entries(0).source_address())), "00000000000000000000ffff7f000001");
    const auto his = own(*ben_);
    ASSERT_EQ(his.entries_size(), 1);
    EXPECT_EQ(his.entries(0).looked_up_handle(), "nobody-is-here@example.org");
    EXPECT_EQ(his.entries(0).capable_devices(), 0U);
  }
  EXPECT_EQ(metric("opaline_lookup_log_entries"), "2");
  EXPECT_EQ(metric("opaline_lookup_log_dropped_total{why=\"disk\"}"), "0");
  anna_->disconnect();
  ben_->disconnect();
  EXPECT_EQ(server_->stop(), 0);
  ASSERT_TRUE(holds(directory() / "data" / "lookups", "lookup_days")) << "it is the right directory";
  for (const auto* area : {"data", "vault"}) {
    for (const auto& telling : {std::string("anna@example.org"), std::string("4915112345678"),
                                std::string("nobody-is-here"), std::string("\xff\xff\x7f\x00\x00\x01", 6)})
      EXPECT_FALSE(holds(directory() / area, telling)) << area << " " << to_hex(as_view(telling));
  }
}

/// Every call of a device's connection, and whether it tells its own device what the log has. The HTTP listeners are
/// walked by tests/system/routes_test.py.
constexpr std::pair<calls::Method, bool> kCalls[] = {
    {calls::METHOD_UNSPECIFIED, false},      {calls::METHOD_LOOKUP, false},
    {calls::METHOD_BUNDLES, false},          {calls::METHOD_UPLOAD_PREKEYS, false},
    {calls::METHOD_PREKEY_STATUS, false},    {calls::METHOD_ACCOUNT, false},
    {calls::METHOD_HANDLE_ADD_START, false}, {calls::METHOD_HANDLE_ADD_FINISH, false},
    {calls::METHOD_HANDLE_REMOVE, false},    {calls::METHOD_SET_PIN, false},
    {calls::METHOD_SEND_TOKENS, false},      {calls::METHOD_UPDATE_DEVICES, false},
    {calls::METHOD_LINK_JOIN, false},        {calls::METHOD_LINK_TURN, false},
    {calls::METHOD_BLOB_CREATE, false},      {calls::METHOD_BUSINESS_PROFILE, false},
    {calls::METHOD_PERSONA_OPEN, false},     {calls::METHOD_PERSONA_JOIN, false},
    {calls::METHOD_PERSONA_CLOSE, false},    {calls::METHOD_MY_LOOKUPS, true},
    {calls::METHOD_MY_NOTICES, false},       {calls::METHOD_ACCOUNT_DELETE, false},  // the last: it ends the account
};

TEST_F(LookupLogSystemTest, NoCallButOnesOwnLookupsTellsWhatIsInTheLog) {
  for (int method = calls::Method_MIN; method <= calls::Method_MAX; ++method) {
    if (!calls::Method_IsValid(method)) continue;
    EXPECT_TRUE(std::ranges::any_of(kCalls, [&](const auto& one) { return one.first == method; }))
        << "a new call needs its line above: " << method;
  }
  start();
  register_both();
  look_up(*anna_, "canary-7f3a@example.org");
  wait_for_entries("1");
  calls::LookupRequest about_anna, about_ben;
  about_anna.add_items()->set_handle("anna@example.org");
  about_ben.add_items()->set_handle("+4915112345678");
  calls::MyLookupsRequest by_id;  // its first field is bytes, as of many others
  by_id.set_after(std::string(as_text(anna_->account().view())));
  const std::string bodies[] = {"", about_anna.SerializeAsString(), about_ben.SerializeAsString(),
                                by_id.SerializeAsString()};
  for (auto* who : {ben_.get(), anna_.get()}) {
    ASSERT_TRUE(who->connect());
    for (const auto& [method, tells] : kCalls) {
      bool told = false;
      for (const auto& body : bodies) {
        if (method == calls::METHOD_ACCOUNT_DELETE && !body.empty()) continue;
        if (!who->connected()) ASSERT_TRUE(who->connect());
        calls::Empty request;  // keeps what it does not know, as its answer does
        ASSERT_TRUE(request.ParseFromString(body));
        const auto reply = who->call<calls::Empty>(method, request);
        told |= reply && reply->SerializeAsString().find("canary-7f3a") != std::string::npos;
      }
      EXPECT_EQ(told, tells && who == anna_.get()) << method;
    }
  }
}

TEST_F(LookupLogSystemTest, WithoutARetentionThereIsNoFile) {
  start({"--set", "lookups.log_days=0"});
  register_both();
  look_up(*anna_, "+4915112345678");
  const auto hers = own(*anna_);
  EXPECT_EQ(hers.log_days(), 0U);
  EXPECT_EQ(hers.entries_size(), 0);
  EXPECT_EQ(server_->stop(), 0);
  for (const auto* area : {"data", "vault"}) {
    for (const auto& file : fs::recursive_directory_iterator(directory() / area))
      EXPECT_THAT(file.path().string(), testing::Not(HasSubstr("lookup")));
  }
}

TEST_F(LookupLogSystemTest, ARetentionOfNoneDestroysWhatWasKeptAndAnotherBeginsEmpty) {
  start();
  register_both();
  look_up(*anna_, "+4915112345678");
  wait_for_entries("1");
  ASSERT_EQ(own(*anna_).entries_size(), 1);
  ASSERT_TRUE(fs::exists(directory() / "data" / "lookups"));
  ASSERT_TRUE(fs::exists(directory() / "vault" / "lookups"));
  start({"--set", "lookups.log_days=0"});
  EXPECT_FALSE(fs::exists(directory() / "data" / "lookups"));
  EXPECT_FALSE(fs::exists(directory() / "vault" / "lookups"));
  start({"--set", "lookups.log_days=3"});
  ASSERT_TRUE(anna_->connect());
  EXPECT_EQ(own(*anna_).entries_size(), 0);
  look_up(*anna_, "+4915112345678");
  wait_for_entries("1");
  EXPECT_EQ(own(*anna_).entries_size(), 1);
}

}  // namespace
}  // namespace opaline::system_test
