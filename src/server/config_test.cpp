#include "server/config.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <set>
#include <sstream>

#include "server/test_support/temporary_directory.hpp"

namespace opaline::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

std::string example_text() {
  std::ifstream in(OPALINE_SOURCE_DIR "/docs/opalined.example.toml");
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

Result<LoadedConfig, ConfigProblems> parse(std::string_view text, const std::vector<Override>& overrides = {}) {
  return parse_config(text, "opalined.toml", "/etc/opaline", overrides);
}

std::string problem_of(std::string_view text) {
  const auto loaded = parse(text);
  if (loaded || loaded.error().size() != 1) return "(not one problem)";
  return loaded.error().front().text();
}

TEST(Config, AnEmptyFileIsTheDefaults) {
  const auto loaded = parse("");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->config, Config{});
}

TEST(Config, TheExampleEqualsTheDefaults) {
  const auto loaded = parse(example_text());
  ASSERT_TRUE(loaded) << loaded.error().front().text();
  EXPECT_EQ(loaded->config, Config{});
}

TEST(Config, TheExampleDocumentsEveryKeyInOrder) {
  std::istringstream lines(example_text());
  std::string line;
  std::string section;
  std::vector<std::string> keys;
  bool comment_above = false;
  while (std::getline(lines, line)) {
    if (line.starts_with("[")) {
      section = line.substr(1, line.find(']') - 1);
    } else if (line.starts_with("#")) {
      comment_above = true;
    } else if (line.empty()) {
      comment_above = false;
    } else {
      keys.push_back(section + "." + line.substr(0, line.find(' ')));
      EXPECT_TRUE(comment_above) << keys.back() << " stands without a comment above it or its neighbours";
    }
  }
  EXPECT_EQ(keys, config_keys());
}

TEST(Config, ReadsValues) {
  const auto loaded = parse(R"(
[server]
name = "chat.example.org"
[paths]
data = "../data"
[relay]
retention_days = 7
delivery_deadline_ms = 2500
[registration]
delivery = "outbox"
[log]
level = "debug"
)");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->config.server.name, "chat.example.org");
  EXPECT_EQ(loaded->config.paths.data, "/etc/data");
  EXPECT_EQ(loaded->config.relay.retention, std::chrono::days(7));
  EXPECT_EQ(loaded->config.relay.delivery_deadline, milliseconds(2500));
  EXPECT_EQ(loaded->config.registration.delivery, CodeDelivery::outbox);
  EXPECT_EQ(loaded->config.log.level, LogLevel::debug);
}

TEST(Config, UnknownNamesAreRefusedWithTheNearest) {
  EXPECT_EQ(problem_of("[relay]\n\nretention_day = 3\n"),
            "opalined.toml:3: relay.retention_day: unknown key; did you mean \"retention_days\"?");
  EXPECT_THAT(problem_of("[relay]\nzzzzzzzz = 3\n"), HasSubstr("unknown key; known here: retention_days, "));
  EXPECT_THAT(problem_of("[metrcs]\nlisten = \"\"\n"), HasSubstr("unknown section; did you mean \"metrics\"?"));
  EXPECT_THAT(problem_of("name = 3\n"), HasSubstr("opalined.toml:1: name: this key belongs into a section"));
  EXPECT_THAT(problem_of("relay = 3\n"), HasSubstr("must be a section: [relay]"));
}

TEST(Config, WrongValuesAreRefusedWithTheirLine) {
  EXPECT_EQ(problem_of("[relay]\nretention_days = 31\n"),
            "opalined.toml:2: relay.retention_days: must be a whole number from 1 to 30");
  EXPECT_THAT(problem_of("[relay]\nretention_days = -1\n"), HasSubstr("whole number"));
  EXPECT_THAT(problem_of("[relay]\nretention_days = 1.5\n"), HasSubstr("whole number"));
  EXPECT_THAT(problem_of("[relay]\nretention_days = \"3\"\n"), HasSubstr("whole number"));
  EXPECT_THAT(problem_of("[server]\nname = 3\n"), HasSubstr("must be a text in quotes"));
  EXPECT_THAT(problem_of("[server]\nname = \"a\\u0000b\"\n"), HasSubstr("control characters"));
  EXPECT_THAT(problem_of("[server]\nrequire_no_swap = 1\n"), HasSubstr("true or false"));
  EXPECT_THAT(problem_of("[log]\nlevel = \"loud\"\n"),
              HasSubstr(R"(must be one of "debug", "info", "warning", "error")"));
  EXPECT_THAT(problem_of("[public]\nlisten = \"\"\n"), HasSubstr("must not be empty"));
  EXPECT_THAT(problem_of("[public]\nlisten = \"chat.example.org:443\"\n"), HasSubstr("must be an IP address"));
  EXPECT_THAT(problem_of("[metrics]\nlisten = \"127.0.0.1:99999\"\n"), HasSubstr("must be an IP address"));
  EXPECT_THAT(problem_of("[server]\nrole = \"relay\"\n"), HasSubstr("does not exist yet"));
  EXPECT_THAT(problem_of("[server]\nrole = \"boss\"\n"), HasSubstr("unknown role"));
}

TEST(Config, SyntaxErrorsHaveALine) {
  const auto text = problem_of("[server]\nname = \"a\"\nname = \"b\"\n");
  EXPECT_THAT(text, HasSubstr("opalined.toml:3: "));
  EXPECT_THAT(problem_of("[server\n"), HasSubstr("opalined.toml:1: "));
}

TEST(Config, AllProblemsAreReportedAtOnce) {
  const auto loaded = parse("[relay]\nretention_days = 0\nmailbox = 1\n[log]\nlevel = 1\n");
  ASSERT_FALSE(loaded);
  std::vector<std::uint32_t> lines;
  for (const auto& problem : loaded.error()) lines.push_back(problem.line);
  EXPECT_THAT(lines, testing::UnorderedElementsAre(2, 3, 5));
}

TEST(Config, OverridesWin) {
  const auto loaded = parse("[relay]\nretention_days = 7\n",
                            {"relay.retention_days=3", "public.listen=127.0.0.1:0", "server.require_no_swap=true",
                             "server.name=\"quoted.example\"", "log.level=debug", "paths.data=d"});
  ASSERT_TRUE(loaded) << loaded.error().front().text();
  EXPECT_EQ(loaded->config.relay.retention, std::chrono::days(3));
  EXPECT_EQ(loaded->config.public_listener.listen, "127.0.0.1:0");
  EXPECT_TRUE(loaded->config.server.require_no_swap);
  EXPECT_EQ(loaded->config.server.name, "quoted.example");
  EXPECT_EQ(loaded->config.log.level, LogLevel::debug);
  EXPECT_EQ(loaded->config.paths.data, "/etc/opaline/d");
}

TEST(Config, WrongOverridesAreRefused) {
  for (const Override wrong : {"retention_days=3", "relay.retention_days", "relay.retention_days=99", "relay.x=1",
                               "relay.retention_days=3\n[log]", "=", ".=", ""}) {
    const auto loaded = parse("", {wrong});
    ASSERT_FALSE(loaded) << wrong;
    EXPECT_THAT(loaded.error().front().text(), HasSubstr("--set: ")) << wrong;
    EXPECT_EQ(loaded.error().front().line, 0U) << wrong;
  }
}

TEST(Config, MissingAndUnreadableFilesAreNamed) {
  const TemporaryDirectory dir;
  const auto missing = load_config(dir.path() / "none.toml");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().front().text(), HasSubstr("none.toml: no such file"));
  const auto directory = load_config(dir.path());
  ASSERT_FALSE(directory);
  EXPECT_THAT(directory.error().front().text(), HasSubstr("is no file"));
}

/// A configuration whose files exist.
class ConfigCheck : public testing::Test {
 protected:
  ConfigCheck() {
    for (const auto* name : {"cert.pem", "key.pem"}) {
      std::ofstream(dir_.path() / name) << "x";
      fs::permissions(dir_.path() / name, fs::perms::owner_read | fs::perms::owner_write);
    }
  }
  LoadedConfig loaded(const std::string& more) {
    auto out =
        parse_config("[public]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n" + more, "opalined.toml", dir_.path());
    EXPECT_TRUE(out) << out.error().front().text();
    return out ? *out : LoadedConfig{};
  }
  std::vector<std::string> problems(const std::string& more) {
    std::vector<std::string> out;
    for (const auto& problem : check_config(loaded(more))) out.push_back(problem.text());
    return out;
  }
  TemporaryDirectory dir_;
};

TEST_F(ConfigCheck, AGoodOneHasNoProblems) {
  EXPECT_THAT(problems(""), IsEmpty());
}

TEST_F(ConfigCheck, TheVaultStaysOutsideOfTheData) {
  EXPECT_THAT(problems("[paths]\ndata = \"d\"\nvault = \"d/vault\"\n"),
              ElementsAre(HasSubstr("opalined.toml:6: paths.vault: must lie outside of paths.data")));
  EXPECT_THAT(problems("[paths]\ndata = \"d\"\nvault = \"d\"\n"), ElementsAre(HasSubstr("paths.vault")));
  EXPECT_THAT(problems("[paths]\ndata = \"d/\"\nvault = \"d/x/../y\"\n"), ElementsAre(HasSubstr("paths.vault")));
  EXPECT_THAT(problems("[paths]\ndata = \"v/data\"\nvault = \"v\"\n"), ElementsAre(HasSubstr("paths.data")));
  EXPECT_THAT(problems("[paths]\ndata = \"d\"\nvault = \"d2\"\n"), IsEmpty());
}

TEST_F(ConfigCheck, CertificatesAreThereAndPrivate) {
  fs::permissions(dir_.path() / "key.pem", fs::perms::others_read, fs::perm_options::add);
  EXPECT_THAT(problems(""), ElementsAre(HasSubstr("public.key: others can read or change")));
  fs::remove(dir_.path() / "key.pem");
  EXPECT_THAT(problems(""), ElementsAre(HasSubstr("opalined.toml:3: public.key: no such file")));
}

TEST_F(ConfigCheck, PlaintextStaysOnLoopback) {
  EXPECT_THAT(problems("[operator]\nlisten = \"192.0.2.1:8444\"\n"),
              ElementsAre(HasSubstr("operator.listen: without operator.certificate")));
  EXPECT_THAT(problems("[operator]\nlisten = \"192.0.2.1:8444\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n"),
              IsEmpty());
  EXPECT_THAT(problems("[operator]\ncertificate = \"cert.pem\"\n"), ElementsAre(HasSubstr("give both or none")));
  EXPECT_THAT(problems("[metrics]\nlisten = \"0.0.0.0:9464\"\n"), ElementsAre(HasSubstr("loopback alone")));
}

TEST_F(ConfigCheck, AGatewayNeedsItsOwnSectionAndNoOther) {
  const std::string role = "[server]\nrole = \"gateway\"\n";
  const std::string listener = "certificate = \"cert.pem\"\nkey = \"key.pem\"\n";
  const std::string section = role + "[business]\n" + listener;
  const std::string good = section + "service = \"https://chat.example.org\"\n";
  EXPECT_THAT(problems(good), IsEmpty());
  EXPECT_THAT(problems(good + "[smtp]\nurl = \"https://x\"\n"), IsEmpty()) << "another role's";
  EXPECT_THAT(problems(section), ElementsAre(HasSubstr("business.service: must say where the service is")));
  EXPECT_THAT(problems(section + "service = \"http://chat.example.org\"\n"),
              ElementsAre(HasSubstr("no address of a service")));
  EXPECT_THAT(problems(good + "vault = \"/var/lib/opaline/gateway/keys\"\n"), ElementsAre(HasSubstr("business.vault")));
  EXPECT_THAT(problems(good + "enrolment_file = \"cert.pem\"\n"), ElementsAre(HasSubstr("with business.id alone")));
  EXPECT_THAT(problems(good + "id = \"6b1d2c3e-9f80-4a1b-8c7d-112233445566\"\n"),
              ElementsAre(HasSubstr("business.name"), HasSubstr("business.settings_file")));
  EXPECT_THAT(problems(good + "id = \"6b1d2c3e-9f80-4a1b-8c7d-112233445566\"\nname = \"Shop\"\n"
                              "settings_file = \"key.pem\"\n"),
              IsEmpty());
  EXPECT_THAT(problems(good + "base_url = \"ftp://x\"\n"), ElementsAre(HasSubstr("business.base_url")));
}

TEST_F(ConfigCheck, TheRoleSmsNeedsKannelAGatewayAndItsBusiness) {
  const std::string sms =
      "[server]\nrole = \"sms\"\n[sms]\nurl = \"http://127.0.0.1:13013/cgi-bin/sendsms\"\n"
      "password_file = \"key.pem\"\n";
  const std::string business = "carrier = \"6b1d2c3e-9f80-4a1b-8c7d-112233445566\"\n";
  const std::string gateway = "[carrier]\ngateway = \"https://localhost:8445\"\n";
  const std::string rest = "msp_id = \"msp-1\"\nmsp_secret_file = \"key.pem\"\nkannel_secret_file = \"key.pem\"\n";
  const std::string good = sms + business + gateway + rest;
  EXPECT_THAT(problems(good), IsEmpty());
  EXPECT_THAT(problems(good + "[smtp]\nurl = \"https://x\"\n"), IsEmpty()) << "another role's";
  EXPECT_THAT(problems(sms + gateway + rest), ElementsAre(HasSubstr("sms.carrier: must be the id")));
  EXPECT_THAT(problems(sms + "carrier = \"tea\"\n" + gateway + rest), ElementsAre(HasSubstr("must be the UUID")));
  EXPECT_THAT(problems(sms + business + "[carrier]\ngateway = \"http://localhost:8445\"\n" + rest),
              ElementsAre(HasSubstr("carrier.gateway: must say where")));
  EXPECT_THAT(problems(sms + business + gateway),
              ElementsAre(HasSubstr("carrier.msp_id"), HasSubstr("carrier.msp_secret_file: must name the file"),
                          HasSubstr("carrier.kannel_secret_file: must name the file")));
  EXPECT_THAT(problems(good + "listen = \"0.0.0.0:8447\"\n"), ElementsAre(HasSubstr("only loopback is allowed")));
  EXPECT_THAT(problems(good + "listen = \"0.0.0.0:8447\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n"), IsEmpty());
  EXPECT_THAT(problems(good + "kannel_listen = \"0.0.0.0:8448\"\n"), ElementsAre(HasSubstr("carrier.kannel_listen")));
  EXPECT_THAT(problems(good + "metrics = \"0.0.0.0:1\"\n"), ElementsAre(HasSubstr("carrier.metrics")));
  EXPECT_THAT(problems(good + "vault = \"/var/lib/opaline/sms/keys\"\n"), ElementsAre(HasSubstr("carrier.vault")));
  EXPECT_THAT(problems("[sms]\ncarrier = \"tea\"\n"), ElementsAre(HasSubstr("sms.carrier"))) << "of the service, too";
}

TEST_F(ConfigCheck, SettingsThatNeedEachOther) {
  EXPECT_THAT(problems("[smtp]\nuser = \"me\"\n"), ElementsAre(HasSubstr("smtp.password_file")));
  EXPECT_THAT(problems("[smtp]\nuser = \"me\"\npassword_file = \"key.pem\"\nallow_plaintext = true\n"),
              ElementsAre(HasSubstr("smtp.allow_plaintext")));
  EXPECT_THAT(problems("[smtp]\nurl = \"https://x\"\n"), ElementsAre(HasSubstr("smtp.url")));
  EXPECT_THAT(problems("[smtp]\nurl = \"https://x\"\n[registration]\ndelivery = \"outbox\"\n"), IsEmpty());
  EXPECT_THAT(problems("[paths]\nadmin_socket = \"/" + std::string(107, 'x') + "\"\n"),
              ElementsAre(HasSubstr("too long for a socket")));
  EXPECT_THAT(problems("[server]\nname = \"https://x/\"\n"), ElementsAre(HasSubstr("server.name")));
}

}  // namespace
}  // namespace opaline::server
