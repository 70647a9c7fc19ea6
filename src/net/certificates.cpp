#include "net/certificates.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/secret.hpp"
#include "net/internal/socket.hpp"

namespace opaline::net {
namespace {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using File = std::unique_ptr<BIO, Freed<BIO_free_all>>;

constexpr std::chrono::days kAuthorityLifetime{3653};
/// Clocks of one test network may differ.
constexpr std::chrono::hours kBackdated{1};

Key new_key() {
  Key out(EVP_EC_gen("P-256"));
  OPALINE_ASSERT(out != nullptr);
  return out;
}

/// A certificate with the fields that both kinds share, not signed yet.
Certificate new_certificate(EVP_PKEY* key, std::string_view common_name, Time from, Time to) {
  Certificate out(X509_new());
  OPALINE_ASSERT(out != nullptr && X509_set_version(out.get(), X509_VERSION_3) == 1);
  unsigned char serial[16];
  OPALINE_ASSERT(RAND_bytes(serial, sizeof serial) == 1);
  serial[0] &= 0x7f;  // positive (RFC 5280 section 4.1.2.2)
  serial[0] |= 0x40;
  const std::unique_ptr<BIGNUM, Freed<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
  OPALINE_ASSERT(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(out.get())) != nullptr);
  const auto seconds_of = [](Time t) { return std::chrono::duration_cast<seconds>(t.time_since_epoch()).count(); };
  OPALINE_ASSERT(ASN1_TIME_set(X509_getm_notBefore(out.get()), seconds_of(from)) != nullptr);
  OPALINE_ASSERT(ASN1_TIME_set(X509_getm_notAfter(out.get()), seconds_of(to)) != nullptr);
  const std::string name(common_name.substr(0, 64));  // ub-common-name
  X509_NAME* subject = X509_get_subject_name(out.get());
  OPALINE_ASSERT(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                            reinterpret_cast<const unsigned char*>(name.c_str()),
                                            static_cast<int>(name.size()), -1, 0) == 1);
  OPALINE_ASSERT(X509_set_pubkey(out.get(), key) == 1);
  return out;
}

void add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  OPALINE_ASSERT(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

SecretBytes contents(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return to_secret_bytes(as_view({data, static_cast<std::size_t>(size)}));
}

SecretBytes key_pem(EVP_PKEY* key) {
  const File memory(BIO_new(BIO_s_secmem()));
  OPALINE_ASSERT(memory && PEM_write_bio_PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return contents(memory.get());
}

SecretBytes certificate_pem(std::initializer_list<X509*> chain) {
  const File memory(BIO_new(BIO_s_mem()));
  OPALINE_ASSERT(memory != nullptr);
  for (X509* certificate : chain) OPALINE_ASSERT(PEM_write_bio_X509(memory.get(), certificate) == 1);
  return contents(memory.get());
}

NetError file_error() {
  return errno == EACCES || errno == EPERM || errno == EROFS ? NetError::permission_denied : NetError::file_unwritable;
}

bool write_all(int fd, ByteView data) {
  while (!data.empty()) {
    const ssize_t written = ::write(fd, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data = data.subspan(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0;
}

/// Readers see the old file or the whole new one; its mode is right from the first byte on.
Result<void, NetError> write_file(const std::filesystem::path& path, ByteView data, mode_t mode) {
  std::string temporary = path.string() + ".XXXXXX";
  const internal::UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));  // 0600
  if (!fd) return fail(file_error());
  const bool written =
      write_all(fd.get(), data) && ::fchmod(fd.get(), mode) == 0 && ::rename(temporary.c_str(), path.c_str()) == 0;
  if (!written) {
    const NetError error = file_error();
    ::unlink(temporary.c_str());
    return fail(error);
  }
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const internal::UniqueFd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return fail(NetError::file_unwritable);
  return {};
}

Result<Certificate, NetError> load_certificate(const std::filesystem::path& path) {
  const File file(BIO_new_file(path.c_str(), "r"));
  Certificate out(file ? PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr) : nullptr);
  ERR_clear_error();
  if (!out) return fail(NetError::certificate_unreadable);
  return out;
}

Result<Key, NetError> load_key(const std::filesystem::path& path) {
  const File file(BIO_new_file(path.c_str(), "r"));
  const auto no_passphrase = [](char*, int, int, void*) { return 0; };
  Key out(file ? PEM_read_bio_PrivateKey(file.get(), nullptr, no_passphrase, nullptr) : nullptr);
  ERR_clear_error();
  if (!out) return fail(NetError::key_unreadable);
  return out;
}

bool is_dns_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= 253 && std::ranges::all_of(name, allowed) && name.front() != '.' &&
         name.front() != '-';
}

Result<std::string, NetError> alternative_names(const ServerCertificateRequest& request) {
  std::string out = request.with_localhost ? "DNS:localhost,IP:127.0.0.1,IP:::1" : "";
  for (const std::string& name : request.names) {
    const bool is_ip = internal::ip_address(name, 0).has_value();
    if (!is_ip && !is_dns_name(name)) return fail(NetError::address_invalid);
    out += (out.empty() ? "" : ",") + std::string(is_ip ? "IP:" : "DNS:") + name;
  }
  if (out.empty()) return fail(NetError::address_invalid);
  return out;
}

Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  OPALINE_ASSERT(ASN1_TIME_to_tm(time, &parts) == 1);
  return Time(seconds(::timegm(&parts)));
}

}  // namespace

Result<void, NetError> make_authority(const CertificatePaths& out, std::string_view common_name, Time now) {
  const Key key = new_key();
  const Certificate certificate = new_certificate(key.get(), common_name, now - kBackdated, now + kAuthorityLifetime);
  X509* const self = certificate.get();
  OPALINE_ASSERT(X509_set_issuer_name(self, X509_get_subject_name(self)) == 1);
  add_extension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(self, self, NID_subject_key_identifier, "hash");
  OPALINE_ASSERT(X509_sign(self, key.get(), EVP_sha256()) > 0);
  OPALINE_CHECK(write_file(out.key, key_pem(key.get()), 0600));
  return write_file(out.certificate, certificate_pem({self}), 0644);
}

Result<void, NetError> issue_server_certificate(const ServerCertificateRequest& request) {
  OPALINE_TRY(const std::string names, alternative_names(request));
  OPALINE_TRY(const Certificate authority, load_certificate(request.authority.certificate));
  OPALINE_TRY(const Key authority_key, load_key(request.authority.key));
  if (X509_check_private_key(authority.get(), authority_key.get()) != 1) {
    ERR_clear_error();
    return fail(NetError::key_mismatch);
  }
  const Key key = new_key();
  const std::string name = request.names.empty() ? "localhost" : request.names.front();
  const Certificate certificate =
      new_certificate(key.get(), name, request.now - kBackdated, request.now + request.valid_for);
  X509* const self = certificate.get();
  OPALINE_ASSERT(X509_set_issuer_name(self, X509_get_subject_name(authority.get())) == 1);
  add_extension(self, authority.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(self, authority.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(self, authority.get(), NID_ext_key_usage, "serverAuth");
  add_extension(self, authority.get(), NID_subject_key_identifier, "hash");
  add_extension(self, authority.get(), NID_authority_key_identifier, "keyid");
  add_extension(self, authority.get(), NID_subject_alt_name, names);
  OPALINE_ASSERT(X509_sign(self, authority_key.get(), EVP_sha256()) > 0);
  OPALINE_CHECK(write_file(request.out.key, key_pem(key.get()), 0600));
  return write_file(request.out.certificate, certificate_pem({self, authority.get()}), 0644);
}

Result<CertificateStatus, NetError> read_certificate(const std::filesystem::path& file) {
  OPALINE_TRY(const Certificate certificate, load_certificate(file));
  ByteArray<32> digest{};
  unsigned size = 0;
  OPALINE_ASSERT(X509_digest(certificate.get(), EVP_sha256(), reinterpret_cast<unsigned char*>(digest.data()), &size) ==
                 1);
  return CertificateStatus{.not_before = time_of(X509_get0_notBefore(certificate.get())),
                           .not_after = time_of(X509_get0_notAfter(certificate.get())),
                           .sha256_hex = to_hex(digest)};
}

}  // namespace opaline::net
