#include "gateway/tickets.hpp"

#include "crypto/aead.hpp"
#include "crypto/compare.hpp"
#include "crypto/hkdf.hpp"

namespace opaline::gateway {
namespace {

constexpr std::size_t kMacBytes = 16;
constexpr std::size_t kTicketBytes = msp::Uuid::kSize + 32 + 4 + kMacBytes;
constexpr std::byte kSealVersion{1};

using TicketKey = Secret<struct GatewayTicketKeyTag, 32>;

TicketKey key_of(const BusinessConfig& business, std::string_view label) {
  TicketKey out;
  crypto::hkdf({}, {as_view(business.msp_secret)}, {as_view(label), business.id.view()}, out.fill());
  return out;
}

ByteArray<kMacBytes> mac_of(const BusinessConfig& business, const endpoint::BlobId& blob, ByteView claims) {
  const TicketKey key = key_of(business, "opaline gateway upload v1");
  const auto whole = crypto::hmac_sha256(key.reveal(), {blob.view(), claims});
  return to_array<kMacBytes>(ByteView(whole).first<kMacBytes>());
}

/// What a sealed key belongs to.
Bytes context_of(const msp::DataRef& ref) {
  Bytes out(8);
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::byte>(ref.size_bytes >> (56 - 8 * i) & 255);
  append(out, ref.signature);
  append(out, as_view(ref.url));
  return out;
}

/// One key is sealed in one context alone, and GCM-SIV forgives what a nonce would be for.
constexpr ByteArray<crypto::kAeadNonceBytes> kNoNonce{};

}  // namespace

std::string write_upload_ticket(const UploadTicket& ticket, const BusinessConfig& business) {
  OPALINE_ASSERT(ticket.business == business.id);
  Bytes out;
  append(out, ticket.business.view());
  append(out, ticket.upload_token);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) out.push_back(static_cast<std::byte>(ticket.size_bytes >> shift));
  append(out, mac_of(business, ticket.blob, out));
  return to_base64url(ticket.blob.view()) + '/' + to_base64url(out);
}

std::optional<UploadTicket> read_upload_ticket(std::string_view blob, std::string_view ticket, Businesses& businesses) {
  const auto blob_bytes = from_base64url(blob), bytes = from_base64url(ticket);
  if (!blob_bytes || !bytes || bytes->size() != kTicketBytes) return std::nullopt;
  const auto id = endpoint::BlobId::from(*blob_bytes);
  if (!id) return std::nullopt;
  const ByteView all(*bytes), claims = all.first(kTicketBytes - kMacBytes);
  UploadTicket out{.business = msp::Uuid(all.first<16>()),
                   .blob = *id,
                   .upload_token = to_array<32>(all.subspan(16, 32)),
                   .size_bytes = 0};
  for (const std::byte b : all.subspan(48, 4)) out.size_bytes = out.size_bytes << 8 | std::to_integer<std::uint32_t>(b);
  const BusinessPort* const port = businesses.find(out.business);
  static const BusinessConfig kNobody;
  const auto mac = mac_of(port == nullptr ? kNobody : port->config(), *id, claims);
  const bool right = crypto::constant_time_equal(mac, all.last(kMacBytes));
  if (!right || port == nullptr) return std::nullopt;
  return out;
}

Bytes seal_ref_key(const msp::DataRef& ref, const msp::AttachmentKey& key, const BusinessConfig& business) {
  Bytes out{kSealVersion};
  crypto::aes256gcmsiv_seal(key_of(business, "opaline gateway data ref v1").reveal(), kNoNonce, context_of(ref),
                            key.reveal(), out);
  return out;
}

std::optional<msp::AttachmentKey> open_ref_key(const msp::DataRef& ref, const BusinessConfig& business) {
  const ByteView sealed(ref.service_signature);
  if (sealed.empty() || sealed.front() != kSealVersion) return std::nullopt;
  const auto key = crypto::aes256gcmsiv_open(key_of(business, "opaline gateway data ref v1").reveal(), kNoNonce,
                                             context_of(ref), sealed.subspan(1));
  if (!key || key->size() != msp::kAttachmentKeyBytes) return std::nullopt;
  return msp::AttachmentKey(ByteView(*key).first<msp::kAttachmentKeyBytes>());
}

}  // namespace opaline::gateway
