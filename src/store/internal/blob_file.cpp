#include "store/internal/blob_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "crypto/aes_ctr.hpp"
#include "crypto/hkdf.hpp"

namespace opaline::store::internal {
namespace {

constexpr std::string_view kMagic = "OPALBLB1";
constexpr std::size_t kSealedAt = kMagic.size() + crypto::kAeadNonceBytes;
constexpr std::size_t kPayloadBytes = kSlotBytes - kSealedAt - crypto::kAeadTagBytes;
static_assert(4 * 8 + 32 + 1 + kMaxBlobReleases * 33 <= kPayloadBytes);

FileError error_of(int code) {
  return code == ENOSPC || code == EDQUOT || code == EFBIG ? FileError::full : FileError::failed;
}

Bytes slot_aad(const BlobName& name, std::uint8_t slot) {
  Bytes out;
  Writer(out).bytes(as_view(kMagic)).u8(slot).bytes(name.view());
  return out;
}

std::optional<BlobMeta> decode(ByteView payload) {
  Reader in(payload);
  BlobMeta out;
  out.sequence = in.u64();
  out.size = in.u64();
  out.durable = in.u64();
  out.touched = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  out.upload = BlobTokenHash(in.array<32>());
  const std::size_t count = in.u8();
  if (out.size == 0 || out.size > kMaxBlobBytes || out.durable > out.size || count > kMaxBlobReleases)
    return std::nullopt;
  for (std::size_t i = 0; i < count; ++i) {
    const bool released = in.u8() != 0;
    out.releases.push_back({BlobTokenHash(in.array<32>()), released});
  }
  if (in.failed()) return std::nullopt;
  return out;
}

}  // namespace

BlobKeys::BlobKeys(const DayKey& day, const BlobName& name) {
  const ByteView salt = as_view("opaline blobs");
  crypto::hkdf(salt, {day.reveal()}, {as_view("content 1"), name.view()}, content.fill());
  crypto::hkdf(salt, {day.reveal()}, {as_view("slot 1"), name.view()}, slot.fill());
}

Bytes seal_slot(const BlobKeys& keys, const BlobName& name, const BlobMeta& meta, RandomSource& random) {
  Bytes payload;
  Writer out(payload);
  out.u64(meta.sequence).u64(meta.size).u64(meta.durable);
  out.u64(static_cast<std::uint64_t>(unix_millis(meta.touched))).bytes(meta.upload.view());
  OPALINE_ASSERT(meta.releases.size() <= kMaxBlobReleases);
  out.u8(static_cast<std::uint8_t>(meta.releases.size()));
  for (const BlobRelease& each : meta.releases) out.u8(each.released ? 1 : 0).bytes(each.hash.view());
  payload.resize(kPayloadBytes);  // all slots look alike: nothing tells how many recipients there are
  const auto nonce = random.bytes<crypto::kAeadNonceBytes>();
  Bytes slot;
  Writer(slot).bytes(as_view(kMagic)).bytes(nonce);
  crypto::aes256gcmsiv_seal(keys.slot.reveal(), nonce, slot_aad(name, meta.sequence % 2), payload, slot);
  OPALINE_ASSERT(slot.size() == kSlotBytes);
  return slot;
}

std::optional<BlobMeta> open_slots(const BlobKeys& keys, const BlobName& name, ByteView head) {
  if (head.size() != kBlobHeadBytes) return std::nullopt;
  std::optional<BlobMeta> newest;
  for (std::uint8_t i = 0; i < 2; ++i) {
    Reader in(head.subspan(i * kSlotBytes, kSlotBytes));
    if (!equal(in.bytes(kMagic.size()), as_view(kMagic))) continue;
    const auto nonce = in.array<crypto::kAeadNonceBytes>();
    const auto payload = crypto::aes256gcmsiv_open(keys.slot.reveal(), nonce, slot_aad(name, i), in.rest());
    auto meta = payload ? decode(*payload) : std::nullopt;
    if (meta && (!newest || newest->sequence < meta->sequence)) newest = std::move(meta);
  }
  return newest;
}

void crypt_content(const BlobKeys& keys, std::uint64_t offset, std::span<std::byte> bytes) {
  crypto::Aes256Ctr(keys.content.reveal(), offset).apply(bytes, bytes);
}

Result<void, FileError> write_at(int fd, std::uint64_t at, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(error_of(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(size));
    at += static_cast<std::uint64_t>(size);
  }
  return {};
}

Result<std::size_t, FileError> read_at(int fd, std::uint64_t at, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t size = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(at + done));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(error_of(errno));
    if (size == 0) break;
    done += static_cast<std::size_t>(size);
  }
  return done;
}

Result<void, FileError> sync_data(int fd) {
  if (::fdatasync(fd) != 0) return fail(error_of(errno));
  return {};
}

Result<void, FileError> reserve(int fd, std::uint64_t size) {
  if (::fallocate(fd, 0, 0, static_cast<off_t>(size)) == 0) return {};
  if (errno != EOPNOTSUPP && errno != ENOSYS) return fail(error_of(errno));
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) return fail(error_of(errno));
  return {};
}

}  // namespace opaline::store::internal
