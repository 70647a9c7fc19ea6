#include "gateway/internal/dead_letters.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "gateway/internal/outcomes.hpp"
#include "gateway/tables.hpp"

namespace opaline::gateway::internal {

using endpoint::StoreError;

namespace {

constexpr std::uint8_t kVersion = 2;
constexpr std::size_t kHeadBytes = 1 + 1 + 4 + AccountId::kSize + 8;

}  // namespace

DeadLetters::Row DeadLetters::row_of(const DeadLetter& letter) {
  Row out;
  Writer(out).u64(static_cast<std::uint64_t>(unix_millis(letter.at))).bytes(letter.message);
  return out;
}

Bytes DeadLetters::key(const Row& row) const {
  Bytes out = to_bytes(business_.view());
  append(out, row);
  return out;
}

bool DeadLetters::load(ByteView row, ByteView value) {
  Reader place(row), in(value);
  DeadLetter letter;
  letter.at = from_unix_millis(static_cast<std::int64_t>(place.u64()));
  letter.message = place.array<16>();
  if (value.size() > 1 && in.u8() != kVersion) return false;
  letter.refusal = Refusal(in.u8());
  if (value.size() > 1) {
    letter.attempts = in.u32();
    letter.persona = AccountId(in.array<AccountId::kSize>());
    letter.number = in.u64();
    letter.kept = !in.rest().empty();
  }
  if (!place.finished() || in.failed() || name(letter.refusal).empty()) return false;
  all_.emplace(to_bytes(row), letter);
  return true;
}

std::map<DeadLetters::Row, DeadLetter>::const_iterator DeadLetters::find(const msp::Uuid& message) const {
  const auto last = std::ranges::find_if(all_.rbegin(), all_.rend(),
                                         [&](const auto& one) { return equal(one.second.message, message.view()); });
  return last == all_.rend() ? all_.end() : std::prev(last.base());
}

Result<Bytes, StoreError> DeadLetters::sealed(const Row& row) {
  const auto value = rows_.get(tables::kDeadLetters, key(row));
  if (!value) return fail(error_of(value.error()));
  if (!*value || (*value)->size() < kHeadBytes) return Bytes();
  return to_bytes(ByteView(**value).subspan(kHeadBytes));
}

void DeadLetters::put(Changes& changes, const DeadLetter& letter, ByteView sealed) {
  if (all_.size() >= kMaxDeadLetters) erase(changes, all_.begin()->first);
  Bytes value;
  Writer(value).u8(kVersion).u8(static_cast<std::uint8_t>(letter.refusal)).u32(letter.attempts);
  Writer(value).bytes(letter.persona.view()).u64(letter.number).bytes(sealed);
  changes.put(tables::kDeadLetters, key(row_of(letter)), value);
}

void DeadLetters::is_put(const DeadLetter& letter) {
  if (all_.size() >= kMaxDeadLetters) all_.erase(all_.begin());
  all_.insert_or_assign(row_of(letter), letter);
}

void DeadLetters::erase(Changes& changes, const Row& row) const {
  changes.erase(tables::kDeadLetters, key(row));
}

void DeadLetters::erase_of(Changes& changes, const AccountId& persona) const {
  for (const auto& [row, letter] : all_)
    if (letter.persona == persona) erase(changes, row);
}

void DeadLetters::are_erased_of(const AccountId& persona) {
  std::erase_if(all_, [&](const auto& one) { return one.second.persona == persona; });
}

}  // namespace opaline::gateway::internal
