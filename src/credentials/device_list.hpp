#pragma once
// The device list (docs/protocol.md, section Device lists): which devices an account has, signed by its account key,
// numbered and hash-chained, so that nobody but the primary device adds one, and going back or telling two people
// different things is found out. Pure functions and values; thread-safe.
#include <vector>

#include "base/time.hpp"
#include "credentials/error.hpp"
#include "credentials/identity.hpp"
#include "credentials/limits.hpp"

namespace opaline::credentials {

/// SHA-256 of a list's bytes without its signature.
using ListHash = ByteId<struct ListHashTag, 32>;

/// Which version of a list.
struct ListReference {
  ListNumber number{};
  ListHash hash;
  friend bool operator==(const ListReference&, const ListReference&) = default;
};

/// What a device can take. Bits that a reader does not know are kept and mean nothing to it.
inline constexpr std::uint32_t kCapabilityMessages = 1u << 0;   ///< messages, receipts
inline constexpr std::uint32_t kCapabilityEphemeral = 1u << 1;  ///< typing marks

struct DeviceEntry {
  DeviceNumber number{};
  MailboxId mailbox;
  Time created;
  std::uint32_t capabilities = 0;
  DevicePublicKeys keys;
  friend bool operator==(const DeviceEntry&, const DeviceEntry&) = default;
};

/// A list before it is signed, or as it was signed.
struct DeviceList {
  AccountId account;
  crypto::HybridPublicKey account_key;
  ListNumber number{};  ///< from 1, by one with each change
  ListHash previous;    ///< of list number - 1; zero in list 1
  Time created;
  DeviceNumber next_device{};        ///< the number that the next new device gets: above every number ever used
  std::vector<DeviceEntry> devices;  ///< 1 to kMaxDevices, by rising number
  friend bool operator==(const DeviceList&, const DeviceList&) = default;
};

/// A list whose structure and signature were checked. That its account key is the right one is the caller's to know: by
/// comparing with the list pinned before (compare_lists), or by safety numbers.
class VerifiedDeviceList {
 public:
  [[nodiscard]] const DeviceList& list() const { return list_; }
  [[nodiscard]] const ListHash& hash() const { return hash_; }
  [[nodiscard]] ListReference reference() const { return {list_.number, hash_}; }
  /// The signed bytes, as sent and stored.
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  /// Null if the list has no such device. Valid as long as this object.
  [[nodiscard]] const DeviceEntry* find(DeviceNumber number) const;

 private:
  friend Result<VerifiedDeviceList, Error> verify_device_list(ByteView);
  friend Result<VerifiedDeviceList, Error> load_device_list(ByteView);
  VerifiedDeviceList(DeviceList list, const ListHash& hash, Bytes bytes)
      : list_(std::move(list)), hash_(hash), bytes_(std::move(bytes)) {}
  DeviceList list_;
  ListHash hash_;
  Bytes bytes_;
};

/// Longest encoded list: kMaxDevices entries.
inline constexpr std::size_t kDeviceListFixedBytes =
    1 + AccountId::kSize + crypto::HybridPublicKey::kSize + 4 + ListHash::kSize + 8 + 4 + 1;
inline constexpr std::size_t kDeviceEntryBytes = 4 + MailboxId::kSize + 8 + 4 + DevicePublicKeys::kSize;
inline constexpr std::size_t kMaxDeviceListBytes =
    kDeviceListFixedBytes + kMaxDevices * kDeviceEntryBytes + crypto::HybridSignature::kSize;

/// The rules that a list keeps by itself (docs/protocol.md, Device lists, rules 1 to 4).
[[nodiscard]] bool keeps_rules(const DeviceList& list);
/// The bytes that are signed. `list` must keep the rules (asserted: our own list).
[[nodiscard]] Bytes encode_device_list_body(const DeviceList& list);

/// Checks size, structure and the signature by the account key that the list names.
/// too_large, malformed, unsupported_version, bad_signature.
[[nodiscard]] Result<VerifiedDeviceList, Error> verify_device_list(ByteView bytes);

/// The same without the signature: for bytes that this device verified before and kept in its own store.
/// too_large, malformed, unsupported_version.
[[nodiscard]] Result<VerifiedDeviceList, Error> load_device_list(ByteView bytes);

/// What a newly seen list is to the one pinned. `unchanged` and `successor` are good: pin the candidate. `gap` asks for
/// the lists in between, to be taken one by one. The others keep the pin and are for the person to see.
enum class ListChange : std::uint8_t {
  unchanged,
  successor,        ///< the next number, chained to the pinned one, keeping the rules
  gap,              ///< a higher number, not the next: it may follow
  older,            ///< alarm: a number below the pinned one
  forked,           ///< alarm: another list with the same number, or a next one that does not continue ours
  new_account_key,  ///< alarm: signed by another account key
  rule_broken,      ///< alarm: gives a device new keys or another mailbox, or a number that was used before
  other_account,    ///< not about this account at all
};
[[nodiscard]] ListChange compare_lists(const VerifiedDeviceList& pinned, const VerifiedDeviceList& candidate);
[[nodiscard]] bool is_alarm(ListChange change);
/// `candidate` may come after `pinned` under another account key: of the same account, with a higher number, and what
/// it says of devices keeps the rules. For personas alone, whose roots are renewed (docs/adr/0015-personas.md); who is
/// to be believed that it is so, the caller knows.
[[nodiscard]] bool renews_account_key(const VerifiedDeviceList& pinned, const VerifiedDeviceList& candidate);

/// The list that follows `current`, with the same devices, to be changed and signed.
[[nodiscard]] DeviceList next_device_list(const VerifiedDeviceList& current, Time now);

}  // namespace opaline::credentials
