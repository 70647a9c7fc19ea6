#include "gateway/files.hpp"

#include <map>

#include "crypto/hash.hpp"
#include "gateway/internal/transfers.hpp"
#include "proto/device.pb.h"
#include "uplink/blobs.hpp"

namespace opaline::gateway {

using internal::problem;

std::string url_of(const endpoint::BlobId& blob, const net::Url& service) {
  return (service.tls ? "https://" : "http://") + service.authority() + uplink::blob_path(blob);
}

std::optional<endpoint::BlobId> blob_of(std::string_view mmcs_url, const net::Url& service) {
  const std::size_t slash = mmcs_url.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto bytes = from_base64url(mmcs_url.substr(slash + 1));
  if (!bytes) return std::nullopt;
  const auto blob = endpoint::BlobId::from(*bytes);
  if (!blob || mmcs_url != url_of(*blob, service)) return std::nullopt;
  return blob;
}

class Files::Impl {
 public:
  Impl(net::EventLoop& loop, RandomSource& random, const net::Url& service, const net::TlsClientContext& tls,
       const Options& options)
      : random_(random),
        service_(service),
        room_(options.download_bytes, options.max_waiting),
        transfers_(loop, service, tls,
                   {.first_wait = options.first_wait,
                    .max_failures = options.max_failures,
                    .piece_within = options.piece_within}) {}

  ~Impl() { room_.close(); }  // what the transfers give back goes to none of them
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] const net::Url& service() const { return service_; }

  void create(BusinessPort& business, std::uint64_t size_bytes, Done<Place> done) {
    wire::v1::BlobCreateRequest request;
    request.set_size(size_bytes);
    // Nobody has the token: a connector may send one upload to several people, and fetch what came to it twice. So
    // the service keeps the file for its 30 days.
    const auto release_hash = random_.bytes<32>();
    request.add_release_hashes(release_hash.data(), release_hash.size());
    const std::string body = request.SerializeAsString();
    business.call(wire::v1::METHOD_BLOB_CREATE, as_view(body),
                  [done = std::move(done)](const uplink::CallResult& answer) { done(place(answer)); });
  }

  void upload(const Place& place, Bytes ciphertext, Done<ByteArray<32>> done) {
    transfers_.upload(place, std::move(ciphertext), std::move(done));
  }
  void download(const endpoint::BlobId& blob, Done<Download> done) {
    transfers_.download(blob, room_, std::move(done));
  }

 private:
  static Result<Place, Failure> place(const uplink::CallResult& answer) {
    const auto later = [&](seconds otherwise) {
      wire::v1::Failure said;
      if (!said.ParseFromArray(answer.body.data(), static_cast<int>(answer.body.size()))) return otherwise;
      return said.retry_after_seconds() == 0 ? otherwise : seconds(said.retry_after_seconds());
    };
    switch (answer.status) {
      case wire::v1::CALL_STATUS_OK:
        break;
      case wire::v1::CALL_STATUS_QUOTA:
        return fail(Failure{problem(429, msp::Error::quota, "too many files of this business for now; later"),
                            later(seconds(60))});
      case wire::v1::CALL_STATUS_FORBIDDEN:
        return fail(Failure{problem(403, msp::Error::forbidden, "the operator has switched files off")});
      case wire::v1::CALL_STATUS_UNAVAILABLE:
        return fail(Failure{problem(503, msp::Error::unavailable, "no room for files at the moment; try again"),
                            later(internal::kLater)});
      default:
        return fail(Failure{problem(500, msp::Error::internal, "the service refused to make room for a file")});
    }
    wire::v1::BlobCreateReply reply;
    if (reply.ParseFromArray(answer.body.data(), static_cast<int>(answer.body.size()))) {
      const auto blob = endpoint::BlobId::from(as_view(reply.blob()));
      if (blob && reply.upload_token().size() == 32)
        return Place{.blob = *blob, .upload_token = to_array<32>(as_view(reply.upload_token()))};
    }
    return fail(Failure{problem(500, msp::Error::internal, "the service's answer makes no sense")});
  }

  RandomSource& random_;
  const net::Url& service_;
  internal::Room room_;
  internal::Transfers transfers_;
};

Files::Files(net::EventLoop& loop, RandomSource& random, const net::Url& service, const net::TlsClientContext& tls,
             Options options)
    : impl_(std::make_unique<Impl>(loop, random, service, tls, options)) {}
Files::Files(net::EventLoop& loop, RandomSource& random, const net::Url& service, const net::TlsClientContext& tls)
    : Files(loop, random, service, tls, Options{}) {}
Files::~Files() = default;

const net::Url& Files::service() const {
  return impl_->service();
}
void Files::create(BusinessPort& business, std::uint64_t size_bytes, Done<Place> done) {
  OPALINE_ASSERT(size_bytes >= 1 && size_bytes <= msp::kMaxAttachmentBytes);
  impl_->create(business, size_bytes, std::move(done));
}
void Files::upload(const Place& place, Bytes ciphertext, Done<ByteArray<32>> done) {
  impl_->upload(place, std::move(ciphertext), std::move(done));
}
void Files::download(const endpoint::BlobId& blob, Done<Download> done) {
  impl_->download(blob, std::move(done));
}

}  // namespace opaline::gateway
