#include "net/certificates.hpp"

#include <sys/stat.h>

#include "net/net_test_support.hpp"

namespace opaline::net {
namespace {

unsigned mode_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 0777U;
}

TEST(Certificates, files_modes_and_lifetimes) {
  const TemporaryFolder folder;
  const TestAuthority authority(folder);
  EXPECT_EQ(mode_of(authority.authority.key), 0600U);
  EXPECT_EQ(mode_of(authority.authority.certificate), 0644U);
  EXPECT_EQ(mode_of(authority.server.key), 0600U);
  const Time now = SystemClock().now();
  const auto root = read_certificate(authority.authority.certificate);
  const auto leaf = read_certificate(authority.server.certificate);
  ASSERT_TRUE(root.has_value() && leaf.has_value());
  EXPECT_LT(root->not_before, now);
  EXPECT_GT(root->not_after, now + std::chrono::days(3650));
  EXPECT_GT(leaf->not_after, now + std::chrono::days(89));
  EXPECT_LT(leaf->not_after, now + std::chrono::days(91));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(authority.server.key.parent_path())) {
    files += static_cast<std::size_t>(entry.is_regular_file());
  }
  EXPECT_EQ(files, 4U) << "no temporary file is left";
}

TEST(Certificates, errors_leave_what_was_there) {
  const TemporaryFolder folder;
  const TestAuthority authority(folder);
  const auto before = read_certificate(authority.server.certificate)->sha256_hex;
  ServerCertificateRequest request{
      .authority = authority.authority, .out = authority.server, .names = {"bad name"}, .now = SystemClock().now()};
  for (const std::string bad : {"bad name", "x,DNS:evil", "", "-x", "a:b", "x\ny"}) {
    request.names = {bad};
    EXPECT_EQ(issue_server_certificate(request).error(), NetError::address_invalid) << bad;
  }
  request.names = {};
  request.authority.key = authority.server.key;
  EXPECT_EQ(issue_server_certificate(request).error(), NetError::key_mismatch);
  request.authority.key = folder / "missing";
  EXPECT_EQ(issue_server_certificate(request).error(), NetError::key_unreadable);
  request.authority = {folder / "missing", authority.authority.key};
  EXPECT_EQ(issue_server_certificate(request).error(), NetError::certificate_unreadable);
  request.authority = authority.authority;
  request.out = {folder / "nowhere/x.pem", folder / "nowhere/x.key"};
  EXPECT_EQ(issue_server_certificate(request).error(), NetError::file_unwritable);
  EXPECT_EQ(read_certificate(authority.server.certificate)->sha256_hex, before);
  EXPECT_EQ(read_certificate(authority.server.key).error(), NetError::certificate_unreadable);
}

}  // namespace
}  // namespace opaline::net
