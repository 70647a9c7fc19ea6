// Making a device: identity, account key, device list 1 and the first prekeys.
#include <algorithm>

#include "endpoint/endpoint.hpp"
#include "endpoint/internal/prekeys.hpp"

namespace opaline::endpoint {

using internal::OwnRecord;
using internal::PrekeyRecord;
using internal::Staging;

namespace {

Error error_of(StoreError error) {
  return error == StoreError::full ? Error::store_full : Error::store_failed;
}

/// nullopt: there is none.
Result<std::optional<OwnRecord>, Error> read_own(Staging& staging) {
  const auto row = staging.get(Table::device, as_view(internal::kOwnKey));
  if (staging.failure()) return fail(error_of(*staging.failure()));
  if (!row) return std::nullopt;
  OwnRecord own;
  if (!decode(*row, own)) return fail(Error::corrupt_state);
  return own;
}

Result<void, Error> commit(Staging& staging) {
  if (const auto done = staging.commit(); !done) return fail(error_of(done.error()));
  return {};
}

/// Stages what every device begins with. registered: there is a confirmed one.
Result<PrekeyRecord, Error> stage_device(Staging& staging, const session::DeviceIdentity& identity,
                                         const OwnRecord& own, const internal::LedgerRecord& ledger, Time now,
                                         RandomSource& random) {
  OPALINE_TRY(const std::optional<OwnRecord> before, read_own(staging));
  if (before && before->registered) return fail(Error::registered);
  const session::DeviceAddress address{own.enrolment.account, own.enrolment.device};
  PrekeyRecord prekeys = internal::make_prekeys(staging, identity, address, session::PrekeySetId{0}, now, random);
  staging.put(Table::device, as_view(internal::kIdentityKey), identity.serialise());
  staging.erase(Table::device, as_view(internal::kAccountKeyKey));
  staging.put(Table::device, as_view(internal::kOwnKey), encode(own));
  staging.put(Table::device, as_view(internal::kLedgerKey), encode(ledger));
  staging.put(Table::device, as_view(internal::kPrekeysKey), encode(prekeys));
  return prekeys;
}

/// The prekeys went to the service with the registration, or with the list.
Result<void, Error> stage_uploaded(Staging& staging) {
  const auto row = staging.get(Table::device, as_view(internal::kPrekeysKey));
  if (staging.failure()) return fail(Error::store_failed);
  PrekeyRecord prekeys;
  if (!row || !decode(*row, prekeys)) return fail(Error::corrupt_state);
  prekeys.uploaded = true;
  prekeys.signed_set.clear();
  prekeys.one_time_batch.clear();
  staging.put(Table::device, as_view(internal::kPrekeysKey), encode(prekeys));
  return {};
}

}  // namespace

Result<Registration, Error> Endpoint::create(EndpointStore& store, RandomSource& random, const Clock& clock,
                                             const Enrolment& enrolment) {
  if (enrolment.device != DeviceNumber{1}) return fail(Error::bad_enrolment);
  Staging staging(store);
  const Time now = clock.now();
  const session::DeviceIdentity identity = session::DeviceIdentity::generate(random);
  const session::AccountKey account_key = session::AccountKey::generate(random);
  const session::DeviceList list = session::first_device_list(
      enrolment.account, account_key, enrolment.mailbox, session::kCapabilityMessages | session::kCapabilityEphemeral,
      identity.public_keys(), now);
  OwnRecord own{
      .enrolment = enrolment, .registered = false, .signed_list = session::sign_device_list(list, account_key, random)};
  OPALINE_TRY(const PrekeyRecord prekeys, stage_device(staging, identity, own, {}, now, random));
  staging.put(Table::device, as_view(internal::kAccountKeyKey), account_key.serialise());
  OPALINE_CHECK(commit(staging));
  return Registration{enrolment, std::move(own.signed_list), {prekeys.signed_set, prekeys.one_time_batch}};
}

Result<Registration, Error> Endpoint::pending_registration(EndpointStore& store) {
  Staging staging(store);
  OPALINE_TRY(std::optional<OwnRecord> own, read_own(staging));
  if (!own) return fail(Error::not_registered);
  if (own->registered) return fail(Error::registered);
  const auto row = staging.get(Table::device, as_view(internal::kPrekeysKey));
  if (staging.failure()) return fail(Error::store_failed);
  PrekeyRecord prekeys;
  if (!row || !decode(*row, prekeys)) return fail(Error::corrupt_state);
  return Registration{own->enrolment, std::move(own->signed_list), {prekeys.signed_set, prekeys.one_time_batch}};
}

Result<void, Error> Endpoint::confirm_registration(EndpointStore& store) {
  Staging staging(store);
  OPALINE_TRY(std::optional<OwnRecord> own, read_own(staging));
  if (!own) return fail(Error::not_registered);
  if (own->registered) return {};
  OPALINE_CHECK(stage_uploaded(staging));
  own->registered = true;
  staging.put(Table::device, as_view(internal::kOwnKey), encode(*own));
  return commit(staging);
}

Result<NewDevice, Error> Endpoint::create_linked(EndpointStore& store, RandomSource& random, const Clock& clock,
                                                 const Enrolment& enrolment, const session::VerifiedDeviceList& list,
                                                 std::string_view name) {
  if (enrolment.account != list.list().account || enrolment.device != list.list().next_device)
    return fail(Error::bad_device);
  Staging staging(store);
  const session::DeviceIdentity identity = session::DeviceIdentity::generate(random);
  const OwnRecord own{.enrolment = enrolment, .registered = false, .signed_list = list.bytes()};
  internal::LedgerRecord ledger;
  ledger.name = to_bytes(name);
  OPALINE_TRY(const PrekeyRecord prekeys, stage_device(staging, identity, own, ledger, clock.now(), random));
  OPALINE_CHECK(commit(staging));
  return NewDevice{identity.public_keys(), {prekeys.signed_set, prekeys.one_time_batch}};
}

Result<session::DeviceIdentity, Error> Endpoint::identity(EndpointStore& store) {
  Staging staging(store);
  const auto row = staging.get(Table::device, as_view(internal::kIdentityKey));
  if (staging.failure()) return fail(Error::store_failed);
  if (!row) return fail(Error::not_registered);
  auto identity = session::DeviceIdentity::deserialise(*row);
  if (!identity) return fail(Error::corrupt_state);
  return std::move(*identity);
}

Result<void, Error> Endpoint::confirm_linked(EndpointStore& store, ByteView signed_list, bool ask_history) {
  Staging staging(store);
  OPALINE_TRY(std::optional<OwnRecord> own, read_own(staging));
  if (!own) return fail(Error::not_registered);
  if (own->registered) return {};
  OPALINE_TRY(const session::DeviceIdentity identity, Endpoint::identity(store));
  if (!signed_list.empty()) {
    const auto before = session::load_device_list(own->signed_list);
    if (!before) return fail(Error::corrupt_state);
    const auto list = session::verify_device_list(signed_list);
    const session::DeviceEntry* const entry = list ? list->find(own->enrolment.device) : nullptr;
    const bool good = entry != nullptr && entry->keys == identity.public_keys() &&
                      entry->mailbox == own->enrolment.mailbox &&
                      session::compare_lists(*before, *list) == session::ListChange::successor;
    if (!good) return fail(Error::bad_device);
    own->signed_list = to_bytes(signed_list);
  }
  OPALINE_CHECK(stage_uploaded(staging));
  own->registered = true;
  staging.put(Table::device, as_view(internal::kOwnKey), encode(*own));
  internal::LedgerRecord ledger;
  const auto row = staging.get(Table::device, as_view(internal::kLedgerKey));
  if (!row || !decode(*row, ledger)) return fail(Error::corrupt_state);
  ledger.history_wanted = ask_history ? internal::HistoryWanted::all : internal::HistoryWanted::contacts;
  staging.put(Table::device, as_view(internal::kLedgerKey), encode(ledger));
  return commit(staging);
}

Result<Registration, Error> Endpoint::create_recovered(EndpointStore& store, RandomSource& random, const Clock& clock,
                                                       const Enrolment& enrolment,
                                                       const session::VerifiedDeviceList& list,
                                                       const session::AccountKey& key,
                                                       const std::vector<DeviceNumber>& left_out) {
  const bool fits = enrolment.account == list.list().account && enrolment.device == list.list().next_device &&
                    key.public_key() == list.list().account_key;
  if (!fits) return fail(Error::bad_device);
  session::DeviceList next = session::next_device_list(list, clock.now());
  std::erase_if(next.devices,
                [&](const session::DeviceEntry& e) { return std::ranges::find(left_out, e.number) != left_out.end(); });
  return create_in_persona(store, random, clock, std::move(next), enrolment.mailbox, key);
}

Result<Registration, Error> Endpoint::create_in_persona(EndpointStore& store, RandomSource& random, const Clock& clock,
                                                        session::DeviceList next, const MailboxId& mailbox,
                                                        const session::AccountKey& key) {
  if (next.devices.size() >= credentials::kMaxDevices) return fail(Error::list_full);
  const Time now = clock.now();
  const session::DeviceIdentity identity = session::DeviceIdentity::generate(random);
  const Enrolment enrolment{next.account, next.next_device, mailbox};
  next.account_key = key.public_key();
  next.created = now;
  next.devices.push_back({.number = enrolment.device,
                          .mailbox = mailbox,
                          .created = now,
                          .capabilities = session::kCapabilityMessages | session::kCapabilityEphemeral,
                          .keys = identity.public_keys()});
  next.next_device = DeviceNumber{static_cast<std::uint32_t>(enrolment.device) + 1};
  if (!credentials::keeps_rules(next)) return fail(Error::bad_device);
  Staging staging(store);
  OwnRecord own{
      .enrolment = enrolment, .registered = false, .signed_list = session::sign_device_list(next, key, random)};
  OPALINE_TRY(const PrekeyRecord prekeys, stage_device(staging, identity, own, {}, now, random));
  staging.put(Table::device, as_view(internal::kAccountKeyKey), key.serialise());
  OPALINE_CHECK(commit(staging));
  return Registration{enrolment, std::move(own.signed_list), {prekeys.signed_set, prekeys.one_time_batch}};
}

}  // namespace opaline::endpoint
