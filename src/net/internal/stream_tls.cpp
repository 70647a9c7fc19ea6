// The TLS half of Stream: OpenSSL over memory.
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "net/internal/socket.hpp"
#include "net/internal/stream.hpp"

namespace opaline::net::internal {

void Stream::attach_tls(SSL_CTX* tls) {
  ssl_.reset(SSL_new(tls));
  BIO* bio = BIO_new(bio_method());
  OPALINE_ASSERT(ssl_ != nullptr && bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  if ((SSL_get_options(ssl_.get()) & SSL_OP_CLEANSE_PLAINTEXT) != 0) core_.buffers().cleanse_from_now();
}

// ---- OpenSSL's view of the socket

const BIO_METHOD* Stream::bio_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* out = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "opaline shared buffers");
    OPALINE_ASSERT(out != nullptr);
    BIO_meth_set_read_ex(out, bio_read);
    BIO_meth_set_write_ex(out, bio_write);
    BIO_meth_set_ctrl(out, bio_control);
    return out;
  }();
  return method;
}

int Stream::bio_read(BIO* bio, char* out, std::size_t size, std::size_t* got) {
  auto& self = *static_cast<Stream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self.received_.empty()) {
    BIO_set_retry_read(bio);
    return 0;
  }
  *got = std::min(size, self.received_.size());
  std::memcpy(out, self.received_.data(), *got);
  self.received_ = self.received_.subspan(*got);
  return 1;
}

int Stream::bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
  auto& self = *static_cast<Stream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  append(self.core_.buffers().records(), as_view({data, size}));
  *written = size;
  return 1;
}

long Stream::bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/// The client's side: whom the certificate must name. False for a name that cannot be in one: that must fail the
/// connection, never skip the check.
bool Stream::expect_host(const std::string& host) {
  SSL* ssl = ssl_.get();
  SSL_set_connect_state(ssl);
  if (ip_address(host, 0)) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
}

namespace {

/// OpenSSL keeps the peer's ephemeral key (6 KiB with ML-KEM-768, more than a fifth of an idle connection) until the
/// connection ends, only to answer SSL_get_peer_tmp_key. Giving that object another type frees what it holds.
void forget_peer_share(SSL* ssl) {
  EVP_PKEY* share = nullptr;
  if (SSL_get_peer_tmp_key(ssl, &share) == 1) {
    EVP_PKEY_set_type(share, EVP_PKEY_X25519);
    EVP_PKEY_free(share);
  }
  ERR_clear_error();
}

}  // namespace

void Stream::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  const int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), done);
  if (!send_records()) return;
  if (error == SSL_ERROR_WANT_READ) return;
  if (error != SSL_ERROR_NONE) {
    const bool rejected = SSL_get_verify_result(ssl_.get()) != X509_V_OK;
    return end(rejected ? StreamEnd::certificate_rejected : StreamEnd::tls_failed);
  }
  if (SSL_version(ssl_.get()) == TLS1_3_VERSION) forget_peer_share(ssl_.get());
  open_ = true;
  owner_->on_stream_open();
}

void Stream::decrypt() {
  SSL* ssl = ssl_.get();
  const std::span<std::byte> plain = core_.buffers().plain();
  std::size_t used = 0;
  int error = SSL_ERROR_NONE;
  ERR_clear_error();
  // As many records as this read brought; a last incomplete one moves into OpenSSL's own buffer.
  while (error == SSL_ERROR_NONE) {
    std::size_t got = 0;
    if (SSL_read_ex(ssl, plain.data() + used, plain.size() - used, &got) != 1) {
      error = SSL_get_error(ssl, 0);
      break;
    }
    used += got;
    if (used < plain.size()) continue;
    deliver_and_wipe(plain);
    if (closed() || finishing_) return;
    used = 0;
  }
  if (!send_records()) return;
  if (used != 0) deliver_and_wipe(plain.first(used));
  if (closed() || error == SSL_ERROR_WANT_READ) return;
  end(error == SSL_ERROR_ZERO_RETURN ? StreamEnd::clean : StreamEnd::tls_failed);
}

void Stream::encrypt() {
  ERR_clear_error();
  std::size_t done = 0;
  while (done < kWriteBytes && plain_sent_ < plain_out_.size()) {
    std::size_t written = 0;
    const std::size_t left = plain_out_.size() - plain_sent_;
    if (SSL_write_ex(ssl_.get(), plain_out_.data() + plain_sent_, left, &written) != 1)
      return end(StreamEnd::tls_failed);
    plain_sent_ += written;
    done += written;
  }
}

std::optional<ChannelBinding> Stream::channel_binding() const {
  // RFC 9266 section 4.2: with TLS 1.2 the binding would depend on the extended master secret; we offer it on 1.3
  // alone.
  if (!ssl_ || !open_ || SSL_version(ssl_.get()) != TLS1_3_VERSION) return std::nullopt;
  static constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  ChannelBinding out{};
  const int done = SSL_export_keying_material(ssl_.get(), reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                              kLabel.data(), kLabel.size(), nullptr, 0, 1);
  if (done != 1) return std::nullopt;
  return out;
}

}  // namespace opaline::net::internal
