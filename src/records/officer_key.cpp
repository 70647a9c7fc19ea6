#include "records/officer_key.hpp"

#include <boost/json.hpp>

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "records/canonical.hpp"

namespace opaline::records {
namespace {

constexpr std::string_view kMagic = "opaline officer ";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHeaderBytes = 16 + 1 + 4 + 4 + 1 + kSaltBytes;
// What a file may ask of us: some seconds.
constexpr std::uint32_t kMaxMemoryKib = 512 * 1024;
constexpr std::uint64_t kMaxWorkKib = 4 * 1024 * 1024;
/// The key depends on the salt and seals one file.
constexpr ByteArray<crypto::kAeadNonceBytes> kNonce{};
static_assert(kMagic.size() == 16 && kOfficerKeyFileBytes == kHeaderBytes + 160 + crypto::kAeadTagBytes);

using FileKey = Secret<struct OfficerFileKeyTag, 32>;

bool is_passphrase(ByteView text) {
  return text.size() >= kMinOfficerPassphraseBytes && text.size() <= kMaxOfficerPassphraseBytes;
}
bool is_believed(const crypto::Argon2Cost& cost) {
  return cost.memory_kib <= kMaxMemoryKib && cost.passes <= crypto::kMaxArgon2Passes &&
         cost.lanes <= crypto::kMaxArgon2Lanes && std::uint64_t{cost.memory_kib} * cost.passes <= kMaxWorkKib;
}

}  // namespace

Bytes encode(const OfficerPublicKey& key) {
  Bytes out;
  Writer(out).bytes(key.signing.view()).bytes(key.x25519.view()).bytes(key.mlkem.view());
  return out;
}

std::optional<OfficerPublicKey> officer_public_key_from(ByteView bytes) {
  Reader in(bytes);
  OfficerPublicKey out;
  out.signing = crypto::HybridPublicKey(in.array<crypto::HybridPublicKey::kSize>());
  out.x25519 = crypto::X25519PublicKey(in.array<crypto::kX25519Bytes>());
  out.mlkem = crypto::MlKem768EncapsulationKey(in.array<crypto::MlKem768EncapsulationKey::kSize>());
  if (!in.finished() || !crypto::HybridVerifier::from(out.signing) || !crypto::MlKem768Encapsulator::from(out.mlkem))
    return std::nullopt;
  const crypto::X25519PrivateKey any(ByteArray<32>{std::byte{1}});
  if (!crypto::x25519_agree(any, out.x25519)) return std::nullopt;  // of small order
  return out;
}

std::string fingerprint(const OfficerPublicKey& key) {
  return sha256_hex(encode(key));
}

OfficerKey::OfficerKey(crypto::HybridPrivateKey signing, crypto::X25519PrivateKey x25519,
                       crypto::MlKem768PrivateKey mlkem)
    : signing_seed_(std::move(signing)),
      x25519_(std::move(x25519)),
      mlkem_seed_(std::move(mlkem)),
      signer_(signing_seed_),
      mlkem_(mlkem_seed_),
      public_{signer_.public_key(), crypto::x25519_public_of(x25519_), mlkem_.encapsulation_key()} {}

OfficerKey OfficerKey::generate(RandomSource& random) {
  auto signing = crypto::hybrid_generate(random);
  auto x25519 = crypto::x25519_generate(random);
  return {std::move(signing), std::move(x25519.private_key), crypto::mlkem768_generate(random)};
}

std::string registration_text(std::string_view service, std::string_view officer, const OfficerPublicKey& key) {
  return canonical_own(boost::json::object{{"key", fingerprint(key)}, {"officer", officer}, {"service", service}});
}

// ---------------------------------------------------------------- the file

std::string_view sentence(KeyFileError error) {
  switch (error) {
    case KeyFileError::not_a_key_file:
      return "this is no officer's key file, or not all of it";
    case KeyFileError::newer_version:
      return "this key file was made by a newer program";
    case KeyFileError::too_costly:
      return "this key file asks for more memory than there is";
    case KeyFileError::wrong_passphrase:
      return "wrong passphrase, or the file is damaged";
    case KeyFileError::bad_passphrase:
      return "a passphrase has 12 to 1024 bytes";
  }
  return "unknown";
}

Result<Bytes, crypto::Error> make_officer_key_file(const OfficerKey& key, ByteView passphrase, RandomSource& random,
                                                   const crypto::Argon2Cost& cost) {
  if (!is_passphrase(passphrase) || !is_believed(cost)) return fail(crypto::Error::bad_parameters);
  const auto salt = random.bytes<kSaltBytes>();
  Bytes out;
  Writer(out).bytes(as_view(kMagic)).u8(kVersion).u32(cost.memory_kib).u32(cost.passes);
  Writer(out).u8(static_cast<std::uint8_t>(cost.lanes)).bytes(salt);
  FileKey sealing;
  OPALINE_CHECK(crypto::argon2id({.password = passphrase, .salt = salt}, cost, sealing.fill()));
  SecretBytes seeds;
  const auto add = [&](ByteView bytes) { seeds.insert(seeds.end(), bytes.begin(), bytes.end()); };
  add(key.signing_seed_.reveal());
  add(key.x25519_.reveal());
  add(key.mlkem_seed_.reveal());
  const Bytes header = out;
  crypto::aes256gcm_seal(sealing.reveal(), kNonce, header, seeds, out);
  return out;
}

/// Makes a key of what a file holds.
class OfficerKeyFile {
 public:
  static OfficerKey key_of(ByteView seeds) {
    return {crypto::HybridPrivateKey(seeds.subspan<0, 64>()), crypto::X25519PrivateKey(seeds.subspan<64, 32>()),
            crypto::MlKem768PrivateKey(seeds.subspan<96, 64>())};
  }
};

Result<OfficerKey, KeyFileError> open_officer_key_file(ByteView file, ByteView passphrase) {
  if (file.size() < kMagic.size() + 1 || !equal(file.first(kMagic.size()), as_view(kMagic)))
    return fail(KeyFileError::not_a_key_file);
  if (file[kMagic.size()] != std::byte{kVersion}) return fail(KeyFileError::newer_version);
  if (file.size() != kOfficerKeyFileBytes) return fail(KeyFileError::not_a_key_file);
  const auto header = file.first(kHeaderBytes);
  Reader in(header.subspan(kMagic.size() + 1));
  crypto::Argon2Cost cost;
  cost.memory_kib = in.u32();
  cost.passes = in.u32();
  cost.lanes = in.u8();
  const auto salt = in.bytes(kSaltBytes);
  if (!is_believed(cost)) return fail(KeyFileError::too_costly);
  if (!is_passphrase(passphrase)) return fail(KeyFileError::wrong_passphrase);
  FileKey sealing;
  if (const auto made = crypto::argon2id({.password = passphrase, .salt = salt}, cost, sealing.fill()); !made)
    return fail(made.error() == crypto::Error::out_of_memory ? KeyFileError::too_costly : KeyFileError::not_a_key_file);
  const auto seeds = crypto::aes256gcm_open(sealing.reveal(), kNonce, header, file.subspan(kHeaderBytes));
  if (!seeds) return fail(KeyFileError::wrong_passphrase);
  return OfficerKeyFile::key_of(*seeds);
}

}  // namespace opaline::records
