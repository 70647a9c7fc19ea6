#pragma once
// Rows that name people, so that a copy of the data files without the vault names no one: keys become HMAC-SHA-256
// under one vault key, values are sealed with AES-256-GCM-SIV under another, bound to their table and key.
//
//   stored key   u8 form || hashed: HMAC-SHA-256(index key, u8 length of table || table || key) (32)     form 'h'
//                           clear:  the key                                                              form 'c'
//   stored value u8 version (1) || nonce (12) || AES-256-GCM-SIV(row key, nonce, plaintext, aad)
//    above 1 KiB u8 version (2) || nonce (12) || AES-256-GCM-SIV(row key, nonce, a new key, aad) (48)
//                  || AES-256-GCM(that key, nonce of zeros, plaintext, aad): a tenth of the time for long ones
//   aad          u8 length of table || table || stored key
//
// What a copy of the files shows: tables' names, how many rows, their sizes, clear keys, and which rows changed when.
#include "base/random.hpp"
#include "crypto/hash.hpp"
#include "store/key_vault.hpp"
#include "store/open_error.hpp"
#include "store/row_store.hpp"

namespace opaline::store {

/// How a row is found: made by `hashed` or `clear`.
struct SealedKey {
  bool is_hashed = true;
  Bytes bytes;
};
/// For keys that mean something (handles, e-mail addresses, tokens). Found only by who knows the whole key; cannot be
/// scanned.
[[nodiscard]] SealedKey hashed(ByteView key);
/// For keys that are random (AccountId) or small numbers below one: they lie in the files as they are, in order, and
/// can be scanned.
[[nodiscard]] SealedKey clear(ByteView key);

/// Thread-safe as its RowStore is. Borrows all it is given.
class SealedRows {
 public:
  /// Takes the keys "rows" and "index" from the vault and checks that the rows in `rows` were sealed under them (a row
  /// of its own in `check_table`, made when there is none).
  [[nodiscard]] static Result<SealedRows, OpenError> open(RowStore& rows, KeyVault& vault, RandomSource& random,
                                                          std::string_view check_table);
  /// For tests and keys from elsewhere.
  SealedRows(RowStore& rows, const VaultKey& index_key, VaultKey row_key, RandomSource& random);

  /// nullopt: no such row. failed: also a row that is not authentic.
  [[nodiscard]] Result<std::optional<SecretBytes>, RowError> get(std::string_view table, const SealedKey& key);

  /// Whether there is such a row, authentic or not.
  [[nodiscard]] Result<bool, RowError> contains(std::string_view table, const SealedKey& key);

  /// Changes that happen together or not at all.
  class Batch {
   public:
    Batch& put(std::string_view table, const SealedKey& key, ByteView value);
    Batch& erase(std::string_view table, const SealedKey& key);
    /// What the other does, too: of the same rows.
    Batch& add(Batch other);
    [[nodiscard]] bool empty() const { return changes_.empty(); }

   private:
    friend class SealedRows;
    explicit Batch(const SealedRows& rows) : rows_(&rows) {}
    const SealedRows* rows_;
    std::vector<RowChange> changes_;
  };
  /// Borrows this object and the names of tables given to it.
  [[nodiscard]] Batch batch() const { return Batch(*this); }
  /// As RowStore::write.
  [[nodiscard]] Result<void, RowError> write(Batch batch);

  struct Row {
    Bytes key;  ///< the clear key
    SecretBytes value;
  };
  /// Rows with clear keys that begin with `prefix` and are greater than `after`, in order, at most `limit`. failed:
  /// also if one of them is not authentic.
  [[nodiscard]] Result<std::vector<Row>, RowError> scan(std::string_view table, ByteView prefix, ByteView after,
                                                        std::size_t limit);

 private:
  [[nodiscard]] Bytes stored_key(std::string_view table, const SealedKey& key) const;
  [[nodiscard]] Bytes seal(std::string_view table, ByteView stored_key, ByteView value) const;
  [[nodiscard]] std::optional<SecretBytes> open_value(std::string_view table, ByteView stored_key,
                                                      ByteView stored) const;

  RowStore& rows_;
  crypto::HmacSha256Key index_key_;
  VaultKey row_key_;
  RandomSource& random_;
};

}  // namespace opaline::store
