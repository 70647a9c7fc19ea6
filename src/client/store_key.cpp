#include "client/store_key.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "crypto/hash.hpp"

namespace opaline::client {
namespace {

constexpr std::uint8_t kVersion = 1;
enum class Kind : std::uint8_t { passphrase = 1, key_file = 2, within = 3 };
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHeadBytes = 1 + 1 + 4 + 4 + 4 + kSaltBytes;
using Wrapper = Secret<struct WrapperKeyTag, 32>;

/// Reads a key file, or makes it. permissions: open to others. store_failed: cannot be read or written.
Result<Wrapper, ClientError> key_file_secret(const std::filesystem::path& file, RandomSource* make_with) {
  int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  Wrapper key;
  if (fd < 0) {
    if (make_with == nullptr || errno != ENOENT) return fail(ClientError::wrong_passphrase);
    fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fail(ClientError::store_failed);
    make_with->fill(key.fill());
    const auto bytes = key.reveal();
    const bool written =
        ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) && fsync(fd) == 0;
    ::close(fd);
    if (!written) return fail(ClientError::store_failed);
    return key;
  }
  struct stat info{};
  const bool private_file = fstat(fd, &info) == 0 && (info.st_mode & 077) == 0 && S_ISREG(info.st_mode);
  const ssize_t got = ::read(fd, key.fill().data(), Wrapper::kSize);
  ::close(fd);
  if (!private_file) return fail(ClientError::permissions);
  if (got != static_cast<ssize_t>(Wrapper::kSize) || info.st_size != static_cast<off_t>(Wrapper::kSize))
    return fail(ClientError::wrong_passphrase);
  return key;
}

Result<Wrapper, ClientError> passphrase_secret(const SecretBytes& passphrase, ByteView salt,
                                               const crypto::Argon2Cost& cost) {
  Wrapper key;
  if (!crypto::argon2id({.password = passphrase, .salt = salt}, cost, key.fill()))
    return fail(ClientError::store_damaged);
  return key;
}

Result<Wrapper, ClientError> outer_secret(const std::optional<SecretBytes>& outer) {
  if (!outer || outer->size() != Wrapper::kSize) return fail(ClientError::wrong_passphrase);
  return Wrapper(ByteView(*outer).first<Wrapper::kSize>());
}

struct Head {
  Kind kind{};
  crypto::Argon2Cost cost;
  ByteArray<kSaltBytes> salt{};
};

Result<Head, ClientError> read_head(ByteView wrapped) {
  Reader in(wrapped);
  Head head;
  const std::uint8_t version = in.u8();
  const std::uint8_t kind = in.u8();
  head.kind = Kind(kind);
  head.cost = {.memory_kib = in.u32(), .passes = in.u32(), .lanes = in.u32()};
  head.salt = in.array<kSaltBytes>();
  if (in.failed() || kind < 1 || kind > 3) return fail(ClientError::store_damaged);
  if (version > kVersion) return fail(ClientError::store_newer);
  return head;
}

}  // namespace

Result<StoreKey::Created, ClientError> StoreKey::create(const Unlock& unlock, RandomSource& random,
                                                        const crypto::Argon2Cost& cost) {
  Key key;
  random.fill(key.fill());
  const auto salt = random.bytes<kSaltBytes>();
  Bytes wrapped;
  const Kind kind = unlock.within ? Kind::within : unlock.passphrase ? Kind::passphrase : Kind::key_file;
  Writer(wrapped)
      .u8(kVersion)
      .u8(static_cast<std::uint8_t>(kind))
      .u32(cost.memory_kib)
      .u32(cost.passes)
      .u32(cost.lanes)
      .bytes(salt);
  Wrapper wrapper;
  if (unlock.within) {
    OPALINE_TRY(wrapper, outer_secret(unlock.within));
  } else if (unlock.passphrase) {
    OPALINE_TRY(wrapper, passphrase_secret(*unlock.passphrase, salt, cost));
  } else {
    OPALINE_TRY(wrapper, key_file_secret(unlock.key_file, &random));
  }
  const auto nonce = random.bytes<crypto::kAeadNonceBytes>();
  const Bytes head = wrapped;
  append(wrapped, nonce);
  crypto::aes256gcmsiv_seal(wrapper.reveal(), nonce, head, key.reveal(), wrapped);
  return Created{StoreKey(std::move(key)), std::move(wrapped)};
}

Result<StoreKey, ClientError> StoreKey::open(ByteView wrapped, const Unlock& unlock) {
  OPALINE_TRY(const Head head, read_head(wrapped));
  if (wrapped.size() != kHeadBytes + crypto::kAeadNonceBytes + Key::kSize + crypto::kAeadTagBytes)
    return fail(ClientError::store_damaged);
  Wrapper wrapper;
  if (head.kind == Kind::within) {
    OPALINE_TRY(wrapper, outer_secret(unlock.within));
  } else if (head.kind == Kind::passphrase) {
    if (!unlock.passphrase) return fail(ClientError::passphrase_needed);
    OPALINE_TRY(wrapper, passphrase_secret(*unlock.passphrase, head.salt, head.cost));
  } else {
    OPALINE_TRY(wrapper, key_file_secret(unlock.key_file, nullptr));
  }
  const ByteView sealed = wrapped.subspan(kHeadBytes);
  const auto opened = crypto::aes256gcmsiv_open(wrapper.reveal(), sealed.first<crypto::kAeadNonceBytes>(),
                                                wrapped.first(kHeadBytes), sealed.subspan(crypto::kAeadNonceBytes));
  if (!opened) return fail(ClientError::wrong_passphrase);
  return StoreKey(Key(ByteView(*opened).first<Key::kSize>()));
}

bool StoreKey::wants_passphrase(ByteView wrapped) {
  const auto head = read_head(wrapped);
  return head && head->kind == Kind::passphrase;
}

Bytes StoreKey::seal(ByteView place, ByteView plaintext, RandomSource& random) const {
  const auto nonce = random.bytes<crypto::kAeadNonceBytes>();
  Bytes out;
  out.reserve(nonce.size() + plaintext.size() + crypto::kAeadTagBytes);
  append(out, nonce);
  crypto::aes256gcmsiv_seal(key_.reveal(), nonce, place, plaintext, out);
  return out;
}

std::optional<SecretBytes> StoreKey::open_value(ByteView place, ByteView sealed) const {
  if (sealed.size() < crypto::kAeadNonceBytes) return std::nullopt;
  return crypto::aes256gcmsiv_open(key_.reveal(), sealed.first<crypto::kAeadNonceBytes>(), place,
                                   sealed.subspan(crypto::kAeadNonceBytes));
}

SecretBytes StoreKey::inner(ByteView name) const {
  auto mac = crypto::hmac_sha256(key_.reveal(), {as_view("opaline home inside a home v1"), name});
  SecretBytes out = to_secret_bytes(mac);
  wipe(mac.data(), mac.size());
  return out;
}

ByteArray<16> StoreKey::blind(ByteView value) const {
  const auto mac = crypto::hmac_sha256(key_.reveal(), {as_view("opaline local store blind v1"), value});
  return to_array<16>(ByteView(mac).first(16));
}

}  // namespace opaline::client
