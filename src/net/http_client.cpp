#include "net/http_client.hpp"

#include <algorithm>
#include <deque>

#include "net/internal/connector.hpp"
#include "net/internal/http_parser.hpp"
#include "net/internal/http_text.hpp"
#include "net/internal/stream.hpp"

namespace opaline::net {
namespace {

constexpr std::size_t kMaxResponseHead = 32 * 1024;

struct Job {
  Job(EventLoop& loop, HttpClientRequest r, HttpClient::Callback c)
      : request(std::move(r)), callback(std::move(c)), deadline(loop) {}
  HttpClientRequest request;
  HttpClient::Callback callback;
  Timer deadline;
  bool repeated = false;

  /// RFC 9112 section 9.3.1: only these may be sent again without knowing whether they were acted on.
  [[nodiscard]] bool may_repeat() const { return !repeated && (request.method == "GET" || request.method == "HEAD"); }
};

class Link;
using Jobs = std::deque<std::unique_ptr<Job>>;

class LinkHost {
 public:
  /// It has room for a request.
  virtual void on_link_free(Link& link) = 0;
  /// The link is of no more use. `unanswered` are its requests that got no answer.
  virtual void on_link_gone(Link& link, Jobs unanswered, NetError error, bool was_reused) = 0;
  virtual void on_answer(std::unique_ptr<Job> job, HttpResponse response) = 0;

 protected:
  ~LinkHost() = default;
};

/// One connection to the origin, with at most one request on it, or several pipelined ones.
class Link final : public internal::StreamOwner, public internal::Disposable {
 public:
  Link(EventLoop& loop, const HttpClientOptions& options, LinkHost& host)
      : loop_(loop), options_(options), host_(host), idle_timer_(loop) {}
  ~Link() override { loop_.core().dispose(std::move(stream_)); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void connect();
  void assign(std::unique_ptr<Job> job);
  [[nodiscard]] bool is_idle() const { return open_ && jobs_.empty(); }
  /// Its unanswered requests; the first is the one that is being answered.
  [[nodiscard]] const Jobs& jobs() const { return jobs_; }
  [[nodiscard]] std::uint8_t lane() const { return jobs_.empty() ? 0 : jobs_.front()->request.lane; }
  std::unique_ptr<Job> take_job(const Job& job);
  Jobs take_jobs() { return std::exchange(jobs_, {}); }
  /// Closes it; the host is not called.
  void cut();

  void on_stream_open() override;
  std::size_t on_stream_data(std::span<std::byte> data) override;
  void on_stream_output() override {}
  void on_stream_end(internal::StreamEnd end) override;

 private:
  void connected(Result<internal::UniqueFd, NetError> result);
  void send_request(const HttpClientRequest& request);
  void await_answer();
  [[nodiscard]] Result<std::size_t, NetError> parse(std::span<std::byte> data);
  void take_answer();
  void give_up(NetError error);

  EventLoop& loop_;
  const HttpClientOptions& options_;
  LinkHost& host_;
  std::unique_ptr<internal::Connector> connector_;
  std::unique_ptr<internal::Stream> stream_;
  internal::StreamCounters counters_;
  std::unique_ptr<internal::ResponseParser> parser_;
  Jobs jobs_;
  Timer idle_timer_;
  bool open_ = false;
  bool reused_ = false;  // it has answered a request before
};

void Link::connect() {
  connector_ = std::make_unique<internal::Connector>(
      loop_, [this](Result<internal::UniqueFd, NetError> result) { connected(std::move(result)); });
  if (!options_.unix_path.empty()) return connector_->connect_unix(options_.unix_path);
  const auto reach = !options_.origin.tls   ? internal::Reach::loopback
                     : options_.public_only ? internal::Reach::public_only
                                            : internal::Reach::anywhere;
  connector_->connect_tcp(options_.origin.host, options_.origin.port, reach);
}

void Link::connected(Result<internal::UniqueFd, NetError> result) {
  if (!result) return give_up(result.error());
  const bool tls = options_.origin.tls && options_.unix_path.empty();
  stream_ = internal::Stream::connect(loop_.core(), std::move(*result), tls ? options_.tls->native() : nullptr,
                                      options_.origin.host, *this, counters_);
  if (!stream_) give_up(NetError::resources_exhausted);
}

void Link::on_stream_open() {
  open_ = true;
  for (const auto& job : jobs_) send_request(job->request);
  if (!jobs_.empty()) return await_answer();
  host_.on_link_free(*this);
}

void Link::assign(std::unique_ptr<Job> job) {
  jobs_.push_back(std::move(job));
  idle_timer_.cancel();
  if (!open_) return;
  send_request(jobs_.back()->request);
  if (jobs_.size() == 1) await_answer();
}

std::unique_ptr<Job> Link::take_job(const Job& job) {
  const auto found = std::ranges::find_if(jobs_, [&](const auto& at) { return at.get() == &job; });
  OPALINE_ASSERT(found != jobs_.end());
  auto out = std::move(*found);
  jobs_.erase(found);
  return out;
}

void Link::await_answer() {
  parser_ = std::make_unique<internal::ResponseParser>(kMaxResponseHead);
  if (jobs_.front()->request.method == "HEAD") parser_->expect_no_body();
}

void Link::send_request(const HttpClientRequest& request) {
  internal::append_request(stream_->output(), request.method, request.target, options_.origin.authority(),
                           request.headers, request.body);
  stream_->wrote();
}

std::size_t Link::on_stream_data(std::span<std::byte> data) {
  if (jobs_.empty()) {  // an answer that nobody asked for
    give_up(NetError::protocol_violation);
    return data.size();
  }
  std::size_t used = 0;
  while (used < data.size() && parser_) {
    const auto step = parse(data.subspan(used));
    if (!step) {
      give_up(step.error());
      return data.size();
    }
    used += *step;
    if (parser_->done() && parser_->status / 100 == 1) {  // 100 Continue and the like: the answer is still to come
      await_answer();
      continue;
    }
    if (parser_->done()) {
      take_answer();
      continue;
    }
    if (*step == 0) break;
  }
  return used;
}

Result<std::size_t, NetError> Link::parse(std::span<std::byte> data) {
  const bool had_head = parser_->head_done();
  const auto used = parser_->feed(data);
  const auto meaning = [](internal::HttpParseError error) {
    return error == internal::HttpParseError::body_too_large ? NetError::too_large : NetError::protocol_violation;
  };
  if (!used) return fail(meaning(used.error()));
  if (parser_->head_done() && !had_head) {
    if (parser_->status == 101) return fail(NetError::protocol_violation);  // we asked for no upgrade
    if (const auto fits = parser_->set_body_limit(options_.max_response_bytes); !fits)
      return fail(meaning(fits.error()));
  }
  return *used;
}

void Link::take_answer() {
  HttpResponse response{
      .status = parser_->status, .headers = std::move(parser_->headers), .body = std::move(parser_->body)};
  // An answer to what was not sent whole: the rest of it would be taken for the next request.
  const bool keep = parser_->keeps_alive() && (jobs_.size() > 1 || stream_->queued_bytes() == 0);
  parser_.reset();
  host_.on_answer(take_job(*jobs_.front()), std::move(response));
  if (!keep || stream_->closed()) return give_up(NetError::closed);
  reused_ = true;
  if (jobs_.empty()) {
    idle_timer_.arm(options_.idle_within, [this] { give_up(NetError::closed); });
  } else {
    await_answer();
  }
  host_.on_link_free(*this);
}

void Link::on_stream_end(internal::StreamEnd end) {
  if (parser_ && end == internal::StreamEnd::clean && parser_->feed_end()) {
    take_answer();  // its body ended with the connection
    return;
  }
  switch (end) {
    case internal::StreamEnd::clean:
    case internal::StreamEnd::cut:
      return give_up(NetError::closed);
    case internal::StreamEnd::tls_failed:
      return give_up(NetError::tls_failed);
    case internal::StreamEnd::certificate_rejected:
      return give_up(NetError::certificate_rejected);
  }
}

void Link::give_up(NetError error) {
  const bool nothing_came = !parser_ || !parser_->started();
  cut();
  host_.on_link_gone(*this, take_jobs(), error, reused_ && nothing_came && error == NetError::closed);
}

void Link::cut() {
  open_ = false;
  idle_timer_.cancel();
  connector_.reset();
  if (stream_) stream_->close();
}

}  // namespace

class HttpClient::Impl final : public LinkHost, public internal::Disposable {
 public:
  Impl(EventLoop& loop, HttpClientOptions options) : loop_(loop), options_(std::move(options)) {}
  void request(HttpClientRequest request, Callback callback);
  void drop();

  void on_link_free(Link&) override { pump(); }
  void on_link_gone(Link& link, Jobs unanswered, NetError error, bool was_reused) override;
  void on_answer(std::unique_ptr<Job> job, HttpResponse response) override {
    finish(std::move(job), std::move(response));
  }

 private:
  [[nodiscard]] Result<void, NetError> check(const HttpClientRequest& request) const;
  void pump();
  [[nodiscard]] Link* link_for(const Job& job);
  void expire(Job& job);
  void finish(std::unique_ptr<Job> job, Result<HttpResponse, NetError> result);
  void finish(Callback callback, Result<HttpResponse, NetError> result);

  EventLoop& loop_;
  HttpClientOptions options_;
  std::vector<std::unique_ptr<Link>> links_;
  Jobs waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Result<void, NetError> HttpClient::Impl::check(const HttpClientRequest& request) const {
  const bool tls = options_.origin.tls && options_.unix_path.empty();
  const bool speakable = internal::is_token(request.method) && internal::is_target(request.target);
  if (!speakable || options_.origin.host.empty() || (tls && options_.tls == nullptr))
    return fail(NetError::url_invalid);
  if (waiting_.size() >= options_.max_waiting) return fail(NetError::resources_exhausted);
  return {};
}

void HttpClient::Impl::request(HttpClientRequest request, Callback callback) {
  if (const auto checked = check(request); !checked) return finish(std::move(callback), fail(checked.error()));
  auto job = std::make_unique<Job>(loop_, std::move(request), std::move(callback));
  job->deadline.arm(job->request.deadline, [this, at = job.get()] { expire(*at); });
  waiting_.push_back(std::move(job));
  pump();
}

/// nullptr: it has to wait.
Link* HttpClient::Impl::link_for(const Job& job) {
  const auto lane = std::ranges::find(links_, job.request.lane, [](const auto& link) { return link->lane(); });
  if (job.request.lane != 0 && lane != links_.end())
    return (*lane)->jobs().size() < options_.max_pipelined ? lane->get() : nullptr;
  const auto idle = std::ranges::find_if(links_, [](const auto& link) { return link->is_idle(); });
  if (idle != links_.end()) return idle->get();
  if (links_.size() >= options_.max_connections) return nullptr;
  Link* const link = links_.emplace_back(std::make_unique<Link>(loop_, options_, *this)).get();
  link->connect();
  return link;
}

void HttpClient::Impl::pump() {
  while (!waiting_.empty()) {
    Link* const link = link_for(*waiting_.front());
    if (link == nullptr) return;
    auto job = std::move(waiting_.front());
    waiting_.pop_front();
    link->assign(std::move(job));
  }
}

void HttpClient::Impl::on_link_gone(Link& link, Jobs unanswered, NetError error, bool was_reused) {
  const auto found = std::ranges::find_if(links_, [&](const auto& at) { return at.get() == &link; });
  if (found != links_.end()) {
    loop_.core().dispose(std::move(*found));
    links_.erase(found);
  }
  for (auto job = unanswered.rbegin(); job != unanswered.rend(); ++job) {
    if (!was_reused || !(*job)->may_repeat()) continue;
    (*job)->repeated = true;
    waiting_.push_front(std::move(*job));
  }
  for (auto& job : unanswered)
    if (job) finish(std::move(job), fail(error));
  pump();
}

void HttpClient::Impl::expire(Job& job) {
  const auto waiting = std::ranges::find_if(waiting_, [&](const auto& at) { return at.get() == &job; });
  if (waiting != waiting_.end()) {
    auto expired = std::move(*waiting);
    waiting_.erase(waiting);
    return finish(std::move(expired), fail(NetError::timed_out));
  }
  const auto busy = std::ranges::find_if(links_, [&](const auto& at) {
    return std::ranges::any_of(at->jobs(), [&](const auto& each) { return each.get() == &job; });
  });
  if (busy == links_.end()) return;
  Link& link = **busy;
  auto expired = link.take_job(job);
  link.cut();
  finish(std::move(expired), fail(NetError::timed_out));
  on_link_gone(link, link.take_jobs(), NetError::closed, false);
}

void HttpClient::Impl::finish(std::unique_ptr<Job> job, Result<HttpResponse, NetError> result) {
  job->deadline.cancel();
  finish(std::move(job->callback), std::move(result));
}

/// Posted, so that a callback may do anything, also destroy the client.
void HttpClient::Impl::finish(Callback callback, Result<HttpResponse, NetError> result) {
  loop_.post([callback = std::move(callback), result = std::move(result), alive = std::weak_ptr(alive_)]() mutable {
    if (!alive.expired()) callback(std::move(result));
  });
}

void HttpClient::Impl::drop() {
  alive_.reset();
  waiting_.clear();
  for (auto& link : links_) {
    link->cut();
    loop_.core().dispose(std::move(link));
  }
  links_.clear();
}

HttpClient::HttpClient(EventLoop& loop, HttpClientOptions options)
    : loop_(loop), impl_(std::make_unique<Impl>(loop, std::move(options))) {}

HttpClient::~HttpClient() {
  impl_->drop();
  // Links that are on the stack refer to it until the end of the round; its own end comes after theirs.
  loop_.core().dispose(std::move(impl_));
}

void HttpClient::request(HttpClientRequest request, Callback callback) {
  impl_->request(std::move(request), std::move(callback));
}

}  // namespace opaline::net
