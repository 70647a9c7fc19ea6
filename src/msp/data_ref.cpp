#include "msp/data_ref.hpp"

#include <algorithm>

#include "msp/base64.hpp"
#include "msp/internal/blob_fields.hpp"

namespace opaline::msp {
namespace {

constexpr std::string_view kKeyPrefix = "00";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// False unless `text` is exactly out.size() bytes in hexadecimal.
bool read_hex(std::string_view text, std::span<std::byte> out) {
  if (text.size() != out.size() * 2) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::byte>(high << 4 | low);
  }
  return true;
}

}  // namespace

std::optional<AttachmentKey> parse_attachment_key(std::string_view text) {
  AttachmentKey out;
  if (!text.starts_with(kKeyPrefix) || !read_hex(text.substr(kKeyPrefix.size()), out.fill())) return std::nullopt;
  return out;
}

Text write_attachment_key(const AttachmentKey& key) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  Text out(kKeyPrefix);
  for (const std::byte b : key.reveal()) {
    out.append(kHex.substr(std::to_integer<std::size_t>(b) >> 4, 1));
    out.append(kHex.substr(std::to_integer<std::size_t>(b) & 15, 1));
  }
  return out;
}

namespace internal {

ByteArray<kChecksumBytes> read_signature(const Field& object) {
  constexpr std::string_view kSendAsGiven = "it must be the fileChecksum that the upload was answered with";
  ByteArray<kChecksumBytes> out{};
  const Field hex = object.either("signature", "mmcs-signature-hex");
  const Field base64 = object["signature-base64"];
  if (!hex.present() && !base64.present()) {
    base64.problem(Error::missing, "it is required: the fileChecksum that the upload was answered with");
    return out;
  }
  if (base64.present()) {
    const SecretBytes bytes = base64.base64(kChecksumBytes, Need::required, kSendAsGiven);
    if (bytes.size() != kChecksumBytes) {
      base64.problem(Error::malformed, kSendAsGiven);
      return out;
    }
    out = to_array<kChecksumBytes>(bytes);
  }
  if (!hex.present()) return out;
  ByteArray<kChecksumBytes> other{};
  // Some send the same base64 under both names.
  const auto bytes = from_base64(hex.raw_string());
  if (bytes && bytes->size() == kChecksumBytes) {
    other = to_array<kChecksumBytes>(*bytes);
  } else if (!read_hex(hex.raw_string(), other)) {
    hex.problem(Error::malformed, "it must be the checksum in hexadecimal; or leave it and send signature-base64");
    return out;
  }
  if (base64.present() && other != out) {
    hex.problem(Error::mismatch, "it says another checksum than signature-base64; leave one of them out");
  }
  return other;
}

std::uint64_t read_blob_size(const Field& object) {
  const Field size = object.either("size", "file-size");
  if (!size.present()) {
    size.problem(Error::missing, "it is required: bytes of ciphertext");
    return 0;
  }
  return static_cast<std::uint64_t>(size.integer(1, static_cast<std::int64_t>(kMaxAttachmentBytes), 1));
}

std::optional<AttachmentKey> read_key(const Field& object, Need need) {
  const Field key = object.either("key", "decryption-key");
  if (!key.present()) {
    if (need == Need::required) key.problem(Error::missing, "it is required: 00 and the key in hexadecimal");
    return std::nullopt;
  }
  auto out = parse_attachment_key(key.raw_string());
  if (!out) key.problem(Error::malformed, "it must be a string: 00 and 64 hexadecimal digits");
  return out;
}

std::string read_token(const Field& field, std::size_t most) {
  const std::string_view string = field.raw_string();
  if (!field.present() || (field.is_string() && string.empty())) {
    field.problem(Error::missing, "it is required; send it as preUpload gave it");
  } else if (!field.is_string() || string.size() > most ||
             !std::ranges::all_of(string, [](char c) { return c > ' ' && c <= '~'; })) {
    field.problem(Error::malformed, "it must be a string as preUpload gave it");
  } else {
    return std::string(string);
  }
  return {};
}

void write_signature(JsonWriter& out, FixedView<kChecksumBytes> signature) {
  out.key("signature").upper_hex(signature).key("signature-base64").base64(signature);
}

void write_key(JsonWriter& out, const AttachmentKey& key) {
  out.key("key").string(write_attachment_key(key).view());
}

DataRef read_data_ref(const Field& object) {
  object.require_object();
  const SecretBytes service_signature =
      object["dataRefSig"].base64(kMaxDataRefSignatureBytes, Need::optional, "send it as it came");
  return {.bid = read_token(object["bid"], kMaxBidBytes),
          .owner = read_token(object["owner"], kMaxOwnerBytes),
          .url = read_token(object["url"], kMaxUrlBytes),
          .title = object["title"].label(),
          .size_bytes = read_blob_size(object),
          .signature = read_signature(object),
          .service_signature = to_bytes(ByteView(service_signature)),
          .key = read_key(object, Need::optional)};
}

void write_data_ref(JsonWriter& out, const DataRef& ref) {
  out.begin_object().key("bid").string(ref.bid).key("owner").string(ref.owner).key("url").string(ref.url);
  out.key("size").unsigned_integer(ref.size_bytes);
  write_signature(out, ref.signature);
  out.member("title", ref.title.view());
  if (!ref.service_signature.empty()) out.key("dataRefSig").base64(ref.service_signature);
  if (ref.key) write_key(out, *ref.key);
  out.end_object();
}

}  // namespace internal

Result<DataRef, Problem> parse_data_ref(ByteView json, std::string_view at) {
  OPALINE_TRY(const auto value, internal::read_json(json, {}, at));
  internal::Findings findings(at);
  DataRef out = internal::read_data_ref(internal::Field(findings, value));
  if (!findings.good()) return fail(findings.take());
  return out;
}

SecretBytes write_data_ref(const DataRef& ref) {
  SecretBytes out;
  internal::JsonWriter json(out);
  internal::write_data_ref(json, ref);
  return out;
}

SecretBytes write_data_ref_answer(const DataRef& ref) {
  SecretBytes out;
  internal::JsonWriter json(out);
  json.begin_object().key("dataRef");
  internal::write_data_ref(json, ref);
  json.end_object();
  return out;
}

}  // namespace opaline::msp
