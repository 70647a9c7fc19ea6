#pragma once
// Every row that the identity service stores: its fields, why, and for how long. docs/what-we-hold.md says the same; a
// test compares. All values are sealed by store::SealedRows; keys are hashed where they mean something, clear where
// they are random. The codecs are in internal/records.cpp.
#include <array>
#include <string_view>

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

}  // namespace tables

/// For RowStore drivers, which want to know the tables when they open.
inline constexpr std::array<std::string_view, 9> kTables = {tables::kHandles, tables::kAccounts, tables::kDevices,
                                                            tables::kPrekeys, tables::kOneTime,  tables::kLists,
                                                            tables::kBuckets, tables::kRemoved,  tables::kRevoked};

struct HeldField {
  std::string_view table;
  std::string_view field;
  std::string_view why;
  std::string_view how_long;
};

/// In the order of the codecs. A field that is not here may not be stored.
inline constexpr auto kHeldFields = std::to_array<HeldField>({
    {tables::kHandles, "handle (as a keyed hash)", "to find the account when somebody asks for it",
     "until the account drops or loses the handle"},
    {tables::kHandles, "account", "what the handle stands for", "as long as the row"},
    {tables::kAccounts, "account", "a random id, names the row",
     "until the account is deleted or has lost its last handle"},
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
});

}  // namespace opaline::identity
