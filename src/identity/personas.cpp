// A person's side of businesses: profiles, and personas opened, joined and closed (docs/adr/0015-personas.md).
#include <algorithm>

#include "base/codec.hpp"
#include "crypto/hash.hpp"
#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::bad_request;
using internal::Changes;
using internal::Effects;
using internal::failure;
using internal::KnownAs;
using internal::LoadedAccount;
using internal::NewDevice;
using internal::NextList;
using internal::not_found;

namespace {

constexpr std::string_view kRelationshipLabel = "opaline relationship v1";
constexpr std::string_view kMailboxLabel = "opaline persona mailbox v1";
constexpr std::string_view kProfileLabel = "opaline business profile v1";

std::string text(ByteView bytes) {
  return std::string(as_text(bytes));
}

std::uint32_t stored_number(const KnownAs& known) {
  return known.persona ? static_cast<std::uint32_t>(known.persona->list.list().number) : 0;
}

auto no_business() {
  return not_found("There is no such business.");
}
auto does_not_follow() {
  return failure(calls::CALL_STATUS_CONFLICT, "This device list does not follow the persona's. Open it again.");
}

}  // namespace

internal::RelationshipKey Service::State::relationship_key(const AccountId& owner, const AccountId& business) const {
  return internal::RelationshipKey(
      crypto::hmac_sha256(relationships_key.reveal(), {as_view(kRelationshipLabel), owner.view(), business.view()}));
}

MailboxId Service::State::persona_mailbox(const Caller& caller, const KnownAs& known) const {
  Bytes numbers;
  Writer(numbers).u32(static_cast<std::uint32_t>(caller.device)).u32(stored_number(known));
  const auto mac = crypto::hmac_sha256(persona_mailbox_key.reveal(), {as_view(kMailboxLabel), caller.account.view(),
                                                                      known.opaque_id.persona().view(), numbers});
  return MailboxId(FixedView<32>(mac).first<MailboxId::kSize>());
}

Answer<KnownAs> Service::State::known_as(const AccountId& owner, const AccountId& business) {
  const auto key = relationship_key(owner, business);
  OPALINE_TRY(const auto stored, read(directory.relationship(key)));
  internal::RelationshipRecord row = stored.value_or(internal::RelationshipRecord{
      .business = business, .persona = {}, .generation = internal::Generation{0}, .key_version = opaque_ids->newest()});
  if (row.key_version > opaque_ids->newest()) return fail(store_failure(store::RowError::failed));
  const auto opaque_id = opaque_ids->make(row.key_version, owner, row.generation, business);
  row.persona = opaque_id.persona();
  OPALINE_TRY(auto persona, load(row.persona));
  return KnownAs{
      .key = key, .is_stored = stored.has_value(), .row = row, .opaque_id = opaque_id, .persona = std::move(persona)};
}

// ---------------------------------------------------------------- profile

Answer<calls::BusinessProfile> Service::business_profile(const Caller& caller,
                                                         const calls::BusinessProfileRequest& request) {
  State& s = *state_;
  const auto id = AccountId::from(as_view(request.business()));
  if (!id) return bad_request("A business has 16 bytes.");
  OPALINE_CHECK(s.charge_calls(caller.account, 1));
  OPALINE_CHECK(s.load_customer(caller));
  OPALINE_TRY(const auto row, s.read(s.directory.business(*id)));
  if (!row) return no_business();
  OPALINE_TRY(const auto account, s.load(*id));
  calls::BusinessProfile out;
  out.set_business(text(id->view()));
  out.set_name(row->details.name);
  out.set_logo(text(row->details.logo));
  out.set_logo_type(row->details.logo_type);
  out.set_own_gateway(row->details.own_gateway);
  if (account) out.set_gateway(text(crypto::sha256(account->list.list().account_key.view())));
  out.set_website(row->details.website);
  out.set_away_text(row->details.away_text);
  out.set_carrier(s.config.carrier == *id);
  const auto hash = crypto::sha256({as_view(kProfileLabel), as_view(out.SerializeAsString())});
  const ByteView version = ByteView(hash).first(8);
  if (equal(version, as_view(request.known_version()))) out.clear_logo();
  out.set_version(text(version));
  return out;
}

// ---------------------------------------------------------------- open

Answer<calls::PersonaOpenReply> Service::persona_open(const Caller& caller, const calls::PersonaOpenRequest& request) {
  State& s = *state_;
  const auto business = AccountId::from(as_view(request.business()));
  if (!business) return bad_request("A business has 16 bytes.");
  OPALINE_CHECK(s.charge_calls(caller.account, 1));
  OPALINE_CHECK(s.load_customer(caller));
  if (!s.businesses.contains(*business)) return no_business();
  const auto bucket = s.daily.key("opens", caller.account.view());
  if (const auto wait = s.persona_opens.take(bucket, request.be_new() ? kBeNewCost : 1, s.ports.clock.monotonic()))
    return internal::quota("This account has opened too many conversations today.", *wait);
  OPALINE_TRY(KnownAs known, s.known_as(caller.account, *business));
  // Without a persona there is nothing that the business could know again: so a repetition changes nothing.
  if (request.be_new() && known.persona) {
    const Time now = s.ports.clock.now();
    Changes changes = s.directory.changes();
    Effects effects;
    OPALINE_CHECK(s.forget_persona(changes, effects, std::move(*known.persona), now));
    internal::RelationshipRecord row = known.row;
    row.generation = internal::Generation{static_cast<std::uint32_t>(row.generation) + 1};
    row.key_version = s.opaque_ids->newest();
    row.persona = s.opaque_ids->make(row.key_version, caller.account, row.generation, *business).persona();
    changes.put(known.key, row);
    OPALINE_CHECK(s.commit(std::move(changes), std::move(effects), now));
    OPALINE_TRY(known, s.known_as(caller.account, *business));
  }
  calls::PersonaOpenReply reply;
  reply.set_opaque_id(text(known.opaque_id.bytes()));
  if (known.persona) reply.set_device_list(text(known.persona->list.bytes()));
  reply.set_open(known.persona && !known.persona->record.closed);
  reply.set_mailbox(text(s.persona_mailbox(caller, known).view()));
  if (reply.open()) {
    OPALINE_TRY(const auto gone, s.gone_devices(*known.persona));
    for (const DeviceNumber device : gone) reply.add_gone(static_cast<std::uint32_t>(device));
  }
  return reply;
}

// ---------------------------------------------------------------- join

Answer<void> Service::State::first_join(const Caller& caller, const KnownAs& known,
                                        const calls::PersonaJoinRequest& request, Time now) {
  const auto list = credentials::verify_device_list(as_view(request.device_list()));
  if (list && list->list().account != known.row.persona) return does_not_follow();
  if (!known.is_stored && businesses.size() > kMaxRelationships) {
    OPALINE_TRY(const auto others, relationships_of(caller.account));
    if (others.size() >= kMaxRelationships)
      return failure(calls::CALL_STATUS_FORBIDDEN, "This account is known to as many businesses as it may.");
  }
  OPALINE_TRY(const auto first,
              internal::check_first_device(
                  {.account = known.row.persona, .mailbox = persona_mailbox(caller, known), .any_number = true},
                  as_view(request.device_list()), request.prekeys(), now));
  Changes changes = directory.changes();
  internal::AccountRecord record;
  record.device_list = first.list.bytes();
  record.kind = AccountKind::persona;
  record.owner = caller.account;
  record.business = known.row.business;
  changes.put(known.row.persona, record);
  put_first_device(changes, known.row.persona, first, request.web(), caller.device);
  changes.put(known.key, known.row);
  return commit(std::move(changes), {}, now);
}

Answer<void> Service::State::next_join(const Caller& caller, KnownAs known, const calls::PersonaJoinRequest& request,
                                       Time now) {
  LoadedAccount& persona = *known.persona;
  const bool closed = persona.record.closed;
  OPALINE_TRY(NextList next, check_personas_next_list(persona, as_view(request.device_list())));
  if (next.unchanged) return does_not_follow();
  const auto& devices = next.list.list().devices;
  const bool renewed = next.list.list().account_key != persona.list.list().account_key;
  if (!next.added && (closed || !renewed)) return bad_request("The list must add the new device.");
  if (closed && devices.size() != 1)
    return failure(calls::CALL_STATUS_CONFLICT, "The conversation is closed: the next list has the new device alone.");
  std::optional<NewDevice> device;
  if (next.added) {
    device.emplace(NewDevice{.mailbox = persona_mailbox(caller, known),
                             .prekeys = request.prekeys(),
                             .web = request.web(),
                             .owner_device = caller.device});
  }
  const DeviceNumber by = next.added.value_or(DeviceNumber{});
  OPALINE_CHECK(change_list(std::move(persona), std::move(next), device, by, now));
  return {};
}

Answer<calls::PersonaJoinReply> Service::persona_join(const Caller& caller, const calls::PersonaJoinRequest& request) {
  State& s = *state_;
  constexpr std::uint32_t kCost = 20;  // in calls: two signatures to verify, and a list and prekeys to write
  const Time now = s.ports.clock.now();
  const Instant instant = s.ports.clock.monotonic();
  const auto business = AccountId::from(as_view(request.business()));
  if (!business) return bad_request("A business has 16 bytes.");
  OPALINE_CHECK(s.charge_calls(caller.account, kCost));
  OPALINE_CHECK(s.load_customer(caller));
  if (!s.businesses.contains(*business)) return no_business();
  OPALINE_TRY(KnownAs known, s.known_as(caller.account, *business));
  calls::PersonaJoinReply reply;
  reply.set_server_time_ms(static_cast<std::uint64_t>(unix_millis(now)));
  if (known.persona && !known.persona->record.closed &&
      equal(known.persona->list.bytes(), as_view(request.device_list()))) {
    // Sent again, by whoever's device it was: the last in the list, whose number no later list gives again.
    const auto last = known.persona->list.list().devices.back().number;
    OPALINE_TRY(const auto device, s.read(s.directory.device(known.row.persona, last)));
    if (!device || device->owner_device != caller.device) return does_not_follow();
    OPALINE_CHECK(s.settle(now));
    return reply;
  }
  const auto bucket = s.daily.key("joins of personas", caller.account.view());
  if (const auto wait = s.persona_joins.peek(bucket, 1, instant))
    return internal::quota("This account has joined too many conversations today.", *wait);
  if (known.persona) {
    OPALINE_CHECK(s.next_join(caller, std::move(known), request, now));
  } else {
    OPALINE_CHECK(s.first_join(caller, known, request, now));
  }
  (void)s.persona_joins.take(bucket, 1, instant);
  ++s.counters.personas_joined;
  return reply;
}

// ---------------------------------------------------------------- close

Answer<calls::Empty> Service::persona_close(const Caller& caller, const calls::PersonaCloseRequest& request) {
  State& s = *state_;
  constexpr std::uint32_t kCost = 5;
  const Time now = s.ports.clock.now();
  const auto business = AccountId::from(as_view(request.business()));
  if (!business) return bad_request("A business has 16 bytes.");
  OPALINE_CHECK(s.charge_calls(caller.account, kCost));
  OPALINE_CHECK(s.load_customer(caller));
  if (!s.businesses.contains(*business)) return no_business();
  OPALINE_TRY(KnownAs known, s.known_as(caller.account, *business));
  if (!known.persona || known.persona->record.closed) {
    OPALINE_CHECK(s.settle(now));
    return calls::Empty();
  }
  Changes changes = s.directory.changes();
  Effects effects;
  OPALINE_CHECK(s.close_persona(changes, effects, *known.persona, now));
  changes.put(known.row.persona, known.persona->record);
  OPALINE_CHECK(s.commit(std::move(changes), std::move(effects), now));
  return calls::Empty();
}

}  // namespace opaline::identity
