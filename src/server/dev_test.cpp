#include "server/dev.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "net/certificates.hpp"
#include "server/test_support/temporary_directory.hpp"

namespace opaline::server {
namespace {

namespace fs = std::filesystem;
constexpr Time kNow = from_unix_millis(1'767'225'600'000);

class Dev : public testing::Test {
 protected:
  std::string fingerprint(const fs::path& file) {
    const auto certificate = net::read_certificate(file);
    EXPECT_TRUE(certificate);
    return certificate ? certificate->sha256_hex : "";
  }
  TemporaryDirectory dir_;
  const fs::path home_ = dir_.path() / "home";
};

TEST_F(Dev, MakesAConfigurationThatIsGood) {
  const auto files = prepare_dev(home_, kNow);
  ASSERT_TRUE(files) << files.error();
  const auto loaded = load_config(files->config);
  ASSERT_TRUE(loaded) << loaded.error().front().text();
  for (const auto& problem : check_config(*loaded)) ADD_FAILURE() << problem.text();
  EXPECT_EQ(loaded->config.paths.data, files->directory / "data");
  EXPECT_EQ(loaded->config.paths.vault, files->directory / "vault");
  EXPECT_EQ(loaded->config.paths.ports_file, files->ports);
  EXPECT_EQ(loaded->config.registration.outbox_file, files->outbox);
  EXPECT_EQ(loaded->config.registration.delivery, CodeDelivery::outbox);
  EXPECT_EQ(fs::status(home_).permissions(), fs::perms::owner_all);
}

TEST_F(Dev, WhatIsThereStays) {
  const auto files = prepare_dev(home_, kNow);
  ASSERT_TRUE(files);
  const auto authority = fingerprint(files->authority);
  const auto certificate = fingerprint(files->certificate);
  std::ofstream(files->config, std::ios::app) << "\n# mine\n";
  const auto size = fs::file_size(files->config);
  ASSERT_TRUE(prepare_dev(home_, kNow + std::chrono::days(1)));
  EXPECT_EQ(fingerprint(files->authority), authority);
  EXPECT_EQ(fingerprint(files->certificate), certificate);
  EXPECT_EQ(fs::file_size(files->config), size);
}

TEST_F(Dev, ACertificateThatEndsSoonIsIssuedAgain) {
  const auto files = prepare_dev(home_, kNow);
  ASSERT_TRUE(files);
  const auto certificate = fingerprint(files->certificate);
  const auto authority = fingerprint(files->authority);
  ASSERT_TRUE(prepare_dev(home_, kNow + std::chrono::days(80)));
  EXPECT_NE(fingerprint(files->certificate), certificate);
  EXPECT_EQ(fingerprint(files->authority), authority) << "clients go on trusting it";
}

TEST_F(Dev, PortsFollowOneAnother) {
  const auto files = prepare_dev(home_, kNow);
  ASSERT_TRUE(files);
  const auto moved = load_config(files->config, dev_port_overrides(9000));
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->config.public_listener.listen, "127.0.0.1:9000");
  EXPECT_EQ(moved->config.operator_listener.listen, "127.0.0.1:9001");
  EXPECT_EQ(moved->config.metrics.listen, "127.0.0.1:9002");
  const auto any = load_config(files->config, dev_port_overrides(0));
  ASSERT_TRUE(any);
  EXPECT_EQ(any->config.metrics.listen, "127.0.0.1:0");
}

TEST_F(Dev, ADirectoryThatCannotBeIsNamed) {
  std::ofstream(home_) << "a file";
  const auto files = prepare_dev(home_, kNow);
  ASSERT_FALSE(files);
  EXPECT_THAT(files.error(), testing::HasSubstr("cannot make the directory"));
}

}  // namespace
}  // namespace opaline::server
