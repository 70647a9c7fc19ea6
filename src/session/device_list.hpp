#pragma once
// Making and reading device lists (docs/protocol.md, section Device lists). What a list is, and whether one follows
// another, is in credentials/device_list.hpp, which the directory uses too; signing is here, with the account key.
#include "credentials/device_list.hpp"
#include "session/identity.hpp"

namespace opaline::session {

using credentials::compare_lists;
using credentials::DeviceEntry;
using credentials::DeviceList;
using credentials::is_alarm;
using credentials::kCapabilityEphemeral;
using credentials::kCapabilityMessages;
using credentials::kDeviceEntryBytes;
using credentials::kDeviceListFixedBytes;
using credentials::kMaxDeviceListBytes;
using credentials::ListChange;
using credentials::ListHash;
using credentials::ListReference;
using credentials::next_device_list;
using credentials::renews_account_key;
using credentials::VerifiedDeviceList;

/// Encodes and signs. `list` must keep the rules of docs/protocol.md and `key` must be its account key (asserted: our
/// own list).
[[nodiscard]] Bytes sign_device_list(const DeviceList& list, const AccountKey& key, RandomSource& random);

/// credentials::verify_device_list. too_large, malformed, unsupported_version, bad_signature.
[[nodiscard]] Result<VerifiedDeviceList, Error> verify_device_list(ByteView bytes);

/// credentials::load_device_list. too_large, malformed, unsupported_version.
[[nodiscard]] Result<VerifiedDeviceList, Error> load_device_list(ByteView bytes);

/// The first list of an account, with its primary device as number 1.
[[nodiscard]] DeviceList first_device_list(const AccountId& account, const AccountKey& key, const MailboxId& mailbox,
                                           std::uint32_t capabilities, const DevicePublicKeys& device, Time now);

}  // namespace opaline::session
