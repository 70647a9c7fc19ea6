// opalined as a whole: starts, serves, administers, ends. Real processes, real files, loopback.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <fstream>

#include "net/certificates.hpp"
#include "server/test_support/temporary_directory.hpp"
#include "system/device_client.hpp"
#include "system/server_process.hpp"

namespace opaline::system_test {
namespace {

using server::TemporaryDirectory;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

class ServerTest : public testing::Test {
 protected:
  std::unique_ptr<ServerProcess> start(const std::string& name = "server", std::vector<std::string> arguments = {}) {
    auto server = std::make_unique<ServerProcess>(dir_.path() / name, std::move(arguments));
    EXPECT_TRUE(server->wait_ready()) << server->log();
    return server;
  }
  static Result<HttpAnswer, net::NetError> get(const ServerProcess& server, const std::string& path) {
    return http({.url = server.url(path), .authority = server.directory() / "ca.pem"});
  }
  static Result<HttpAnswer, net::NetError> get_metrics(const ServerProcess& server, const std::string& path) {
    return http({.url = "http://127.0.0.1:" + std::to_string(server.ports().metrics_port) + path});
  }
  static double metric(const ServerProcess& server, const std::string& name) {
    const auto answer = get_metrics(server, "/metrics");
    EXPECT_TRUE(answer);
    if (!answer) return -1;
    const auto at = answer->body.find("\n" + name + " ");
    EXPECT_NE(at, std::string::npos) << name;
    return at == std::string::npos ? -1 : std::stod(answer->body.substr(at + name.size() + 2));
  }
  static Result<HttpAnswer, net::NetError> admin(const ServerProcess& server, const std::string& method,
                                                 const std::string& path, const std::string& token,
                                                 const std::string& body = {}) {
    HttpCall call{.method = method,
                  .url = "http://127.0.0.1:" + std::to_string(server.ports().operator_port) + "/v1/admin/" + path,
                  .authority = {},
                  .headers = {},
                  .body = body};
    if (!token.empty()) call.headers.push_back({"Authorization", "Bearer " + token});
    return http(call);
  }
  static boost::json::value json_of(const Finished& finished) {
    EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
    boost::system::error_code error;
    auto value = boost::json::parse(finished.out, error);
    EXPECT_FALSE(error) << finished.out;
    return value;
  }
  static std::string token_of(const ServerProcess& server, const std::string& name, const std::string& role) {
    const auto made = json_of(server.command({"admin", "--json", "operator", "create", name, "--role", role}));
    return made.is_object() ? std::string(made.at("token").as_string()) : "";
  }
  /// True if a file below `directory` holds this text.
  static bool files_hold(const fs::path& directory, const std::string& text) {
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string content(std::istreambuf_iterator<char>(in), {});
      if (content.find(text) != std::string::npos) return true;
    }
    return false;
  }
  TemporaryDirectory dir_;
};

// ---------------------------------------------------------------- starting and ending

TEST_F(ServerTest, StartsServesAndEnds) {
  const auto server = start();
  const auto health = get(*server, "/healthz");
  ASSERT_TRUE(health) << net::name(health.error());
  EXPECT_EQ(health->status, 200U);
  EXPECT_EQ(get(*server, "/readyz")->status, 200U);
  EXPECT_EQ(get(*server, "/v1/nothing")->status, 404U);
  EXPECT_EQ(get(*server, "/v1/registration/start")->status, 405U);
  EXPECT_EQ(get_metrics(*server, "/healthz")->status, 200U);
  EXPECT_EQ(get_metrics(*server, "/readyz")->status, 200U);
  EXPECT_EQ(metric(*server, "opaline_ready"), 1);
  EXPECT_EQ(server->stop(), 0);
  EXPECT_FALSE(fs::exists(server->directory() / "ports.json"));
  std::istringstream lines(server->log());
  std::vector<std::string> events;
  for (std::string line; std::getline(lines, line);) {
    boost::system::error_code error;
    const auto value = boost::json::parse(line, error);
    ASSERT_FALSE(error) << line;
    events.emplace_back(value.at("event").as_string());
  }
  EXPECT_THAT(events, testing::IsSupersetOf({"server_ready", "server_stopping", "server_stopped"}));
}

TEST_F(ServerTest, SigintEndsItToo) {
  const auto server = start();
  server->signal(SIGINT);
  EXPECT_EQ(server->wait_exit(), 0);
}

TEST_F(ServerTest, FilesAreClosedToOthers) {
  const auto server = start();
  for (const auto& entry : fs::recursive_directory_iterator(server->directory())) {
    const auto open = entry.symlink_status().permissions() & (fs::perms::others_write | fs::perms::group_write);
    EXPECT_EQ(open, fs::perms::none) << entry.path();
    const auto name = entry.path().filename().string();
    if (name == "ca.pem" || name == "server.pem") continue;
    EXPECT_EQ(entry.symlink_status().permissions() & fs::perms::others_read, fs::perms::none) << entry.path();
  }
}

TEST_F(ServerTest, ASecondStartIsRefused) {
  const auto server = start();
  const auto second = server->command({"--port", "0"});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.err, HasSubstr("only one opalined may use a data directory"));
  EXPECT_EQ(get(*server, "/healthz")->status, 200U) << "the first goes on";
  EXPECT_EQ(server->stop(), 0);
}

TEST_F(ServerTest, AfterSigkillItStartsAgain) {
  {
    const auto server = start();
    server->signal(SIGKILL);
    EXPECT_EQ(server->wait_exit(), 128 + SIGKILL);
  }
  const auto again = start();
  EXPECT_EQ(get(*again, "/readyz")->status, 200U);
}

TEST_F(ServerTest, APortThatIsTakenIsNamed) {
  const auto server = start();
  const auto taken = std::to_string(server->ports().public_port);
  const auto other = run_program(OPALINED_BIN, {"--dev", (dir_.path() / "other").string(), "--port", "0", "--set",
                                                "public.listen=127.0.0.1:" + taken});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, AllOf(HasSubstr("public listener 127.0.0.1:" + taken), HasSubstr("address_in_use")));
}

TEST_F(ServerTest, ConfigurationMistakesHaveALine) {
  const auto file = (dir_.path() / "opalined.toml").string();
  std::ofstream(file) << "[relay]\nretention_days = 31\nmailbox_envelope = 5\n[business]\nlisten = \"127.0.0.1:1\"\n";
  for (const auto& arguments : {std::vector<std::string>{"--config", file}, {"--config", file, "--check-config"}}) {
    const auto done = run_program(OPALINED_BIN, arguments);
    EXPECT_EQ(done.exit_code, 2);
    EXPECT_THAT(done.err, HasSubstr("opalined.toml:2: relay.retention_days: must be a whole number from 1 to 30"));
    EXPECT_THAT(done.err, HasSubstr("opalined.toml:3: relay.mailbox_envelope: unknown key; did you mean"));
  }
  const auto missing = run_program(OPALINED_BIN, {"--config", "/nowhere/opalined.toml"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.err, HasSubstr("no such file"));
  const auto role = run_program(OPALINED_BIN, {"--dev", (dir_.path() / "d").string(), "--role", "records"});
  EXPECT_EQ(role.exit_code, 2);
  EXPECT_THAT(role.err, HasSubstr("does not exist yet"));
  const auto good = run_program(OPALINED_BIN, {"--dev", (dir_.path() / "d").string(), "--check-config"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
}

TEST_F(ServerTest, HelpTeachesAndVersionNamesOpenssl) {
  EXPECT_THAT(run_program(OPALINED_BIN, {"--version"}).out, AllOf(HasSubstr("opalined "), HasSubstr("OpenSSL 3.")));
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"--help"},
                                                                     {"admin", "--help"},
                                                                     {"admin", "operator", "create", "--help"},
                                                                     {"admin", "audit", "--help"},
                                                                     {"backup", "--help"},
                                                                     {"restore", "--help"}}) {
    const auto help = run_program(OPALINED_BIN, arguments);
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_GT(help.out.size(), 300U) << arguments.back();
  }
  const auto wrong = run_program(OPALINED_BIN, {"--frobnicate"});
  EXPECT_EQ(wrong.exit_code, 2);
}

// ---------------------------------------------------------------- certificates

TEST_F(ServerTest, SighupTakesANewCertificateAndABadOneChangesNothing) {
  const auto server = start();
  const auto old_authority = dir_.path() / "old.pem";
  fs::copy_file(server->directory() / "ca.pem", old_authority);
  const net::CertificatePaths authority{dir_.path() / "new.pem", dir_.path() / "new.key"};
  const auto now = SystemClock().now();
  ASSERT_TRUE(net::make_authority(authority, "Another", now));
  const net::CertificatePaths out{server->directory() / "server.pem", server->directory() / "server.key"};
  ASSERT_TRUE(net::issue_server_certificate({.authority = authority, .out = out, .names = {}, .now = now}));
  EXPECT_TRUE(http({.url = server->url("/healthz"), .authority = old_authority})) << "not before it is told";
  server->signal(SIGHUP);
  const auto with_new = [&] { return http({.url = server->url("/healthz"), .authority = authority.certificate}); };
  while (!with_new()) {  // until the signal has arrived; a hang is the failure
  }
  EXPECT_EQ(http({.url = server->url("/healthz"), .authority = old_authority}).error(),
            net::NetError::certificate_rejected);
  std::ofstream(out.certificate) << "no certificate";
  const auto refused = server->command({"admin", "reload"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("public.certificate: certificate_unreadable"));
  EXPECT_TRUE(with_new()) << "the one in use stays";
}

// ---------------------------------------------------------------- people

TEST_F(ServerTest, PeopleRegisterConnectAndWrite) {
  const auto server = start();
  DeviceClient anna(server->directory(), 1);
  DeviceClient ben(server->directory(), 2);
  ASSERT_EQ(anna.register_as("anna@example.org"), 200U);
  ASSERT_EQ(ben.register_as("+4915112345678"), 200U);
  ASSERT_TRUE(anna.connect());
  ASSERT_TRUE(ben.connect());

  // Online: from device to device, and no disk sees it.
  const auto number = anna.submit(ben, anna.new_id(), "first");
  ASSERT_NE(number, 0U);
  EXPECT_EQ(ben.receive()->ciphertext, "first");
  EXPECT_EQ(anna.wait_result(number), wire::SubmitStatus::accepted);
  EXPECT_EQ(metric(*server, "opaline_envelopes_stored_total"), 0);

  // Offline: stored, sealed, there after a restart by force, in order, once.
  ben.disconnect();
  for (const auto* text : {"harbour-one", "harbour-two", "harbour-three"}) {
    EXPECT_EQ(anna.send(ben, anna.new_id(), text), wire::SubmitStatus::accepted);
  }
  EXPECT_FALSE(files_hold(server->directory(), "harbour"));
  server->signal(SIGKILL);
  server->wait_exit();
  const auto again = start();
  ASSERT_TRUE(ben.connect());
  for (const auto* text : {"harbour-one", "harbour-two", "harbour-three"}) {
    const auto got = ben.receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->ciphertext, text);
  }
  ASSERT_TRUE(ben.wait_drained());
  ben.disconnect();
  ASSERT_TRUE(ben.connect());
  EXPECT_TRUE(ben.wait_drained()) << "nothing comes twice";
  for (const auto* directory : {"data", "vault"}) {
    for (const auto* name : {"anna@example.org", "4915112345678"}) {
      EXPECT_FALSE(files_hold(again->directory() / directory, name)) << "the files name nobody";
    }
  }
  EXPECT_TRUE(files_hold(again->directory(), "anna@example.org")) << "the search finds what is there: the outbox";
}

TEST_F(ServerTest, ADeviceWithAnotherKeyIsRefused) {
  const auto server = start();
  DeviceClient anna(server->directory(), 1);
  ASSERT_EQ(anna.register_as("anna@example.org"), 200U);
  ASSERT_TRUE(anna.connect());
  DeviceClient nobody(server->directory(), 3);  // has no account
  EXPECT_FALSE(nobody.connect());
  EXPECT_EQ(nobody.goodbye(), wire::GoodbyeCode::auth_failed);
}

TEST_F(ServerTest, ShutdownSaysGoodbyeAndKeepsWhatWasInMemory) {
  const auto server = start();
  DeviceClient anna(server->directory(), 1);
  DeviceClient ben(server->directory(), 2);
  ASSERT_EQ(anna.register_as("anna@example.org"), 200U);
  ASSERT_EQ(ben.register_as("ben@example.org"), 200U);
  ASSERT_TRUE(anna.connect());
  ASSERT_TRUE(ben.connect());
  const auto number = anna.submit(ben, anna.new_id(), "in flight");
  ASSERT_TRUE(ben.receive(false)) << "it is pushed, and Ben does not acknowledge";
  server->signal(SIGTERM);
  EXPECT_EQ(anna.wait_result(number), wire::SubmitStatus::accepted) << "it went to the store instead";
  EXPECT_EQ(anna.receive(), std::nullopt) << "the connection ends";
  EXPECT_EQ(anna.goodbye(), wire::GoodbyeCode::shutting_down);
  EXPECT_EQ(server->wait_exit(), 0);
  EXPECT_THAT(server->log(), HasSubstr("\"server_stopped\",\"clean\":1"));
  const auto again = start();
  ASSERT_TRUE(ben.connect());
  EXPECT_EQ(ben.receive()->ciphertext, "in flight");
}

// ---------------------------------------------------------------- administration

TEST_F(ServerTest, TheFirstOperatorComesFromTheSocketAndTokensWork) {
  const auto server = start();
  EXPECT_THAT(server->command({"admin", "operator", "list"}).out, HasSubstr("there is no operator yet"));
  EXPECT_EQ(admin(*server, "GET", "status", "")->status, 401U);
  EXPECT_EQ(admin(*server, "GET", "status", "opaline_op_nonsense")->status, 401U);
  const auto owner = token_of(*server, "alice", "owner");
  const auto auditor = token_of(*server, "bob", "auditor");
  EXPECT_EQ(admin(*server, "GET", "status", owner)->status, 200U);
  EXPECT_EQ(admin(*server, "GET", "status", auditor)->status, 200U);
  const std::string carol = R"({"name":"carol","role":"admin"})";
  EXPECT_EQ(admin(*server, "POST", "operators", auditor, carol)->status, 403U);
  EXPECT_EQ(admin(*server, "POST", "reload", auditor)->status, 403U);
  EXPECT_EQ(admin(*server, "POST", "operators", owner, carol)->status, 201U);
  EXPECT_EQ(admin(*server, "POST", "operators", owner, carol)->status, 409U);
  EXPECT_EQ(admin(*server, "POST", "backup/checkpoint", owner)->status, 403U) << "through the socket alone";
  EXPECT_EQ(server->command({"admin", "operator", "revoke", "bob"}).exit_code, 0);
  EXPECT_EQ(admin(*server, "GET", "status", auditor)->status, 401U);
  EXPECT_EQ(server->command({"admin", "operator", "revoke", "bob"}).exit_code, 1);
  EXPECT_EQ(server->command({"admin", "operator", "create", "dora", "--role", "clerk"}).exit_code, 1);
  const auto entries = json_of(server->command({"admin", "--json", "audit"})).at("entries").as_array();
  std::vector<std::string> seen;
  for (const auto& entry : entries) {
    seen.push_back(std::string(entry.at("operator").as_string()) + " " + std::string(entry.at("action").as_string()) +
                   " " + std::string(entry.at("object").as_string()) + " " +
                   std::string(entry.at("outcome").as_string()));
  }
  const auto local = "local:" + std::to_string(geteuid());
  EXPECT_THAT(seen, testing::ElementsAre(local + " operator_create alice done", local + " operator_create bob done",
                                         "bob operator_create carol denied", "bob reload  denied",
                                         "alice operator_create carol done", "alice backup  denied",
                                         local + " operator_revoke bob done"));
}

TEST_F(ServerTest, BadAdministrationRequestsAreRefused) {
  const auto server = start();
  const auto owner = token_of(*server, "alice", "owner");
  for (const std::string body :
       {"", "{", "[]", "{}", R"({"name":"x"})", R"({"name":1,"role":"admin"})", R"({"name":"x","role":"boss"})",
        R"({"name":"x","role":"admin","more":1})", R"({"name":"X","role":"admin"})",
        R"({"name":"x","role":"admin","token_days":0})", R"({"name":"x","role":"admin","token_days":1e9})"}) {
    EXPECT_EQ(admin(*server, "POST", "operators", owner, body)->status, 400U) << body;
  }
  EXPECT_EQ(admin(*server, "POST", "operators", owner, std::string(300'000, ' '))->status, 413U);
  EXPECT_EQ(admin(*server, "POST", "operators", owner, std::string(10'000, '['))->status, 400U);
  EXPECT_EQ(admin(*server, "GET", "audit?limit=0", owner)->status, 400U);
  EXPECT_EQ(admin(*server, "GET", "audit?after=x", owner)->status, 400U);
  EXPECT_EQ(admin(*server, "GET", "audit/verify?sequence=1", owner)->status, 400U);
  EXPECT_EQ(admin(*server, "GET", "nothing", owner)->status, 404U);
  EXPECT_EQ(admin(*server, "DELETE", "status", owner)->status, 405U);
  EXPECT_EQ(admin(*server, "GET", "operators/alice/tokens", owner)->status, 405U);
  EXPECT_EQ(admin(*server, "POST", "operators/nobody/revoke", owner)->status, 404U);
  EXPECT_EQ(server->stop(), 0);
}

TEST_F(ServerTest, TheAuditTrailIsVerifiedAgainstANotedHead) {
  const auto server = start();
  token_of(*server, "alice", "owner");
  const auto noted = server->command({"admin", "audit", "--verify"}).out;
  const auto head = noted.substr(noted.find("head ") + 5, noted.rfind('\n') - noted.find("head ") - 5);
  token_of(*server, "bob", "admin");
  EXPECT_EQ(server->command({"admin", "audit", "--verify", "--known", head}).exit_code, 0);
  auto other = head;
  other.back() = other.back() == '0' ? '1' : '0';
  const auto rewritten = server->command({"admin", "audit", "--verify", "--known", other});
  EXPECT_EQ(rewritten.exit_code, 1);
  EXPECT_THAT(rewritten.out, HasSubstr("REWRITTEN"));
}

TEST_F(ServerTest, WithoutAServerAdministrationSaysSo) {
  {
    const auto server = start();
  }
  const auto done = run_program(OPALINED_BIN, {"--dev", (dir_.path() / "server").string(), "admin", "status"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, HasSubstr("is it running"));
}

// ---------------------------------------------------------------- backup

TEST_F(ServerTest, ABackupOfARunningServerBringsPeopleBackWithoutTheirMail) {
  const auto passphrase = dir_.path() / "passphrase";
  std::ofstream(passphrase) << "a long passphrase\n";
  const auto file = (dir_.path() / "backup").string();
  DeviceClient anna(dir_.path() / "server", 1);
  DeviceClient ben(dir_.path() / "server", 2);
  {
    const auto server = start();
    ASSERT_EQ(anna.register_as("anna@example.org"), 200U);
    ASSERT_EQ(ben.register_as("ben@example.org"), 200U);
    ASSERT_TRUE(anna.connect());
    ASSERT_EQ(anna.send(ben, anna.new_id(), "waits for Ben"), wire::SubmitStatus::accepted);
    const auto made = server->command({"backup", file, "--passphrase-file", passphrase.string()});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    EXPECT_FALSE(fs::exists(server->directory() / "data" / "checkpoint")) << "the copy is gone again";
    const auto over = server->command({"backup", file, "--passphrase-file", passphrase.string()});
    EXPECT_EQ(over.exit_code, 1);
    EXPECT_THAT(over.err, HasSubstr("exists already"));
    const auto into = server->command({"restore", file, "--passphrase-file", passphrase.string()});
    EXPECT_EQ(into.exit_code, 1);
    EXPECT_THAT(into.err, HasSubstr("is not empty"));
    EXPECT_EQ(server->stop(), 0);
  }
  fs::remove_all(dir_.path() / "server" / "data");
  fs::remove_all(dir_.path() / "server" / "vault");
  const std::vector<std::string> restore{"--dev", (dir_.path() / "server").string(), "restore", file,
                                         "--passphrase-file"};
  auto wrong = restore;
  std::ofstream(dir_.path() / "wrong") << "another passphrase\n";
  wrong.push_back((dir_.path() / "wrong").string());
  EXPECT_THAT(run_program(OPALINED_BIN, wrong).err, HasSubstr("the passphrase is wrong"));
  EXPECT_FALSE(fs::exists(dir_.path() / "server" / "vault")) << "nothing was written";
  auto right = restore;
  right.push_back(passphrase.string());
  const auto restored = run_program(OPALINED_BIN, right);
  ASSERT_EQ(restored.exit_code, 0) << restored.err;

  const auto server = start();
  ASSERT_TRUE(ben.connect()) << "with the keys of before";
  EXPECT_TRUE(ben.wait_drained()) << "no mail";
  const auto status =
      ben.call<identity::calls::PrekeyStatusReply>(identity::calls::METHOD_PREKEY_STATUS, identity::calls::Empty());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->one_time_left(), 0U) << "prekeys are not brought back";
  ASSERT_TRUE(anna.connect());
  const auto number = anna.submit(ben, anna.new_id(), "hello again");
  EXPECT_EQ(ben.receive()->ciphertext, "hello again");
  EXPECT_EQ(anna.wait_result(number), wire::SubmitStatus::accepted);
  EXPECT_THAT(server->command({"admin", "audit"}).out, AllOf(HasSubstr("backup"), HasSubstr("restore")));
  EXPECT_THAT(server->command({"admin", "audit", "--verify"}).out, HasSubstr("intact"));
}

TEST_F(ServerTest, AnInterruptedRestoreIsNoticed) {
  fs::create_directories(dir_.path() / "server" / "data");
  std::ofstream(dir_.path() / "server" / "data" / "restore-incomplete") << "x";
  const auto done = run_program(OPALINED_BIN, {"--dev", (dir_.path() / "server").string(), "--port", "0"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.err, HasSubstr("did not finish"));
}

}  // namespace
}  // namespace opaline::system_test
