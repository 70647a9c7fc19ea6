// Registration and takeover (docs/device-api.md, "Registration").
#include <algorithm>

#include "crypto/hash.hpp"
#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::bad_request;
using internal::Changes;
using internal::Effects;
using internal::failure;
using internal::kFirstDevice;
using internal::LoadedAccount;
using internal::Verification;

namespace {

/// How far a device's clock may be ahead of ours: session/limits.hpp allows the same between devices.
constexpr std::chrono::hours kClockSkew{24};

bool is_code(std::string_view text) {
  return text.size() == kCodeDigits && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

ByteArray<32> internal::hash_of(const calls::CompleteRequest& request) {
  const auto list = crypto::sha256(as_view(request.device_list()));
  const auto set = crypto::sha256(as_view(request.prekeys().signed_prekeys()));
  const std::byte web{request.web()};
  return crypto::sha256({list, set, ByteView(&web, 1)});
}

Answer<internal::CheckedPrekeys> internal::check_prekeys(const calls::PrekeyUpload& upload,
                                                         const credentials::DeviceList& list, DeviceNumber device,
                                                         Time now) {
  const auto set = credentials::parse_prekey_set(as_view(upload.signed_prekeys()));
  if (!set) return bad_request("The prekey set is not well-formed.");
  if (set->owner != credentials::DeviceAddress{list.account, device})
    return bad_request("The prekey set is another device's.");
  if (set->created > now + kClockSkew)
    return bad_request("The prekey set is from the future. Check the device's clock.");
  if (set->offered_until <= now) return bad_request("The prekey set is over. Check the device's clock.");
  if (!credentials::check_one_time_batch(*set, as_view(upload.one_time_batch()))) {
    return bad_request("The one-time prekeys are not those of the prekey set.");
  }
  const auto entry = std::ranges::find(list.devices, device, &credentials::DeviceEntry::number);
  if (entry == list.devices.end() ||
      !credentials::prekey_set_signed_by(entry->keys.signing, as_view(upload.signed_prekeys()))) {
    return bad_request("The prekey set is not signed by this device.");
  }
  return CheckedPrekeys{
      .record = {.signed_set = to_bytes(upload.signed_prekeys()), .one_time_batch = to_bytes(upload.one_time_batch())},
      .set = *set};
}

Answer<internal::FirstDevice> internal::check_first_device(const FirstDeviceWanted& wanted, ByteView signed_list,
                                                           const calls::PrekeyUpload& upload, Time now) {
  auto list = credentials::verify_device_list(signed_list);
  if (!list) return bad_request("The device list is not well-formed or not signed by its account key.");
  const credentials::DeviceList& content = list->list();
  const bool first = content.number == ListNumber{1} && content.devices[0].number == kFirstDevice &&
                     content.next_device == DeviceNumber{2};
  const bool fits = content.account == wanted.account && (first || wanted.any_number) && content.devices.size() == 1 &&
                    content.devices[0].mailbox == wanted.mailbox &&
                    content.devices[0].keys.signing != content.account_key;
  if (!fits) return bad_request("The first device list must have the one device, account and mailbox that were given.");
  OPALINE_TRY(auto prekeys, check_prekeys(upload, content, content.devices[0].number, now));
  return FirstDevice{.list = std::move(*list), .prekeys = std::move(prekeys)};
}

void Service::State::put_first_device(Changes& changes, const AccountId& account, const internal::FirstDevice& first,
                                      bool web, std::optional<DeviceNumber> owner_device) {
  const credentials::DeviceEntry& device = first.list.list().devices.front();
  changes.put(account, device.number,
              internal::DeviceRecord{.mailbox = device.mailbox,
                                     .web = web,
                                     .signing_key = device.keys.signing,
                                     .seen = std::nullopt,
                                     .owner_device = owner_device});
  changes.put(account, device.number, first.prekeys.record);
  changes.put(account, device.number, internal::OneTimeCursor{.set = first.prekeys.set.id, .next = 0});
}

internal::BucketKey Service::State::source_key(std::string_view kind, const SourceAddress& source,
                                               std::size_t ipv6_bytes, ByteView besides) const {
  static constexpr ByteArray<12> kMapped{{{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::byte{0xff}, std::byte{0xff}}};
  const ByteView ip(source.ip);
  return daily.key(kind, equal(ip.first(12), kMapped) ? ip : ip.first(ipv6_bytes), besides);
}

Answer<void> Service::State::charge_code(const SourceAddress& source, const Handle& handle) {
  turn_day(ports.clock.now());
  const Instant now = ports.clock.monotonic();
  const auto site_key = source_key("source", source, 8);  // an IPv6 site has at least a /64, often a /48
  const auto network_key = source_key("network", source, 6);
  const auto handle_key = daily.key("handle", as_view(handle.text()));
  auto wait = codes_per_source.peek(site_key, 1, now);
  if (!wait) wait = codes_per_network.peek(network_key, 1, now);
  if (wait) return internal::quota("Too many codes were asked for from this address.", *wait);
  wait = codes_per_handle.peek(handle_key, 1, now);
  if (wait) return internal::quota("Too many codes were sent to this number or address.", *wait);
  (void)codes_per_source.take(site_key, 1, now);
  (void)codes_per_network.take(network_key, 1, now);
  (void)codes_per_handle.take(handle_key, 1, now);
  return {};
}

Answer<calls::StartReply> Service::State::begin_verification(const SourceAddress& source, const std::string& text,
                                                             const std::optional<AccountId>& adding_to) {
  const auto handle = normalize_handle(text);
  if (!handle) return bad_request(internal::kNoHandle);
  if (ports.codes.failing(handle->kind())) {
    ++counters.codes_refused;
    return failure(calls::CALL_STATUS_UNAVAILABLE, "Codes cannot be sent at the moment. Try again later.", seconds(60));
  }
  if (auto charged = charge_code(source, *handle); !charged) {
    ++counters.codes_refused;
    return fail(std::move(charged).error());
  }
  if (verifications.is_full()) verifications.drop_expired(ports.clock.monotonic());
  if (verifications.is_full()) {
    ++counters.codes_refused;
    return failure(calls::CALL_STATUS_UNAVAILABLE, "Too many registrations are under way.", seconds(60));
  }
  const auto started = verifications.start(*handle, adding_to, ports.clock.monotonic());
  const CodeQueued queued = ports.codes.send(*handle, started.code, kCodeLifetime);
  if (queued != CodeQueued::queued) {
    verifications.forget(started.id.view());
    ++counters.codes_refused;
    if (queued == CodeQueued::busy)
      return failure(calls::CALL_STATUS_UNAVAILABLE, "Too many codes are under way.", seconds(60));
    return bad_request(handle->kind() == HandleKind::phone ? "This service cannot send codes to phone numbers."
                                                           : "This service cannot send codes to e-mail addresses.");
  }
  ++counters.codes_sent;
  calls::StartReply reply;
  reply.set_verification(std::string(as_text(started.id.view())));
  reply.set_valid_seconds(static_cast<std::uint32_t>(seconds(kCodeLifetime).count()));
  reply.set_normalized_handle(handle->text());
  return reply;
}

Answer<calls::StartReply> Service::start(const SourceAddress& source, const calls::StartRequest& request) {
  return state_->begin_verification(source, request.handle(), std::nullopt);
}

Answer<calls::CheckReply> Service::check(const calls::CheckRequest& request) {
  State& s = *state_;
  if (!is_code(request.code())) return bad_request("A code has six digits.");
  const auto checked =
      s.verifications.check(as_view(request.verification()), request.code(), std::nullopt, s.ports.clock.monotonic());
  if (!checked.known) return internal::expired();
  if (checked.right == nullptr) {
    ++s.counters.wrong_codes;
    return failure(calls::CALL_STATUS_WRONG_CODE, "This is not the code that was sent.", seconds(0),
                   checked.tries_left);
  }
  const Time now = s.ports.clock.now();
  OPALINE_TRY(const auto holder, s.holder_of(checked.right->handle));
  bool pin_required = false;
  if (holder) {
    OPALINE_TRY(pin_required, s.pin_in_force(*holder, now));
  }
  calls::CheckReply reply;
  reply.set_ticket(std::string(as_text(s.verifications.ticket(as_view(request.verification())))));
  reply.set_account(std::string(as_text(checked.right->account.view())));
  reply.set_mailbox(std::string(as_text(checked.right->mailbox.view())));
  reply.set_device(static_cast<std::uint32_t>(kFirstDevice));
  reply.set_pin_required(pin_required);
  return reply;
}

Answer<std::optional<LoadedAccount>> Service::State::holder_of(const Handle& handle) {
  OPALINE_TRY(const auto account, read(directory.account_of(handle)));
  if (!account) return std::nullopt;
  return load(*account);
}

Answer<calls::CompleteReply> Service::complete(const calls::CompleteRequest& request) {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  if (request.pin().size() > kMaxPinBytes) return bad_request("A PIN has at most 64 bytes.");
  Verification* ticket = s.verifications.find_ticket(as_view(request.ticket()), s.ports.clock.monotonic());
  if (ticket == nullptr) {
    internal::Enrolment* enrolment = s.enrolments.find(as_view(request.ticket()), s.ports.clock.monotonic());
    if (enrolment != nullptr) return s.complete_enrolment(*enrolment, request, now);
    return internal::expired();
  }
  calls::CompleteReply reply;
  reply.set_handle(ticket->handle.text());
  reply.set_server_time_ms(static_cast<std::uint64_t>(unix_millis(now)));
  const auto hash = internal::hash_of(request);
  if (ticket->completed) {
    if (*ticket->completed == hash) return reply;
    return failure(calls::CALL_STATUS_CONFLICT, "This registration was completed with other keys.");
  }
  if (ticket->attempts_left == 0) return internal::expired();
  --ticket->attempts_left;

  OPALINE_TRY(const auto created, internal::check_first_device({ticket->account, ticket->mailbox},
                                                               as_view(request.device_list()), request.prekeys(), now));
  Effects effects;
  OPALINE_TRY(const auto before, s.load(ticket->account));
  if (before) {  // an earlier attempt whose outcome was unknown was stored after all
    if (!equal(before->record.device_list, created.list.bytes())) {
      return failure(calls::CALL_STATUS_CONFLICT, "This registration was completed with other keys.");
    }
    ticket->completed = hash;
    return reply;
  }
  Changes changes = s.directory.changes();
  OPALINE_TRY(auto holder, s.holder_of(ticket->handle));
  const bool takeover = holder.has_value();
  if (holder) {
    OPALINE_CHECK(s.check_pin(*holder, request.pin(), now));
    OPALINE_CHECK(s.lose_handle(changes, effects, std::move(*holder), ticket->handle, now));
  }
  changes.put(ticket->handle, {.account = ticket->account, .since = now});
  internal::AccountRecord record;
  record.handles = {ticket->handle.text()};
  record.device_list = created.list.bytes();
  changes.put(ticket->account, record);
  s.put_first_device(changes, ticket->account, created, request.web(), std::nullopt);
  OPALINE_CHECK(s.commit(std::move(changes), std::move(effects), now));
  ticket->completed = hash;
  s.verifications.forget_others(ticket->handle, *ticket);
  ++s.counters.registrations;
  if (takeover) ++s.counters.takeovers;
  return reply;
}

}  // namespace opaline::identity
