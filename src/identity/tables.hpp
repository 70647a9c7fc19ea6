#pragma once
// Every row that the identity service stores: its fields, why, and for how long. docs/what-we-hold.md says the same; a
// test compares. All values are sealed by store::SealedRows; keys are hashed where they mean something, clear where
// they are random. The codecs are in internal/records.cpp.
#include <array>
#include <string_view>

#include "store/held_field.hpp"

namespace opaline::identity {

namespace tables {

/// key: hashed handle
inline constexpr std::string_view kHandles = "identity_handles";
/// key: account id
inline constexpr std::string_view kAccounts = "identity_accounts";
/// key: account id || u32 device
inline constexpr std::string_view kDevices = "identity_devices";
/// key: account id || u32 device
inline constexpr std::string_view kPrekeys = "identity_prekeys";
/// key: account id || u32 device
inline constexpr std::string_view kOneTime = "identity_one_time";
/// key: account id || u32 list number
inline constexpr std::string_view kLists = "identity_lists";
/// key: account id
inline constexpr std::string_view kBuckets = "identity_lookup_buckets";
/// key: mailbox id
inline constexpr std::string_view kRemoved = "identity_removed_mailboxes";
/// key: u8 kind || mailbox or account id
inline constexpr std::string_view kRevoked = "identity_revocations";
/// key: business's account id
inline constexpr std::string_view kBusinesses = "identity_businesses";
/// key: HMAC of account and business under a key of the vault: so that who copies the files can tell neither whose a
/// persona is nor which are one person's
inline constexpr std::string_view kRelationships = "identity_relationships";

}  // namespace tables

/// For RowStore drivers, which want to know the tables when they open.
inline constexpr std::array<std::string_view, 11> kTables = {
    tables::kHandles, tables::kAccounts, tables::kDevices, tables::kPrekeys,    tables::kOneTime,      tables::kLists,
    tables::kBuckets, tables::kRemoved,  tables::kRevoked, tables::kBusinesses, tables::kRelationships};

/// In the order of the codecs. A field that is not here may not be stored.
inline constexpr auto kHeldFields = std::to_array<store::HeldField>({
    {tables::kHandles, "handle (as a keyed hash)", "to find the account when somebody asks for it",
     "until the account drops or loses the handle"},
    {tables::kHandles, "account", "what the handle stands for", "as long as the row"},
    {tables::kHandles, "since when the account has it",
     "who takes a handle over may not see the lookups of who had it before", "as long as the row"},
    {tables::kAccounts, "account", "a random id, names the row; a persona's is a hash of its opaque id",
     "until the account is deleted or has lost its last handle"},
    {tables::kAccounts, "kind", "a person, a business, or a person's persona at a business", "as long as the row"},
    {tables::kAccounts, "owner (of a persona)", "whose persona it is; no business ever sees it",
     "until the person is new to the business, deletes the account, or the business is removed"},
    {tables::kAccounts, "business (of a persona)", "who may write to it", "as long as the row"},
    {tables::kAccounts, "closed (of a persona)", "whether the business is answered that the conversation is closed",
     "as long as the row; of a persona whose person is new to the business, this and the business is all that is left, "
     "and is not deleted"},
    {tables::kAccounts, "handles", "to show them to the person, and to remove them with the account",
     "as long as the row"},
    {tables::kAccounts, "device list", "signed by the account key, handed to whoever writes to the account",
     "until the next list"},
    {tables::kAccounts, "service switches", "which services the account may use", "as long as the row"},
    {tables::kAccounts, "managed by", "the organisation that may set the switches; empty for most",
     "until it lets go of the account"},
    {tables::kAccounts, "PIN hash and salt", "Argon2id under a key of the vault; only if the person set a PIN",
     "until the PIN is removed"},
    {tables::kAccounts, "PIN tries and the day they were last counted", "to stop guessing; only with a PIN",
     "until the PIN is removed"},
    {tables::kDevices, "account and device number", "names the row", "until the device or account is removed"},
    {tables::kDevices, "mailbox", "a random id: where the device's envelopes wait", "as long as the row"},
    {tables::kDevices, "web", "whether the device may sign in without a channel binding", "as long as the row"},
    {tables::kDevices, "signing key (public)", "to check who connects", "as long as the row"},
    {tables::kDevices, "day last seen, coarse to a week",
     "a PIN lapses after 30 days without any device; only with a PIN", "until the PIN is removed"},
    {tables::kDevices, "owner's device (of a persona's device)", "removing a device removes what it joined",
     "as long as the row"},
    {tables::kPrekeys, "prekey set (public, signed)", "handed out so that others can open sessions",
     "until the next set"},
    {tables::kPrekeys, "one-time prekeys (public)", "each is handed out once", "until the next set"},
    {tables::kOneTime, "prekey set number", "which set is being handed out", "until the next set"},
    {tables::kOneTime, "next one-time prekey", "so that none is handed out twice", "until the next set"},
    {tables::kLists, "account and list number", "names the row", "as long as the row"},
    {tables::kLists, "earlier device list (signed)", "so that contacts can follow the chain from the list they know",
     "until 64 later ones were replaced, or the account is deleted"},
    {tables::kBuckets, "level", "how many lookups the account has left: not which", "until the account is deleted"},
    {tables::kBuckets, "day of the level", "to refill it", "as long as the row"},
    {tables::kRemoved, "mailbox", "a random id: answers `gone` while a send token for it may be valid",
     "8 days after the removal"},
    {tables::kRemoved, "time", "when to forget it", "as long as the row"},
    {tables::kRevoked, "mailbox or account", "whose send tokens were taken back", "8 days"},
    {tables::kRevoked, "time", "tokens older than this are refused", "as long as the row"},
    {tables::kBusinesses, "business", "a random id (its UUID), names the row",
     "until the operator removes the business"},
    {tables::kBusinesses, "name, logo, website, kind of gateway, text out of hours", "the profile that people see",
     "as long as the row"},
    {tables::kBusinesses, "settings", "its webhook, MSP id and secret; not for a gateway in its own house",
     "as long as the row"},
    {tables::kRelationships, "account and business (as one keyed hash)", "names the row",
     "until the account is deleted or the business removed"},
    {tables::kRelationships, "business", "to close what belongs to a removed business", "as long as the row"},
    {tables::kRelationships, "persona", "which of the person's accounts the business knows", "as long as the row"},
    {tables::kRelationships, "generation, key version", "so that the opaque id stays the same", "as long as the row"},
});

}  // namespace opaline::identity
