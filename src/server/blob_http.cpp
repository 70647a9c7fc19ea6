#include "server/blob_http.hpp"

#include <algorithm>
#include <charconv>

namespace opaline::server {
namespace {

using blobs::Error;
using blobs::Token;

constexpr std::string_view kPlain = "text/plain; charset=utf-8";
constexpr std::size_t kTokenBytes = Token::kSize;
constexpr std::size_t kTokenText = 43;  // 32 bytes in base64url
/// For a full disk and the like: nothing that goes away in a second.
constexpr seconds kUnavailableFor{60};

net::HttpResponse answer(unsigned status, std::string_view what = {}) {
  auto out = what.empty() ? net::HttpResponse{.status = status} : net::text_response(status, kPlain, what);
  out.headers.push_back({"Cache-Control", "no-store"});
  return out;
}

net::HttpResponse progress_answer(unsigned status, const store::BlobProgress& progress, std::string_view what = {}) {
  auto out = answer(status, what);
  out.headers.push_back({"Opaline-Offset", std::to_string(progress.received)});
  out.headers.push_back({"Opaline-Size", std::to_string(progress.size)});
  return out;
}

std::optional<ByteArray<32>> parse_32(std::string_view text) {
  if (text.size() != kTokenText) return std::nullopt;
  const auto bytes = from_base64url(text);
  if (!bytes || bytes->size() != 32) return std::nullopt;
  return to_array<32>(*bytes);
}

/// Decimal, without sign or leading zeros. Takes it from the front of `text`.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  const auto size = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || (size > 1 && text.front() == '0')) return std::nullopt;
  text.remove_prefix(size);
  return out;
}
bool take(std::string_view& text, std::string_view front) {
  if (!text.starts_with(front)) return false;
  text.remove_prefix(front.size());
  return true;
}

/// "offset=N", and for GET "&length=M". False: it is not so.
bool parse_query(std::string_view query, BlobRequest& out) {
  if (out.action != BlobAction::put && out.action != BlobAction::get) return query.empty();
  if (!take(query, "offset=")) return false;
  const auto offset = take_number(query);
  if (!offset) return false;
  out.offset = *offset;
  if (out.action == BlobAction::put) return query.empty();
  if (!take(query, "&length=")) return false;
  const auto length = take_number(query);
  if (!length || *length == 0 || *length > blobs::kMaxReadBytes) return false;
  out.length = static_cast<std::size_t>(*length);
  return query.empty();
}

struct Route {
  std::string_view method;
  BlobAction action;
};
/// What may be done with `name`, `name/offset`, ...; empty: there is no such path.
std::vector<Route> routes_of(std::string_view rest) {
  if (rest.empty()) return {{"PUT", BlobAction::put}, {"GET", BlobAction::get}, {"DELETE", BlobAction::remove}};
  if (rest == "/offset") return {{"GET", BlobAction::offset}};
  if (rest == "/release") return {{"POST", BlobAction::release}};
  if (rest == "/releases") return {{"POST", BlobAction::add_releases}};
  return {};
}

bool needs_upload_token(BlobAction action) {
  return action != BlobAction::get && action != BlobAction::release;
}

/// Checks the body and moves it to where it belongs. nullopt: good.
std::optional<net::HttpResponse> take_body(Bytes body, BlobRequest& out) {
  switch (out.action) {
    case BlobAction::put:
      if (body.empty()) return answer(400, "a piece has at least one byte\n");
      if (body.size() > blobs::kMaxPieceBytes) return answer(413, "a piece has at most 1 MiB\n");
      out.body = std::move(body);
      return std::nullopt;
    case BlobAction::release:
      if (body.size() != kTokenBytes) return answer(400, "a release token has 32 bytes\n");
      out.token = Token(FixedView<kTokenBytes>(body));
      return std::nullopt;
    case BlobAction::add_releases:
      if (body.empty() || body.size() % kTokenBytes != 0) return answer(400, "hashes have 32 bytes each\n");
      out.body = std::move(body);
      return std::nullopt;
    case BlobAction::offset:
    case BlobAction::get:
    case BlobAction::remove:
      if (!body.empty()) return answer(400, "no body here\n");
      return std::nullopt;
  }
  return std::nullopt;
}

std::vector<blobs::BlobTokenHash> hashes_of(ByteView body) {
  std::vector<blobs::BlobTokenHash> out;
  for (; body.size() >= kTokenBytes; body = body.subspan(kTokenBytes)) {
    out.emplace_back(FixedView<kTokenBytes>(body.first<kTokenBytes>()));
  }
  return out;
}

net::HttpResponse refusal(Error error) {
  switch (error) {
    case Error::bad_request:
      return answer(400, "out of bounds\n");
    case Error::not_found:
      return no_such_blob();
    case Error::too_large:
      return answer(413, "beyond the size that was said\n");
    case Error::quota:
      return answer(429, "over the quota\n");
    case Error::unavailable:
      break;
  }
  return blobs_busy("the disk is full or failed\n", kUnavailableFor);
}

template <class T>
net::HttpResponse done(const Result<T, Error>& result) {
  return result ? answer(204) : refusal(result.error());
}

}  // namespace

net::HttpResponse no_such_blob() {
  return answer(404, "not found\n");
}

net::HttpResponse blobs_busy(std::string_view what, seconds retry_after) {
  auto out = answer(503, what);
  out.headers.push_back({"Retry-After", std::to_string(retry_after.count())});
  return out;
}

std::size_t blob_body_limit(const net::HttpRequest& head) {
  return head.method == "PUT" ? blobs::kMaxPieceBytes : store::kMaxBlobReleases * kTokenBytes;
}

std::variant<BlobRequest, net::HttpResponse> parse_blob_request(net::HttpRequest request) {
  const auto rest = request.path().substr(kBlobsPath.size());
  const auto id = parse_32(rest.substr(0, kTokenText));
  const auto routes = id ? routes_of(rest.substr(kTokenText)) : std::vector<Route>{};
  if (routes.empty()) return no_such_blob();
  const auto route = std::ranges::find(routes, request.method, &Route::method);
  if (route == routes.end()) {
    auto refused = answer(405, "another method\n");
    std::string allowed;
    for (const Route& each : routes) allowed += (allowed.empty() ? "" : ", ") + std::string(each.method);
    refused.headers.push_back({"Allow", allowed});
    return refused;
  }
  BlobRequest out;
  out.action = route->action;
  out.id = blobs::BlobId(*id);
  if (!parse_query(request.query(), out)) return answer(400, "the query is not as it must be\n");
  if (needs_upload_token(out.action)) {
    const auto token = parse_32(request.header("Opaline-Upload").value_or(""));
    if (!token) return no_such_blob();
    out.token = Token(FixedView<kTokenBytes>(*token));
  }
  if (auto refused = take_body(std::move(request.body), out)) return std::move(*refused);
  return out;
}

net::HttpResponse serve_blob(blobs::Service& service, BlobRequest& request, bool& checkpoint) {
  switch (request.action) {
    case BlobAction::put: {
      const auto appended = service.append(request.id, request.token, request.offset, request.body);
      if (!appended) return refusal(appended.error());
      checkpoint = appended->progress.checkpoint_due;
      if (!appended->appended) return progress_answer(409, appended->progress, "the upload stands elsewhere\n");
      return progress_answer(appended->progress.complete ? 201 : 202, appended->progress);
    }
    case BlobAction::offset: {
      const auto progress = service.progress(request.id, request.token);
      if (!progress) return refusal(progress.error());
      return progress_answer(200, *progress);
    }
    case BlobAction::get: {
      auto piece = service.read(request.id, request.offset, request.length);
      if (!piece) return refusal(piece.error());
      auto out = answer(200);
      // Anybody may have put anything here: no browser is to take it for a page.
      out.headers.push_back({"Content-Type", "application/octet-stream"});
      out.headers.push_back({"X-Content-Type-Options", "nosniff"});
      out.headers.push_back({"Opaline-Size", std::to_string(piece->size)});
      out.body = std::move(piece->bytes);
      return out;
    }
    case BlobAction::release:
      return done(service.release(request.id, request.token));
    case BlobAction::add_releases:
      return done(service.add_releases(request.id, request.token, hashes_of(request.body)));
    case BlobAction::remove:
      return done(service.remove(request.id, request.token));
  }
  return no_such_blob();
}

}  // namespace opaline::server
