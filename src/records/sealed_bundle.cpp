#include "records/sealed_bundle.hpp"

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "crypto/hkdf.hpp"

namespace opaline::records {
namespace {

constexpr std::string_view kMagic = "opaline bundle 1";
constexpr std::string_view kLabel = "opaline bundle v1";
constexpr std::size_t kWrappedBytes = 32 + crypto::kAeadTagBytes;
constexpr ByteArray<crypto::kAeadNonceBytes> kOnce{};  // a wrapping key wraps one key

using ContentKey = Secret<struct BundleContentKeyTag, 32>;
using WrappingKey = Secret<struct BundleWrappingKeyTag, 32>;

WrappingKey wrapping_key(ByteView shared, ByteView shared_mlkem, const OfficerPublicKey& recipient, ByteView ephemeral,
                         ByteView ciphertext) {
  const auto salt = crypto::sha256({encode(recipient), ephemeral, ciphertext});
  WrappingKey out;
  crypto::hkdf(salt, {shared, shared_mlkem}, {as_view(kLabel)}, out.fill());
  return out;
}

ByteArray<crypto::kAeadNonceBytes> nonce_of(std::uint64_t piece, bool last) {
  Bytes out;
  Writer(out).u32(last ? 1 : 0).u64(piece);
  return to_array<crypto::kAeadNonceBytes>(out);
}

void wrap(const ContentKey& content, const OfficerPublicKey& recipient, RandomSource& random, Bytes& out) {
  const auto ephemeral = crypto::x25519_generate(random);
  const auto shared = crypto::x25519_agree(ephemeral.private_key, recipient.x25519);
  const auto encapsulator = crypto::MlKem768Encapsulator::from(recipient.mlkem);
  OPALINE_ASSERT(shared && encapsulator);  // the key was checked when it was registered
  const auto mlkem = encapsulator->encapsulate(random);
  const auto key = wrapping_key(shared->reveal(), mlkem.shared_secret.reveal(), recipient, ephemeral.public_key.view(),
                                mlkem.ciphertext.view());
  Writer(out).bytes(crypto::sha256(encode(recipient))).bytes(ephemeral.public_key.view());
  Writer(out).bytes(mlkem.ciphertext.view());
  crypto::aes256gcm_seal(key.reveal(), kOnce, {}, content.reveal(), out);
}

std::optional<ContentKey> unwrap(ByteView header, const OfficerKey& key) {
  const auto& own = key.public_key();
  const auto fingerprint = crypto::sha256(encode(own));
  Reader in(header);
  if (!equal(in.bytes(kMagic.size()), as_view(kMagic))) return std::nullopt;
  std::optional<ContentKey> out;
  for (unsigned left = in.u8(); left > 0 && !in.failed(); --left) {
    const auto whose = in.bytes(32), ephemeral = in.bytes(32);
    const auto ciphertext = in.bytes(crypto::MlKem768Ciphertext::kSize), wrapped = in.bytes(kWrappedBytes);
    if (in.failed() || out || !equal(whose, fingerprint)) continue;
    const auto shared = crypto::x25519_agree(key.x25519(), *crypto::X25519PublicKey::from(ephemeral));
    if (!shared) return std::nullopt;
    const auto mlkem = key.mlkem().decapsulate(*crypto::MlKem768Ciphertext::from(ciphertext));
    const auto wrapping = wrapping_key(shared->reveal(), mlkem.reveal(), own, ephemeral, ciphertext);
    const auto content = crypto::aes256gcm_open(wrapping.reveal(), kOnce, {}, wrapped);
    if (!content) return std::nullopt;
    out.emplace(ByteView(*content).first<32>());
  }
  if (!in.finished()) return std::nullopt;
  return out;
}

std::optional<std::vector<File>> files_of(ByteView stream) {
  Reader in(stream);
  const auto count = in.u32();
  if (count > kMaxBundleFiles) return std::nullopt;
  std::vector<File> out;
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    File file;
    file.name = to_string(in.bytes(in.u8()));
    file.content = to_secret_bytes(in.bytes(in.u64()));
    out.push_back(std::move(file));
  }
  if (!in.finished()) return std::nullopt;
  return out;
}

}  // namespace

ByteArray<32> Bundle::digest() const {
  crypto::Sha256 all;
  for (const auto& piece : pieces) all.update(crypto::sha256(piece));
  return all.finish();
}

std::optional<Bundle> seal_bundle(const std::vector<File>& files, const std::vector<OfficerPublicKey>& recipients,
                                  RandomSource& random) {
  OPALINE_ASSERT(!recipients.empty() && recipients.size() <= kMaxRecipients && files.size() <= kMaxBundleFiles);
  ContentKey content;
  random.fill(content.fill());
  Bundle out;
  Bytes header = to_bytes(kMagic);
  Writer(header).u8(static_cast<std::uint8_t>(recipients.size()));
  for (const auto& recipient : recipients) wrap(content, recipient, random, header);

  SecretBytes stream;
  std::size_t size = 4;
  for (const auto& file : files) size += 1 + file.name.size() + 8 + file.content.size();
  if (size > kBundlePieceBytes * (kMaxBundlePieces - 1)) return std::nullopt;
  stream.reserve(size);
  const auto add = [&](ByteView bytes) { stream.insert(stream.end(), bytes.begin(), bytes.end()); };
  Bytes head;
  Writer(head).u32(static_cast<std::uint32_t>(files.size()));
  add(head);
  for (const auto& file : files) {
    OPALINE_ASSERT(!file.name.empty() && file.name.size() <= 64);
    head.clear();
    Writer(head).u8(static_cast<std::uint8_t>(file.name.size())).bytes(as_view(file.name)).u64(file.content.size());
    add(head);
    add(file.content);
  }

  const auto aad = crypto::sha256(header);
  out.pieces.push_back(std::move(header));
  for (ByteView rest(stream); !rest.empty();) {
    const auto part = rest.first(std::min(rest.size(), kBundlePieceBytes));
    rest = rest.subspan(part.size());
    Bytes piece;
    crypto::aes256gcm_seal(content.reveal(), nonce_of(out.pieces.size(), rest.empty()), aad, part, piece);
    out.pieces.push_back(std::move(piece));
  }
  return out;
}

std::optional<std::vector<File>> open_bundle(const std::vector<Bytes>& pieces, const OfficerKey& key) {
  if (pieces.size() < 2 || pieces.size() > kMaxBundlePieces) return std::nullopt;
  const auto content = unwrap(pieces[0], key);
  if (!content) return std::nullopt;
  const auto aad = crypto::sha256(pieces[0]);
  SecretBytes stream;
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    if (pieces[i].size() > kBundlePieceBytes + crypto::kAeadTagBytes) return std::nullopt;
    const auto part = crypto::aes256gcm_open(content->reveal(), nonce_of(i, i + 1 == pieces.size()), aad, pieces[i]);
    if (!part) return std::nullopt;
    stream.insert(stream.end(), part->begin(), part->end());
  }
  return files_of(stream);
}

}  // namespace opaline::records
