#include "msp/headers.hpp"

#include <algorithm>
#include <charconv>

#include "msp/base64.hpp"

namespace opaline::msp {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}
bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

Problem about(std::string_view header, Error error, std::string_view message, unsigned status = 400) {
  return {.status = status, .error = error, .pointer = {}, .header = header, .message = message};
}

Result<std::string_view, Problem> required(HeaderFields fields, std::string_view name) {
  OPALINE_TRY(const std::string_view value, find_header(fields, name));
  if (value.empty()) return fail(about(name, Error::missing, "this header is required"));
  return value;
}

/// A header in two spellings: either, or both with the same value. The problem names the first.
Result<std::string_view, Problem> either(HeaderFields fields, std::string_view name, std::string_view other) {
  OPALINE_TRY(const std::string_view first, find_header(fields, name));
  OPALINE_TRY(const std::string_view second, find_header(fields, other));
  if (!first.empty() && !second.empty() && first != second) {
    return fail(about(name, Error::mismatch, "this header and the one with MMCS- before it differ; send one"));
  }
  if (first.empty() && second.empty()) {
    return fail(about(name, Error::missing, "this header, or the one with MMCS- before it, is required"));
  }
  return first.empty() ? second : first;
}

Result<Uuid, Problem> required_uuid(HeaderFields fields, std::string_view name, std::string_view message) {
  OPALINE_TRY(const std::string_view value, required(fields, name));
  const auto uuid = parse_uuid(value);
  if (!uuid) return fail(about(name, Error::malformed, message));
  return *uuid;
}
Result<Uuid, Problem> required_source(HeaderFields fields) {
  return required_uuid(fields, "source-id", "it must be the business id: a UUID, without urn:biz:");
}

constexpr struct {
  std::string_view name;
  Capability capability;
} kCapabilities[] = {{"AUTH", Capability::auth}, {"LIST", Capability::list},   {"TIME", Capability::time},
                     {"FORM", Capability::form}, {"QUICK", Capability::quick}, {"AUTH2", Capability::auth2}};

}  // namespace

Result<std::string_view, Problem> find_header(HeaderFields fields, std::string_view name) {
  const HeaderField* found = nullptr;
  for (const HeaderField& field : fields) {
    if (!equal_ignoring_case(field.name, name)) continue;
    if (found != nullptr) return fail(about(name, Error::malformed, "this header is there twice; send it once"));
    found = &field;
  }
  if (found == nullptr) return std::string_view{};
  if (found->value.size() > kMaxHeaderBytes) return fail(about(name, Error::oversized, "this header is too long"));
  if (!is_printable(found->value)) {
    return fail(about(name, Error::malformed, "this header has characters that are not printable ASCII"));
  }
  return found->value;
}

Result<bool, Problem> find_flag(HeaderFields fields, std::string_view name) {
  OPALINE_TRY(const std::string_view value, find_header(fields, name));
  for (const std::string_view yes : {"true", "1", "yes"}) {
    if (equal_ignoring_case(value, yes)) return true;
  }
  for (const std::string_view no : {"", "false", "0", "no"}) {
    if (equal_ignoring_case(value, no)) return false;
  }
  return fail(about(name, Error::malformed, "this header must be true or false"));
}

Result<std::string_view, Problem> bearer_token(HeaderFields fields) {
  constexpr std::string_view kName = "authorization";
  constexpr std::string_view kScheme = "bearer ";
  auto header = find_header(fields, kName);
  if (!header) {
    return fail(about(kName, Error::forbidden, header.error().message, 403));
  }
  if (header->empty()) {
    return fail(about(kName, Error::unauthorized, "send Authorization: Bearer <token>", 401));
  }
  std::string_view token = *header;
  if (token.size() > kScheme.size() && equal_ignoring_case(token.substr(0, kScheme.size()), kScheme)) {
    token.remove_prefix(kScheme.size());
    while (token.starts_with(' ')) token.remove_prefix(1);
    if (!token.empty()) return token;
  }
  return fail(about(kName, Error::forbidden, "it must be Bearer, a space and a token", 403));
}

bool is_opaque_id(std::string_view text) {
  constexpr std::string_view kPrefix = "urn:mbid:";
  if (!text.starts_with(kPrefix) || text.size() == kPrefix.size() || text.size() > kMaxOpaqueIdBytes) return false;
  return std::ranges::all_of(text.substr(kPrefix.size()), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.=+/").find(c) != std::string_view::npos;
  });
}

Result<MessageHeaders, Problem> parse_message_headers(HeaderFields fields) {
  MessageHeaders out;
  OPALINE_TRY(out.id, required_uuid(fields, "id", "it must be a UUID, and the same as id in the body"));
  OPALINE_TRY(out.source, required_source(fields));
  OPALINE_TRY(const std::string_view destination, required(fields, "destination-id"));
  if (!is_opaque_id(destination)) {
    return fail(
        about("destination-id", Error::unknown, "there is nobody of this id; send it as it came in source-id", 404));
  }
  out.destination = destination;
  OPALINE_TRY(out.auto_reply, find_flag(fields, "auto-reply"));
  OPALINE_TRY(out.include_data_ref, find_flag(fields, "include-data-ref"));
  return out;
}

Result<PreUpload, Problem> parse_pre_upload(HeaderFields fields) {
  PreUpload out;
  OPALINE_TRY(out.source, required_source(fields));
  OPALINE_TRY(const std::string_view digits, either(fields, "size", "mmcs-size"));
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, out.size_bytes);
  if (error == std::errc::invalid_argument || end != last || (error == std::errc{} && out.size_bytes == 0)) {
    return fail(about("size", Error::malformed, "it must be the number of bytes of ciphertext"));
  }
  if (error != std::errc{} || out.size_bytes > kMaxAttachmentBytes) {
    return fail(about("size", Error::oversized, "an attachment has at most 104857600 bytes", 413));
  }
  return out;
}

Result<PreDownload, Problem> parse_pre_download(HeaderFields fields) {
  PreDownload out;
  OPALINE_TRY(out.source, required_source(fields));
  OPALINE_TRY(const std::string_view url, either(fields, "url", "mmcs-url"));
  OPALINE_TRY(const std::string_view owner, either(fields, "owner", "mmcs-owner"));
  OPALINE_TRY(const std::string_view signature, either(fields, "signature", "mmcs-signature"));
  if (url.size() > kMaxUrlBytes) return fail(about("url", Error::oversized, "send it as it came with the message"));
  if (owner.size() > kMaxOwnerBytes) return fail(about("owner", Error::oversized, "send it as it came"));
  out.url = url;
  out.owner = owner;
  // Hexadecimal is base64, too, but of another length.
  if (signature.size() == 2 * kChecksumBytes) {
    if (const auto bytes = from_hex(signature)) {
      out.signature = to_array<kChecksumBytes>(*bytes);
      return out;
    }
  } else if (const auto bytes = from_base64(signature); bytes && bytes->size() == kChecksumBytes) {
    out.signature = to_array<kChecksumBytes>(*bytes);
    return out;
  }
  return fail(about("signature", Error::malformed, "send signature-base64 as it came with the message"));
}

Result<std::string, Problem> parse_decode_payload(HeaderFields fields) {
  OPALINE_TRY(const std::string_view bid, required(fields, "bid"));
  if (bid.size() > kMaxBidBytes) return fail(about("bid", Error::oversized, "send bid as it came with the message"));
  if (const auto source = find_header(fields, "source-id"); !source || *source != bid) {
    OPALINE_CHECK(required_source(fields));
  }
  return std::string(bid);
}

Capabilities parse_capabilities(std::string_view list) {
  Capabilities out;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    std::string_view one = list.substr(0, comma);
    while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
    while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
    for (const auto& known : kCapabilities) {
      if (equal_ignoring_case(one, known.name)) out.add(known.capability);
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return out;
}

std::string write_capabilities(Capabilities set) {
  std::string out;
  for (const auto& known : kCapabilities) {
    if (!set.has(known.capability)) continue;
    if (!out.empty()) out += ',';
    out += known.name;
  }
  return out;
}

}  // namespace opaline::msp
