#include "session/device_list.hpp"

#include "session/internal/labels.hpp"

namespace opaline::session {

Bytes sign_device_list(const DeviceList& list, const AccountKey& key, RandomSource& random) {
  OPALINE_ASSERT(list.account_key == key.public_key());
  Bytes out = credentials::encode_device_list_body(list);
  append(out, key.signer().sign(internal::kDeviceListSignature, out, random).view());
  return out;
}

Result<VerifiedDeviceList, Error> verify_device_list(ByteView bytes) {
  return lift(credentials::verify_device_list(bytes));
}

Result<VerifiedDeviceList, Error> load_device_list(ByteView bytes) {
  return lift(credentials::load_device_list(bytes));
}

DeviceList first_device_list(const AccountId& account, const AccountKey& key, const MailboxId& mailbox,
                             std::uint32_t capabilities, const DevicePublicKeys& device, Time now) {
  DeviceList list{.account = account,
                  .account_key = key.public_key(),
                  .number = ListNumber{1},
                  .previous = {},
                  .created = now,
                  .next_device = DeviceNumber{2},
                  .devices = {}};
  list.devices.push_back(
      {.number = DeviceNumber{1}, .mailbox = mailbox, .created = now, .capabilities = capabilities, .keys = device});
  return list;
}

}  // namespace opaline::session
