#include "sms/kannel.hpp"

namespace opaline::sms {
namespace {

constexpr std::size_t kMaxResponseBytes = 4096;
constexpr std::size_t kMaxWaiting = 256;
/// Delivered to the telephone, not delivered, rejected by the carrier.
constexpr unsigned kReports = 1 | 2 | 16;

/// Before a byte of the request had left: it can be tried again.
bool never_arrived(net::NetError error) {
  switch (error) {
    case net::NetError::name_not_found:
    case net::NetError::connect_failed:
    case net::NetError::tls_failed:
    case net::NetError::certificate_rejected:
    case net::NetError::plain_needs_loopback:
    case net::NetError::address_not_public:
    case net::NetError::resources_exhausted:
      return true;
    default:
      return false;
  }
}

Result<void, Error> judged(const Result<net::HttpResponse, net::NetError>& answer) {
  if (!answer) return fail(never_arrived(answer.error()) ? Error::unavailable : Error::unknown);
  const std::string_view body = as_text(answer->body);
  // "0: Accepted for delivery", or "3: Queued for later delivery" while no carrier is connected.
  if (answer->status == 202 && (body.starts_with('0') || body.starts_with('3'))) return {};
  if (answer->status == 503 || answer->status == 429) return fail(Error::unavailable);
  return fail(Error::refused);
}

}  // namespace

Result<std::unique_ptr<Kannel>, net::NetError> Kannel::create(net::EventLoop& loop, KannelSettings settings,
                                                              const net::TlsClientContext* tls) {
  OPALINE_TRY(auto url, net::Url::parse(settings.url));
  if (url.tls && tls == nullptr) return fail(net::NetError::url_invalid);
  return std::unique_ptr<Kannel>(new Kannel(loop, std::move(url), std::move(settings), tls));
}

Kannel::Kannel(net::EventLoop& loop, net::Url url, KannelSettings settings, const net::TlsClientContext* tls)
    : loop_(loop),
      url_(std::move(url)),
      settings_(std::move(settings)),
      client_(loop, {.origin = url_,
                     .tls = tls,
                     .max_connections = 2,
                     .max_waiting = kMaxWaiting,
                     .max_response_bytes = kMaxResponseBytes}) {}

void Kannel::send(const Outgoing& message, Done done) {
  const auto shape = carrier::shape_of(message.text);
  if (!shape) {
    loop_.post([done = std::move(done)]() mutable { done(fail(Error::invalid)); });
    return;
  }
  net::HttpClientRequest request{.method = "POST", .target = url_.target, .deadline = settings_.deadline};
  request.headers = {{"X-Kannel-Username", settings_.user},
                     {"X-Kannel-Password", to_string(settings_.password)},
                     {"X-Kannel-To", message.to}};
  if (!settings_.sender.empty()) request.headers.push_back({"X-Kannel-From", settings_.sender});
  if (!message.report.empty()) {
    request.headers.push_back({"X-Kannel-DLR-Mask", std::to_string(kReports)});
    request.headers.push_back({"X-Kannel-DLR-Url", message.report});
  }
  if (shape->alphabet == carrier::Alphabet::gsm7) {
    request.headers.push_back({"X-Kannel-Coding", "0"});
    request.headers.push_back({"X-Kannel-Charset", "UTF-8"});
    request.headers.push_back({"Content-Type", "text/plain; charset=UTF-8"});
    request.body = to_bytes(message.text);
  } else {
    request.headers.push_back({"X-Kannel-Coding", "2"});
    request.headers.push_back({"Content-Type", "application/octet-stream"});
    request.body = to_bytes(carrier::to_utf16(message.text));
  }
  client_.request(
      std::move(request),
      [done = std::move(done)](Result<net::HttpResponse, net::NetError> answer) mutable { done(judged(answer)); });
}

}  // namespace opaline::sms
