#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "crypto/random.hpp"
#include "identity/drivers/outbox_code_sender.hpp"
#include "identity/drivers/smtp_code_sender.hpp"

extern char** environ;

namespace opaline::identity {
namespace {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "opaline-identity-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Code code(std::string_view digits) {
  return Code(as_view(digits).first<6>());
}
Handle handle(std::string_view text) {
  return *normalize_handle(text);
}

// ---------------------------------------------------------------- outbox
TEST(Outbox, AppendsALineThatOnlyItsOwnerReads) {
  const TemporaryDirectory directory;
  const auto file = directory.path() / "outbox.jsonl";
  ManualClock clock(from_unix_millis(1'800'000'000'999));
  NullLog log;
  OutboxCodeSender sender(file, clock, log);
  EXPECT_EQ(sender.send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  EXPECT_EQ(sender.send(handle("+4915112345678"), code("999999"), seconds(600)), CodeQueued::queued);
  struct stat status{};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  std::ifstream in(file);
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  EXPECT_EQ(line, R"({"time":"2027-01-15T08:00:00Z","handle":"ada@example.org","code":"012345","valid_seconds":600})");
  ASSERT_TRUE(std::getline(in, line));
  EXPECT_NE(line.find(R"("code":"999999")"), std::string::npos);
  EXPECT_FALSE(std::getline(in, line));
}

TEST(Outbox, SaysSoWhereItCannotWrite) {
  const TemporaryDirectory directory;
  const SystemClock clock;
  NullLog log;
  OutboxCodeSender nowhere(directory.path() / "missing" / "outbox.jsonl", clock, log);
  EXPECT_EQ(nowhere.send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::busy);
  std::filesystem::create_symlink(directory.path() / "elsewhere", directory.path() / "link");
  OutboxCodeSender link(directory.path() / "link", clock, log);
  EXPECT_EQ(link.send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::busy)
      << "codes go through no link";
}

// ---------------------------------------------------------------- SMTP
/// drivers/fake_smtp.py in a process of its own.
class FakeSmtp {
 public:
  explicit FakeSmtp(std::vector<std::string> arguments) {
    int input[2], output[2];
    EXPECT_TRUE(pipe2(input, O_CLOEXEC) == 0 && pipe2(output, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    arguments.insert(arguments.begin(), {"python3", OPALINE_SOURCE_DIR "/src/identity/drivers/fake_smtp.py"});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    EXPECT_EQ(posix_spawnp(&process_, "python3", &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = fdopen(output[0], "r");
    const std::string first = event("listening");
    port_ = first.substr(first.find("port\": ") + 7);
    port_.erase(port_.find('}'));
  }
  ~FakeSmtp() {
    close(input_);  // ends it
    std::fclose(output_);
    waitpid(process_, nullptr, 0);
  }
  FakeSmtp(const FakeSmtp&) = delete;
  FakeSmtp& operator=(const FakeSmtp&) = delete;

  [[nodiscard]] std::string url(const char* scheme = "smtp") const {
    return std::string(scheme) + "://127.0.0.1:" + port_;
  }
  /// Waits for the next event of this kind; others are passed over. Empty: the server has ended.
  std::string event(const std::string& kind) {
    for (char line[8192]; std::fgets(line, sizeof(line), output_) != nullptr;) {
      if (std::string_view(line).find("\"connected\"") != std::string_view::npos) ++connections;
      if (std::string_view(line).find("\"event\": \"" + kind + "\"") != std::string_view::npos) return line;
    }
    return {};
  }
  std::size_t connections = 0;  ///< seen by event()

 private:
  pid_t process_ = -1;
  int input_ = -1;
  std::FILE* output_ = nullptr;
  std::string port_;
};

class CountingLog final : public Log {
 public:
  void event(LogLevel level, std::string_view, std::initializer_list<LogField> fields) override {
    const std::lock_guard lock(mutex);
    if (level >= LogLevel::warning) ++warnings;
    for (const LogField& field : fields) {
      if (const auto* text = std::get_if<std::string_view>(&field.value)) texts += std::string(*text);
    }
  }
  std::mutex mutex;
  int warnings = 0;
  std::string texts;
};

class Smtp : public ::testing::Test {
 protected:
  [[nodiscard]] SmtpSettings settings(const std::string& url) const {
    SmtpSettings out;
    out.url = url;
    out.from = "opaline@example.net";
    out.retry_after = milliseconds(1);
    return out;
  }
  [[nodiscard]] std::unique_ptr<SmtpCodeSender> start(SmtpSettings s) {
    auto sender = SmtpCodeSender::start(std::move(s), clock, random, log);
    EXPECT_TRUE(sender);
    return sender ? std::move(*sender) : nullptr;
  }
  /// Returns when `done` says so; a hang is ctest's to find.
  static SmtpCodeSender::Counters wait(const SmtpCodeSender& sender,
                                       const std::function<bool(const SmtpCodeSender::Counters&)>& done) {
    for (;;) {
      const auto counters = sender.counters();
      if (done(counters)) return counters;
      std::this_thread::yield();
    }
  }
  /// A certificate for 127.0.0.1 that signs itself, with its key, in one file.
  [[nodiscard]] std::string make_certificate() {
    const std::string file = (directory.path() / "cert.pem").string();
    const std::string command =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=fake -addext subjectAltName=IP:127.0.0.1 "
        "-keyout " +
        file + ".key -out " + file + ".crt 2>/dev/null && cat " + file + ".key " + file + ".crt > " + file;
    EXPECT_EQ(std::system(command.c_str()), 0);
    return file;
  }
  TemporaryDirectory directory;
  SystemClock clock;
  crypto::SystemRandom random;
  CountingLog log;
};

TEST_F(Smtp, SendsAMailWithTheCode) {
  FakeSmtp server({"plain"});
  auto plain = settings(server.url());
  plain.allow_plaintext = true;
  const auto sender = start(std::move(plain));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  const std::string mail = server.event("mail");
  EXPECT_NE(mail.find("FROM:<opaline@example.net>"), std::string::npos);
  EXPECT_NE(mail.find("TO:<ada@example.org>"), std::string::npos);
  EXPECT_NE(mail.find(R"(To: <ada@example.org>\r\n)"), std::string::npos);
  EXPECT_NE(mail.find(R"(Subject: Opaline code\r\n)"), std::string::npos)
      << "no code where lock screens and logs show it";
  EXPECT_NE(mail.find(R"(\r\n\r\n012345\r\n)"), std::string::npos);
  EXPECT_NE(mail.find("10 minutes"), std::string::npos);
  EXPECT_NE(mail.find("@example.net>\\r\\nSubject"), std::string::npos) << "a Message-ID under the sender's domain";
  const auto counters = wait(*sender, [](const auto& c) { return c.sent == 1; });
  EXPECT_EQ(counters.waiting, 0u);
  EXPECT_EQ(sender->send(handle("+4915112345678"), code("012345"), seconds(600)), CodeQueued::unsupported);
}

TEST_F(Smtp, SendsManyOverOneConnection) {
  FakeSmtp server({"plain"});
  auto plain = settings(server.url());
  plain.allow_plaintext = true;
  const auto sender = start(std::move(plain));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(sender->send(handle("a" + std::to_string(i) + "@example.org"), code("012345"), seconds(600)),
              CodeQueued::queued);
  }
  EXPECT_FALSE(server.event("connected").empty());
  for (int i = 0; i < 20; ++i)
    EXPECT_NE(server.event("mail").find("TO:<a" + std::to_string(i) + "@"), std::string::npos);
  EXPECT_EQ(server.connections, 1u);
}

TEST_F(Smtp, SendsNothingInTheClearUnlessTold) {
  FakeSmtp server({"plain"});
  auto strict = settings(server.url());
  strict.tries = 2;
  const auto sender = start(std::move(strict));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  const auto counters = wait(*sender, [](const auto& c) { return c.dropped == 1; });
  EXPECT_EQ(counters.retried, 1u);
  EXPECT_EQ(counters.sent, 0u);
  EXPECT_TRUE(sender->failing(HandleKind::email));
  EXPECT_EQ(log.warnings, 1) << "said once, not once per mail";
  EXPECT_EQ(log.texts.find("ada"), std::string::npos);
}

TEST_F(Smtp, UsesStartTlsAndLogsIn) {
  const std::string certificate = make_certificate();
  FakeSmtp server({"starttls", "--cert", certificate});
  auto secure = settings(server.url());
  secure.ca_file = certificate + ".crt";
  secure.user = "mailer";
  secure.password = to_secret_bytes(as_view("secret"));
  const auto sender = start(std::move(secure));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  const std::string mail = server.event("mail");
  EXPECT_NE(mail.find("\"secure\": true"), std::string::npos);
  EXPECT_NE(mail.find("\"user\": \"/mailer/secret\""), std::string::npos);
}

TEST_F(Smtp, UsesTlsFromTheStart) {
  const std::string certificate = make_certificate();
  FakeSmtp server({"smtps", "--cert", certificate});
  auto secure = settings(server.url("smtps"));
  secure.ca_file = certificate + ".crt";
  const auto sender = start(std::move(secure));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  EXPECT_NE(server.event("mail").find("\"secure\": true"), std::string::npos);
}

TEST_F(Smtp, RefusesACertificateThatNobodyVouchesFor) {
  const std::string certificate = make_certificate();
  FakeSmtp server({"starttls", "--cert", certificate});
  auto secure = settings(server.url());
  secure.tries = 1;
  const auto sender = start(std::move(secure));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  EXPECT_EQ(wait(*sender, [](const auto& c) { return c.dropped + c.sent > 0; }).sent, 0u);
}

TEST_F(Smtp, TriesAgainWhatWasRefusedForNow) {
  FakeSmtp server({"plain", "--temporary", "2"});
  auto plain = settings(server.url());
  plain.allow_plaintext = true;
  const auto sender = start(std::move(plain));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  EXPECT_FALSE(server.event("temporary").empty());
  EXPECT_FALSE(server.event("temporary").empty());
  EXPECT_FALSE(server.event("mail").empty());
  EXPECT_EQ(wait(*sender, [](const auto& c) { return c.sent == 1; }).retried, 2u);
  EXPECT_FALSE(sender->failing(HandleKind::email));
}

TEST_F(Smtp, OneAddressThatIsPutOffIsNoFailure) {
  FakeSmtp server({"plain", "--temporary", "2"});
  auto plain = settings(server.url());
  plain.allow_plaintext = true;
  plain.tries = 2;
  const auto sender = start(std::move(plain));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  EXPECT_EQ(wait(*sender, [](const auto& c) { return c.dropped == 1; }).sent, 0u);
  EXPECT_FALSE(sender->failing(HandleKind::email));
}

TEST_F(Smtp, FailingEndsByItself) {
  FakeSmtp server({"plain"});
  auto strict = settings(server.url());
  strict.tries = 1;
  strict.failing_for = milliseconds(0);
  const auto sender = start(std::move(strict));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  EXPECT_EQ(wait(*sender, [](const auto& c) { return c.dropped == 1; }).sent, 0u);
  EXPECT_FALSE(sender->failing(HandleKind::email));
}

TEST_F(Smtp, DropsWhatWasRefusedForGood) {
  FakeSmtp server({"plain", "--refuse"});
  auto plain = settings(server.url());
  plain.allow_plaintext = true;
  const auto sender = start(std::move(plain));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  const auto counters = wait(*sender, [](const auto& c) { return c.refused == 1; });
  EXPECT_EQ(counters.retried, 0u);
  EXPECT_FALSE(sender->failing(HandleKind::email)) << "anybody can name an address that does not exist";
  EXPECT_EQ(log.warnings, 0) << "anybody can name an address that does not exist";
}

TEST_F(Smtp, DropsWhatCameTooLate) {
  FakeSmtp server({"plain"});
  auto plain = settings(server.url());
  plain.allow_plaintext = true;
  const auto sender = start(std::move(plain));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(0)), CodeQueued::queued);
  EXPECT_EQ(wait(*sender, [](const auto& c) { return c.dropped == 1; }).sent, 0u);
}

TEST_F(Smtp, HasABoundedQueueAndEndsWhileAServerHangs) {
  FakeSmtp server({"plain", "--hang"});
  auto plain = settings(server.url());
  plain.allow_plaintext = true;
  plain.max_waiting = 3;
  const auto sender = start(std::move(plain));
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  EXPECT_FALSE(server.event("connected").empty());  // the first is under way, for ever
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::queued);
  EXPECT_EQ(sender->send(handle("ada@example.org"), code("012345"), seconds(600)), CodeQueued::busy);
  EXPECT_EQ(sender->counters().waiting, 3u);
}  // and the sender goes without waiting for its timeout

TEST_F(Smtp, SaysWhatIsWrongWithItsSettings) {
  const auto error = [&](const std::function<void(SmtpSettings&)>& change) {
    auto s = settings("smtp://127.0.0.1:1");
    change(s);
    const auto sender = SmtpCodeSender::start(std::move(s), clock, random, log);
    return !sender && sender.error() == SmtpError::bad_settings;
  };
  EXPECT_FALSE(error([](SmtpSettings&) {}));
  EXPECT_TRUE(error([](SmtpSettings& s) { s.url = "http://127.0.0.1"; }));
  EXPECT_TRUE(error([](SmtpSettings& s) { s.url = "file:///etc/passwd"; }));
  EXPECT_TRUE(error([](SmtpSettings& s) { s.from = "opaline"; }));
  EXPECT_TRUE(error([](SmtpSettings& s) { s.from = "a@b\r\nRCPT TO:<c@d>"; }));
  EXPECT_TRUE(error([](SmtpSettings& s) { s.service_name = "a\r\nBcc: b@c"; }));
  EXPECT_TRUE(error([](SmtpSettings& s) {
    s.allow_plaintext = true;
    s.user = "mailer";
  }));
}

}  // namespace
}  // namespace opaline::identity
