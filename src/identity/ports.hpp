#pragma once
// What the identity service asks of its surroundings besides storage.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "crypto/sign.hpp"
#include "identity/handle.hpp"
#include "proto/device.pb.h"
#include "wire/frames.hpp"
#include "wire/limits.hpp"

namespace opaline::identity {

/// The IP address that a request came from: IPv6, or IPv4 mapped into it (RFC 4291 section 2.5.5.2).
struct SourceAddress {
  ByteArray<16> ip{};
  friend auto operator<=>(const SourceAddress&, const SourceAddress&) = default;
};

/// Six decimal digits. A secret for ten minutes.
using Code = Secret<struct CodeTag, 6>;

enum class CodeQueued : std::uint8_t {
  queued,       ///< will be tried; whether it arrives is not known
  busy,         ///< the queue is full: try again later
  unsupported,  ///< no way to reach this kind of handle is set up
};

/// Sends registration codes. Called on the service thread; queues and returns. The answer may depend on the handle's
/// kind and the queue's length, never on whether the handle is taken.
class CodeSender {
 public:
  virtual ~CodeSender() = default;
  [[nodiscard]] virtual CodeQueued send(const Handle& handle, const Code& code, seconds valid_for) = 0;
  /// True while codes to handles of this kind would not arrive, as far as is known: people are told so instead of
  /// waiting for one, and it costs them none of their quotas. Ends by itself after a while, so that it is tried again.
  [[nodiscard]] virtual bool failing(HandleKind /*kind*/) const { return false; }
};

/// The relay's side of what happens to accounts. Called on the service thread; implementations queue for the owning
/// shards and return. Every call may come twice (after a restart), and means the same then.
class RelayControl {
 public:
  virtual ~RelayControl() = default;
  /// The mailbox is gone for ever: destroy what waits in it and answer `gone`, at least until no send token for it can
  /// be valid any more (wire::kSendTokenLifetime after `at`). After a restart this is said again for the mailboxes of
  /// which that is still true.
  virtual void destroy(const MailboxId& mailbox, Time at) = 0;
  /// Send tokens for this mailbox that were issued at or before `issued_until` are stale (`refresh`).
  virtual void revoke_mailbox(const MailboxId& mailbox, Time issued_until) = 0;
  /// Send tokens of this sender account that were issued at or before `issued_until` are stale (`refresh`).
  virtual void revoke_sender(const AccountId& sender, Time issued_until) = 0;
  /// Ends the device's connection, if it has one, with this GOODBYE.
  virtual void disconnect(const AccountId& account, DeviceNumber device, wire::GoodbyeCode reason) = 0;
  /// A NOTICE frame to the device if it is connected; else nothing.
  virtual void notify(const AccountId& account, DeviceNumber device, wire::v1::NoticeKind kind, std::string body) = 0;
};

/// The five fields of promise 9, and no other.
struct LookupLogEntry {
  Time time;
  std::string source_handle;
  SourceAddress source;
  std::string looked_up_handle;
  std::uint32_t capable_devices = 0;  ///< 0 for a handle that is not here
};

/// A handle, and since when its account has it.
struct HeldHandle {
  std::string handle;
  Time since;
};
struct OwnLookups {
  std::vector<LookupLogEntry> entries;  ///< newest first
  Bytes next;                           ///< where the next page begins, opaque; empty: there is none
};
enum class OwnLookupsError : std::uint8_t {
  not_a_place,  ///< `after` is no `next`
  failed,       ///< the log cannot be read
};

/// Where lookups of handles are logged (records::LookupLog). Called on the service thread.
class LookupLog {
 public:
  virtual ~LookupLog() = default;
  /// Once per call that is answered, before the answer; queues and returns.
  virtual void append(std::span<const LookupLogEntry> entries) = 0;
  /// A page of the entries by these handles, each since it is held. At most `limit`, perhaps fewer: reads so much and
  /// no more, for the service waits. What was appended a moment ago may be missing.
  [[nodiscard]] virtual Result<OwnLookups, OwnLookupsError> own(std::span<const HeldHandle> handles, ByteView after,
                                                                std::size_t limit) = 0;
  /// For how many days entries are kept; 0: none is.
  [[nodiscard]] virtual std::uint32_t days() const = 0;
};

/// What records officers let a person know of a legal request. Limits: wire/limits.hpp.
struct LegalNotice {
  std::string id;      ///< printable ASCII
  std::string handle;  ///< that the request named
  Time from, to;       ///< what it was about
  Time at;             ///< when it could first be told
  std::string words;   ///< not empty
};
using wire::kMaxLegalNotices, wire::kMaxLegalNoticeIdBytes, wire::kMaxLegalNoticeWordsBytes;

/// Where notices of legal requests are (records::Cases). Called on the service thread.
class LegalNotices {
 public:
  virtual ~LegalNotices() = default;
  /// Those about these handles that may be told by now, newest first, at most kMaxLegalNotices; a request about a time
  /// before a handle was held is another person's. nullopt: they cannot be read.
  [[nodiscard]] virtual std::optional<std::vector<LegalNotice>> of(std::span<const HeldHandle> handles) = 0;
};

/// Has none.
class NullLegalNotices final : public LegalNotices {
 public:
  std::optional<std::vector<LegalNotice>> of(std::span<const HeldHandle>) override {
    return std::vector<LegalNotice>();
  }
};

/// Keeps nothing: what a retention of 0 days means.
class NullLookupLog final : public LookupLog {
 public:
  void append(std::span<const LookupLogEntry>) override {}
  Result<OwnLookups, OwnLookupsError> own(std::span<const HeldHandle>, ByteView, std::size_t) override {
    return OwnLookups{};
  }
  [[nodiscard]] std::uint32_t days() const override { return 0; }
};

/// The operations that cost so much that their number could tell things apart; a port so that tests count them.
class CostlyCrypto {
 public:
  virtual ~CostlyCrypto() = default;
  /// crypto::HybridVerifier with this key, label and message; false for a bad key too.
  [[nodiscard]] virtual bool verify(const crypto::HybridPublicKey& key, std::string_view label, ByteView message,
                                    const crypto::HybridSignature& signature) = 0;
  /// Argon2id of a registration PIN under the vault's pepper. nullopt: the memory for it was not to be had.
  [[nodiscard]] virtual std::optional<ByteArray<32>> hash_pin(ByteView pin, FixedView<16> salt, ByteView pepper) = 0;
};

/// The real ones, with the costs of limits.hpp.
[[nodiscard]] std::unique_ptr<CostlyCrypto> make_costly_crypto();

}  // namespace opaline::identity
