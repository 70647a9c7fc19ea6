#include "store/sealed_rows.hpp"

#include "base/codec.hpp"
#include "crypto/aead.hpp"

namespace opaline::store {
namespace {

constexpr std::uint8_t kShort = 1, kLong = 2;  // versions of a value
constexpr std::size_t kMaxShortBytes = 1024;
constexpr std::size_t kWrappedKeyBytes = crypto::kAeadKeyBytes + crypto::kAeadTagBytes;
/// Of a key that seals one value.
constexpr ByteArray<crypto::kAeadNonceBytes> kOnlyNonce{};
constexpr std::byte kHashedForm{'h'};
constexpr std::byte kClearForm{'c'};
constexpr std::size_t kMaxTableBytes = 64;

Bytes named(std::string_view table, ByteView rest) {
  OPALINE_ASSERT(!table.empty() && table.size() <= kMaxTableBytes);
  Bytes out;
  out.reserve(1 + table.size() + rest.size());
  Writer(out).u8(static_cast<std::uint8_t>(table.size())).bytes(as_view(table)).bytes(rest);
  return out;
}

}  // namespace

SealedKey hashed(ByteView key) {
  return {.is_hashed = true, .bytes = to_bytes(key)};
}
SealedKey clear(ByteView key) {
  return {.is_hashed = false, .bytes = to_bytes(key)};
}

SealedRows::SealedRows(RowStore& rows, const VaultKey& index_key, VaultKey row_key, RandomSource& random)
    : rows_(rows), index_key_(index_key.reveal()), row_key_(std::move(row_key)), random_(random) {}

Result<SealedRows, OpenError> SealedRows::open(RowStore& rows, KeyVault& vault, RandomSource& random,
                                               std::string_view check_table) {
  const auto index_key = vault.named_key("index");
  auto row_key = vault.named_key("rows");
  if (!index_key || !row_key) {
    return fail(OpenError{
        "the key vault gives no keys for the directory: its disk is full or failed, or its files are damaged"});
  }
  SealedRows out(rows, *index_key, std::move(*row_key), random);
  // Written under a clear key, so that another vault's row is found and refused instead of silently not found.
  const SealedKey key = clear(as_view("vault-check"));
  const auto stored = out.get(check_table, key);
  if (!stored) {
    return fail(
        OpenError{"the directory's rows cannot be opened with this key vault: data and vault directory do not belong "
                  "together, or the data is damaged. Put back the vault that was used with this data"});
  }
  if (!*stored) {
    Batch batch = out.batch();
    batch.put(check_table, key, as_view("opaline sealed rows"));
    if (!out.write(std::move(batch)))
      return fail(OpenError{"the directory cannot be written: its disk is full or failed"});
  }
  return out;
}

Bytes SealedRows::stored_key(std::string_view table, const SealedKey& key) const {
  Bytes out;
  if (key.is_hashed) {
    out.push_back(kHashedForm);
    append(out, index_key_.mac(named(table, key.bytes)));
  } else {
    out.push_back(kClearForm);
    append(out, key.bytes);
  }
  return out;
}

Bytes SealedRows::seal(std::string_view table, ByteView stored_key, ByteView value) const {
  const auto nonce = random_.bytes<crypto::kAeadNonceBytes>();
  const Bytes place = named(table, stored_key);
  const bool is_long = value.size() > kMaxShortBytes;
  Bytes out;
  out.reserve(1 + nonce.size() + (is_long ? kWrappedKeyBytes : 0) + value.size() + crypto::kAeadTagBytes);
  Writer(out).u8(is_long ? kLong : kShort).bytes(nonce);
  if (is_long) {
    VaultKey own;
    random_.fill(own.fill());
    crypto::aes256gcmsiv_seal(row_key_.reveal(), nonce, place, own.reveal(), out);
    crypto::aes256gcm_seal(own.reveal(), kOnlyNonce, place, value, out);
  } else {
    crypto::aes256gcmsiv_seal(row_key_.reveal(), nonce, place, value, out);
  }
  return out;
}

std::optional<SecretBytes> SealedRows::open_value(std::string_view table, ByteView stored_key, ByteView stored) const {
  Reader in(stored);
  const std::uint8_t version = in.u8();
  const auto nonce = in.array<crypto::kAeadNonceBytes>();
  const Bytes place = named(table, stored_key);
  if (version == kShort && !in.failed()) return crypto::aes256gcmsiv_open(row_key_.reveal(), nonce, place, in.rest());
  const ByteView wrapped = in.bytes(kWrappedKeyBytes);
  if (in.failed() || version != kLong) return std::nullopt;
  const auto own = crypto::aes256gcmsiv_open(row_key_.reveal(), nonce, place, wrapped);
  if (!own) return std::nullopt;
  return crypto::aes256gcm_open(FixedView<crypto::kAeadKeyBytes>(*own), kOnlyNonce, place, in.rest());
}

Result<std::optional<SecretBytes>, RowError> SealedRows::get(std::string_view table, const SealedKey& key) {
  const Bytes at = stored_key(table, key);
  OPALINE_TRY(const std::optional<Bytes> stored, rows_.get(table, at));
  if (!stored) return std::optional<SecretBytes>();
  auto value = open_value(table, at, *stored);
  if (!value) return fail(RowError::failed);
  return value;
}

Result<bool, RowError> SealedRows::contains(std::string_view table, const SealedKey& key) {
  OPALINE_TRY(const std::optional<Bytes> stored, rows_.get(table, stored_key(table, key)));
  return stored.has_value();
}

SealedRows::Batch& SealedRows::Batch::put(std::string_view table, const SealedKey& key, ByteView value) {
  Bytes at = rows_->stored_key(table, key);
  Bytes sealed = rows_->seal(table, at, value);
  changes_.push_back({.table = table, .key = std::move(at), .value = std::move(sealed)});
  return *this;
}

SealedRows::Batch& SealedRows::Batch::add(Batch other) {
  OPALINE_ASSERT(other.rows_ == rows_);
  for (auto& change : other.changes_) changes_.push_back(std::move(change));
  return *this;
}

SealedRows::Batch& SealedRows::Batch::erase(std::string_view table, const SealedKey& key) {
  changes_.push_back({.table = table, .key = rows_->stored_key(table, key), .value = std::nullopt});
  return *this;
}

Result<void, RowError> SealedRows::write(Batch batch) {
  if (batch.changes_.empty()) return {};
  return rows_.write(std::move(batch.changes_));
}

Result<std::vector<SealedRows::Row>, RowError> SealedRows::scan(std::string_view table, ByteView prefix, ByteView after,
                                                                std::size_t limit) {
  const Bytes from = stored_key(table, clear(prefix));
  const Bytes last = after.empty() ? Bytes() : stored_key(table, clear(after));
  OPALINE_TRY(const auto stored, rows_.scan(table, from, last, limit));
  std::vector<Row> out;
  for (const auto& [key, value] : stored) {
    auto opened = open_value(table, key, value);
    if (!opened) return fail(RowError::failed);
    out.push_back({.key = to_bytes(ByteView(key).subspan(1)), .value = std::move(*opened)});
  }
  return out;
}

}  // namespace opaline::store
