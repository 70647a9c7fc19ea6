#include "identity/internal/verifications.hpp"

#include <algorithm>

#include "crypto/compare.hpp"

namespace opaline::identity::internal {
namespace {

constexpr std::uint64_t kCodes = 1'000'000;
static_assert(kCodeDigits == Code::kSize);

Code make_code(RandomSource& random) {
  Code out;
  std::uint64_t number = random.below(kCodes);
  for (std::size_t i = kCodeDigits; i-- > 0; number /= 10) out.fill()[i] = std::byte('0' + number % 10);
  wipe(&number, sizeof(number));
  return out;
}

}  // namespace

ByteArray<32> Verifications::code_mac(const VerificationId& id, ByteView code) const {
  return crypto::hmac_sha256(key_.reveal(), {as_view("code"), id.view(), code});
}

Verifications::Started Verifications::start(const Handle& handle, const std::optional<AccountId>& adding_to,
                                            Instant now) {
  OPALINE_ASSERT(!is_full());
  Started out{.id = random_.id<VerificationId>(), .code = make_code(random_)};
  Verification entry(handle, adding_to, now + kCodeLifetime);
  entry.code_mac = code_mac(out.id, out.code.reveal());
  entries_.insert_or_assign(out.id, std::move(entry));
  return out;
}

Verification* Verifications::find(ByteView id, Instant now) {
  const auto key = VerificationId::from(id);
  if (!key) return nullptr;
  const auto found = entries_.find(*key);
  return found == entries_.end() || now >= found->second.expires ? nullptr : &found->second;
}

Verifications::Checked Verifications::check(ByteView id, std::string_view code,
                                            const std::optional<AccountId>& adding_to, Instant now) {
  OPALINE_ASSERT(code.size() == kCodeDigits);
  Verification* entry = find(id, now);
  if (entry == nullptr || entry->adding_to != adding_to) return {};
  const auto mac = code_mac(*VerificationId::from(id), as_view(code));
  if (!crypto::constant_time_equal(mac, entry->code_mac)) {
    const std::uint32_t left = --entry->tries_left;
    if (left == 0) forget(id);
    return {.known = true, .tries_left = left};
  }
  if (!entry->checked) {
    entry->checked = true;
    entry->expires = now + kTicketLifetime;
    entry->account = random_.id<AccountId>();
    entry->mailbox = random_.id<MailboxId>();
  }
  return {.right = entry, .known = true, .tries_left = entry->tries_left};
}

ByteArray<kTicketBytes> Verifications::ticket(ByteView id) const {
  static_assert(kTicketBytes == kVerificationBytes + 16);
  Bytes out = to_bytes(id);
  append(out, ByteView(crypto::hmac_sha256(key_.reveal(), {as_view("ticket"), id})).first(16));
  return to_array<kTicketBytes>(out);
}

Verification* Verifications::find_ticket(ByteView ticket_bytes, Instant now) {
  if (ticket_bytes.size() != kTicketBytes) return nullptr;
  const ByteView id = ticket_bytes.first(kVerificationBytes);
  const bool authentic = crypto::constant_time_equal(ticket(id), ticket_bytes);
  Verification* entry = find(id, now);
  return authentic && entry != nullptr && entry->checked && !entry->adding_to ? entry : nullptr;
}

void Verifications::forget(ByteView id) {
  if (const auto key = VerificationId::from(id)) entries_.erase(*key);
}
void Verifications::forget_others(const Handle& handle, const Verification& kept) {
  std::erase_if(entries_, [&](const auto& entry) { return &entry.second != &kept && entry.second.handle == handle; });
}
void Verifications::drop_expired(Instant now) {
  std::erase_if(entries_, [now](const auto& entry) { return now >= entry.second.expires; });
}
std::size_t Verifications::tickets() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(entries_, [](const auto& entry) { return entry.second.checked; }));
}

}  // namespace opaline::identity::internal
