#include "net/internal/stream.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>

#include "net/internal/socket.hpp"

namespace opaline::net::internal {
namespace {

/// One connection's share of a round, so that a fast one does not starve the others.
constexpr int kReadsPerRound = 4;
constexpr int kWritesPerRound = 4;
/// What a peer may still send after we said goodbye, before we stop listening.
constexpr std::uint32_t kMaxDiscardedBytes = 1024 * 1024;
/// OpenSSL's own records (alerts, key updates) for a peer that does not read.
constexpr std::size_t kMaxRecordBytes = kWriteBytes + 64 * 1024;
constexpr std::size_t kCompactBytes = 64 * 1024;

void drop_sent(Bytes& buffer, std::size_t& sent) {
  buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(sent));
  sent = 0;
}

}  // namespace

Stream::Stream(LoopCore& core, UniqueFd fd, StreamOwner& owner, StreamCounters& counters)
    : core_(core), owner_(&owner), counters_(counters), progress_(core.now()), fd_(std::move(fd)) {}

Stream::~Stream() {
  close();
}

bool Stream::start() {
  if (!core_.watch(fd_.get(), EPOLLIN, *this)) {
    fd_.reset();
    return false;
  }
  set_no_delay(fd_.get());
  core_.mark_dirty(*this);  // the first flush opens a plain stream or sends the ClientHello
  return true;
}

std::unique_ptr<Stream> Stream::accept(LoopCore& core, UniqueFd fd, SSL_CTX* tls, StreamOwner& owner,
                                       StreamCounters& counters) {
  std::unique_ptr<Stream> out(new Stream(core, std::move(fd), owner, counters));
  if (!out->start()) return nullptr;
  if (tls != nullptr) {
    out->attach_tls(tls);
    SSL_set_accept_state(out->ssl_.get());
  }
  return out;
}

std::unique_ptr<Stream> Stream::connect(LoopCore& core, UniqueFd fd, SSL_CTX* tls, const std::string& host,
                                        StreamOwner& owner, StreamCounters& counters) {
  std::unique_ptr<Stream> out(new Stream(core, std::move(fd), owner, counters));
  if (!out->start()) return nullptr;
  if (tls == nullptr) return out;
  out->attach_tls(tls);
  SSL* ssl = out->ssl_.get();
  SSL_set_connect_state(ssl);
  if (ip_address(host, 0)) {
    OPALINE_ASSERT(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1);
  } else {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    // An impossible name must fail the connection, never skip the check.
    const bool named = SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
    if (!named) {
      out->close();
      return nullptr;
    }
  }
  return out;
}

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

// ---- input

void Stream::on_ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) write_out();
  if (closed() || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  if (reading_ || finishing_) return read_in();
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) return end(StreamEnd::cut);
  watch_for(false, watching_output_);
}

void Stream::read_in() {
  for (int i = 0; i < kReadsPerRound; ++i) {
    const std::span<std::byte> buffer = core_.buffers().received();
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) {
      if (errno != EAGAIN && errno != EINTR) end(StreamEnd::cut);
      return;
    }
    // With TLS only close_notify is a clean end (RFC 8446 section 6.1): else a cut would pass for one.
    if (got == 0) return end(ssl_ && !fin_sent_ ? StreamEnd::cut : StreamEnd::clean);
    const auto size = static_cast<std::size_t>(got);
    counters_.bytes_in += size;
    if (finishing_) {
      discard(size);
    } else {
      consume(buffer.first(size));
    }
    if (closed() || !reading_ || size < buffer.size()) return;
  }
}

void Stream::discard(std::size_t received) {
  discarded_ += static_cast<std::uint32_t>(received);
  if (discarded_ > kMaxDiscardedBytes) end(StreamEnd::cut);
}

void Stream::consume(std::span<std::byte> received) {
  if (!ssl_) {
    open_plain();
    if (!closed()) deliver(received);
    return;
  }
  received_ = received;
  if (!open_) handshake();
  if (!closed() && open_) decrypt();
  received_ = {};
}

void Stream::open_plain() {
  if (std::exchange(open_, true)) return;
  owner_->on_stream_open();
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
    deliver(plain);
    if (closed() || finishing_) return;
    used = 0;
  }
  if (!send_records()) return;
  if (used != 0) {
    deliver(plain.first(used));
    if (core_.buffers().cleanses()) wipe(plain.data(), used);
  }
  if (closed() || error == SSL_ERROR_WANT_READ) return;
  end(error == SSL_ERROR_ZERO_RETURN ? StreamEnd::clean : StreamEnd::tls_failed);
}

void Stream::deliver(std::span<std::byte> data) {
  if (unread_) {
    append(*unread_, data);
    return deliver_unread();
  }
  const std::size_t used = reading_ && !owner_changed_ ? owner_->on_stream_data(data) : 0;
  if (closed() || finishing_ || used == data.size()) return;
  unread_ = std::make_unique<Bytes>(to_bytes(data.subspan(used)));
}

void Stream::deliver_unread() {
  if (!unread_ || !reading_ || closed() || finishing_) return;
  if (owner_changed_) return;  // flush() comes to it
  const auto data = std::move(unread_);
  const std::size_t used = owner_->on_stream_data(*data);
  if (core_.buffers().cleanses()) wipe(data->data(), used);
  if (closed() || finishing_ || used == data->size()) return;
  unread_ = std::make_unique<Bytes>(data->begin() + static_cast<std::ptrdiff_t>(used), data->end());
}

void Stream::set_owner(StreamOwner& owner) {
  owner_ = &owner;
  owner_changed_ = true;
  if (!closed()) core_.mark_dirty(*this);
}

void Stream::set_reading(bool on) {
  if (closed() || std::exchange(reading_, on) == on || !on) return;
  if (!watching_input_) watch_for(true, watching_output_);
  if (unread_) core_.mark_dirty(*this);
}

// ---- output

void Stream::write(ByteView data) {
  append(output(), data);
  wrote();
}

Bytes& Stream::output() {
  if (plain_out_.capacity() == 0) plain_out_ = core_.buffers().take();
  if (plain_sent_ >= kCompactBytes) drop_sent(plain_out_, plain_sent_);
  if (queued_bytes() == 0) progress_ = core_.now();
  return plain_out_;
}

void Stream::wrote() {
  if (!closed()) core_.mark_dirty(*this);
}

std::size_t Stream::queued_bytes() const {
  return plain_out_.size() - plain_sent_ + (records_out_.size() - records_sent_);
}

std::optional<Instant> Stream::stalled_since() const {
  if (queued_bytes() == 0) return std::nullopt;
  return progress_;
}

void Stream::flush() {
  if (closed()) return;
  if (!open_ && ssl_) {
    // Nothing to flush before the handshake is done, but a client speaks first.
    if (SSL_is_server(ssl_.get()) == 0 && SSL_get_state(ssl_.get()) == TLS_ST_BEFORE) handshake();
    if (!closed() && finishing_ && !open_) end(StreamEnd::cut);
    return;
  }
  open_plain();
  owner_changed_ = false;
  deliver_unread();
  if (!closed()) write_out();
}

void Stream::write_out() {
  if (!open_) return;
  bool more = true;
  for (int i = 0; i < kWritesPerRound && more; ++i) {
    more = write_step();
    if (closed()) return;
  }
  if (queued_bytes() == 0) return output_done();
  watch_for(watching_input_, true);
  owner_->on_stream_output();
}

/// One send(). True if another may follow at once.
bool Stream::write_step() {
  Bytes& queue = ssl_ ? records_out_ : plain_out_;
  std::size_t& sent = ssl_ ? records_sent_ : plain_sent_;
  if (sent < queue.size()) {
    const auto taken = send_some(ByteView(queue).subspan(sent));
    if (!taken) return false;
    sent += *taken;
    if (sent < queue.size()) return false;
    queue.clear();
    sent = 0;
  }
  if (!ssl_ || plain_sent_ == plain_out_.size()) return false;
  encrypt();
  if (!send_records()) return false;
  return records_out_.empty();
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

/// Sends what OpenSSL wrote, keeps what the kernel does not take. False if the stream has ended.
bool Stream::send_records() {
  Bytes& records = core_.buffers().records();
  if (closed()) {
    records.clear();
    return false;
  }
  if (records.empty()) return true;
  std::size_t sent = 0;
  if (records_out_.empty()) {
    const auto taken = send_some(records);
    if (!taken) {
      records.clear();
      return false;
    }
    sent = *taken;
  }
  if (sent < records.size()) {
    append(records_out_, ByteView(records).subspan(sent));
    watch_for(watching_input_, true);
  }
  records.clear();
  if (records_out_.size() - records_sent_ <= kMaxRecordBytes) return true;
  end(StreamEnd::cut);
  return false;
}

/// How much the kernel took (0: none now); nullopt if the stream has ended.
std::optional<std::size_t> Stream::send_some(ByteView data) {
  const ssize_t sent = ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno == EAGAIN || errno == EINTR) return 0;
    end(StreamEnd::cut);
    return std::nullopt;
  }
  if (sent > 0) progress_ = core_.now();
  counters_.bytes_out += static_cast<std::uint64_t>(sent);
  return static_cast<std::size_t>(sent);
}

void Stream::output_done() {
  plain_sent_ = records_sent_ = 0;
  if (plain_out_.capacity() != 0) core_.buffers().give(std::move(plain_out_));
  plain_out_ = {};
  records_out_ = {};
  if (watching_output_) watch_for(watching_input_, false);
  if (finishing_ && !fin_sent_) {
    say_goodbye();
    return;
  }
  owner_->on_stream_output();
}

void Stream::say_goodbye() {
  if (ssl_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    if (!send_records() || !records_out_.empty()) return;  // the rest goes when the peer reads
  }
  fin_sent_ = true;
  ::shutdown(fd_.get(), SHUT_WR);
}

void Stream::finish() {
  if (closed() || std::exchange(finishing_, true)) return;
  unread_.reset();
  if (!watching_input_) watch_for(true, watching_output_);
  core_.mark_dirty(*this);
}

void Stream::watch_for(bool input, bool output) {
  if (closed() || (input == watching_input_ && output == watching_output_)) return;
  watching_input_ = input;
  watching_output_ = output;
  core_.change(fd_.get(), (input ? EPOLLIN : 0U) | (output ? EPOLLOUT : 0U), *this);
}

void Stream::close() {
  if (closed()) return;
  core_.forget(*this);
  core_.unwatch(fd_.get(), *this);
  fd_.reset();
  // The SSL object may be on the stack (a handler that closes): it goes with the stream.
  core_.buffers().give(std::move(plain_out_));
  plain_out_ = {};
  records_out_ = {};
  plain_sent_ = records_sent_ = 0;
  if (unread_ && core_.buffers().cleanses()) wipe(unread_->data(), unread_->size());
  unread_.reset();
}

void Stream::end(StreamEnd why) {
  if (closed()) return;
  close();
  owner_->on_stream_end(why);
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
