#include "session/internal/link_channel.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "crypto/hkdf.hpp"
#include "session/internal/text.hpp"

namespace opaline::session::internal {
namespace {

constexpr std::uint8_t kWantsHistory = 1;
constexpr std::uint8_t kWeb = 2;

constexpr std::size_t kKeysFixedBytes =
    DevicePublicKeys::kSize + 4 + 1 + 1 + kMaxDeviceNameBytes + kPrekeySetBytes + crypto::HybridSignature::kSize;
/// The longest messages that an honest side makes.
constexpr std::size_t kMaxWelcomeBytes = MailboxId::kSize + 1 + kMaxLinkHandleBytes + kMaxDeviceListBytes;
constexpr std::size_t kMaxKeysBytes = kKeysFixedBytes + credentials::kMaxOneTimeBatchBytes;
static_assert(std::max(kMaxWelcomeBytes, kMaxKeysBytes) + kLinkHeaderBytes + crypto::kAeadTagBytes <=
              kMaxLinkMessageBytes);

/// Bytes after the header; 0: any number.
std::size_t body_bytes(LinkType type) {
  switch (type) {
    case LinkType::hello:
      return crypto::kX25519Bytes + crypto::MlKem768EncapsulationKey::kSize;
    case LinkType::answer:
      return kLinkAnswerBytes;
    case LinkType::commitment:
      return crypto::kSha256Bytes;
    case LinkType::nonce:
      return kLinkNonceBytes;
    case LinkType::reveal:
      return kLinkAnswerBytes + kLinkNonceBytes;
    case LinkType::welcome:
    case LinkType::keys:
    case LinkType::done:
    case LinkType::refused:
      return 0;
  }
  return 0;
}

ByteArray<crypto::kAeadNonceBytes> nonce_of(std::uint64_t counter) {
  ByteArray<crypto::kAeadNonceBytes> out{};
  for (std::size_t i = 0; i < 8; ++i) out[11 - i] = static_cast<std::byte>(counter >> (8 * i) & 255);
  return out;
}

}  // namespace

Result<LinkMessage, Error> parse_link_message(ByteView message) {
  if (message.size() > kMaxLinkMessageBytes) return fail(Error::too_large);
  if (message.size() < kLinkHeaderBytes) return fail(Error::malformed);
  if (message[0] != std::byte{kVersion}) return fail(Error::unsupported_version);
  const auto type = std::to_integer<std::uint8_t>(message[1]);
  if (type < static_cast<std::uint8_t>(LinkType::hello) || type > static_cast<std::uint8_t>(LinkType::refused)) {
    return fail(Error::malformed);
  }
  const LinkMessage out{LinkType{type}, message, message.subspan(kLinkHeaderBytes)};
  const std::size_t wanted = body_bytes(out.type);
  if (wanted != 0 && out.body.size() != wanted) return fail(Error::malformed);
  return out;
}

Bytes link_message(LinkType type, std::initializer_list<ByteView> body) {
  Bytes out;
  Writer to(out);
  to.u8(kVersion).u8(static_cast<std::uint8_t>(type));
  for (const ByteView piece : body) to.bytes(piece);
  return out;
}

LinkHelloHash hash_of_hello(ByteView hello) {
  return LinkHelloHash(crypto::sha256({as_view(kLinkHelloLabel), hello}));
}

ByteArray<32> link_commitment(const LinkExchangeId& exchange, ByteView hello, ByteView reveal) {
  return crypto::sha256({as_view(kLinkCommitmentLabel), exchange.view(), hello, reveal});
}

LinkTranscript link_transcript(const LinkExchangeId& exchange, std::initializer_list<ByteView> messages) {
  crypto::Sha256 hash;
  hash.update(as_view(kLinkTranscriptLabel)).update(exchange.view());
  for (const ByteView message : messages) hash.update(message);
  return hash.finish();
}

LinkDigits link_digits(const LinkTranscript& transcript) {
  const auto hash = crypto::sha256({as_view(kLinkDigitsLabel), transcript});
  std::uint64_t value = Reader(hash).u64() % 100'000'000;  // the bias is below 2^-37
  LinkDigits out;
  for (auto it = out.digits.rbegin(); it != out.digits.rend(); ++it, value /= 10)
    *it = static_cast<char>('0' + value % 10);
  return out;
}

ByteArray<32> link_welcome_hash(const LinkTranscript& transcript, ByteView welcome) {
  return crypto::sha256({as_view(kLinkWelcomeLabel), transcript, welcome});
}

LinkChannel::LinkChannel(const LinkTranscript& transcript, const crypto::X25519SharedSecret& dh,
                         const crypto::MlKem768SharedSecret& kem, const LinkSecret* secret, bool new_device)
    : transcript_(transcript), new_device_(new_device) {
  Secret<struct LinkPrkTag, 32> prk;
  const ByteView scanned = secret == nullptr ? ByteView() : ByteView(secret->reveal());
  crypto::hkdf_extract(transcript, {dh.reveal(), kem.reveal(), scanned}, prk.fill());
  Secret<struct LinkKeysTag, 64> both;
  crypto::hkdf_expand(prk.reveal(), as_view(kLinkChannelInfo), both.fill());
  sending_ = Key(new_device ? both.reveal().first<32>() : both.reveal().last<32>());
  receiving_ = Key(new_device ? both.reveal().last<32>() : both.reveal().first<32>());
}

Bytes LinkChannel::associated_data(bool from_new_device, ByteView header) const {
  Bytes out = to_bytes(transcript_);
  Writer(out).u8(from_new_device ? 0 : 1).bytes(header);
  return out;
}

Bytes LinkChannel::seal(LinkType type, ByteView plaintext) {
  Bytes out = link_message(type, {});
  const Bytes data = associated_data(new_device_, out);
  crypto::aes256gcm_seal(sending_.reveal(), nonce_of(sent_++), data, plaintext, out);
  return out;
}

Result<SecretBytes, Error> LinkChannel::open(const LinkMessage& message) {
  const Bytes data = associated_data(!new_device_, message.whole.first(kLinkHeaderBytes));
  auto opened = crypto::aes256gcm_open(receiving_.reveal(), nonce_of(received_), data, message.body);
  if (!opened) return fail(Error::authentication_failed);
  ++received_;
  return std::move(*opened);
}

Bytes encode_welcome(const WelcomeText& welcome) {
  Bytes out;
  Writer to(out);
  to.bytes(welcome.mailbox.view()).u8(static_cast<std::uint8_t>(welcome.handle.size()));
  to.bytes(welcome.handle).bytes(welcome.list);
  return out;
}

Result<WelcomeText, Error> decode_welcome(ByteView text) {
  Reader in(text);
  WelcomeText out;
  out.mailbox = MailboxId(in.array<MailboxId::kSize>());
  out.handle = in.bytes(in.u8());
  out.list = in.rest();
  if (in.failed() || out.mailbox.is_zero() || out.handle.empty() || out.handle.size() > kMaxLinkHandleBytes ||
      !is_line(out.handle)) {
    return fail(Error::malformed);
  }
  return out;
}

Bytes encode_keys(const KeysText& keys) {
  Bytes out;
  Writer to(out);
  to.bytes(keys.keys.signing.view()).bytes(keys.keys.agreement.view()).u32(keys.capabilities);
  to.u8(static_cast<std::uint8_t>((keys.wants_history ? kWantsHistory : 0) | (keys.web ? kWeb : 0)));
  to.u8(static_cast<std::uint8_t>(keys.name.size())).bytes(keys.name);
  out.resize(out.size() + kMaxDeviceNameBytes - keys.name.size());
  to.bytes(keys.signed_prekeys).bytes(keys.one_time_batch);
  return out;
}

Result<KeysText, Error> decode_keys(ByteView text) {
  if (text.size() < kKeysFixedBytes || text.size() > kMaxKeysBytes) return fail(Error::malformed);
  Reader in(text);
  KeysText out;
  out.keys.signing = crypto::HybridPublicKey(in.array<crypto::HybridPublicKey::kSize>());
  out.keys.agreement = crypto::X25519PublicKey(in.array<crypto::X25519PublicKey::kSize>());
  out.capabilities = in.u32();
  const std::uint8_t flags = in.u8();
  const std::size_t name_bytes = in.u8();
  const ByteView name = in.bytes(kMaxDeviceNameBytes);
  out.signed_prekeys = in.bytes(kPrekeySetBytes);
  out.one_time_batch = in.bytes(in.left() - crypto::HybridSignature::kSize);
  out.signed_part = text.first(text.size() - crypto::HybridSignature::kSize);
  out.signature = in.rest();
  if ((flags & ~(kWantsHistory | kWeb)) != 0 || name_bytes > name.size()) return fail(Error::malformed);
  out.wants_history = (flags & kWantsHistory) != 0;
  out.web = (flags & kWeb) != 0;
  out.name = name.first(name_bytes);
  const bool padded = std::ranges::all_of(name.subspan(name_bytes), [](std::byte b) { return b == std::byte{0}; });
  if (!padded || !is_device_name(as_text(out.name)) || out.one_time_batch.size() % crypto::kX25519Bytes != 0) {
    return fail(Error::malformed);
  }
  return out;
}

}  // namespace opaline::session::internal
