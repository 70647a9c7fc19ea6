#include "server/backup_file.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "crypto/aead.hpp"
#include "crypto/hkdf.hpp"

namespace opaline::server {
namespace {

constexpr std::string_view kMagic = "OPALBKP1";
constexpr std::string_view kInfo = "opaline backup v1";
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHeaderBytes = kMagic.size() + 3 * 4 + kSaltBytes;
constexpr std::size_t kRecordHeadBytes = 1 + 4;
constexpr std::size_t kMaxTextBytes = 512;

constexpr std::uint8_t kInfoRecord = 1;
constexpr std::uint8_t kKeyRecord = 2;
constexpr std::uint8_t kRowRecord = 3;
constexpr std::uint8_t kEndRecord = 4;

Result<BackupKey, BackupError> derive(ByteView header, ByteView passphrase, const crypto::Argon2Cost& cost) {
  Secret<struct BackupPassphraseTag, 32> stretched;
  const ByteView salt = header.last(kSaltBytes);
  if (!crypto::argon2id({passphrase, salt}, cost, stretched.fill())) return fail(BackupError::too_costly);
  BackupKey key;
  crypto::hkdf(header, stretched.reveal(), as_view(kInfo), key.fill());
  return key;
}

ByteArray<crypto::kAeadNonceBytes> nonce_of(std::uint64_t chunk, bool last) {
  Bytes nonce;
  Writer(nonce).u64(chunk).u8(last ? 1 : 0).u24(0);
  return to_array<crypto::kAeadNonceBytes>(nonce);
}

/// Fills all of `out`. truncated: the source ended before.
Result<void, BackupError> read_all(const BackupSource& source, std::span<std::byte> out) {
  while (!out.empty()) {
    const auto got = source(out);
    if (!got) return fail(BackupError::input_output);
    if (*got == 0) return fail(BackupError::truncated);
    out = out.subspan(*got);
  }
  return {};
}

}  // namespace

std::string_view describe(BackupError error) {
  switch (error) {
    case BackupError::not_a_backup:
      return "this is no backup file, or one of a newer version of opalined";
    case BackupError::refused:
      return "the passphrase is wrong, or the file was changed";
    case BackupError::truncated:
      return "the file ends too early: it was not copied completely";
    case BackupError::malformed:
      return "the file is authentic, but this version of opalined does not understand it";
    case BackupError::too_costly:
      return "the memory that this file's passphrase protection needs is not to be had";
    case BackupError::input_output:
      return "the file could not be read or written";
  }
  return "unknown";
}

Result<BackupWriter, BackupError> BackupWriter::start(BackupSink sink, ByteView passphrase,
                                                      const crypto::Argon2Cost& cost, RandomSource& random) {
  Bytes header;
  Writer(header)
      .bytes(as_view(kMagic))
      .u32(cost.memory_kib)
      .u32(cost.passes)
      .u32(cost.lanes)
      .bytes(random.bytes<kSaltBytes>());
  OPALINE_TRY(auto key, derive(header, passphrase, cost));
  if (!sink(header)) return fail(BackupError::input_output);
  return BackupWriter(std::move(sink), std::move(key));
}

Result<void, BackupError> BackupWriter::chunk(ByteView plaintext, bool last) {
  Bytes out;
  out.reserve(4 + plaintext.size() + crypto::kAeadTagBytes);
  Writer(out).u32(static_cast<std::uint32_t>(plaintext.size() + crypto::kAeadTagBytes));
  crypto::aes256gcm_seal(key_.reveal(), nonce_of(chunks_++, last), {}, plaintext, out);
  if (!sink_(out)) return fail(BackupError::input_output);
  return {};
}

Result<void, BackupError> BackupWriter::record(std::uint8_t kind, ByteView body) {
  OPALINE_ASSERT(body.size() <= kMaxBackupRecordBytes);
  Bytes head;
  Writer(head).u8(kind).u32(static_cast<std::uint32_t>(body.size()));
  pending_.insert(pending_.end(), head.begin(), head.end());
  pending_.insert(pending_.end(), body.begin(), body.end());
  std::size_t done = 0;
  for (; pending_.size() - done > kBackupChunkBytes; done += kBackupChunkBytes) {  // the last chunk is never empty
    OPALINE_CHECK(chunk(ByteView(pending_).subspan(done, kBackupChunkBytes), false));
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(done));
  return {};
}

Result<void, BackupError> BackupWriter::info(const BackupInfo& info) {
  Bytes body;
  Writer(body)
      .u64(static_cast<std::uint64_t>(unix_millis(info.made)))
      .bytes16(as_view(info.server_name))
      .bytes16(as_view(info.version));
  return record(kInfoRecord, body);
}

Result<void, BackupError> BackupWriter::key(std::string_view purpose, const store::VaultKey& key) {
  SecretBytes body;
  Bytes head;
  Writer(head).bytes16(as_view(purpose));
  body.reserve(head.size() + store::VaultKey::kSize);
  body.insert(body.end(), head.begin(), head.end());
  body.insert(body.end(), key.reveal().begin(), key.reveal().end());
  ++counts_.keys;
  return record(kKeyRecord, body);
}

Result<void, BackupError> BackupWriter::row(std::string_view table, ByteView key, ByteView value) {
  Bytes body;
  Writer(body).bytes16(as_view(table)).bytes16(key).bytes(value);
  ++counts_.rows;
  return record(kRowRecord, body);
}

Result<BackupEnd, BackupError> BackupWriter::finish() {
  Bytes body;
  Writer(body).u64(counts_.keys).u64(counts_.rows);
  OPALINE_CHECK(record(kEndRecord, body));
  OPALINE_CHECK(chunk(pending_, true));
  pending_.clear();
  return counts_;
}

Result<BackupReader, BackupError> BackupReader::open(BackupSource source, ByteView passphrase) {
  Bytes header(kHeaderBytes);
  if (const auto read = read_all(source, header); !read) {
    const bool ours = equal(ByteView(header).first(kMagic.size()), as_view(kMagic));
    return fail(read.error() == BackupError::truncated && !ours ? BackupError::not_a_backup : read.error());
  }
  Reader in(header);
  if (!equal(in.bytes(kMagic.size()), as_view(kMagic))) return fail(BackupError::not_a_backup);
  crypto::Argon2Cost cost;
  cost.memory_kib = in.u32();
  cost.passes = in.u32();
  cost.lanes = in.u32();
  OPALINE_TRY(auto key, derive(header, passphrase, cost));
  return BackupReader(std::move(source), std::move(key));
}

/// Reads, opens and appends one more chunk.
Result<void, BackupError> BackupReader::more() {
  if (last_seen_) return fail(BackupError::malformed);  // a record goes beyond the last chunk
  ByteArray<4> size_bytes{};
  OPALINE_CHECK(read_all(source_, size_bytes));
  const std::size_t size = Reader(size_bytes).u32();
  if (size <= crypto::kAeadTagBytes || size > kBackupChunkBytes + crypto::kAeadTagBytes) {
    return fail(BackupError::refused);
  }
  Bytes sealed(size);
  OPALINE_CHECK(read_all(source_, sealed));
  auto plaintext = crypto::aes256gcm_open(key_.reveal(), nonce_of(chunks_, false), {}, sealed);
  if (!plaintext) {
    plaintext = crypto::aes256gcm_open(key_.reveal(), nonce_of(chunks_, true), {}, sealed);
    last_seen_ = true;
  }
  if (!plaintext) return fail(BackupError::refused);
  ++chunks_;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(taken_));
  taken_ = 0;
  buffer_.insert(buffer_.end(), plaintext->begin(), plaintext->end());
  return {};
}

Result<BackupRecord, BackupError> BackupReader::next() {
  while (buffer_.size() - taken_ < kRecordHeadBytes) OPALINE_CHECK(more());
  Reader head(ByteView(buffer_).subspan(taken_, kRecordHeadBytes));
  const auto kind = head.u8();
  const std::size_t size = head.u32();
  if (size > kMaxBackupRecordBytes) return fail(BackupError::malformed);
  while (buffer_.size() - taken_ < kRecordHeadBytes + size) OPALINE_CHECK(more());
  const ByteView body = ByteView(buffer_).subspan(taken_ + kRecordHeadBytes, size);
  taken_ += kRecordHeadBytes + size;
  OPALINE_TRY(auto record, decode(kind, body));
  if (std::holds_alternative<BackupEnd>(record)) {
    std::byte beyond{};
    if (taken_ != buffer_.size() || !last_seen_) return fail(BackupError::malformed);
    const auto got = source_(std::span(&beyond, 1));
    if (!got) return fail(BackupError::input_output);
    if (*got != 0) return fail(BackupError::refused);
  }
  return record;
}

Result<BackupRecord, BackupError> BackupReader::decode(std::uint8_t kind, ByteView body) {
  Reader in(body);
  if ((kind == kInfoRecord) == info_seen_) return fail(BackupError::malformed);  // first, and once
  switch (kind) {
    case kInfoRecord: {
      info_seen_ = true;
      BackupInfo info;
      info.made = from_unix_millis(static_cast<std::int64_t>(in.u64()));
      info.server_name = to_string(in.bytes16());
      info.version = to_string(in.bytes16());
      if (!in.finished()) break;
      return info;
    }
    case kKeyRecord: {
      BackupNamedKey key;
      key.purpose = to_string(in.bytes16());
      const ByteView bytes = in.bytes(store::VaultKey::kSize);
      if (!in.finished() || !store::is_vault_purpose(key.purpose)) break;
      std::ranges::copy(bytes, key.key.fill().begin());
      ++counts_.keys;
      return key;
    }
    case kRowRecord: {
      BackupRow row;
      row.table = to_string(in.bytes16());
      row.key = to_bytes(in.bytes16());
      row.value = to_bytes(in.rest());
      if (in.failed() || row.table.empty() || row.table.size() > kMaxTextBytes) break;
      ++counts_.rows;
      return row;
    }
    case kEndRecord: {
      BackupEnd end{in.u64(), in.u64()};
      if (!in.finished() || end.keys != counts_.keys || end.rows != counts_.rows) break;
      return end;
    }
    default:
      break;
  }
  return fail(BackupError::malformed);
}

}  // namespace opaline::server
