#include "identity/drivers/smtp_code_sender.hpp"

#include <curl/curl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace opaline::identity {
namespace {

struct FreeEasy {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, FreeEasy>;
using List = std::unique_ptr<curl_slist, FreeList>;

struct Mail {
  std::string to;
  SecretBytes message;  ///< RFC 5322, CRLF
  Instant valid_until;
  Instant not_before;
  std::uint32_t tries_left = 0;
};

bool is_printable(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 127; });
}

bool are_good(const SmtpSettings& s) {
  const bool url = s.url.starts_with("smtp://") || s.url.starts_with("smtps://");
  const bool from = is_printable(s.from) && s.from.find('@') != std::string::npos &&
                    s.from.find_first_of(" <>,;\"") == std::string::npos;
  return url && from && is_printable(s.service_name) && s.max_waiting > 0 && s.tries > 0 &&
         !(s.allow_plaintext && !s.user.empty());
}

SecretBytes compose(const SmtpSettings& settings, const std::string& to, const Code& code, seconds valid_for, Time now,
                    RandomSource& random) {
  const std::string domain = settings.from.substr(settings.from.rfind('@') + 1);
  const std::string head = fmt::format(
      "Date: {:%a, %d %b %Y %H:%M:%S} +0000\r\nFrom: <{}>\r\nTo: <{}>\r\nMessage-ID: <{}@{}>\r\nSubject: {} code\r\n"
      "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nAuto-Submitted: auto-generated\r\n\r\n",
      std::chrono::floor<seconds>(now), settings.from, to, to_hex(random.bytes<16>()), domain, settings.service_name);
  const std::string tail = fmt::format(
      "\r\n\r\nis your {} code. It is good for {} minutes.\r\nNobody who works there will ask you for it.\r\n"
      "If you did not ask for a code, ignore this mail.\r\n",
      settings.service_name, std::chrono::ceil<std::chrono::minutes>(valid_for).count());
  SecretBytes out = to_secret_bytes(as_view(head));
  for (const ByteView piece : {ByteView(code.reveal()), as_view(tail)})
    out.insert(out.end(), piece.begin(), piece.end());
  return out;
}

/// What libcurl reads a mail from.
struct Source {
  ByteView rest;
};
std::size_t read_mail(char* out, std::size_t size, std::size_t count, void* user) {
  auto& source = *static_cast<Source*>(user);
  const std::size_t n = std::min(size * count, source.rest.size());
  if (n > 0) std::memcpy(out, source.rest.data(), n);
  source.rest = source.rest.subspan(n);
  return n;
}
int is_stopping(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<std::atomic<bool>*>(user)->load() ? 1 : 0;
}

}  // namespace

class SmtpCodeSender::Worker {
 public:
  Worker(SmtpSettings settings, Easy easy, const Clock& clock, RandomSource& random, Log& log)
      : settings_(std::move(settings)),
        easy_(std::move(easy)),
        clock_(clock),
        random_(random),
        log_(log),
        thread_([this] { run(); }) {}
  ~Worker() {
    stopping_ = true;
    {
      const std::lock_guard lock(mutex_);
    }
    wake_.notify_all();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  CodeQueued send(const Handle& handle, const Code& code, seconds valid_for) {
    Mail mail{.to = handle.text(),
              .message = compose(settings_, handle.text(), code, valid_for, clock_.now(), random_),
              .valid_until = clock_.monotonic() + valid_for,
              .not_before = clock_.monotonic(),
              .tries_left = settings_.tries};
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.size() >= settings_.max_waiting) return CodeQueued::busy;
      waiting_.push_back(std::move(mail));
    }
    wake_.notify_all();
    return CodeQueued::queued;
  }

  [[nodiscard]] bool failing() const {
    const std::lock_guard lock(mutex_);
    return clock_.monotonic() < failing_until_;
  }

  [[nodiscard]] Counters counters() const {
    const std::lock_guard lock(mutex_);
    Counters out = counters_;
    out.waiting = waiting_.size();
    return out;
  }

 private:
  /// refused: this mail, for good. postponed: this mail, for now. failed: no mail would have gone.
  enum class Outcome : std::uint8_t { sent, refused, postponed, failed };

  void run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      const Instant now = clock_.monotonic();
      const auto due = std::ranges::find_if(waiting_, [now](const Mail& mail) { return mail.not_before <= now; });
      if (due == waiting_.end()) {
        // Retries are not urgent, so they are looked for now and then; a new mail wakes at once.
        if (waiting_.empty()) {
          wake_.wait(lock);
        } else {
          wake_.wait_for(lock, std::min(settings_.retry_after, milliseconds(1'000)));
        }
        continue;
      }
      Mail mail = std::move(*due);
      waiting_.erase(due);
      lock.unlock();
      const Outcome outcome = now < mail.valid_until ? transfer(mail) : Outcome::postponed;
      lock.lock();
      settle(std::move(mail), outcome);
    }
  }

  void settle(Mail mail, Outcome outcome) {
    failing_until_ = clock_.monotonic() + (outcome == Outcome::failed ? settings_.failing_for : milliseconds(0));
    switch (outcome) {
      case Outcome::sent:
        ++counters_.sent;
        return;
      case Outcome::refused:
        ++counters_.refused;
        return;
      case Outcome::postponed:
      case Outcome::failed:
        break;
    }
    mail.not_before = clock_.monotonic() + settings_.retry_after;
    if (--mail.tries_left == 0 || mail.not_before >= mail.valid_until) {
      ++counters_.dropped;
      return;
    }
    ++counters_.retried;
    waiting_.push_back(std::move(mail));  // it was counted in already, so this may be one above the limit
  }

  Outcome transfer(const Mail& mail) {
    CURL* curl = easy_.get();
    curl_easy_reset(curl);  // keeps the connection
    const List to(curl_slist_append(nullptr, ("<" + mail.to + ">").c_str()));
    const std::string from = "<" + settings_.from + ">";
    Source source{mail.message};
    curl_easy_setopt(curl, CURLOPT_URL, settings_.url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");  // whatever the environment says
    curl_easy_setopt(curl, CURLOPT_USE_SSL,
                     static_cast<long>(settings_.allow_plaintext ? CURLUSESSL_TRY : CURLUSESSL_ALL));
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!settings_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, settings_.ca_file.c_str());
    std::string password(as_text(settings_.password));
    if (!settings_.user.empty()) {
      curl_easy_setopt(curl, CURLOPT_USERNAME, settings_.user.c_str());
      curl_easy_setopt(curl, CURLOPT_PASSWORD, password.c_str());
    }
    wipe(password.data(), password.size());  // libcurl has its own copy by now
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from.c_str());
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to.get());
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, &read_mail);
    curl_easy_setopt(curl, CURLOPT_READDATA, &source);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(settings_.timeout.count()));
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(settings_.timeout.count()));
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &is_stopping);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &stopping_);
    const CURLcode result = curl_easy_perform(curl);
    long response = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response);
    return judge(result, response);
  }

  Outcome judge(CURLcode result, long response) {
    if (result == CURLE_OK) {
      failing_ = false;
      return Outcome::sent;
    }
    // A refusal of this one mail. An unwilling login is everybody's trouble and worth another try after it was mended.
    const bool of_this_mail = response >= 400 && (result == CURLE_SEND_ERROR || result == CURLE_RECV_ERROR ||
                                                  result == CURLE_WEIRD_SERVER_REPLY);
    if (of_this_mail && response >= 500) return Outcome::refused;
    if (!failing_ && !stopping_) {
      failing_ = true;
      log_.event(LogLevel::warning, "identity.smtp_failing",
                 {{"curl", std::int64_t{result}},
                  {"response", std::int64_t{response}},
                  {"why", std::string_view(curl_easy_strerror(result))}});
    }
    return of_this_mail ? Outcome::postponed : Outcome::failed;  // who names a bad address must not stop the others
  }

  const SmtpSettings settings_;
  Easy easy_;  // used on the thread alone
  const Clock& clock_;
  RandomSource& random_;
  Log& log_;
  bool failing_ = false;  // on the thread alone: a broken mail server is logged once
  std::atomic<bool> stopping_ = false;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Mail> waiting_;
  Instant failing_until_{};
  Counters counters_;

  std::thread thread_;  // last: it uses all of the above
};

SmtpCodeSender::SmtpCodeSender(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}
SmtpCodeSender::~SmtpCodeSender() = default;

Result<std::unique_ptr<SmtpCodeSender>, SmtpError> SmtpCodeSender::start(SmtpSettings settings, const Clock& clock,
                                                                         RandomSource& random, Log& log) {
  if (!are_good(settings)) return fail(SmtpError::bad_settings);
  static std::once_flag once;
  static bool ready = false;
  std::call_once(once, [] { ready = curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK; });
  Easy easy(ready ? curl_easy_init() : nullptr);
  if (!easy) return fail(SmtpError::no_library);
  return std::unique_ptr<SmtpCodeSender>(
      new SmtpCodeSender(std::make_unique<Worker>(std::move(settings), std::move(easy), clock, random, log)));
}

CodeQueued SmtpCodeSender::send(const Handle& handle, const Code& code, seconds valid_for) {
  if (handle.kind() != HandleKind::email) return CodeQueued::unsupported;
  return worker_->send(handle, code, valid_for);
}

bool SmtpCodeSender::failing(HandleKind /*kind*/) const {
  return worker_->failing();
}

SmtpCodeSender::Counters SmtpCodeSender::counters() const {
  return worker_->counters();
}

}  // namespace opaline::identity
