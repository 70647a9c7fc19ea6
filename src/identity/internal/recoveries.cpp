#include "identity/internal/recoveries.hpp"

#include "base/codec.hpp"
#include "crypto/compare.hpp"

namespace opaline::identity::internal {
namespace {

constexpr std::size_t kMacBytes = 16;
constexpr std::size_t kChallengeBodyBytes = kRecoveryChallengeBytes - kMacBytes;
static_assert(kTicketBytes == RecoveryId::kSize + kMacBytes);

std::uint64_t whole_seconds(Instant at) {
  return static_cast<std::uint64_t>(std::chrono::floor<seconds>(at.time_since_epoch()).count());
}

}  // namespace

/// `one` has a fixed length for each kind.
ByteArray<kMacBytes> Recoveries::mac(std::string_view kind, ByteView one, ByteView two) const {
  const auto full = crypto::hmac_sha256(key_.reveal(), {as_view(kind), one, two});
  return to_array<kMacBytes>(ByteView(full).first(kMacBytes));
}

ByteArray<kRecoveryChallengeBytes> Recoveries::challenge(const AccountId& account, Instant now) {
  Bytes out;
  Writer(out).u64(whole_seconds(now + kRecoveryLifetime)).bytes(random_.bytes<8>());
  append(out, mac("challenge", account.view(), out));
  return to_array<kRecoveryChallengeBytes>(out);
}

bool Recoveries::is_good(const AccountId& account, ByteView challenge, Instant now) const {
  if (challenge.size() != kRecoveryChallengeBytes) return false;
  const ByteView body = challenge.first(kChallengeBodyBytes);
  const bool authentic =
      crypto::constant_time_equal(mac("challenge", account.view(), body), challenge.subspan(kChallengeBodyBytes));
  return authentic && whole_seconds(now) < Reader(body).u64();
}

std::optional<Recoveries::Opened> Recoveries::open(const AccountId& account, ByteView challenge, Instant now) {
  const RecoveryId id(mac("recovery", account.view(), challenge));
  Bytes ticket = to_bytes(id.view());
  append(ticket, mac("ticket", id.view()));
  const auto found = entries_.find(id);
  if (found == entries_.end() || now >= found->second.expires) {
    std::erase_if(entries_, [&](const auto& e) { return e.second.account == account || now >= e.second.expires; });
    if (entries_.size() >= kMaxRecoveries) return std::nullopt;
    entries_.emplace(id, Recovery{.account = account,
                                  .mailbox = random_.id<MailboxId>(),
                                  .expires = now + kRecoveryLifetime,
                                  .attempts_left = kTicketAttempts,
                                  .completed = std::nullopt});
  }
  return Opened{.ticket = to_array<kTicketBytes>(ticket), .recovery = &entries_.at(id)};
}

Recovery* Recoveries::find(ByteView ticket, Instant now) {
  if (ticket.size() != kTicketBytes) return nullptr;
  const RecoveryId id(ticket.first<RecoveryId::kSize>());
  const bool authentic = crypto::constant_time_equal(mac("ticket", id.view()), ticket.subspan(RecoveryId::kSize));
  const auto found = entries_.find(id);
  return authentic && found != entries_.end() && now < found->second.expires ? &found->second : nullptr;
}

void Recoveries::drop_expired(Instant now) {
  std::erase_if(entries_, [now](const auto& entry) { return now >= entry.second.expires; });
}

}  // namespace opaline::identity::internal
