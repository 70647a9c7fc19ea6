#include "gateway/api.hpp"

#include <algorithm>

#include "gateway/internal/api_call.hpp"
#include "gateway/tickets.hpp"
#include "msp/base64.hpp"
#include "msp/jwt.hpp"
#include "msp/payload.hpp"

namespace opaline::gateway {

using internal::problem;
using msp::Error;
using msp::Problem;

namespace {

/// A body of whoever shows no token of ours: enough for what connectors send while they are set up, so that they hear
/// what is wrong.
constexpr std::size_t kMaxStrangersBodyBytes = std::size_t{64} * 1024;

std::vector<msp::HeaderField> fields_of(const net::HttpHeaders& headers) {
  std::vector<msp::HeaderField> out;
  out.reserve(headers.size());
  for (const net::HttpHeader& one : headers) out.push_back({.name = one.name, .value = one.value});
  return out;
}

}  // namespace

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash != 0) out.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return out;
}

// ---------------------------------------------------------------- a call and its answer

Api::Call::Call(net::HttpRequest received, net::HttpResponder to)
    : request(std::move(received)), responder(std::move(to)), fields(fields_of(request.headers)) {}

Result<ByteView, Problem> Api::Call::body() {
  constexpr std::string_view kName = "content-encoding";
  OPALINE_TRY(const std::string_view encoding, msp::find_header(fields, kName));
  const auto is = [encoding](std::string_view name) {
    return std::ranges::equal(encoding, name, {},
                              [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  };
  if (encoding.empty() || is("identity")) return ByteView(request.body);
  if (!is("gzip") && !is("x-gzip")) {
    return fail(internal::about(kName, 400, Error::unsupported, "send the body as it is, or in gzip"));
  }
  auto plain = msp::gunzip(request.body, msp::kMaxPayloadBytes);
  if (!plain) {
    if (plain.error() == Error::oversized) {
      return fail(problem(413, Error::oversized, "the body is too large when its gzip is opened"));
    }
    return fail(internal::about(kName, 400, Error::malformed, "the gzip is damaged, cut short, or followed by more"));
  }
  opened = std::move(*plain);
  return ByteView(opened);
}

void Api::Call::answer(net::HttpHeaders headers, unsigned status, Bytes bytes, std::shared_ptr<void> held) {
  headers.push_back({"Cache-Control", "no-store"});
  responder.respond(
      {.status = status, .headers = std::move(headers), .body = std::move(bytes), .held = std::move(held)});
}
void Api::Call::answer(unsigned status, std::string_view content_type, ByteView bytes, std::shared_ptr<void> held) {
  answer({{"Content-Type", std::string(content_type)}}, status, to_bytes(bytes), std::move(held));
}

namespace {

net::HttpHeaders headers_of(const Problem& problem, seconds retry_after = seconds(0)) {
  net::HttpHeaders out{{"Content-Type", "application/json"}};
  if (problem.status == 401) out.push_back({"WWW-Authenticate", "Bearer"});
  if (problem.status == 429 || problem.status == 503) {
    out.push_back({"Retry-After", std::to_string(std::max<std::int64_t>(retry_after.count(), 1))});
  }
  return out;
}

Problem unreadable(unsigned status) {
  switch (status) {
    case 413:
      return problem(413, Error::oversized, "the body is larger than this call, or this token, may send");
    case 431:
      return problem(431, Error::oversized, "the headers are larger than 8192 bytes");
    case 501:
      return problem(501, Error::unsupported, "no Transfer-Encoding but chunked");
    case 503:
      return problem(503, Error::unavailable, "no room for the body at the moment; try again");
    case 505:
      return problem(505, Error::unsupported, "send HTTP/1.1");
    default:
      return problem(status, Error::malformed, "this is no request of HTTP/1.1 (RFC 9112)");
  }
}

}  // namespace

void Api::Call::refuse(const Problem& problem, seconds retry_after) {
  answer(headers_of(problem, retry_after), problem.status, to_bytes(as_view(msp::to_json(problem))));
}

net::HttpResponse Api::refusal(unsigned status) {
  const Problem problem = unreadable(status);
  return {.status = status, .headers = headers_of(problem), .body = to_bytes(as_view(msp::to_json(problem)))};
}

std::optional<Files::Failure> internal::refusal_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::accepted:
    case Outcome::delivered:
    case Outcome::read:
      return std::nullopt;
    case Outcome::pending:
      return Files::Failure{problem(503, Error::unavailable,
                                    "it is on its way; send it again with the same id to hear what became of it"),
                            seconds(1)};
    case Outcome::unknown:
      return Files::Failure{nobody()};
    case Outcome::closed:
      return Files::Failure{about("destination-id", 410, Error::closed,
                                  "the person has closed the conversation; nothing reaches them until they write")};
    case Outcome::expired:
      break;
  }
  return Files::Failure{problem(500, Error::internal, "it could not be given to the person's devices within 30 days")};
}

// ---------------------------------------------------------------- who calls

Api::Api(const Clock& clock, RandomSource& random, Businesses& businesses, Files& files, Options options)
    : clock_(clock), random_(random), businesses_(businesses), files_(files), options_(std::move(options)) {
  while (options_.base_url.ends_with('/')) options_.base_url.pop_back();
  nobody_.msp_id = "nobody";
  nobody_.msp_secret = msp::to_base64(random_.bytes<32>());
}

bool Api::allows(std::string_view token, const BusinessConfig& business) const {
  const auto key = msp::TokenKey::from_secret(business.msp_secret);
  if (!key) return false;
  return msp::verify_token(token, msp::TokenUse::call_of_msp, business.msp_id, *key,
                           {.max_age = business.max_token_age}, clock_.now())
      .has_value();
}

/// Whom the token speaks for, where the call does not name a business.
Result<std::vector<BusinessPort*>, Problem> Api::callers(msp::HeaderFields fields) const {
  OPALINE_TRY(const std::string_view token, msp::bearer_token(fields));
  std::vector<BusinessPort*> out;
  if (const auto issuer = msp::claimed_issuer(token)) out = businesses_.of_msp(*issuer);
  if (out.empty()) static_cast<void>(allows(token, nobody_));
  std::erase_if(out, [&](const BusinessPort* one) { return !allows(token, one->config()); });
  if (out.empty()) return fail(msp::refused_token());
  return out;
}

/// The business of source-id. Where there is none, or none that can be: any of the token's, so that who may call hears
/// from the reader of the headers what is wrong.
Result<BusinessPort*, Problem> Api::caller(msp::HeaderFields fields) const {
  OPALINE_TRY(const std::string_view token, msp::bearer_token(fields));
  const auto source = msp::find_header(fields, "source-id");
  const auto id = source ? msp::parse_uuid(*source) : std::nullopt;
  if (!id) {
    OPALINE_TRY(const auto all, callers(fields));
    return all.front();
  }
  BusinessPort* const business = businesses_.find(*id);
  const bool right = allows(token, business == nullptr ? nobody_ : business->config());
  if (business == nullptr || !right) return fail(msp::refused_token());
  return business;
}

// ---------------------------------------------------------------- what for

struct Api::Route {
  std::string_view method, name;
  std::size_t more;  ///< segments after the name
  void (Api::*handler)(const CallPtr&);
};
const Api::Route Api::kRoutes[] = {
    {"POST", "message", 0, &Api::message},
    {"POST", "authenticate", 0, &Api::authenticate},
    {"GET", "messages", 1, &Api::message_status},
    {"GET", "preUpload", 0, &Api::pre_upload},
    {"POST", "upload", 2, &Api::upload},
    {"GET", "preDownload", 0, &Api::pre_download},
    {"GET", "download", 1, &Api::download},
    {"POST", "decodePayload", 0, &Api::decode_payload},
    {"POST", "encodePayload", 0, &Api::encode_payload},
    {"POST", "constructPayload", 0, &Api::construct_payload},
};

void Api::handle(net::HttpRequest request, net::HttpResponder responder) {
  const auto call = std::make_shared<Call>(std::move(request), std::move(responder));
  const auto segments = segments_of(call->request.path());
  const auto* const route = std::ranges::find_if(kRoutes, [&](const Route& one) {
    return segments.size() == 2 + one.more && segments[0] == "v1" && segments[1] == one.name;
  });
  if (route == std::end(kRoutes)) {
    return call->refuse(problem(404, Error::unknown, "there is no such path; the base URL ends before /v1"));
  }
  if (call->request.method != route->method) {
    const Problem wrong = problem(405, Error::unsupported, "another method, which Allow names");
    return call->answer({{"Content-Type", "application/json"}, {"Allow", std::string(route->method)}}, wrong.status,
                        to_bytes(as_view(msp::to_json(wrong))));
  }
  call->path.assign(segments.begin() + 2, segments.end());
  (this->*route->handler)(call);
}

std::size_t Api::body_limit(const net::HttpRequest& head) const {
  const auto segments = segments_of(head.path());
  if (segments.size() == 4 && segments[0] == "v1" && segments[1] == "upload") {
    const auto ticket = read_upload_ticket(segments[2], segments[3], businesses_);
    return ticket ? std::max<std::size_t>(ticket->size_bytes, kMaxStrangersBodyBytes) : kMaxStrangersBodyBytes;
  }
  const auto fields = fields_of(head.headers);
  // Above what messages may have: then they hear it in JSON.
  return caller(fields) ? msp::kMaxPayloadBytes : kMaxStrangersBodyBytes;
}

// ---------------------------------------------------------------- payloads

void Api::decode_payload(const CallPtr& call) {
  const auto business = caller(call->fields);
  if (!business) return call->refuse(business.error());
  const auto headers = msp::parse_decode_payload(call->fields);
  if (!headers) return call->refuse(headers.error());
  const auto body = call->body();
  if (!body) return call->refuse(body.error());
  const auto plain = msp::decode_payload(*body);
  if (!plain) return call->refuse(plain.error());
  call->answer(200, "application/json", *plain);
}

void Api::encode_payload(const CallPtr& call) {
  const auto business = caller(call->fields);
  if (!business) return call->refuse(business.error());
  const auto body = call->body();
  if (!body) return call->refuse(body.error());
  const auto payload = msp::encode_payload(*body, random_.id<msp::Uuid>());
  if (!payload) return call->refuse(payload.error());
  call->answer(200, "application/octet-stream", *payload);
}

void Api::construct_payload(const CallPtr& call) {
  const auto business = caller(call->fields);
  if (!business) return call->refuse(business.error());
  const auto body = call->body();
  if (!body) return call->refuse(body.error());
  const auto request = msp::parse_construct(*body);
  if (!request) return call->refuse(request.error());
  Problem refused = problem(400, Error::unsupported,
                            "the service fetches no pages; send a richLink with url, title and image in richLinkData");
  refused.pointer = "/link/url";
  call->refuse(refused);
}

}  // namespace opaline::gateway
