#pragma once
// A connected socket with or without TLS, driven by readiness. TLS runs over memory: one recv() fills the thread's
// shared buffer, OpenSSL reads its records from there, and the records it writes are collected for one send(). An idle
// stream holds the socket, the SSL object and no buffer.
#include <openssl/ssl.h>

#include "net/address.hpp"
#include "net/internal/loop_core.hpp"
#include "net/tls.hpp"

namespace opaline::net::internal {

enum class StreamEnd : std::uint8_t {
  clean,                 ///< the peer said that it was done (close_notify; without TLS: FIN)
  cut,                   ///< the transport ended otherwise
  tls_failed,            ///< no handshake, or a damaged record
  certificate_rejected,  ///< client only
};

class StreamOwner {
 public:
  /// Connected, and the TLS handshake is done.
  virtual void on_stream_open() = 0;
  /// Received bytes, writable in place. Returns how many were used; the rest comes again, with more behind it, when
  /// more arrives, or at once after `set_owner` or `set_reading(true)`.
  virtual std::size_t on_stream_data(std::span<std::byte> data) = 0;
  /// The kernel took output.
  virtual void on_stream_output() = 0;
  /// The last call: the socket is closed. Not called after `Stream::close`.
  virtual void on_stream_end(StreamEnd end) = 0;

 protected:
  ~StreamOwner() = default;
};

struct StreamCounters {
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

/// Destroy through LoopCore::dispose, since it may be on the stack.
class Stream final : public Watcher, public Flushable, public Disposable {
 public:
  /// nullptr if the loop cannot watch another descriptor. `tls` nullptr: plaintext.
  static std::unique_ptr<Stream> accept(LoopCore& core, UniqueFd fd, SSL_CTX* tls, StreamOwner& owner,
                                        StreamCounters& counters);
  /// `host` is sent as server name (unless an IP address) and verified against the certificate.
  static std::unique_ptr<Stream> connect(LoopCore& core, UniqueFd fd, SSL_CTX* tls, const std::string& host,
                                         StreamOwner& owner, StreamCounters& counters);
  ~Stream() override;

  /// The next calls go to another owner; bytes that the old one left come to it at the end of this round.
  void set_owner(StreamOwner& owner);
  void set_reading(bool on);

  /// Queues bytes for the end of the round.
  void write(ByteView data);
  /// The queue itself, to append to; call `wrote` afterwards.
  [[nodiscard]] Bytes& output();
  void wrote();
  [[nodiscard]] std::size_t queued_bytes() const;
  /// Since when the queue has stood still; nullopt if it is empty.
  [[nodiscard]] std::optional<Instant> stalled_since() const;

  /// Sends what is queued, then close_notify and FIN; what still arrives is dropped until the peer's FIN, then
  /// `on_stream_end`.
  void finish();
  /// Closes the socket now. The owner gets no further call.
  void close();

  [[nodiscard]] bool closed() const { return !fd_; }
  [[nodiscard]] bool is_open() const { return open_ && fd_; }
  [[nodiscard]] std::optional<ChannelBinding> channel_binding() const;

  void on_ready(std::uint32_t events) override;
  void flush() override;

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  Stream(LoopCore& core, UniqueFd fd, StreamOwner& owner, StreamCounters& counters);
  [[nodiscard]] bool start();
  void attach_tls(SSL_CTX* tls);
  [[nodiscard]] bool expect_host(const std::string& host);
  void read_in();
  void consume(std::span<std::byte> received);
  void discard(std::size_t received);
  void open_plain();
  void handshake();
  void decrypt();
  void deliver(std::span<std::byte> data);
  void deliver_and_wipe(std::span<std::byte> data);
  void deliver_unread();
  void write_out();
  [[nodiscard]] bool write_step();
  void encrypt();
  bool send_records();
  [[nodiscard]] std::optional<std::size_t> send_some(ByteView data);
  void output_done();
  void say_goodbye();
  void watch_for(bool input, bool output);
  void end(StreamEnd why);

  static const BIO_METHOD* bio_method();
  static int bio_read(BIO* bio, char* out, std::size_t size, std::size_t* got);
  static int bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* written);
  static long bio_control(BIO* bio, int command, long number, void* pointer);

  LoopCore& core_;
  StreamOwner* owner_;
  StreamCounters& counters_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  std::unique_ptr<Bytes> unread_;  // what the owner left
  ByteView received_;              // what OpenSSL has not read yet, of the shared buffer; empty outside on_ready
  Bytes plain_out_;                // not encrypted yet
  Bytes records_out_;              // encrypted, not taken by the kernel yet
  std::size_t plain_sent_ = 0;
  std::size_t records_sent_ = 0;
  Instant progress_{};
  UniqueFd fd_;
  std::uint32_t discarded_ = 0;
  bool open_ = false;
  bool reading_ = true;
  bool watching_input_ = true;
  bool watching_output_ = false;
  bool finishing_ = false;
  bool fin_sent_ = false;
  bool owner_changed_ = false;
};

}  // namespace opaline::net::internal
