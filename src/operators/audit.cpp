#include "operators/audit.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "crypto/hash.hpp"

namespace opaline::operators {
namespace {

// A row: key u64 sequence; value
//   u8 version (1) | u64 sequence | 32 hash of the entry before | u64 time (ms) | u16 action | u8 outcome
//   | u16-prefixed actor | u16-prefixed object
// Its hash: SHA-256("opaline audit v1" || value). Row 0 is the head: u8 version | u64 sequence | 32 hash.
constexpr std::uint8_t kVersion = 1;
constexpr std::string_view kLabel = "opaline audit v1";

Bytes key_of(std::uint64_t sequence) {
  Bytes key;
  Writer(key).u64(sequence);
  return key;
}
store::SealedKey row_key(std::uint64_t sequence) {
  return store::clear(key_of(sequence));
}

AuditHash hash_of(ByteView value) {
  return AuditHash(crypto::sha256({as_view(kLabel), value}));
}

Bytes encode(const AuditEntry& entry, const AuditHash& before) {
  Bytes out;
  Writer(out)
      .u8(kVersion)
      .u64(entry.sequence)
      .bytes(before.view())
      .u64(static_cast<std::uint64_t>(unix_millis(entry.time)))
      .u16(static_cast<std::uint16_t>(entry.action))
      .u8(static_cast<std::uint8_t>(entry.outcome))
      .bytes16(as_view(entry.actor))
      .bytes16(as_view(entry.object));
  return out;
}

struct Decoded {
  AuditEntry entry;
  AuditHash before;
};
std::optional<Decoded> decode(ByteView value) {
  Reader in(value);
  Decoded out;
  const auto version = in.u8();
  out.entry.sequence = in.u64();
  out.before = AuditHash(in.array<32>());
  out.entry.time = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  out.entry.action = Action{in.u16()};
  out.entry.outcome = Outcome{in.u8()};
  out.entry.actor = to_string(in.bytes16());
  out.entry.object = to_string(in.bytes16());
  if (!in.finished() || version != kVersion) return std::nullopt;
  return out;
}

Bytes encode(const AuditHead& head) {
  Bytes out;
  Writer(out).u8(kVersion).u64(head.sequence).bytes(head.hash.view());
  return out;
}
std::optional<AuditHead> decode_head(ByteView value) {
  Reader in(value);
  AuditHead out;
  const auto version = in.u8();
  out.sequence = in.u64();
  out.hash = AuditHash(in.array<32>());
  if (!in.finished() || version != kVersion) return std::nullopt;
  return out;
}

std::string cut(std::string text) {
  if (text.size() > kMaxAuditTextBytes) text.resize(kMaxAuditTextBytes);
  return text;
}

}  // namespace

std::string_view name(Action action) {
  switch (action) {
    case Action::operator_create:
      return "operator_create";
    case Action::operator_revoke:
      return "operator_revoke";
    case Action::token_issue:
      return "token_issue";
    case Action::backup:
      return "backup";
    case Action::restore:
      return "restore";
    case Action::reload:
      return "reload";
    case Action::expiry_confirm:
      return "expiry_confirm";
    case Action::audit_read:
      return "audit_read";
    case Action::operator_list:
      return "operator_list";
    case Action::status_read:
      return "status_read";
    case Action::business_create:
      return "business_create";
    case Action::business_update:
      return "business_update";
    case Action::business_rotate_secret:
      return "business_rotate_secret";
    case Action::business_enrol:
      return "business_enrol";
    case Action::business_remove:
      return "business_remove";
    case Action::business_read:
      return "business_read";
    case Action::gateway_read:
      return "gateway_read";
    case Action::officer_key:
      return "officer_key";
    case Action::case_open:
      return "case_open";
    case Action::case_read:
      return "case_read";
    case Action::case_approve:
      return "case_approve";
    case Action::case_narrow:
      return "case_narrow";
    case Action::case_refuse:
      return "case_refuse";
    case Action::case_answer:
      return "case_answer";
    case Action::case_notify:
      return "case_notify";
    case Action::case_close:
      return "case_close";
    case Action::case_renew:
      return "case_renew";
    case Action::case_produce:
      return "case_produce";
    case Action::ledger_verify:
      return "ledger_verify";
    case Action::case_end:
      return "case_end";
  }
  return "unknown";  // written by a later version
}

std::string_view name(Outcome outcome) {
  switch (outcome) {
    case Outcome::done:
      return "done";
    case Outcome::denied:
      return "denied";
    case Outcome::failed:
      return "failed";
  }
  return "unknown";
}

Result<AuditHead, Error> AuditTrail::head() {
  if (head_) return *head_;
  const auto row = rows_.get(kAuditTable, row_key(0));
  if (!row) return fail(Error::unavailable);
  if (!*row) {
    head_ = AuditHead{};
    return *head_;
  }
  const auto decoded = decode_head(**row);
  if (!decoded) return fail(Error::unavailable);
  head_ = decoded;
  return *head_;
}

Result<void, Error> AuditTrail::append(Time now, Record record, store::SealedRows::Batch changes) {
  OPALINE_TRY(const AuditHead last, head());
  const AuditEntry entry{
      last.sequence + 1, now, cut(std::move(record.actor)), record.action, cut(std::move(record.object)),
      record.outcome};
  const auto value = encode(entry, last.hash);
  const AuditHead next{entry.sequence, hash_of(value)};
  changes.put(kAuditTable, row_key(entry.sequence), value).put(kAuditTable, row_key(0), encode(next));
  if (!rows_.write(std::move(changes))) {
    head_.reset();  // what the store holds now is for the store to say
    return fail(Error::unavailable);
  }
  head_ = next;
  return {};
}

Result<std::vector<AuditEntry>, Error> AuditTrail::read(std::uint64_t after, std::size_t limit) {
  const auto rows = rows_.scan(kAuditTable, {}, key_of(after), std::min(limit, kMaxAuditPage));
  if (!rows) return fail(Error::unavailable);
  std::vector<AuditEntry> out;
  for (const auto& [key, value] : *rows) {
    auto decoded = decode(value);
    if (!decoded) return fail(Error::unavailable);
    out.push_back(std::move(decoded->entry));
  }
  return out;
}

AuditCheck AuditTrail::verify(const std::optional<AuditHead>& known) {
  head_.reset();
  const auto stored = head();
  AuditCheck check;
  check.known_head_seen = !known || *known == AuditHead{};
  for (std::uint64_t sequence = 1;; ++sequence) {
    const auto value = rows_.get(kAuditTable, row_key(sequence));
    if (value && !*value) break;
    const auto decoded = value ? decode(**value) : std::nullopt;
    if (!decoded || decoded->entry.sequence != sequence || decoded->before != check.head.hash) {
      check.broken_at = sequence;
      return check;
    }
    check.head = {sequence, hash_of(**value)};
    if (known && *known == check.head) check.known_head_seen = true;
  }
  check.intact = stored && *stored == check.head;
  if (!check.intact) check.broken_at = check.head.sequence + 1;
  return check;
}

}  // namespace opaline::operators
