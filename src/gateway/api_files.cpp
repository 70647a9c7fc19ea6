// GET /v1/preUpload and /v1/preDownload, and the URLs that they give out.
#include "crypto/hash.hpp"
#include "gateway/internal/api_call.hpp"
#include "gateway/tickets.hpp"
#include "msp/base64.hpp"

namespace opaline::gateway {

using internal::problem;
using msp::Error;

void Api::pre_upload(const CallPtr& call) {
  const auto business = caller(call->fields);
  if (!business) return call->refuse(business.error());
  const auto asked = msp::parse_pre_upload(call->fields);
  if (!asked) return call->refuse(asked.error());
  files_.create(**business, asked->size_bytes,
                [this, call, id = asked->source, size = static_cast<std::uint32_t>(asked->size_bytes)](
                    const Result<Files::Place, Files::Failure>& place) {
                  if (!place) return call->refuse(place.error());
                  const BusinessPort* const now = businesses_.find(id);
                  if (now == nullptr) return call->refuse(msp::refused_token());
                  const std::string ticket = write_upload_ticket(
                      {.business = id, .blob = place->blob, .upload_token = place->upload_token, .size_bytes = size},
                      now->config());
                  // None of them has a character that JSON escapes.
                  call->json("{\"upload-url\":\"" + options_.base_url + "/v1/upload/" + ticket + "\",\"mmcs-url\":\"" +
                             url_of(place->blob, files_.service()) + "\",\"mmcs-owner\":\"" + msp::to_text(id) + "\"}");
                });
}

void Api::upload(const CallPtr& call) {
  const auto ticket = read_upload_ticket(call->path[0], call->path[1], businesses_);
  if (!ticket) {
    return call->refuse(problem(404, Error::unknown, "this upload-url is not known; call preUpload again"));
  }
  if (call->request.body.size() != ticket->size_bytes) {
    return call->refuse(call->request.body.size() > ticket->size_bytes
                            ? problem(413, Error::oversized, "it is longer than preUpload was told; call it again")
                            : problem(400, Error::mismatch, "it is shorter than preUpload was told; call it again"));
  }
  files_.upload({.blob = ticket->blob, .upload_token = ticket->upload_token}, std::move(call->request.body),
                [call, size = ticket->size_bytes](const Result<ByteArray<32>, Files::Failure>& stored) {
                  if (!stored) return call->refuse(stored.error());
                  call->json("{\"singleFile\":{\"fileChecksum\":\"" + msp::to_base64(*stored) +
                             "\",\"size\":" + std::to_string(size) + ",\"receipt\":\"" + to_hex(*stored) + "\"}}");
                });
}

void Api::pre_download(const CallPtr& call) {
  const auto business = caller(call->fields);
  if (!business) return call->refuse(business.error());
  const auto asked = msp::parse_pre_download(call->fields);
  if (!asked) return call->refuse(asked.error());
  const auto blob = blob_of(asked->url, files_.service());
  if (!blob) {
    return call->refuse(
        internal::about("url", 404, Error::unknown, "it is no file of this service; send it as it came"));
  }
  call->json("{\"download-url\":\"" + options_.base_url + "/v1/download/" + to_base64url(blob->view()) + "\"}");
}

void Api::download(const CallPtr& call) {
  const auto bytes = from_base64url(call->path[0]);
  const auto blob = bytes ? endpoint::BlobId::from(*bytes) : std::nullopt;
  if (!blob) return call->refuse(problem(404, Error::unknown, "there is no such file"));
  files_.download(*blob, [call](Result<Files::Download, Files::Failure> got) {
    if (!got) return call->refuse(got.error());
    call->answer({{"Content-Type", "application/octet-stream"}}, 200, std::move(got->ciphertext), std::move(got->held));
  });
}

}  // namespace opaline::gateway
