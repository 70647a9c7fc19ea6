#include "load/tls_stream.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "load/die.hpp"

namespace opaline::bench {
namespace {

// One for the process: nothing of it is kept between calls of pull().
constexpr std::size_t kReceiveBytes = 512 * 1024;
std::byte* receive_buffer() {
  static const std::unique_ptr<std::byte[]> buffer(new std::byte[kReceiveBytes]);
  return buffer.get();
}

constexpr std::size_t kRecordBytes = 16 * 1024;  // RFC 8446 section 5.1

[[noreturn]] void die_tls(const char* what) {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  die(std::string(what) + ": " + text);
}

TlsContext context_of(const SSL_METHOD* method) {
  TlsContext context(SSL_CTX_new(method));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1) die_tls("TLS context");
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  return context;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connect_loopback(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die_errno("socket");
  const sockaddr_in address = loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die_errno("connect");
  return fd;
}

}  // namespace

/// OpenSSL's way to the bytes: from `incoming_`, into `ciphertext_`, never to the socket.
struct StreamBio {
  static int read(BIO* bio, char* out, int size) {
    auto* stream = static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const std::size_t taken = std::min(stream->incoming_.size(), static_cast<std::size_t>(size));
    if (taken == 0) {
      BIO_set_retry_read(bio);
      return -1;
    }
    std::memcpy(out, stream->incoming_.data(), taken);
    stream->incoming_ = stream->incoming_.subspan(taken);
    return static_cast<int>(taken);
  }
  static int write(BIO* bio, const char* bytes, int size) {
    auto* stream = static_cast<TlsStream*>(BIO_get_data(bio));
    stream->ciphertext_.append(as_view({bytes, static_cast<std::size_t>(size)}));
    return size;
  }
  static long ctrl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "load stream");
      BIO_meth_set_read(method, read);
      BIO_meth_set_write(method, write);
      BIO_meth_set_ctrl(method, ctrl);
      return method;
    }();
    return made;
  }
};

TlsContext client_context(const std::string& authority_file) {
  TlsContext context = context_of(TLS_client_method());
  if (SSL_CTX_load_verify_locations(context.get(), authority_file.c_str(), nullptr) != 1) die_tls("authority file");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

TlsContext server_context(const std::string& certificate_file, const std::string& key_file) {
  TlsContext context = context_of(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_file.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    die_tls("certificate");
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  return context;
}

int listen_on_loopback(std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof address;
  if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(fd, 1024) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    die_errno("listen");
  port = ntohs(address.sin_port);
  return fd;
}

bool accepts_connections(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die_errno("socket");
  const sockaddr_in address = loopback(port);
  const bool connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return connected;
}

void TlsStream::attach(SSL_CTX* context) {
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ssl_ = SSL_new(context);
  BIO* bio = BIO_new(StreamBio::method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
}

TlsStream::TlsStream(SSL_CTX* context, const Target& target) : socket_(connect_loopback(target.port)) {
  attach(context);
  if (!handshake(target.name)) die_tls("TLS handshake");
}

TlsStream::TlsStream(ServerSide, SSL_CTX* context, int accepted_socket) : socket_(accepted_socket) {
  attach(context);
  SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() {
  SSL_free(ssl_);
  ::close(socket_);
}

bool TlsStream::handshake(const std::string& name) {
  SSL_set_tlsext_host_name(ssl_, name.c_str());
  SSL_set1_host(ssl_, name.c_str());
  SSL_set_connect_state(ssl_);
  while (SSL_is_init_finished(ssl_) == 0) {
    const int done = SSL_do_handshake(ssl_);
    if (done != 1 && SSL_get_error(ssl_, done) != SSL_ERROR_WANT_READ) return false;
    (void)send_ciphertext();
    if (done == 1) break;
    const ssize_t got = ::recv(socket_, receive_buffer(), kReceiveBytes, 0);
    if (got <= 0) return false;
    incoming_ = {receive_buffer(), static_cast<std::size_t>(got)};
  }
  return decrypt();  // what came behind the handshake: tickets
}

void TlsStream::set_nonblocking() {
  if (::fcntl(socket_, F_SETFL, O_NONBLOCK) != 0) die_errno("fcntl");
}

ByteArray<32> TlsStream::channel_binding() const {
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  ByteArray<32> out{};
  if (SSL_export_keying_material(ssl_, reinterpret_cast<unsigned char*>(out.data()), out.size(), kLabel.data(),
                                 kLabel.size(), nullptr, 0, 0) != 1)
    die_tls("exporter");
  return out;
}

bool TlsStream::decrypt() {
  for (;;) {
    const int got = SSL_read(ssl_, input.room(kRecordBytes), kRecordBytes);
    if (got <= 0) return SSL_get_error(ssl_, got) == SSL_ERROR_WANT_READ;
    input.commit(static_cast<std::size_t>(got));
  }
}

bool TlsStream::pull() {
  const ssize_t got = ::recv(socket_, receive_buffer(), kReceiveBytes, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  incoming_ = {receive_buffer(), static_cast<std::size_t>(got)};
  const bool alive = decrypt();
  if (!ciphertext_.empty() && output.empty()) (void)send_ciphertext();  // the handshake's answers
  return alive;
}

bool TlsStream::push() {
  if (!output.empty()) {
    if (SSL_write(ssl_, output.data(), static_cast<int>(output.size())) != static_cast<int>(output.size()))
      die_tls("TLS write");
    output.clear();
  }
  return send_ciphertext();
}

bool TlsStream::send_ciphertext() {
  while (!ciphertext_.empty()) {
    const ssize_t sent = ::send(socket_, ciphertext_.data(), ciphertext_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return true;
    if (sent < 0) die_errno("send: the peer closed the connection");
    ciphertext_.consume(static_cast<std::size_t>(sent));
  }
  return false;
}

}  // namespace opaline::bench
