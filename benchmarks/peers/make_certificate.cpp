// make_certificate DIR: an authority (ca.pem) and a certificate for localhost (server.pem, server.key) for the peers,
// of the same kind as `opalined --dev` makes.
#include <cstdio>
#include <filesystem>

#include "net/certificates.hpp"

int main(int argc, char** argv) {
  using namespace opaline;
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_certificate DIR\n");
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  const Time now = SystemClock().now();
  const net::CertificatePaths authority{directory / "ca.pem", directory / "ca.key"};
  const net::CertificatePaths server{directory / "server.pem", directory / "server.key"};
  if (!net::make_authority(authority, "Opaline benchmark authority", now) ||
      !net::issue_server_certificate({.authority = authority, .out = server, .names = {}, .now = now})) {
    std::fprintf(stderr, "make_certificate: cannot write to %s\n", argv[1]);
    return 1;
  }
  return 0;
}
