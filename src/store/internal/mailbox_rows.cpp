#include "store/internal/mailbox_rows.hpp"

#include "crypto/aead.hpp"
#include "crypto/hkdf.hpp"

namespace opaline::store::internal {
namespace {

constexpr std::byte kGapFlag{1};

void put_integer(std::byte* out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(value >> (8 * (size - 1 - i)) & 255);
}

ByteArray<crypto::kAeadNonceBytes> nonce_of(std::uint64_t counter) {
  ByteArray<crypto::kAeadNonceBytes> out{};
  put_integer(out.data() + 4, counter, 8);
  return out;
}

ByteArray<kEnvelopeKeyBytes + 4> aad_of(const EnvelopeKey& at, Day day) {
  ByteArray<kEnvelopeKeyBytes + 4> out{};
  std::memcpy(out.data(), at.data(), at.size());
  put_integer(out.data() + at.size(), number(day), 4);
  return out;
}

}  // namespace

MailboxHash mailbox_hash(const crypto::HmacSha256Key& index_key, const MailboxId& mailbox) {
  return to_array<kMailboxHashBytes>(ByteView(index_key.mac(mailbox.view())).first(kMailboxHashBytes));
}

EnvelopeKey envelope_key(const MailboxHash& hash, std::uint64_t sequence) {
  EnvelopeKey out{};
  std::memcpy(out.data(), hash.data(), hash.size());
  put_integer(out.data() + hash.size(), sequence, 8);
  return out;
}

RowSealKey row_seal_key(const DayKey& key, Day day, const Run& run) {
  ByteArray<4> day_bytes{};
  put_integer(day_bytes.data(), number(day), 4);
  RowSealKey out;
  crypto::hkdf(run, key.reveal(), {as_view("opaline mailbox rows 1"), day_bytes}, out.fill());
  return out;
}

void seal_envelope(const RowSealKey& key, const EnvelopeHeader& header, const EnvelopeKey& at, const Append& append,
                   Bytes& value) {
  const std::size_t plaintext_bytes = 1 + EnvelopeId::kSize + append.ciphertext.size();
  value.resize(kEnvelopeHeaderBytes + plaintext_bytes + crypto::kAeadTagBytes);
  std::byte* out = value.data();
  *out++ = std::byte{kEnvelopeVersion};
  put_integer(out, header.ordinal, 4);
  put_integer(out + 4, header.end, 8);
  std::memcpy(out + 12, header.run.data(), kRunBytes);
  put_integer(out + 12 + kRunBytes, header.counter, 8);
  const std::span<std::byte> sealed = std::span(value).subspan(kEnvelopeHeaderBytes);
  sealed[0] = append.gap ? kGapFlag : std::byte{0};
  std::memcpy(sealed.data() + 1, append.id.view().data(), EnvelopeId::kSize);
  if (!append.ciphertext.empty()) {
    std::memcpy(sealed.data() + 1 + EnvelopeId::kSize, append.ciphertext.data(), append.ciphertext.size());
  }
  crypto::aes256gcm_seal_into(key.reveal(), nonce_of(header.counter), aad_of(at, append.day),
                              sealed.first(plaintext_bytes), sealed);
}

std::optional<EnvelopeHeader> envelope_header(ByteView value) {
  Reader in(value);
  const std::uint8_t version = in.u8();
  EnvelopeHeader out;
  out.ordinal = in.u32();
  out.end = in.u64();
  out.run = in.array<kRunBytes>();
  out.counter = in.u64();
  if (in.failed() || version != kEnvelopeVersion) return std::nullopt;
  return out;
}

void renumber_envelope(std::uint32_t ordinal, std::uint64_t end, Bytes& value) {
  OPALINE_ASSERT(value.size() >= kEnvelopeHeaderBytes);
  put_integer(value.data() + 1, ordinal, 4);
  put_integer(value.data() + 5, end, 8);
}

std::optional<StoredEnvelope> open_envelope(const RowSealKey& key, const EnvelopeKey& at, Day day, ByteView value) {
  const auto header = envelope_header(value);
  if (!header || value.size() < kEnvelopeHeaderBytes + kSealedOverheadBytes) return std::nullopt;
  const ByteView sealed = value.subspan(kEnvelopeHeaderBytes);
  Bytes plaintext(sealed.size() - crypto::kAeadTagBytes);
  if (!crypto::aes256gcm_open_into(key.reveal(), nonce_of(header->counter), aad_of(at, day), sealed, plaintext)) {
    return std::nullopt;
  }
  if ((plaintext[0] & ~kGapFlag) != std::byte{0}) return std::nullopt;
  StoredEnvelope out;
  out.sequence = Sequence(sequence_of(at));
  out.id = EnvelopeId(FixedView<EnvelopeId::kSize>(plaintext.data() + 1, EnvelopeId::kSize));
  out.day = day;
  out.gap = plaintext[0] == kGapFlag;
  plaintext.erase(plaintext.begin(), plaintext.begin() + 1 + EnvelopeId::kSize);
  out.ciphertext = std::move(plaintext);
  return out;
}

Bytes head_value(std::uint64_t removed_through) {
  Bytes out;
  Writer(out).u8(kHeadVersion).u64(removed_through);
  return out;
}

std::optional<std::uint64_t> head_of(ByteView value) {
  Reader in(value);
  const std::uint8_t version = in.u8();
  const std::uint64_t out = in.u64();
  if (!in.finished() || version != kHeadVersion) return std::nullopt;
  return out;
}

}  // namespace opaline::store::internal
