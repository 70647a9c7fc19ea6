// Bundles, send tokens and the upkeep of prekeys (docs/device-api.md, "Bundles").
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

calls::PrekeyStatusReply status_of(const credentials::PrekeySet& set, std::uint16_t next) {
  calls::PrekeyStatusReply out;
  out.set_one_time_left(set.one_time_count > next ? set.one_time_count - std::uint32_t{next} : 0);
  out.set_signed_until_ms(static_cast<std::uint64_t>(unix_millis(set.offered_until)));
  return out;
}

/// Asks for an account by its id: BUNDLES and SEND_TOKENS.
struct AccountQuestion {
  AccountId account;
  ByteView renewal_token;
};

}  // namespace

namespace internal {

namespace {

auto no_account() {
  return not_found("There is no such account.");
}

}  // namespace

/// What answering such a question needs: whom it is about, and the lookup level to be written with the answer.
struct Admitted {
  LoadedAccount target;
  std::optional<LookupLevel> level;
};

/// A person asks for a person: checks switches, quotas and tokens. NOT_FOUND was charged too, so that it is no oracle
/// free of charge.
Answer<Admitted> admit_person(Service::State& s, const Caller& caller, const AccountQuestion& question, Time now) {
  std::optional<LookupLevel> level;
  if (!renews_account(s.renewal_key, question.renewal_token, caller.account, question.account, now)) {
    OPALINE_TRY(level, s.lookup_level_after(caller.account, 1, now));
    ++s.counters.lookups_charged;
  } else {
    ++s.counters.lookups_renewed;
  }
  OPALINE_TRY(auto target, s.load_reachable_by_id(question.account));
  if (!target) {
    if (level) {
      Changes changes = s.directory.changes();
      changes.put(caller.account, *level);
      OPALINE_CHECK(s.write(std::move(changes)));
    }
    return no_account();
  }
  return Admitted{.target = std::move(*target), .level = level};
}

/// Who may ask for whom (docs/adr/0015-personas.md). Businesses and personas cannot ask for just anybody, and are not
/// charged.
Answer<Admitted> admit(Service::State& s, const Caller& caller, const AccountQuestion& question, Time now) {
  OPALINE_CHECK(s.charge_calls(caller.account, 1));
  OPALINE_TRY(LoadedAccount asker, s.load_own(caller));
  const bool own = question.account == caller.account;
  std::optional<LoadedAccount> target;
  switch (asker.record.kind) {
    case AccountKind::person:
      if (!asker.record.switches.people)
        return failure(calls::CALL_STATUS_FORBIDDEN, "Messages to people are switched off for this account.");
      if (!own) return admit_person(s, caller, question, now);
      break;
    case AccountKind::persona: {
      OPALINE_TRY(const bool let, s.persona_is_let(asker));
      if (!let) return failure(calls::CALL_STATUS_FORBIDDEN, "Businesses are switched off for this account.");
      if (!own) {
        OPALINE_TRY(target, s.load_business_of(asker, question.account));
      }
      break;
    }
    case AccountKind::business:
      if (!own) {
        OPALINE_TRY(target, s.load_persona_of(caller.account, question.account));
      }
      break;
  }
  if (own) target = std::move(asker);
  if (!target) return no_account();
  return Admitted{.target = std::move(*target), .level = std::nullopt};
}

}  // namespace internal

namespace {

/// One device's part of a bundles answer.
struct DeviceBundle {
  std::string bundle;  ///< empty: no prekeys that are good
  std::optional<internal::OneTimeCursor>
      cursor;  ///< to be written before the answer: a one-time prekey is in the bundle
  std::optional<calls::PrekeyStatusReply> notice;  ///< few are left now
};

/// One account's question for another's prekeys.
class BundleMaker {
 public:
  BundleMaker(Service::State& s, const Caller& caller, const AccountId& target, Time now)
      : s_(s), caller_(caller), target_(target), now_(now) {}

  Answer<DeviceBundle> make(DeviceNumber device) {
    OPALINE_TRY(const auto prekeys, s_.read(s_.directory.prekeys(target_, device)));
    OPALINE_TRY(const auto cursor, s_.read(s_.directory.one_time(target_, device)));
    if (!prekeys || !cursor) return DeviceBundle();
    const auto set = credentials::parse_prekey_set(prekeys->signed_set);
    if (!set || cursor->set != set->id) return fail(s_.store_failure(store::RowError::failed));
    if (now_ > set->offered_until) return DeviceBundle();  // nobody would accept it (docs/protocol.md, Prekeys)
    credentials::PrekeyBundle bundle{.signed_set = prekeys->signed_set, .one_time = {}};
    DeviceBundle out;
    if (cursor->next >= set->one_time_count) {
      ++s_.counters.one_time_missing;
    } else if ((target_ == caller_.account && device == caller_.device) || !may_take_one_time()) {
      ++s_.counters.one_time_withheld;
    } else {
      const auto tree = credentials::check_one_time_batch(*set, prekeys->one_time_batch);
      if (!tree || !*tree) return fail(s_.store_failure(store::RowError::failed));
      bundle.one_time = (*tree)->entry(credentials::OneTimeIndex(cursor->next));
      out.cursor = internal::OneTimeCursor{.set = set->id, .next = static_cast<std::uint16_t>(cursor->next + 1)};
      const auto status = status_of(*set, out.cursor->next);
      if (status.one_time_left() == kPrekeysLow || status.one_time_left() == 0) out.notice = status;
      ++s_.counters.one_time_given;
    }
    out.bundle = text(credentials::encode_bundle(bundle));
    return out;
  }

 private:
  /// Strangers must not be able to use up somebody's one-time prekeys: beyond the quotas bundles come without. One's
  /// own devices and one's own first fetches are what the quotas leave room for.
  bool may_take_one_time() {
    s_.turn_day(now_);
    const Instant instant = s_.ports.clock.monotonic();
    const auto pair = s_.daily.key("pair", caller_.account.view(), target_.view());
    const auto all = s_.daily.key("target", target_.view());
    if (s_.one_time_per_pair.peek(pair, 1, instant) || s_.one_time_per_target.peek(all, 1, instant)) return false;
    (void)s_.one_time_per_pair.take(pair, 1, instant);
    (void)s_.one_time_per_target.take(all, 1, instant);
    return true;
  }

  Service::State& s_;
  const Caller& caller_;
  AccountId target_;
  Time now_;
};

/// The lists that the caller has missed, in what room the answer has left.
template <class Reply>
Answer<void> add_history(Service::State& s, const LoadedAccount& target, std::uint32_t known_list, Reply& reply) {
  const std::size_t used = reply.ByteSizeLong();
  const std::size_t room = used < kMaxListReplyBytes ? kMaxListReplyBytes - used : 0;
  OPALINE_TRY(auto lists, s.list_history(target, known_list, room));
  for (std::string& list : lists) reply.add_list_history(std::move(list));
  return {};
}

/// Device numbers that were asked for: all of the list if none.
bool is_wanted(const calls::BundlesRequest& request, DeviceNumber device) {
  const auto raw = static_cast<std::uint32_t>(device);
  return request.devices().empty() || std::ranges::find(request.devices(), raw) != request.devices().end();
}

}  // namespace

Answer<calls::BundlesReply> Service::bundles(const Caller& caller, const calls::BundlesRequest& request) {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  const auto account = AccountId::from(as_view(request.account()));
  if (!account) return bad_request("An account has 16 bytes.");
  if (request.devices_size() > static_cast<int>(kMaxBundleDevices)) return bad_request("Too many devices.");
  OPALINE_TRY(auto admitted, internal::admit(s, caller, {*account, as_view(request.renewal_token())}, now));
  const LoadedAccount& target = admitted.target;

  calls::BundlesReply reply;
  reply.set_device_list(text(target.list.bytes()));
  reply.set_renewal_token(text(s.renewal_token(caller.account, {}, target.id, now)));
  Changes changes = s.directory.changes();
  if (admitted.level) changes.put(caller.account, *admitted.level);
  std::vector<std::pair<DeviceNumber, calls::PrekeyStatusReply>> notices;
  BundleMaker maker(s, caller, target.id, now);
  std::size_t size = target.list.bytes().size();
  for (const credentials::DeviceEntry& device : target.list.list().devices) {
    if (!is_wanted(request, device.number)) continue;
    auto& item = *reply.add_devices();
    item.set_device(static_cast<std::uint32_t>(device.number));
    item.set_mailbox(text(device.mailbox.view()));
    item.set_send_token(text(s.send_token(caller.account, device.mailbox, now)));
    size += credentials::kPrekeySetBytes + credentials::kMaxOneTimeBytes;
    if (size > kMaxListReplyBytes) continue;  // without a bundle: the caller asks for the rest by number
    OPALINE_TRY(DeviceBundle made, maker.make(device.number));
    item.set_bundle(std::move(made.bundle));
    if (made.cursor) changes.put(target.id, device.number, *made.cursor);
    if (made.notice) notices.emplace_back(device.number, std::move(*made.notice));
  }
  OPALINE_CHECK(add_history(s, target, request.known_list(), reply));
  // One-time prekeys leave only once it is durable that they have.
  if (!changes.empty()) OPALINE_CHECK(s.write(std::move(changes)));
  for (const auto& [device, status] : notices) {
    s.ports.relay.notify(target.id, device, calls::NOTICE_PREKEYS_LOW, status.SerializeAsString());
  }
  return reply;
}

Answer<calls::SendTokensReply> Service::send_tokens(const Caller& caller, const calls::SendTokensRequest& request) {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  const auto account = AccountId::from(as_view(request.account()));
  if (!account) return bad_request("An account has 16 bytes.");
  OPALINE_TRY(const auto admitted, internal::admit(s, caller, {*account, as_view(request.renewal_token())}, now));
  if (admitted.level) {
    Changes changes = s.directory.changes();
    changes.put(caller.account, *admitted.level);
    OPALINE_CHECK(s.write(std::move(changes)));
  }
  calls::SendTokensReply reply;
  reply.set_device_list(text(admitted.target.list.bytes()));
  reply.set_renewal_token(text(s.renewal_token(caller.account, {}, admitted.target.id, now)));
  for (const credentials::DeviceEntry& device : admitted.target.list.list().devices) {
    auto& item = *reply.add_devices();
    item.set_device(static_cast<std::uint32_t>(device.number));
    item.set_mailbox(text(device.mailbox.view()));
    item.set_send_token(text(s.send_token(caller.account, device.mailbox, now)));
  }
  OPALINE_CHECK(add_history(s, admitted.target, request.known_list(), reply));
  return reply;
}

Answer<calls::UploadPrekeysReply> Service::upload_prekeys(const Caller& caller,
                                                          const calls::UploadPrekeysRequest& request) {
  State& s = *state_;
  constexpr std::uint32_t kCost = 20;  // in calls: a signature to verify and 12 KiB to write
  OPALINE_CHECK(s.charge_calls(caller.account, kCost));
  OPALINE_TRY(const LoadedAccount account, s.load_own(caller));
  const Time now = s.ports.clock.now();
  OPALINE_TRY(const auto checked, internal::check_prekeys(request.prekeys(), account.list.list(), caller.device, now));
  OPALINE_TRY(const auto stored, s.read(s.directory.prekeys(caller.account, caller.device)));
  OPALINE_TRY(const auto cursor, s.read(s.directory.one_time(caller.account, caller.device)));
  calls::UploadPrekeysReply reply;
  if (stored && cursor) {
    if (checked.record == *stored) {  // sent again: what was handed out stays handed out
      reply.set_one_time_left(status_of(checked.set, cursor->next).one_time_left());
      return reply;
    }
    if (checked.set.id <= cursor->set)
      return failure(calls::CALL_STATUS_CONFLICT, "A newer prekey set of this device is here already.");
  }
  Changes changes = s.directory.changes();
  changes.put(caller.account, caller.device, checked.record);
  changes.put(caller.account, caller.device, internal::OneTimeCursor{.set = checked.set.id, .next = 0});
  OPALINE_CHECK(s.write(std::move(changes)));
  ++s.counters.prekey_uploads;
  reply.set_one_time_left(checked.set.one_time_count);
  return reply;
}

Answer<calls::PrekeyStatusReply> Service::prekey_status(const Caller& caller) {
  State& s = *state_;
  OPALINE_CHECK(s.charge_calls(caller.account, 1));
  OPALINE_TRY(const LoadedAccount account, s.load_own(caller));
  OPALINE_TRY(const auto prekeys, s.read(s.directory.prekeys(account.id, caller.device)));
  OPALINE_TRY(const auto cursor, s.read(s.directory.one_time(account.id, caller.device)));
  if (!prekeys || !cursor) return calls::PrekeyStatusReply();
  const auto set = credentials::parse_prekey_set(prekeys->signed_set);
  if (!set) return fail(s.store_failure(store::RowError::failed));
  return status_of(*set, cursor->next);
}

}  // namespace opaline::identity
