#pragma once
// The rows of identity/tables.hpp as values, and their bytes: u8 version (1, or what codecs in records.cpp say), then
// the fields in order. Integers are big-endian.
#include <vector>

#include "base/secret.hpp"
#include "base/time.hpp"
#include "credentials/device_list.hpp"
#include "credentials/prekey_set.hpp"
#include "identity/account_kind.hpp"
#include "identity/internal/opaque_ids.hpp"
#include "identity/service.hpp"

namespace opaline::identity::internal {

struct PinRecord {
  ByteArray<16> salt{};
  ByteArray<32> hash{};
  std::uint8_t tries_left = 0;
  Day tries_day{};  ///< when tries_left was last counted
  friend bool operator==(const PinRecord&, const PinRecord&) = default;
};

/// Version 2; version 1 has persons alone.
struct AccountRecord {
  std::vector<std::string> handles;  ///< normalised, oldest first; a person has at least one, others none
  Bytes device_list;                 ///< signed; empty for a persona that is forgotten
  ServiceSwitches switches;
  std::string managed_by;
  std::optional<PinRecord> pin;
  AccountKind kind = AccountKind::person;
  // Of a persona. One that is forgotten has no owner, and is closed for good.
  AccountId owner{};
  AccountId business{};
  bool closed = false;
  friend bool operator==(const AccountRecord&, const AccountRecord&) = default;
};

/// Version 2; in version 1 there is no owner_device.
struct DeviceRecord {
  MailboxId mailbox;
  bool web = false;
  crypto::HybridPublicKey signing_key;
  std::optional<Day> seen = std::nullopt;  ///< only where the account has a PIN
  std::optional<DeviceNumber> owner_device =
      std::nullopt;  ///< of a persona's device: which device of its owner joined it
  friend bool operator==(const DeviceRecord&, const DeviceRecord&) = default;
};

struct PrekeyRecord {
  Bytes signed_set;
  Bytes one_time_batch;
  friend bool operator==(const PrekeyRecord&, const PrekeyRecord&) = default;
};

/// Rewritten with each one-time prekey that is handed out, before it is.
struct OneTimeCursor {
  credentials::PrekeySetId set{};
  std::uint16_t next = 0;
  friend bool operator==(const OneTimeCursor&, const OneTimeCursor&) = default;
};

/// A list that was replaced.
struct ListRecord {
  Bytes device_list;  ///< signed
  friend bool operator==(const ListRecord&, const ListRecord&) = default;
};

/// account || u64 since; rows of earlier versions, which are older than any lookup log, have the account alone.
struct HandleRecord {
  AccountId account;
  Time since{};
  friend bool operator==(const HandleRecord&, const HandleRecord&) = default;
};

struct LookupLevel {
  std::uint32_t level = 0;
  Day day{};
  friend bool operator==(const LookupLevel&, const LookupLevel&) = default;
};

/// Of a removed mailbox, or of a revocation.
struct MomentRecord {
  Time at;
  friend bool operator==(const MomentRecord&, const MomentRecord&) = default;
};

/// That an account has been, or is, known to a business.
struct RelationshipRecord {
  AccountId business;
  AccountId persona;  ///< the account id that the present opaque id gives
  Generation generation{};
  std::uint8_t key_version = 0;  ///< of the present opaque id
  friend bool operator==(const RelationshipRecord&, const RelationshipRecord&) = default;
};

struct BusinessRecord {
  BusinessDetails details;
  SecretBytes settings;
  friend bool operator==(const BusinessRecord&, const BusinessRecord&) = default;
};

[[nodiscard]] Bytes encode(const RelationshipRecord& record);
/// Holds the settings: to be wiped.
[[nodiscard]] Bytes encode(const BusinessRecord& record);
[[nodiscard]] Bytes encode(const AccountRecord& record);
[[nodiscard]] Bytes encode(const DeviceRecord& record);
[[nodiscard]] Bytes encode(const PrekeyRecord& record);
[[nodiscard]] Bytes encode(const OneTimeCursor& record);
[[nodiscard]] Bytes encode(const ListRecord& record);
[[nodiscard]] Bytes encode(const HandleRecord& record);
[[nodiscard]] Bytes encode(const LookupLevel& record);
[[nodiscard]] Bytes encode(const MomentRecord& record);

/// nullopt: not what encode writes (a damaged store, or a newer program's).
template <class Record>
[[nodiscard]] std::optional<Record> decode(ByteView bytes);

}  // namespace opaline::identity::internal
