#pragma once
// One TLS 1.3 connection as a load generator wants it: what arrives is read by one system call and decrypted at once;
// what a round produced is encrypted and written by one system call. First blocking (connect, handshake, opening),
// then driven by an Engine. Not thread-safe.
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "load/byte_buffer.hpp"

namespace opaline::bench {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeContext>;

/// TLS 1.3 alone, verifying against the authorities in the PEM file.
[[nodiscard]] TlsContext client_context(const std::string& authority_file);
/// TLS 1.3 alone, with this certificate; buffers are released while a connection is idle.
[[nodiscard]] TlsContext server_context(const std::string& certificate_file, const std::string& key_file);

/// 127.0.0.1 and a port: load runs on loopback alone.
struct Target {
  std::uint16_t port = 0;
  std::string name = "localhost";  ///< for SNI and verification
};

/// A listening socket on 127.0.0.1, non-blocking; port 0: the kernel chooses. The real port goes into `port`.
[[nodiscard]] int listen_on_loopback(std::uint16_t& port);

/// Whether somebody listens on this port of 127.0.0.1.
[[nodiscard]] bool accepts_connections(std::uint16_t port);

class TlsStream {
 public:
  /// Connects and shakes hands, blocking. Ends the program if that fails.
  TlsStream(SSL_CTX* context, const Target& target);
  struct ServerSide {};
  /// Takes over an accepted socket; the handshake happens inside pull().
  TlsStream(ServerSide, SSL_CTX* context, int accepted_socket);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  [[nodiscard]] int socket() const { return socket_; }
  void set_nonblocking();
  /// RFC 9266 tls-exporter.
  [[nodiscard]] ByteArray<32> channel_binding() const;

  /// One recv, all of it decrypted into `input`. False: the peer is gone, or TLS failed. While the socket blocks, so
  /// does this.
  [[nodiscard]] bool pull();
  ByteBuffer input;

  /// Plaintext of this round.
  ByteBuffer output;
  /// Encrypts `output` and sends it. True: something is left for when the socket can take more.
  [[nodiscard]] bool push();

 private:
  friend struct StreamBio;
  void attach(SSL_CTX* context);
  bool handshake(const std::string& name);
  [[nodiscard]] bool decrypt();
  bool send_ciphertext();

  int socket_ = -1;
  SSL* ssl_ = nullptr;
  ByteView incoming_;      // ciphertext not yet given to TLS; empty outside of pull()
  ByteBuffer ciphertext_;  // made by TLS, not yet sent
};

}  // namespace opaline::bench
