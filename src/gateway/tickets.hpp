#pragma once
// What the gateway hands to an MSP and takes back, so that it need not remember it: upload-urls and dataRefSig. Both
// are made with a key derived from the business's MSP secret; a new secret ends them. No I/O.
#include "gateway/business_port.hpp"
#include "msp/data_ref.hpp"

namespace opaline::gateway {

struct UploadTicket {
  msp::Uuid business;
  endpoint::BlobId blob;
  ByteArray<32> upload_token{};
  std::uint32_t size_bytes = 0;  ///< 1 .. msp::kMaxAttachmentBytes
};
/// "<blob>/<ticket>", both base64url: ticket = business (16) || upload token (32) || u32 size || MAC (16).
[[nodiscard]] std::string write_upload_ticket(const UploadTicket& ticket, const BusinessConfig& business);
/// nullopt: not of a business of this gateway, or not as it was given out. The same time for all that have the form.
[[nodiscard]] std::optional<UploadTicket> read_upload_ticket(std::string_view blob, std::string_view ticket,
                                                             Businesses& businesses);

/// dataRefSig: the key of a referenced payload, sealed, so that a dataRef can be sent again without it. Bound to
/// business, blob, size and checksum.
[[nodiscard]] Bytes seal_ref_key(const msp::DataRef& ref, const msp::AttachmentKey& key,
                                 const BusinessConfig& business);
/// The key in ref.service_signature; nullopt: there is none, or it is not of this business and this reference.
[[nodiscard]] std::optional<msp::AttachmentKey> open_ref_key(const msp::DataRef& ref, const BusinessConfig& business);

}  // namespace opaline::gateway
