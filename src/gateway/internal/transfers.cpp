#include "gateway/internal/transfers.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "uplink/blobs.hpp"

namespace opaline::gateway::internal {
namespace {

using msp::Error;
using Answer = Result<net::HttpResponse, net::NetError>;

constexpr milliseconds kLongestWait{2'000};

net::HttpClientOptions options_for(const net::Url& service, const net::TlsClientContext& tls) {
  net::HttpClientOptions out;
  out.origin = service;
  out.tls = &tls;
  out.max_connections = 8;
  out.max_response_bytes = kMaxPieceDownBytes;
  return out;
}

msp::Problem gone() {
  return problem(404, Error::unknown, "the service does not have this file, or not any more; it keeps files 30 days");
}

}  // namespace

// ---------------------------------------------------------------- room

bool Room::take(std::uint64_t bytes, std::function<void(Held)> task) {
  if (state_->waiting.size() >= state_->max_waiting) return false;
  state_->waiting.push_back({bytes, std::move(task)});
  serve(state_);
  return true;
}

void Room::serve(const std::shared_ptr<State>& state) {
  if (std::exchange(state->serving, true)) return;  // a task gives back at once: the loop below goes on
  while (!state->waiting.empty()) {
    const std::uint64_t bytes = state->waiting.front().bytes;
    if (state->used != 0 && state->used + bytes > state->bytes) break;
    auto task = std::move(state->waiting.front().task);
    state->waiting.pop_front();
    state->used += bytes;
    task(Held(state.get(), [state, bytes](void*) {
      state->used -= bytes;
      serve(state);
    }));
  }
  state->serving = false;
}

// ---------------------------------------------------------------- what both directions share

/// Ends by itself: finish() destroys it, and nothing of it may be touched after.
class Transfers::Transfer {
 public:
  Transfer(Transfers& all, std::uint64_t id, const endpoint::BlobId& blob)
      : all_(all),
        id_(id),
        path_(uplink::blob_path(blob)),
        timer_(all.loop_),
        back_off_(all.options_.first_wait, std::max(all.options_.first_wait, kLongestWait)) {}
  virtual ~Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  [[nodiscard]] std::uint64_t id() const { return id_; }
  virtual void start() = 0;

 protected:
  /// It goes to `handler` unless the transfer has ended.
  template <class Self>
  void ask(net::HttpClientRequest request, Self& self, void (Self::*handler)(const Answer&)) {
    request.deadline = all_.options_.piece_within;
    all_.http_.request(std::move(request), [&all = all_, id = id_, &self, handler](const Answer& answer) {
      if (all.running_.contains(id)) (self.*handler)(answer);
    });
  }
  /// Later, or not at all: then `fail_with` is called.
  template <class Self>
  void again(Self& self, void (Self::*step)()) {
    if (++failures_ > all_.options_.max_failures) {
      return self.fail_with(
          {problem(503, Error::unavailable, "the service could not be reached, or was too busy; try again"), kLater});
    }
    timer_.arm(back_off_.next(), [&self, step] { (self.*step)(); });
  }
  void went_on() {
    failures_ = 0;
    back_off_.reset();
  }
  [[nodiscard]] std::unique_ptr<Transfer> end() {
    const auto found = all_.running_.find(id_);
    std::unique_ptr<Transfer> self = std::move(found->second);
    all_.running_.erase(found);
    return self;
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Transfers& all_;
  const std::uint64_t id_;
  const std::string path_;
  net::Timer timer_;
  BackOff back_off_;
  int failures_ = 0;
};

// ---------------------------------------------------------------- up

class Transfers::Upload final : public Transfer {
 public:
  Upload(Transfers& all, std::uint64_t id, const Files::Place& place, Bytes bytes, Files::Done<ByteArray<32>> done)
      : Transfer(all, id, place.blob),
        token_(to_base64url(place.upload_token)),
        bytes_(std::move(bytes)),
        done_(std::move(done)) {}

  void start() override { put(); }

  void fail_with(Files::Failure failure) {
    const auto self = end();
    done_(fail(std::move(failure)));
  }

 private:
  void put() {
    const std::uint64_t size = std::min(kMaxPieceUpBytes, bytes_.size() - at_);
    net::HttpClientRequest request{.method = "PUT", .target = path() + "?offset=" + std::to_string(at_)};
    request.headers = {{"Opaline-Upload", token_}};
    request.body = to_bytes(ByteView(bytes_).subspan(at_, size));
    expected_ = at_ + size;
    ask(std::move(request), *this, &Upload::on_put);
  }

  void on_put(const Answer& answer) {
    if (!answer) return lost();
    const auto now = uplink::number_header(*answer, "Opaline-Offset");
    switch (answer->status) {
      case 201:
        return now == bytes_.size() && expected_ == bytes_.size() ? whole() : lost();
      case 202:
        if (now != expected_ || expected_ == bytes_.size()) return lost();
        at_ = *now;
        got_to(at_);
        return put();
      case 409:
        // Something was there before: an earlier call of ours, or the same URL used twice.
        read_back_ = true;
        return now ? go_on_from(*now) : lost();
      default:
        return refused(answer->status);
    }
  }

  /// Whether it took the last piece is not known.
  void lost() {
    read_back_ = true;
    again(*this, &Upload::ask_offset);
  }
  void ask_offset() {
    net::HttpClientRequest request{.method = "GET", .target = path() + "/offset"};
    request.headers = {{"Opaline-Upload", token_}};
    ask(std::move(request), *this, &Upload::on_offset);
  }
  void on_offset(const Answer& answer) {
    if (!answer) return again(*this, &Upload::ask_offset);
    if (answer->status != 200) return refused(answer->status);
    const auto now = uplink::number_header(*answer, "Opaline-Offset"),
               size = uplink::number_header(*answer, "Opaline-Size");
    if (size && *size != bytes_.size()) return other_size();
    return now && size ? go_on_from(*now) : again(*this, &Upload::ask_offset);
  }
  /// The service may have less than before, after a crash of its own, and never more than there is.
  void go_on_from(std::uint64_t offset) {
    if (offset > bytes_.size()) return other_size();
    if (offset == bytes_.size()) return whole();
    at_ = offset;
    if (got_to(offset)) return put();
    again(*this, &Upload::put);
  }
  /// True if it is further than ever.
  bool got_to(std::uint64_t offset) {
    if (offset <= high_) return false;
    high_ = offset;
    went_on();
    return true;
  }

  void refused(unsigned status) {
    switch (status) {
      case 404:
        return fail_with({problem(404, Error::unknown, "this upload-url is not known any more; call preUpload again")});
      case 413:
        return other_size();
      case 429:
        return fail_with({problem(429, Error::quota, "too much for now; later"), seconds(60)});
      case 503:
        return again(*this, &Upload::ask_offset);
      default:
        return fail_with({problem(500, Error::internal, "the service did not take the file")});
    }
  }
  void other_size() {
    fail_with({problem(400, Error::mismatch, "it is not as long as preUpload was told; call it again")});
  }

  void whole() {
    if (!read_back_) return finish();
    at_ = 0;
    went_on();
    compare();
  }
  void compare() {
    const std::uint64_t size = std::min(kMaxPieceDownBytes, bytes_.size() - at_);
    ask({.method = "GET", .target = path() + "?offset=" + std::to_string(at_) + "&length=" + std::to_string(size)},
        *this, &Upload::on_compare);
  }
  void on_compare(const Answer& answer) {
    if (!answer) return again(*this, &Upload::compare);
    if (answer->status != 200) return answer->status == 404 ? refused(404) : again(*this, &Upload::compare);
    const std::size_t got = answer->body.size();
    if (got == 0 || got > bytes_.size() - at_) return again(*this, &Upload::compare);
    if (!equal(answer->body, ByteView(bytes_).subspan(at_, got))) {
      return fail_with({problem(400, Error::mismatch,
                                "other bytes were posted to this upload-url before; call "
                                "preUpload again")});
    }
    went_on();
    at_ += got;
    return at_ == bytes_.size() ? finish() : compare();
  }

  void finish() {
    const auto self = end();
    done_(crypto::sha256({bytes_}));
  }

  const std::string token_;
  const Bytes bytes_;
  Files::Done<ByteArray<32>> done_;
  std::uint64_t at_ = 0, expected_ = 0, high_ = 0;
  bool read_back_ = false;  // what is there may not be what we sent
};

// ---------------------------------------------------------------- down

class Transfers::Download final : public Transfer {
 public:
  Download(Transfers& all, std::uint64_t id, const endpoint::BlobId& blob, Room& room,
           Files::Done<Files::Download> done)
      : Transfer(all, id, blob), all_(all), room_(room), done_(std::move(done)) {}

  /// How large it is, before memory is asked for.
  void start() override { get(1); }

  void fail_with(Files::Failure failure) {
    const auto self = end();
    done_(fail(std::move(failure)));
  }

 private:
  void get(std::uint64_t length) {
    ask({.method = "GET",
         .target = path() + "?offset=" + std::to_string(bytes_.size()) + "&length=" + std::to_string(length)},
        *this, &Download::on_piece);
  }
  void next() { held_ ? get(std::min(kMaxPieceDownBytes, size_ - bytes_.size())) : get(1); }

  void on_piece(const Answer& answer) {
    if (!answer) return again(*this, &Download::next);
    if (answer->status == 404) return fail_with({gone()});
    const auto size = uplink::number_header(*answer, "Opaline-Size");
    if (answer->status != 200 || !size || *size == 0 || *size > msp::kMaxAttachmentBytes) {
      return again(*this, &Download::next);
    }
    if (!held_) return wait_for_room(*size);
    if (*size != size_ || answer->body.empty() || answer->body.size() > size_ - bytes_.size()) {
      return again(*this, &Download::next);
    }
    went_on();
    append(bytes_, answer->body);
    if (bytes_.size() < size_) return next();
    const auto self = end();
    done_(Files::Download{std::move(bytes_), std::move(held_)});
  }

  void wait_for_room(std::uint64_t size) {
    size_ = size;
    const bool waits = room_.take(size, [&all = all_, id = id(), this](Room::Held held) {
      if (!all.running_.contains(id)) return;
      held_ = std::move(held);
      bytes_.reserve(size_);
      next();
    });
    if (!waits) {
      fail_with({problem(503, Error::unavailable, "too many downloads at once; try again"), kLater});
    }
  }

  Transfers& all_;
  Room& room_;
  Files::Done<Files::Download> done_;
  std::uint64_t size_ = 0;
  Room::Held held_;
  Bytes bytes_;
};

// ---------------------------------------------------------------- all

Transfers::Transfers(net::EventLoop& loop, const net::Url& service, const net::TlsClientContext& tls,
                     const Options& options)
    : loop_(loop), options_(options), http_(loop, options_for(service, tls)) {}
Transfers::~Transfers() = default;

void Transfers::start(std::unique_ptr<Transfer> transfer) {
  Transfer& started = *transfer;
  running_.emplace(started.id(), std::move(transfer));
  started.start();
}

void Transfers::upload(const Files::Place& place, Bytes ciphertext, Files::Done<ByteArray<32>> done) {
  start(std::make_unique<Upload>(*this, next_++, place, std::move(ciphertext), std::move(done)));
}

void Transfers::download(const endpoint::BlobId& blob, Room& room, Files::Done<Files::Download> done) {
  start(std::make_unique<Download>(*this, next_++, blob, room, std::move(done)));
}

}  // namespace opaline::gateway::internal
