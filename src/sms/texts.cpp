#include "sms/texts.hpp"

#include <algorithm>

#include "base/codec.hpp"

namespace opaline::sms {
namespace {

using carrier::Fate;

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kPage = 500;
constexpr std::size_t kMaxPersonBytes = 256;  // as msp::kMaxOpaqueIdBytes

std::uint8_t code_of(std::optional<Fate> tell) {
  if (!tell) return 0;
  switch (*tell) {
    case Fate::delivered:
      return 1;
    case Fate::failed:
      return 2;
    case Fate::unknown:
      return 3;
    case Fate::too_long:
      return 4;
    case Fate::over_budget:
      return 5;
  }
  return 0;
}
std::optional<std::optional<Fate>> fate_of(std::uint8_t code) {
  if (code == 0) return std::optional<Fate>();
  for (const Fate fate : {Fate::delivered, Fate::failed, Fate::unknown, Fate::too_long, Fate::over_budget})
    if (code_of(fate) == code) return std::optional(fate);
  return std::nullopt;
}

struct NumberRow {
  Time written_at{};
  std::string person;
};
Bytes encode(const NumberRow& row) {
  Bytes out;
  Writer(out).u8(kVersion).u64(static_cast<std::uint64_t>(unix_millis(row.written_at))).bytes16(as_view(row.person));
  return out;
}
std::optional<NumberRow> decode_number_row(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kVersion) return std::nullopt;
  NumberRow out;
  out.written_at = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  out.person = to_string(in.bytes16());
  if (!in.finished()) return std::nullopt;
  return out;
}

}  // namespace

Bytes encode(const TextRow& row) {
  Bytes out;
  Writer(out)
      .u8(kVersion)
      .u8(static_cast<std::uint8_t>(row.state))
      .u8(code_of(row.tell))
      .u32(static_cast<std::uint32_t>(row.later.count()))
      .u64(static_cast<std::uint64_t>(unix_millis(row.since)))
      .bytes16(as_view(row.person))
      .bytes16(as_view(row.number));
  return out;
}

std::optional<TextRow> decode_text_row(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kVersion) return std::nullopt;
  const std::uint8_t state = in.u8();
  const auto tell = fate_of(in.u8());
  TextRow out;
  out.later = seconds(in.u32());
  out.since = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  out.person = to_string(in.bytes16());
  out.number = to_string(in.bytes16());
  if (!in.finished() || state < 1 || state > 3 || !tell || out.person.size() > kMaxPersonBytes) return std::nullopt;
  if (!out.number.empty() && !carrier::is_number(out.number)) return std::nullopt;
  out.state = static_cast<TextRow::State>(state);
  out.tell = *tell;
  return out;
}

store::SealedKey Texts::key_of(std::string_view number) const {
  return store::clear(ByteView(number_key_.mac(as_view(number))));
}

Result<void, Error> Texts::write(store::SealedRows::Batch batch) {
  if (batch.empty()) return {};
  if (!rows_.write(std::move(batch))) return fail(Error::unavailable);
  return {};
}

/// Calls `visit(key, value, batch)` for each row, and writes what it put into the batch, page by page.
template <class Visit>
Result<void, Error> Texts::each(std::string_view table, Visit visit) {
  Bytes after;
  for (;;) {
    const auto page = rows_.scan(table, {}, after, kPage);
    if (!page) return fail(Error::unavailable);
    auto batch = rows_.batch();
    for (const auto& row : *page) visit(row.key, row.value, batch);
    OPALINE_CHECK(write(std::move(batch)));
    if (page->size() < kPage) return {};
    after = page->back().key;
  }
}

Result<std::optional<TextRow>, Error> Texts::find(const MessageId& id) {
  const auto row = rows_.get(kTextsTable, store::clear(id.view()));
  if (!row) return fail(Error::unavailable);
  if (!*row) return std::optional<TextRow>();
  auto out = decode_text_row(**row);
  if (!out) return fail(Error::unavailable);
  return out;
}

Result<void, Error> Texts::put(const MessageId& id, const TextRow& row) {
  auto batch = rows_.batch();
  batch.put(kTextsTable, store::clear(id.view()), encode(row));
  return write(std::move(batch));
}

Result<void, Error> Texts::begin(const MessageId& id, const TextRow& row) {
  auto batch = rows_.batch();
  batch.put(kTextsTable, store::clear(id.view()), encode(row));
  batch.put(kNumbersTable, key_of(row.number), encode(NumberRow{.written_at = clock_.now(), .person = row.person}));
  return write(std::move(batch));
}

Result<std::optional<std::string>, Error> Texts::last_writer(std::string_view number) {
  const auto row = rows_.get(kNumbersTable, key_of(number));
  if (!row) return fail(Error::unavailable);
  if (!*row) return std::optional<std::string>();
  auto found = decode_number_row(**row);
  if (!found) return fail(Error::unavailable);
  if (clock_.now() - found->written_at >= kReplyDays) return std::optional<std::string>();
  return std::optional(std::move(found->person));
}

Result<void, Error> Texts::forget(std::string_view person) {
  OPALINE_CHECK(each(kNumbersTable, [&](const Bytes& key, const SecretBytes& value, store::SealedRows::Batch& batch) {
    const auto row = decode_number_row(value);
    if (row && row->person == person) batch.erase(kNumbersTable, store::clear(key));
  }));
  return each(kTextsTable, [&](const Bytes& key, const SecretBytes& value, store::SealedRows::Batch& batch) {
    const auto row = decode_text_row(value);
    if (row && row->person == person)
      batch.put(kTextsTable, store::clear(key), encode(TextRow{.state = TextRow::State::ended, .since = row->since}));
  });
}

Result<std::vector<MessageId>, Error> Texts::unfinished() {
  std::vector<MessageId> out;
  OPALINE_CHECK(each(kTextsTable, [&](const Bytes& key, const SecretBytes& value, store::SealedRows::Batch&) {
    const auto row = decode_text_row(value);
    const auto id = MessageId::from(key);
    if (row && id && (row->tell || row->state == TextRow::State::handing_over)) out.push_back(*id);
  }));
  return out;
}

Result<void, Error> Texts::expire() {
  const Time now = clock_.now();
  OPALINE_CHECK(each(kNumbersTable, [&](const Bytes& key, const SecretBytes& value, store::SealedRows::Batch& batch) {
    const auto row = decode_number_row(value);
    if (!row || now - row->written_at >= kReplyDays) batch.erase(kNumbersTable, store::clear(key));
  }));
  return each(kTextsTable, [&](const Bytes& key, const SecretBytes& value, store::SealedRows::Batch& batch) {
    const auto row = decode_text_row(value);
    if (row && now - row->since >= kIdDays) {
      batch.erase(kTextsTable, store::clear(key));
    } else if (row && !row->person.empty() && now - row->since >= kReplyDays) {
      batch.put(kTextsTable, store::clear(key), encode(TextRow{.state = TextRow::State::ended, .since = row->since}));
    }
  });
}

}  // namespace opaline::sms
