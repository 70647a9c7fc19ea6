#pragma once
// A certificate authority for development and tests: what `opalined --dev` runs on. Never for the public network.
#include <filesystem>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "net/error.hpp"

namespace opaline::net {

struct CertificatePaths {
  std::filesystem::path certificate{};  ///< PEM, mode 0644
  std::filesystem::path key{};          ///< PEM (PKCS #8), mode 0600
};

/// Makes an authority (ECDSA P-256, 10 years, path length 0) and writes it, each file atomically and synced, the key
/// first. Errors: permission_denied, file_unwritable; files that were there are then unchanged or replaced as a whole.
[[nodiscard]] Result<void, NetError> make_authority(const CertificatePaths& out, std::string_view common_name,
                                                    Time now);

struct ServerCertificateRequest {
  CertificatePaths authority{};
  CertificatePaths out{};
  /// DNS names and literal IP addresses.
  std::vector<std::string> names{};
  bool with_localhost = true;  ///< localhost, 127.0.0.1 and ::1 too
  Time now{};
  std::chrono::days valid_for{90};
};
/// Issues a server certificate with a new ECDSA P-256 key; `out.certificate` holds it followed by the authority's.
/// Errors: certificate_unreadable, key_unreadable, key_mismatch (the authority's files), address_invalid (a name that
/// is neither, or no name at all), permission_denied, file_unwritable.
[[nodiscard]] Result<void, NetError> issue_server_certificate(const ServerCertificateRequest& request);

struct CertificateStatus {
  Time not_before{};
  Time not_after{};
  std::string sha256_hex{};  ///< of the DER encoding
};
/// Reads the first certificate of a PEM file; certificate_unreadable otherwise.
[[nodiscard]] Result<CertificateStatus, NetError> read_certificate(const std::filesystem::path& file);

}  // namespace opaline::net
