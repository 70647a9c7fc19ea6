#include "sms/carrier_http.hpp"

#include <algorithm>
#include <charconv>

#include "carrier/short_message.hpp"
#include "crypto/compare.hpp"

namespace opaline::sms {
namespace {

constexpr std::string_view kPlain = "text/plain; charset=utf-8";
constexpr std::string_view kSendAgain = "5";  // seconds
constexpr std::size_t kMaxKannelIdBytes = 128;

net::HttpResponse plain(unsigned status, std::string_view text) {
  return net::text_response(status, kPlain, text);
}
net::HttpResponse later() {
  auto out = plain(503, "later\n");
  out.headers.push_back({"Retry-After", std::string(kSendAgain)});
  return out;
}
net::HttpResponse problem(const msp::Problem& what) {
  return net::text_response(what.status, "application/json", msp::to_json(what));
}

/// A parameter of a query whose values need no decoding; empty: it is not there.
std::string_view parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const std::string_view one = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=')
      return one.substr(name.size() + 1);
  }
  return {};
}

bool is_utf16(std::string_view content_type) {
  std::string lower(content_type);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower.find("utf-16be") != std::string::npos || lower.find("ucs-2") != std::string::npos;
}

/// The text of a short message as Kannel posts it; nullopt: it is none (a picture, a ring tone).
std::optional<SecretBytes> text_of(const net::HttpRequest& request) {
  const std::string_view type = request.header("Content-Type").value_or("");
  if (type.starts_with("application/octet-stream")) return std::nullopt;
  if (is_utf16(type)) return carrier::from_utf16(request.body);
  return to_secret_bytes(request.body);
}

}  // namespace

// ---------------------------------------------------------------- the gateway

Result<WebhookDoor, msp::Error> WebhookDoor::create(Settings settings, const Clock& clock, Bridge& bridge) {
  OPALINE_TRY(auto key, msp::TokenKey::from_secret(settings.msp_secret));
  return WebhookDoor(std::move(settings), std::move(key), clock, bridge);
}

net::HttpResponse WebhookDoor::handle(const net::HttpRequest& request) const {
  if (!request.path().ends_with("/message")) return plain(404, "POST .../message\n");
  if (request.method != "POST") {
    auto out = plain(405, "POST\n");
    out.headers.push_back({"Allow", "POST"});
    return out;
  }
  std::vector<msp::HeaderField> fields;
  for (const auto& header : request.headers) fields.push_back({header.name, header.value});
  const auto token = msp::bearer_token(fields);
  if (!token) return problem(token.error());
  if (!msp::verify_token(*token, msp::TokenUse::call_of_service, settings_.msp_id, key_, {}, clock_->now()))
    return problem(msp::refused_token());
  const auto message = msp::read_webhook(fields, request.body);
  if (!message) return problem(message.error());
  if (message->business != settings_.business) return plain(404, "another business\n");
  return bridge_->take(*message) ? plain(200, "") : later();
}

// ---------------------------------------------------------------- Kannel

bool is_kannel_secret(std::string_view text) {
  return text.size() >= 16 && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
         });
}

void KannelDoor::handle(net::HttpRequest request, net::HttpResponder responder) {
  std::string_view path = request.path();
  if (path.starts_with('/')) path.remove_prefix(1);
  const auto slash = std::min(path.find('/'), path.size());
  const bool ours = crypto::constant_time_equal(as_view(path.substr(0, slash)), as_view(secret_));
  path.remove_prefix(slash);
  if (ours && path == "/report" && request.method == "GET") return responder.respond(report(request.query()));
  if (ours && path == "/reply" && request.method == "POST") return reply(request, std::move(responder));
  responder.respond(plain(404, "unknown\n"));
}

net::HttpResponse KannelDoor::report(std::string_view query) {
  const auto id = MessageId::from_hex(parameter(query, "id"));
  const std::string_view text = parameter(query, "bits");
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (!id || text.empty() || error != std::errc() || end != text.data() + text.size()) return plain(404, "unknown\n");
  return bridge_.report(*id, bits) ? plain(200, "") : later();
}

void KannelDoor::reply(const net::HttpRequest& request, net::HttpResponder responder) {
  Incoming message;
  message.id = parameter(request.query(), "id");
  if (message.id.size() > kMaxKannelIdBytes) message.id.clear();
  message.from = request.header("X-Kannel-From").value_or("");
  auto text = text_of(request);
  if (!text) message.from.clear();  // nothing that could be shown: counted as that
  if (text) message.text = std::move(*text);
  bridge_.reply(std::move(message), [responder = std::move(responder)](bool taken) mutable {
    responder.respond(taken ? plain(200, "") : later());
  });
}

}  // namespace opaline::sms
