// Lookups of handles (docs/device-api.md, "Lookups").
#include <algorithm>

#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::bad_request;
using internal::Changes;
using internal::failure;
using internal::LoadedAccount;

namespace {

std::string text(ByteView bytes) {
  return std::string(as_text(bytes));
}

/// How many of the account's devices take messages: the log's fifth field.
std::uint32_t capable_devices(const LoadedAccount& account) {
  return static_cast<std::uint32_t>(
      std::ranges::count_if(account.list.list().devices, [](const credentials::DeviceEntry& device) {
        return (device.capabilities & credentials::kCapabilityMessages) != 0;
      }));
}

seconds until_days_pass(Time now, std::uint32_t days) {
  return std::chrono::ceil<seconds>(std::chrono::floor<std::chrono::days>(now) + std::chrono::days(days) - now);
}

/// Normalises all or none.
Answer<std::vector<Handle>> normalize_all(const calls::LookupRequest& request) {
  if (request.items().empty() || request.items_size() > static_cast<int>(kMaxLookupItems)) {
    return bad_request("A lookup asks for 1 to 100 handles.");
  }
  std::vector<Handle> out;
  for (const auto& item : request.items()) {
    auto handle = normalize_handle(item.handle());
    if (!handle) {
      const std::string which = request.items_size() > 1 ? "Item " + std::to_string(out.size() + 1) + ": " : "";
      return bad_request(which + internal::kNoHandle);
    }
    out.push_back(std::move(*handle));
  }
  return out;
}

}  // namespace

Answer<internal::LookupLevel> Service::State::lookup_level_after(const AccountId& account, std::uint32_t cost,
                                                                 Time now) {
  OPALINE_TRY(const auto stored, read(directory.lookup_level(account)));
  const Day today = day_of(now);
  internal::LookupLevel level{.level = config.lookup_capacity, .day = today};
  if (stored) {
    const std::uint64_t days = today > stored->day ? number(today) - number(stored->day) : 0;
    level.level = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(config.lookup_capacity, stored->level + days * config.lookup_refill_per_day));
    level.day = std::max(today, stored->day);  // a clock that went back refills nothing twice
  }
  if (level.level < cost) {
    ++counters.lookups_over_quota;
    const std::uint32_t missing = cost - level.level;
    const std::uint32_t refill = std::max<std::uint32_t>(1, config.lookup_refill_per_day);
    return internal::quota("This account has asked for too many new contacts.",
                           until_days_pass(now, (missing + refill - 1) / refill));
  }
  level.level -= cost;
  return level;
}

Answer<Service::State::LookupSource> Service::State::check_lookup_source(const SourceAddress& source,
                                                                         std::uint32_t cost) {
  turn_day(ports.clock.now());
  const Instant now = ports.clock.monotonic();
  const LookupSource keys{source_key("lookup source", source, 8), source_key("lookup network", source, 6)};
  auto wait = lookups_per_source.peek(keys.site, cost, now);
  if (!wait) wait = lookups_per_network.peek(keys.network, cost, now);
  if (!wait) return keys;
  ++counters.lookups_over_quota;
  return internal::quota("Too many new contacts were asked for from this address.", *wait);
}

Answer<calls::LookupReply> Service::lookup(const Caller& caller, const calls::LookupRequest& request) {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  OPALINE_TRY(const std::vector<Handle> handles, normalize_all(request));
  OPALINE_CHECK(s.charge_calls(caller.account, static_cast<std::uint32_t>(handles.size())));
  OPALINE_TRY(const LoadedAccount asker, s.load_person(caller));
  if (!asker.record.switches.people)
    return failure(calls::CALL_STATUS_FORBIDDEN, "Messages to people are switched off for this account.");

  std::uint32_t cost = 0;
  for (std::size_t i = 0; i < handles.size(); ++i) {
    const std::string& token = request.items(static_cast<int>(i)).renewal_token();
    if (!internal::renews_handle(s.renewal_key, as_view(token), caller.account, handles[i].text(), now)) ++cost;
  }
  if (cost > 0) {
    OPALINE_TRY(const auto source, s.check_lookup_source(caller.source, cost));
    OPALINE_TRY(const auto level, s.lookup_level_after(caller.account, cost, now));
    Changes changes = s.directory.changes();
    changes.put(caller.account, level);
    OPALINE_CHECK(s.write(std::move(changes)));
    (void)s.lookups_per_source.take(source.site, cost, s.ports.clock.monotonic());
    (void)s.lookups_per_network.take(source.network, cost, s.ports.clock.monotonic());
  }
  s.counters.lookups_charged += cost;
  s.counters.handles_looked_up += handles.size();
  s.counters.lookups_renewed += handles.size() - cost;

  calls::LookupReply reply;
  if (s.config.carrier) reply.set_carrier(text(s.config.carrier->view()));  // whatever was asked: answers stay alike
  std::vector<LookupLogEntry> log;
  for (const Handle& handle : handles) {
    OPALINE_TRY(const auto holder, s.look_up(handle));
    OPALINE_TRY(const auto found, s.load_reachable(holder));
    auto& item = *reply.add_items();
    item.set_handle(handle.text());
    if (found) item.set_account(text(found->id.view()));
    item.set_renewal_token(text(s.renewal_token(caller.account, handle.text(), found ? found->id : AccountId(), now)));
    item.set_expires_seconds(static_cast<std::uint32_t>(seconds(found ? kPositiveExpires : kNegativeExpires).count()));
    item.set_refresh_seconds(static_cast<std::uint32_t>(seconds(found ? kPositiveRefresh : kNegativeExpires).count()));
    log.push_back({.time = now,
                   .source_handle = asker.record.handles.front(),
                   .source = caller.source,
                   .looked_up_handle = handle.text(),
                   .capable_devices = found ? capable_devices(*found) : 0});
  }
  s.ports.lookups.append(log);
  return reply;
}

Answer<std::vector<HeldHandle>> Service::State::held_handles(const LoadedAccount& account) {
  std::vector<HeldHandle> held;
  for (const std::string& handle : account.record.handles) {
    OPALINE_TRY(const auto row, read(directory.handle(Handle::from_stored(handle))));
    if (row && row->account == account.id) held.push_back({.handle = handle, .since = row->since});
  }
  return held;
}

Answer<calls::MyLookupsReply> Service::my_lookups(const Caller& caller, const calls::MyLookupsRequest& request) {
  constexpr std::uint32_t kCost = 10;
  State& s = *state_;
  OPALINE_CHECK(s.charge_calls(caller.account, kCost));
  OPALINE_TRY(const LoadedAccount account, s.load_person(caller));
  OPALINE_TRY(const std::vector<HeldHandle> held, s.held_handles(account));
  const std::size_t limit =
      request.limit() == 0 ? kMaxOwnLookups : std::min<std::size_t>(request.limit(), kMaxOwnLookups);
  const auto page = s.ports.lookups.own(held, as_view(request.after()), limit);
  if (!page) {
    if (page.error() == OwnLookupsError::not_a_place)
      return bad_request("This is no page's end. Start from the newest.");
    return failure(calls::CALL_STATUS_UNAVAILABLE, "The lookup log cannot be read at the moment.");
  }
  calls::MyLookupsReply reply;
  for (const LookupLogEntry& entry : page->entries) {
    auto& out = *reply.add_entries();
    out.set_time_ms(static_cast<std::uint64_t>(unix_millis(entry.time)));
    out.set_source_handle(entry.source_handle);
    out.set_source_address(text(entry.source.ip));
    out.set_looked_up_handle(entry.looked_up_handle);
    out.set_capable_devices(entry.capable_devices);
  }
  reply.set_next(text(page->next));
  reply.set_log_days(s.ports.lookups.days());
  return reply;
}

Answer<calls::MyNoticesReply> Service::my_notices(const Caller& caller, const calls::Empty&) {
  constexpr std::uint32_t kCost = 5;
  State& s = *state_;
  OPALINE_CHECK(s.charge_calls(caller.account, kCost));
  OPALINE_TRY(const LoadedAccount account, s.load_person(caller));
  OPALINE_TRY(const std::vector<HeldHandle> held, s.held_handles(account));
  const auto notices = s.ports.notices.of(held);
  if (!notices) return failure(calls::CALL_STATUS_UNAVAILABLE, "Notices cannot be read at the moment.");
  calls::MyNoticesReply reply;
  for (const LegalNotice& notice : *notices) {
    auto& out = *reply.add_notices();
    out.set_id(notice.id);
    out.set_handle(notice.handle);
    out.set_from_ms(static_cast<std::uint64_t>(unix_millis(notice.from)));
    out.set_to_ms(static_cast<std::uint64_t>(unix_millis(notice.to)));
    out.set_at_ms(static_cast<std::uint64_t>(unix_millis(notice.at)));
    out.set_words(notice.words);
  }
  return reply;
}

}  // namespace opaline::identity
