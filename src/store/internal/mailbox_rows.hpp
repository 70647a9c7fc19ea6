#pragma once
// The rows of the RocksDB mailbox store, format 1. Integers are big-endian. A column family "day-<n>" holds what
// arrived on that day:
//
//   envelope   key    mailbox hash (16) || sequence (8), from 1
//              value  u8 1 || u32 ordinal || u64 end || run (16) || counter (8) || sealed
//              sealed AES-256-GCM(row key, 0^4 || counter, u8 flags || envelope id (16) || ciphertext,
//                                 aad = key || u32 day)
//   head       key    mailbox hash || 0^8: there is something for the mailbox on this day
//              value  u8 1 || u64 sequence: all up to it are gone
//
// mailbox hash = HMAC-SHA-256(vault key "mailbox-index", mailbox)[0..16]
// row key      = HKDF-SHA-256(salt = run, ikm = day key, info = "opaline mailbox rows 1" || u32 day)
//
// `run` is 16 random bytes, new each time a store is opened, and `counter` rises by one with each seal of a run. So no
// (row key, nonce) seals twice, whatever copy of the files is put back. `ordinal` and `end` count the envelopes of this
// mailbox and day and their ciphertext bytes, up to and including this one (both wrap): the difference of two rows
// tells what lies between without reading it. They steer quotas only, are no secret beside the sizes of the rows, and
// are not authenticated.
#include "base/codec.hpp"
#include "base/secret.hpp"
#include "crypto/hash.hpp"
#include "store/key_vault.hpp"
#include "store/mailbox_store.hpp"

namespace opaline::store::internal {

inline constexpr std::size_t kMailboxHashBytes = 16;
using MailboxHash = ByteArray<kMailboxHashBytes>;
inline constexpr std::size_t kEnvelopeKeyBytes = kMailboxHashBytes + 8;
using EnvelopeKey = ByteArray<kEnvelopeKeyBytes>;
inline constexpr std::uint8_t kEnvelopeVersion = 1;
inline constexpr std::uint8_t kHeadVersion = 1;
inline constexpr std::size_t kRunBytes = 16;
using Run = ByteArray<kRunBytes>;
using RowSealKey = Secret<struct RowSealKeyTag, 32>;

[[nodiscard]] MailboxHash mailbox_hash(const crypto::HmacSha256Key& index_key, const MailboxId& mailbox);
/// Sequence 0 is the head row.
[[nodiscard]] EnvelopeKey envelope_key(const MailboxHash& hash, std::uint64_t sequence);
[[nodiscard]] inline std::uint64_t sequence_of(FixedView<kEnvelopeKeyBytes> key) {
  return Reader(ByteView(key).subspan(kMailboxHashBytes)).u64();
}
[[nodiscard]] RowSealKey row_seal_key(const DayKey& key, Day day, const Run& run);

/// What stands before the sealed part.
struct EnvelopeHeader {
  std::uint32_t ordinal = 0;
  std::uint64_t end = 0;
  Run run{};
  std::uint64_t counter = 0;
};
inline constexpr std::size_t kEnvelopeHeaderBytes = 1 + 4 + 8 + kRunBytes + 8;
inline constexpr std::size_t kSealedOverheadBytes = 1 + EnvelopeId::kSize + 16;

/// Overwrites `value` with the row.
void seal_envelope(const RowSealKey& key, const EnvelopeHeader& header, const EnvelopeKey& at, const Append& append,
                   Bytes& value);
/// nullopt: another version or too short.
[[nodiscard]] std::optional<EnvelopeHeader> envelope_header(ByteView value);
/// Puts other counts into a row; the sealed part stays good. `value` has a header.
void renumber_envelope(std::uint32_t ordinal, std::uint64_t end, Bytes& value);
/// Length of the ciphertext inside; 0 for a row that is too short.
[[nodiscard]] inline std::uint64_t ciphertext_bytes(ByteView value) {
  constexpr std::size_t kOverhead = kEnvelopeHeaderBytes + kSealedOverheadBytes;
  return value.size() < kOverhead ? 0 : value.size() - kOverhead;
}
/// nullopt: not authentic.
[[nodiscard]] std::optional<StoredEnvelope> open_envelope(const RowSealKey& key, const EnvelopeKey& at, Day day,
                                                          ByteView value);

[[nodiscard]] Bytes head_value(std::uint64_t removed_through);
/// nullopt: damaged.
[[nodiscard]] std::optional<std::uint64_t> head_of(ByteView value);

}  // namespace opaline::store::internal
