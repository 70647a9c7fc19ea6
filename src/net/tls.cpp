#include "net/tls.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace opaline::net {
namespace {

// The hybrid (draft-ietf-tls-ecdhe-mlkem) in a class of its own: a client that has it but guessed a classical key share
// is asked again (HelloRetryRequest) rather than taken at its guess. The classical ones are for clients that lack it.
constexpr const char* kGroups = "X25519MLKEM768/X25519:P-256";
// TLS 1.2 (business listener): forward secrecy and AEAD alone (RFC 9325 section 4.2).
constexpr const char* kTls12Ciphers =
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kTls13Ciphers = "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";

int number(TlsVersion version) {
  return version == TlsVersion::tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

/// What both roles have in common. Failing here is a wrong build of OpenSSL, not input.
void configure(SSL_CTX* context, TlsVersion minimum, bool cleanse_plaintext) {
  OPALINE_ASSERT(SSL_CTX_set_min_proto_version(context, number(minimum)) == 1);
  OPALINE_ASSERT(SSL_CTX_set1_groups_list(context, kGroups) == 1);
  OPALINE_ASSERT(SSL_CTX_set_ciphersuites(context, kTls13Ciphers) == 1);
  OPALINE_ASSERT(SSL_CTX_set_cipher_list(context, kTls12Ciphers) == 1);
  // No resumption: a ticket costs memory and a second way in, and long-lived connections gain nothing by it. The
  // identity proof is bound to the exporter of the full handshake.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (cleanse_plaintext) SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/// Every certificate of a PEM text; false if one is damaged or there is none.
bool trust_pem(SSL_CTX* context, const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                     BIO_free);
  OPALINE_ASSERT(in != nullptr);
  std::size_t count = 0;
  for (;; ++count) {
    const std::unique_ptr<X509, decltype(&X509_free)> authority(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr),
                                                                X509_free);
    if (!authority) break;
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1) return false;
  }
  return count > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;  // the end, not damage
}

bool trust(SSL_CTX* context, const TlsClientOptions& options) {
  if (!options.authority_file.empty()) return SSL_CTX_load_verify_file(context, options.authority_file.c_str()) == 1;
  if (!options.authority_pem.empty()) return trust_pem(context, options.authority_pem);
  return SSL_CTX_set_default_verify_paths(context) == 1;
}

/// A key file's passphrase is never asked for on the terminal.
int no_passphrase(char*, int, int, void*) {
  return 0;
}

}  // namespace

void TlsServerContext::Free::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}
void TlsClientContext::Free::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

namespace {

Result<void, NetError> load_identity(SSL_CTX* context, const TlsServerOptions& options) {
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
    ERR_clear_error();
    return fail(NetError::certificate_unreadable);
  }
  if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool mismatch = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
                          ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH;
    ERR_clear_error();
    return fail(mismatch ? NetError::key_mismatch : NetError::key_unreadable);
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    return fail(NetError::key_mismatch);
  }
  return {};
}

}  // namespace

TlsServerContext::TlsServerContext(TlsServerOptions options, std::unique_ptr<ssl_ctx_st, Free> context)
    : options_(std::move(options)), context_(std::move(context)) {}
TlsServerContext::TlsServerContext(TlsServerContext&&) noexcept = default;
TlsServerContext& TlsServerContext::operator=(TlsServerContext&&) noexcept = default;
TlsServerContext::~TlsServerContext() = default;

Result<TlsServerContext, NetError> TlsServerContext::create(TlsServerOptions options) {
  std::unique_ptr<ssl_ctx_st, Free> context(SSL_CTX_new(TLS_server_method()));
  OPALINE_ASSERT(context != nullptr);
  configure(context.get(), options.minimum, options.cleanse_plaintext);
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  OPALINE_CHECK(load_identity(context.get(), options));
  return TlsServerContext(std::move(options), std::move(context));
}

Result<void, NetError> TlsServerContext::reload() {
  // A fresh context: connections that are open hold a reference to the old one until they end.
  OPALINE_TRY(TlsServerContext fresh, create(options_));
  context_ = std::move(fresh.context_);
  return {};
}

TlsClientContext::TlsClientContext(std::unique_ptr<ssl_ctx_st, Free> context) : context_(std::move(context)) {}
TlsClientContext::TlsClientContext(TlsClientContext&&) noexcept = default;
TlsClientContext& TlsClientContext::operator=(TlsClientContext&&) noexcept = default;
TlsClientContext::~TlsClientContext() = default;

Result<TlsClientContext, NetError> TlsClientContext::create(const TlsClientOptions& options) {
  std::unique_ptr<ssl_ctx_st, Free> context(SSL_CTX_new(TLS_client_method()));
  OPALINE_ASSERT(context != nullptr);
  configure(context.get(), options.minimum, options.cleanse_plaintext);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const bool loaded = trust(context.get(), options);
  ERR_clear_error();
  if (!loaded) return fail(NetError::certificate_unreadable);
  return TlsClientContext(std::move(context));
}

}  // namespace opaline::net
