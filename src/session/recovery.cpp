#include "session/recovery.hpp"

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "crypto/hash.hpp"
#include "session/internal/labels.hpp"
#include "session/internal/text.hpp"
#include "session/limits.hpp"

namespace opaline::session {
namespace {

constexpr std::string_view kMagic = "opaline recovery";
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHeaderBytes = 16 + 1 + 4 + 4 + 1 + kSaltBytes;
constexpr std::size_t kChecksumBytes = crypto::kSha256Bytes;
constexpr std::size_t kMaxContentsBytes = crypto::HybridPrivateKey::kSize + 4 + 8 + 1 +
                                          kMaxRecoveryHandles * (1 + kMaxRecoveryHandleBytes) + kMaxDeviceListBytes;
static_assert(kMagic.size() == 16 &&
              kHeaderBytes + kMaxContentsBytes + crypto::kAeadTagBytes + kChecksumBytes <= kMaxRecoveryFileBytes);

using RecoveryKey = Secret<struct RecoveryKeyTag, 32>;
/// The key depends on the salt and seals one file.
constexpr ByteArray<crypto::kAeadNonceBytes> kNonce{};

struct Header {
  crypto::Argon2Cost cost;
  ByteView salt;
};

bool is_believed(const crypto::Argon2Cost& cost) {
  return cost.memory_kib <= kMaxRecoveryMemoryKib && cost.passes <= crypto::kMaxArgon2Passes &&
         cost.lanes <= crypto::kMaxArgon2Lanes && std::uint64_t{cost.memory_kib} * cost.passes <= kMaxRecoveryWorkKib;
}

Result<RecoveryKey, Error> derive_key(ByteView passphrase, const Header& header) {
  RecoveryKey key;
  const auto done = crypto::argon2id({.password = passphrase, .salt = header.salt}, header.cost, key.fill());
  if (!done) return fail(done.error() == crypto::Error::out_of_memory ? Error::too_costly : Error::malformed);
  return key;
}

bool is_handle(ByteView text) {
  return !text.empty() && text.size() <= kMaxRecoveryHandleBytes && internal::is_line(text);
}

SecretBytes encode_contents(const RecoveryInput& input) {
  Bytes rest;
  Writer to(rest);
  to.u32(static_cast<std::uint32_t>(input.primary)).u64(static_cast<std::uint64_t>(unix_millis(input.created)));
  to.u8(static_cast<std::uint8_t>(input.handles.size()));
  for (const std::string_view handle : input.handles) {
    OPALINE_ASSERT(is_handle(as_view(handle)));
    to.u8(static_cast<std::uint8_t>(handle.size())).bytes(as_view(handle));
  }
  to.bytes(input.list.bytes());
  const SecretBytes key = input.account_key.serialise();
  SecretBytes out = to_secret_bytes(ByteView(key).subspan(1));
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

Result<Recovery, Error> decode_contents(ByteView contents) {
  Reader in(contents);
  const ByteView seeds = in.bytes(crypto::HybridPrivateKey::kSize);
  const DeviceNumber primary{in.u32()};
  const Time created = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  const std::size_t count = in.u8();
  if (in.failed() || unix_millis(created) < 0 || count > kMaxRecoveryHandles) return fail(Error::malformed);
  std::vector<std::string> handles;
  for (std::size_t i = 0; i < count; ++i) {
    const ByteView handle = in.bytes(in.u8());
    if (!is_handle(handle)) return fail(Error::malformed);
    handles.push_back(to_string(handle));
  }
  auto list = verify_device_list(in.rest());
  SecretBytes stored{std::byte{kVersion}};
  stored.insert(stored.end(), seeds.begin(), seeds.end());
  auto key = AccountKey::deserialise(stored);
  if (!list || !key || key->public_key() != list->list().account_key) return fail(Error::malformed);
  if (primary == DeviceNumber{0} || primary >= list->list().next_device) return fail(Error::malformed);
  return Recovery{.account_key = std::move(*key),
                  .list = std::move(*list),
                  .primary = primary,
                  .created = created,
                  .handles = std::move(handles)};
}

}  // namespace

bool is_recovery_passphrase(ByteView passphrase) {
  return passphrase.size() >= kMinRecoveryPassphraseBytes && passphrase.size() <= kMaxRecoveryPassphraseBytes;
}

Result<Bytes, Error> make_recovery_file(const RecoveryInput& input, ByteView passphrase, RandomSource& random) {
  OPALINE_ASSERT(is_recovery_passphrase(passphrase) && is_believed(input.cost));
  OPALINE_ASSERT(input.handles.size() <= kMaxRecoveryHandles && unix_millis(input.created) >= 0);
  OPALINE_ASSERT(input.primary > DeviceNumber{0} && input.primary < input.list.list().next_device);
  OPALINE_ASSERT(input.account_key.public_key() == input.list.list().account_key);
  const auto salt = random.bytes<kSaltBytes>();
  OPALINE_TRY(const RecoveryKey key, derive_key(passphrase, {input.cost, salt}));
  Bytes out;
  Writer to(out);
  to.bytes(as_view(kMagic)).u8(kVersion).u32(input.cost.memory_kib).u32(input.cost.passes);
  to.u8(static_cast<std::uint8_t>(input.cost.lanes)).bytes(salt);
  const Bytes header = out;
  crypto::aes256gcm_seal(key.reveal(), kNonce, header, encode_contents(input), out);
  append(out, crypto::sha256({as_view(internal::kRecoveryChecksumLabel), ByteView(out)}));
  return out;
}

Result<Recovery, Error> open_recovery_file(ByteView file, ByteView passphrase) {
  // Magic and checksum are the same in all versions, so that damage is never taken for a newer version.
  if (file.size() < kMagic.size() || !equal(file.first(kMagic.size()), as_view(kMagic))) return fail(Error::wrong_kind);
  if (file.size() > kMaxRecoveryFileBytes || file.size() < kMagic.size() + 1 + kChecksumBytes) {
    return fail(Error::malformed);
  }
  const ByteView body = file.first(file.size() - kChecksumBytes);
  if (!equal(crypto::sha256({as_view(internal::kRecoveryChecksumLabel), body}), file.last<kChecksumBytes>())) {
    return fail(Error::malformed);
  }
  if (body[kMagic.size()] != std::byte{kVersion}) return fail(Error::unsupported_version);
  if (body.size() < kHeaderBytes + crypto::kAeadTagBytes) return fail(Error::malformed);
  const ByteView head = body.first(kHeaderBytes);
  Reader in(head.subspan(kMagic.size() + 1));
  Header header;
  header.cost.memory_kib = in.u32();
  header.cost.passes = in.u32();
  header.cost.lanes = in.u8();
  header.salt = in.bytes(kSaltBytes);
  if (!is_believed(header.cost)) return fail(Error::too_costly);
  if (!is_recovery_passphrase(passphrase)) return fail(Error::authentication_failed);
  OPALINE_TRY(const RecoveryKey key, derive_key(passphrase, header));
  const auto contents = crypto::aes256gcm_open(key.reveal(), kNonce, head, body.subspan(kHeaderBytes));
  if (!contents) return fail(Error::authentication_failed);
  return decode_contents(*contents);
}

crypto::HybridSignature sign_recovery_challenge(const AccountKey& key, FixedView<32> challenge,
                                                const AccountId& account, RandomSource& random) {
  Bytes message = to_bytes(challenge);
  append(message, account.view());
  return key.signer().sign(internal::kAccountRecoverySignature, message, random);
}

}  // namespace opaline::session
