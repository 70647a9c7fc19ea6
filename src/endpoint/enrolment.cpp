// Making a device: identity, account key, device list 1 and the first prekeys.
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

}  // namespace

Result<Registration, Error> Endpoint::create(EndpointStore& store, RandomSource& random, const Clock& clock,
                                             const Enrolment& enrolment) {
  if (enrolment.device != DeviceNumber{1}) return fail(Error::bad_enrolment);
  Staging staging(store);
  OPALINE_TRY(const std::optional<OwnRecord> before, read_own(staging));
  if (before && before->registered) return fail(Error::registered);
  const Time now = clock.now();
  const session::DeviceIdentity identity = session::DeviceIdentity::generate(random);
  const session::AccountKey account_key = session::AccountKey::generate(random);
  const session::DeviceList list = session::first_device_list(
      enrolment.account, account_key, enrolment.mailbox, session::kCapabilityMessages | session::kCapabilityEphemeral,
      identity.public_keys(), now);
  OwnRecord own{
      .enrolment = enrolment, .registered = false, .signed_list = session::sign_device_list(list, account_key, random)};
  const PrekeyRecord prekeys = internal::make_prekeys(staging, identity, {enrolment.account, enrolment.device},
                                                      session::PrekeySetId{0}, now, random);
  staging.put(Table::device, as_view(internal::kIdentityKey), identity.serialise());
  staging.put(Table::device, as_view(internal::kAccountKeyKey), account_key.serialise());
  staging.put(Table::device, as_view(internal::kOwnKey), encode(own));
  staging.put(Table::device, as_view(internal::kLedgerKey), encode(internal::LedgerRecord{}));
  staging.put(Table::device, as_view(internal::kPrekeysKey), encode(prekeys));
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
  const auto row = staging.get(Table::device, as_view(internal::kPrekeysKey));
  if (staging.failure()) return fail(Error::store_failed);
  PrekeyRecord prekeys;
  if (!row || !decode(*row, prekeys)) return fail(Error::corrupt_state);
  own->registered = true;
  prekeys.uploaded = true;  // with the registration
  prekeys.signed_set.clear();
  prekeys.one_time_batch.clear();
  staging.put(Table::device, as_view(internal::kOwnKey), encode(*own));
  staging.put(Table::device, as_view(internal::kPrekeysKey), encode(prekeys));
  return commit(staging);
}

}  // namespace opaline::endpoint
