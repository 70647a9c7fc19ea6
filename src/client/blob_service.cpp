#include "client/blob_service.hpp"

#include "uplink/blobs.hpp"

namespace opaline::client {
namespace {

using endpoint::BlobId;

/// The server gives a piece 60 seconds; one that takes longer is lost on it.
constexpr auto kDeadline = std::chrono::seconds(75);

/// Pieces of a lane arrive in the order in which they were sent.
constexpr std::uint8_t kUp = 1, kDown = 2;

net::HttpClientOptions options_for(const Service& service) {
  net::HttpClientOptions options;
  options.origin = service.url();
  options.tls = &service.tls();
  options.max_connections = 3;  // up, down, releases
  options.max_pipelined = kMaxUnderWay;
  options.max_response_bytes = kMaxPieceDownBytes;
  return options;
}

net::HttpClientRequest request(const char* method, std::string target) {
  net::HttpClientRequest out;
  out.method = method;
  out.target = std::move(target);
  out.deadline = kDeadline;
  return out;
}

net::HttpHeader upload_header(ByteView token) {
  return {"Opaline-Upload", to_base64url(token)};
}

}  // namespace

BlobService::BlobService(net::EventLoop& loop, const Service& service)
    : service_(service), http_(loop, options_for(service)) {}

BlobFailure BlobService::nonsense() const {
  return {BlobError::nonsense, failure_of(net::NetError::protocol_violation, service_.url())};
}

BlobFailure BlobService::failure(const net::HttpResponse& response) const {
  // At most a line, and only where it is a refusal of ours: pages of proxies are no words for a person.
  std::string said = to_string(ByteView(response.body).first(std::min<std::size_t>(response.body.size(), 200)));
  if (const auto end = said.find('\n'); end != std::string::npos) said.resize(end);
  BlobFailure out{BlobError::refused, {ClientError::refused, "the server refused: " + said}};
  if (const auto after = uplink::number_header(response, "Retry-After"); after && *after <= 0xffffffff)
    out.words.retry_after_seconds = static_cast<std::uint32_t>(*after);
  switch (response.status) {
    case 404:
      out.error = BlobError::gone;
      break;
    case 409: {
      const auto offset = uplink::number_header(response, "Opaline-Offset");
      if (!offset) return nonsense();
      out.error = BlobError::elsewhere;
      out.offset = *offset;
      break;
    }
    case 429:
      out.error = BlobError::quota;
      out.words.error = ClientError::quota;
      break;
    case 503:
      out.error = BlobError::unavailable;
      out.words.error = ClientError::connect_failed;
      out.words.message = "the server has no room for files, or too much to do, at the moment";
      break;
    default:
      if (response.status < 400) return nonsense();
      break;
  }
  return out;
}

void BlobService::send(net::HttpClientRequest what, Answered done) {
  http_.request(std::move(what), [this, done = std::move(done)](Result<net::HttpResponse, net::NetError> answer) {
    if (answer) return done(std::move(*answer));
    const bool strange =
        answer.error() == net::NetError::too_large || answer.error() == net::NetError::protocol_violation;
    done(fail(BlobFailure{strange ? BlobError::nonsense : BlobError::unreachable,
                          failure_of(answer.error(), service_.url())}));
  });
}

void BlobService::put(const BlobId& blob, ByteView upload_token, std::uint64_t offset, Bytes piece,
                      BlobDone<Uploaded> done) {
  auto what = request("PUT", uplink::blob_path(blob) + "?offset=" + std::to_string(offset));
  what.headers = {upload_header(upload_token)};
  what.body = std::move(piece);
  what.lane = kUp;
  send(std::move(what), [this, done = std::move(done)](Result<net::HttpResponse, BlobFailure> answer) {
    if (!answer) return done(fail(answer.error()));
    if (answer->status != 201 && answer->status != 202) return done(fail(failure(*answer)));
    const auto now = uplink::number_header(*answer, "Opaline-Offset");
    if (!now) return done(fail(nonsense()));
    done(Uploaded{*now, answer->status == 201});
  });
}

void BlobService::ask(const BlobId& blob, ByteView upload_token, std::uint64_t size, BlobDone<Uploaded> done) {
  auto what = request("GET", uplink::blob_path(blob) + "/offset");
  what.headers = {upload_header(upload_token)};
  send(std::move(what), [this, size, done = std::move(done)](Result<net::HttpResponse, BlobFailure> answer) {
    if (!answer) return done(fail(answer.error()));
    if (answer->status != 200) return done(fail(failure(*answer)));
    const auto now = uplink::number_header(*answer, "Opaline-Offset"),
               whole = uplink::number_header(*answer, "Opaline-Size");
    if (!now || whole != size || *now > size) return done(fail(nonsense()));
    done(Uploaded{*now, *now == size});
  });
}

void BlobService::get(const BlobId& blob, std::uint64_t offset, std::uint64_t length, BlobDone<Piece> done) {
  auto what = request(
      "GET", uplink::blob_path(blob) + "?offset=" + std::to_string(offset) + "&length=" + std::to_string(length));
  what.lane = kDown;
  send(std::move(what), [this, length, done = std::move(done)](Result<net::HttpResponse, BlobFailure> answer) {
    if (!answer) return done(fail(answer.error()));
    if (answer->status != 200) return done(fail(failure(*answer)));
    const auto whole = uplink::number_header(*answer, "Opaline-Size");
    if (!whole || answer->body.size() > length) return done(fail(nonsense()));
    done(Piece{std::move(answer->body), *whole});
  });
}

BlobDone<net::HttpResponse> BlobService::expecting_204(BlobDone<std::monostate> done) const {
  return [this, done = std::move(done)](Result<net::HttpResponse, BlobFailure> answer) {
    if (!answer) return done(fail(answer.error()));
    if (answer->status != 204) return done(fail(failure(*answer)));
    done(std::monostate{});
  };
}

void BlobService::release(const BlobId& blob, ByteView token, BlobDone<std::monostate> done) {
  auto what = request("POST", uplink::blob_path(blob) + "/release");
  what.body = to_bytes(token);
  send(std::move(what), expecting_204(std::move(done)));
}

void BlobService::add_releases(const BlobId& blob, ByteView upload_token, Bytes hashes, BlobDone<std::monostate> done) {
  auto what = request("POST", uplink::blob_path(blob) + "/releases");
  what.headers = {upload_header(upload_token)};
  what.body = std::move(hashes);
  send(std::move(what), expecting_204(std::move(done)));
}

void BlobService::remove(const BlobId& blob, ByteView upload_token, BlobDone<std::monostate> done) {
  auto what = request("DELETE", uplink::blob_path(blob));
  what.headers = {upload_header(upload_token)};
  send(std::move(what), expecting_204(std::move(done)));
}

}  // namespace opaline::client
