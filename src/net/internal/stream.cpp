#include "net/internal/stream.hpp"

#include <openssl/err.h>
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
  if (tls != nullptr) {
    out->attach_tls(tls);
    if (!out->expect_host(host)) {
      out->close();
      return nullptr;
    }
  }
  return out;
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
    if (!closed()) deliver_and_wipe(received);
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

void Stream::deliver(std::span<std::byte> data) {
  if (unread_) {
    append(*unread_, data);
    return deliver_unread();
  }
  const std::size_t used = reading_ && !owner_changed_ ? owner_->on_stream_data(data) : 0;
  if (closed() || finishing_ || used == data.size()) return;
  unread_ = std::make_unique<Bytes>(to_bytes(data.subspan(used)));
}

/// For a buffer that other connections will use.
void Stream::deliver_and_wipe(std::span<std::byte> data) {
  deliver(data);
  if (core_.buffers().cleanses()) wipe(data.data(), data.size());
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

}  // namespace opaline::net::internal
