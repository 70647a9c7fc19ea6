#pragma once
// What an operator may set. The defaults are those of docs/opalined.example.toml.
#include <cstdint>
#include <optional>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace opaline::identity {

/// A token bucket: `capacity` at once, refilled evenly to `capacity` within `refill`.
struct Quota {
  std::uint32_t capacity = 1;  ///< 0: nothing at all
  seconds refill{86'400};      ///< from empty to full
};

struct Config {
  /// Codes sent to one handle, whoever asks: bounds guessing (5 tries each of 10^6) and annoyance.
  Quota codes_per_handle{10, std::chrono::days(1)};
  /// Codes asked for by one source (IPv4 address or IPv6 /64; an IPv6 /48 may ask for 8 times as many).
  Quota codes_per_source{30, std::chrono::hours(1)};
  /// Wrong device signatures by one source for one account before its further ones for that account are refused
  /// unread.
  Quota failed_auth{100, std::chrono::minutes(10)};
  /// Lookups of handles and accounts that no renewal token pays for, per account.
  std::uint32_t lookup_capacity = 2'000;
  std::uint32_t lookup_refill_per_day = 100;
  /// The same of handles, by all accounts behind one source (IPv4 address or IPv6 /64; an IPv6 /48 may ask for 8 times
  /// as many): an account more does not make a crawler faster.
  Quota lookups_per_source{20'000, std::chrono::days(1)};
  /// Calls of one account, of any kind, renewed lookups included; a lookup counts once per item.
  Quota calls_per_account{6'000, std::chrono::hours(1)};
  /// The same for a business, whose gateway asks for all its customers.
  Quota calls_per_business{1'000'000, std::chrono::hours(1)};
  /// PERSONA_OPEN by one account; with `be_new` it counts kBeNewCost times.
  Quota persona_opens{2'000, std::chrono::days(1)};
  /// PERSONA_JOIN by one account that changed something: a device that is linked joins all businesses of the account.
  Quota persona_joins{2'000, std::chrono::days(1)};
  /// One-time prekeys that one account can take of one other account; beyond it bundles come without.
  Quota one_time_per_pair{4, std::chrono::days(1)};
  /// One-time prekeys of one account that all others together can take; beyond it bundles come without.
  Quota one_time_per_target{200, std::chrono::days(1)};
  /// Device lists that one account may put in the place of the one before; recoveries count apart.
  Quota list_updates{20, std::chrono::days(1)};
  /// Link exchanges that one account may try to join: bounds guessing at others' numbers.
  Quota link_joins{20, std::chrono::hours(1)};
  /// Link exchanges that one source may open (IPv4 address or IPv6 /64; an IPv6 /48 may open 8 times as many).
  Quota link_opens_per_source{30, std::chrono::hours(1)};
  /// The business that hands texts for telephone numbers to carriers: named in every answer to a lookup.
  std::optional<AccountId> carrier;
};

}  // namespace opaline::identity
