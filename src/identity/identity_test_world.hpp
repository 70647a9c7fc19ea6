#pragma once
// For tests of this room and of those above: a service on a memory disk, with everything around it recorded, and people
// who register.
#include <functional>
#include <map>
#include <memory>

#include "base/codec.hpp"
#include "identity/dispatcher.hpp"
#include "identity/limits.hpp"
#include "identity/tables.hpp"
#include "session/device_list.hpp"
#include "session/prekeys.hpp"
#include "store/drivers/memory_disk.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/memory_row_store.hpp"

namespace opaline::identity::testing {

inline constexpr Time kStart = from_unix_millis(1'800'000'000'000);  // 2027-01-15 08:00 UTC
inline constexpr std::string_view kCheckTable = "check";

/// Counts what reaches the store, and fails writes on demand.
class CountingRows final : public store::RowStore {
 public:
  explicit CountingRows(store::RowStore& rows) : rows_(rows) {}
  Result<std::optional<Bytes>, store::RowError> get(std::string_view table, ByteView key) override {
    ++gets;
    if (before_get) before_get(table);
    if (fail_reads) return fail(store::RowError::failed);
    auto row = rows_.get(table, key);
    if (row && *row) ++hits;
    return row;
  }
  Result<void, store::RowError> write(std::vector<store::RowChange> changes) override {
    ++writes;
    last_write = changes;
    if (before_write) before_write();
    if (next_write) {
      const auto outcome = *std::exchange(next_write, std::nullopt);
      if (outcome.stored) (void)rows_.write(std::move(changes));
      return fail(outcome.error);
    }
    return rows_.write(std::move(changes));
  }
  Result<std::vector<std::pair<Bytes, Bytes>>, store::RowError> scan(std::string_view table, ByteView prefix,
                                                                     ByteView after, std::size_t limit) override {
    ++scans;
    return rows_.scan(table, prefix, after, limit);
  }
  Result<std::vector<std::pair<Bytes, Bytes>>, store::RowError> scan_back(std::string_view table, ByteView prefix,
                                                                          ByteView before, std::size_t limit) override {
    ++scans;
    return rows_.scan_back(table, prefix, before, limit);
  }
  Result<void, store::RowError> erase_range(std::string_view table, ByteView from, ByteView end) override {
    return rows_.erase_range(table, from, end);
  }

  struct Outcome {
    store::RowError error{};
    bool stored = false;
  };
  std::optional<Outcome> next_write;
  std::function<void()> before_write;
  std::function<void(std::string_view table)> before_get;
  bool fail_reads = false;
  std::size_t gets = 0, hits = 0, writes = 0, scans = 0;
  std::vector<store::RowChange> last_write;

 private:
  store::RowStore& rows_;
};

class CountingCrypto final : public CostlyCrypto {
 public:
  bool verify(const crypto::HybridPublicKey& key, std::string_view label, ByteView message,
              const crypto::HybridSignature& signature) override {
    ++verified;
    return real_->verify(key, label, message, signature);
  }
  std::optional<ByteArray<32>> hash_pin(ByteView pin, FixedView<16> salt, ByteView pepper) override {
    ++hashed;
    return real_->hash_pin(pin, salt, pepper);
  }
  std::size_t verified = 0, hashed = 0;

 private:
  std::unique_ptr<CostlyCrypto> real_ = make_costly_crypto();
};

class FakeCodes final : public CodeSender {
 public:
  CodeQueued send(const Handle& handle, const Code& code, seconds) override {
    if (answer != CodeQueued::queued) return answer;
    codes[handle.text()] = to_string(code.reveal());
    ++sent;
    return CodeQueued::queued;
  }
  [[nodiscard]] bool failing(HandleKind /*kind*/) const override { return is_failing; }
  CodeQueued answer = CodeQueued::queued;
  bool is_failing = false;
  std::map<std::string, std::string> codes;  ///< the last one of each handle
  std::size_t sent = 0;
};

/// What the relay was told, as lines: "destroy <hex>", "disconnect <hex> 1 removed", ...
class RecordingRelay final : public RelayControl {
 public:
  void destroy(const MailboxId& mailbox, Time) override { events.push_back("destroy " + mailbox.hex()); }
  void revoke_mailbox(const MailboxId& mailbox, Time) override { events.push_back("revoke mailbox " + mailbox.hex()); }
  void revoke_sender(const AccountId& sender, Time) override { events.push_back("revoke sender " + sender.hex()); }
  void disconnect(const AccountId& account, DeviceNumber device, wire::GoodbyeCode reason) override {
    disconnected.push_back({account, device});
    events.push_back("disconnect " + account.hex() + (reason == wire::GoodbyeCode::removed ? " removed" : " other"));
  }
  void notify(const AccountId& account, DeviceNumber device, calls::NoticeKind kind, std::string body) override {
    notified.push_back({account, device});
    events.push_back("notify " + account.hex() + " " + std::to_string(kind));
    notices.push_back(std::move(body));
  }
  [[nodiscard]] bool has(const std::string& event) const { return std::ranges::find(events, event) != events.end(); }
  std::vector<std::string> events;
  std::vector<std::string> notices;
  std::vector<credentials::DeviceAddress> disconnected, notified;
};

class RecordingLookups final : public LookupLog {
 public:
  Result<OwnLookups, OwnLookupsError> own(std::span<const HeldHandle> handles, ByteView after,
                                          std::size_t limit) override {
    asked_for.assign(handles.begin(), handles.end());
    asked_after = to_bytes(after);
    asked_limit = limit;
    return page;
  }
  [[nodiscard]] std::uint32_t days() const override { return 7; }
  std::vector<HeldHandle> asked_for;
  Bytes asked_after;
  std::size_t asked_limit = 0;
  Result<OwnLookups, OwnLookupsError> page;
  void append(std::span<const LookupLogEntry> more) override {
    entries.insert(entries.end(), more.begin(), more.end());
  }
  std::vector<LookupLogEntry> entries;
};

class RecordingNotices final : public LegalNotices {
 public:
  std::optional<std::vector<LegalNotice>> of(std::span<const HeldHandle> handles) override {
    asked_for.assign(handles.begin(), handles.end());
    return notices;
  }
  std::vector<HeldHandle> asked_for;
  std::optional<std::vector<LegalNotice>> notices = std::vector<LegalNotice>();
};

[[nodiscard]] inline SourceAddress ipv4(std::uint8_t last) {
  SourceAddress out;
  out.ip[10] = out.ip[11] = std::byte{0xff};
  out.ip[12] = std::byte{192};
  out.ip[14] = std::byte{2};
  out.ip[15] = std::byte{last};
  return out;
}
[[nodiscard]] inline std::string text(ByteView bytes) {
  return std::string(as_text(bytes));
}

/// A person's first device: its keys, and once registered its account.
class Person {
 public:
  explicit Person(std::uint64_t seed)
      : random(seed),
        account_key(session::AccountKey::generate(random)),
        identity(session::DeviceIdentity::generate(random)) {}

  [[nodiscard]] calls::PrekeyUpload make_prekeys(Time now, std::size_t one_time_count = 4) {
    const auto id = session::PrekeySetId(next_set++);
    auto made = session::generate_prekeys(identity, {account, device}, id, one_time_count, now, random);
    calls::PrekeyUpload out;
    out.set_signed_prekeys(text(made.signed_set));
    out.set_one_time_batch(text(made.one_time_batch));
    return out;
  }
  [[nodiscard]] session::DeviceList list(Time now) const {
    return session::first_device_list(account, account_key, mailbox, session::kCapabilityMessages,
                                      identity.public_keys(), now);
  }
  /// What the device makes of the answer to /check.
  [[nodiscard]] calls::CompleteRequest complete_request(const calls::CheckReply& reply, Time now,
                                                        std::size_t one_time_count = 4) {
    account = *AccountId::from(as_view(reply.account()));
    mailbox = *MailboxId::from(as_view(reply.mailbox()));
    calls::CompleteRequest out;
    out.set_ticket(reply.ticket());
    out.set_device_list(text(session::sign_device_list(list(now), account_key, random)));
    *out.mutable_prekeys() = make_prekeys(now, one_time_count);
    return out;
  }
  [[nodiscard]] Caller caller() const { return {.account = account, .device = device, .source = ipv4(1)}; }
  [[nodiscard]] Bytes sign_auth(ByteView message) {
    return to_bytes(identity.signer().sign(wire::kAuthLabel, message, random).view());
  }

  SeededRandom random;
  session::AccountKey account_key;
  session::DeviceIdentity identity;
  AccountId account;
  MailboxId mailbox;
  DeviceNumber device{1};
  std::uint32_t next_set = 1;
};

/// The list after `now`, with the new device's entry: its account, mailbox and number are set by this.
[[nodiscard]] inline session::DeviceList list_with(const session::VerifiedDeviceList& before, Person& fresh,
                                                   ByteView mailbox, Time now) {
  session::DeviceList list = session::next_device_list(before, now);
  fresh.account = list.account;
  fresh.device = list.next_device;
  fresh.mailbox = *MailboxId::from(mailbox);
  list.devices.push_back({.number = fresh.device,
                          .mailbox = fresh.mailbox,
                          .created = now,
                          .capabilities = session::kCapabilityMessages,
                          .keys = fresh.identity.public_keys()});
  list.next_device = DeviceNumber{static_cast<std::uint32_t>(fresh.device) + 1};
  return list;
}
/// The list after `before`, without that device.
[[nodiscard]] inline session::DeviceList list_without(const session::VerifiedDeviceList& before, DeviceNumber device,
                                                      Time now) {
  session::DeviceList list = session::next_device_list(before, now);
  std::erase_if(list.devices, [&](const auto& entry) { return entry.number == device; });
  return list;
}

/// A deployment on one memory disk. `restart` is what a crash and a new start do: RAM is lost, what was written stays.
class World {
 public:
  explicit World(Config config_ = {}) : config(config_) { restart(); }

  void restart() {
    service.reset();
    sealed.reset();
    sealed.emplace(std::move(*store::SealedRows::open(rows, vault, random, kCheckTable)));
    service = std::move(*Service::open(config, {.rows = *sealed,
                                                .vault = vault,
                                                .codes = codes,
                                                .relay = relay,
                                                .lookups = lookups,
                                                .notices = notices,
                                                .crypto = crypto,
                                                .clock = clock,
                                                .random = random,
                                                .log = log}));
  }

  /// /start and /check with the right code.
  [[nodiscard]] Answer<calls::CheckReply> verify(const std::string& handle, const SourceAddress& source = ipv4(1)) {
    calls::StartRequest start;
    start.set_handle(handle);
    OPALINE_TRY(const auto started, service->start(source, start));
    calls::CheckRequest check;
    check.set_verification(started.verification());
    check.set_code(codes.codes[started.normalized_handle()]);
    return service->check(check);
  }
  /// All three steps. False: refused.
  bool enrol(Person& person, const std::string& handle, std::size_t one_time_count = 4, const std::string& pin = {},
             bool web = false) {
    const auto checked = verify(handle);
    if (!checked) return false;
    auto request = person.complete_request(*checked, clock.now(), one_time_count);
    request.set_pin(pin);
    request.set_web(web);
    return service->complete(request).has_value();
  }
  [[nodiscard]] Answer<calls::LookupReply> lookup(const Person& asker, const std::vector<std::string>& handles,
                                                  const std::vector<std::string>& tokens = {}) {
    calls::LookupRequest request;
    for (std::size_t i = 0; i < handles.size(); ++i) {
      auto& item = *request.add_items();
      item.set_handle(handles[i]);
      if (i < tokens.size()) item.set_renewal_token(tokens[i]);
    }
    return service->lookup(asker.caller(), request);
  }
  [[nodiscard]] Answer<calls::BundlesReply> bundles(const Person& asker, const AccountId& target,
                                                    const std::string& token = {}) {
    calls::BundlesRequest request;
    request.set_account(text(target.view()));
    request.set_renewal_token(token);
    return service->bundles(asker.caller(), request);
  }
  /// The stored list of the person's own account.
  [[nodiscard]] session::VerifiedDeviceList list_of(const Person& person) {
    return *session::verify_device_list(as_view(send_tokens(person, person.account)->device_list()));
  }
  /// An exchange that a new device has opened and `by` has joined.
  [[nodiscard]] calls::LinkJoinReply exchange(const Person& by, const SourceAddress& source = ipv4(99)) {
    const auto opened = service->link_open(source, {});
    calls::LinkJoinRequest join;
    join.set_exchange(opened->exchange());
    return *service->link_join(by.caller(), join);
  }
  /// What `by` asks for to add the new device of this exchange, signed by `primary`'s account key.
  [[nodiscard]] calls::UpdateDevicesRequest add_request(Person& primary, Person& fresh,
                                                        const calls::LinkJoinReply& joined) {
    calls::UpdateDevicesRequest out;
    const auto list = list_with(list_of(primary), fresh, as_view(joined.mailbox()), clock.now());
    out.set_device_list(text(session::sign_device_list(list, primary.account_key, primary.random)));
    out.set_exchange(joined.exchange());
    *out.mutable_prekeys() = fresh.make_prekeys(clock.now());
    return out;
  }
  [[nodiscard]] calls::UpdateDevicesRequest remove_request(Person& primary, DeviceNumber device) {
    calls::UpdateDevicesRequest out;
    const auto list = list_without(list_of(primary), device, clock.now());
    out.set_device_list(text(session::sign_device_list(list, primary.account_key, primary.random)));
    return out;
  }
  /// The whole of it; false: refused.
  bool link(Person& primary, Person& fresh) {
    return service->update_devices(primary.caller(), add_request(primary, fresh, exchange(primary))).has_value();
  }
  [[nodiscard]] Answer<calls::SendTokensReply> send_tokens(const Person& asker, const AccountId& target,
                                                           const std::string& token = {}) {
    calls::SendTokensRequest request;
    request.set_account(text(target.view()));
    request.set_renewal_token(token);
    return service->send_tokens(asker.caller(), request);
  }
  [[nodiscard]] Result<AuthenticatedDevice, AuthError> authenticate(Person& person,
                                                                    const SourceAddress& source = ipv4(1)) {
    const Bytes message = to_bytes("nonce and name");
    const Bytes signature = person.sign_auth(message);
    return service->authenticate({.account = person.account,
                                  .device = person.device,
                                  .binding = wire::Binding::tls_exporter,
                                  .message = message,
                                  .signature = signature,
                                  .source = source});
  }

  Config config;
  ManualClock clock{kStart};
  SeededRandom random{1};
  store::MemoryDisk disk{random};
  store::MemoryRowStore memory{disk, [] {
                                 std::vector<std::string> tables(kTables.begin(), kTables.end());
                                 tables.emplace_back(kCheckTable);
                                 return tables;
                               }()};
  CountingRows rows{memory};
  store::MemoryKeyVault vault{random};
  FakeCodes codes;
  RecordingRelay relay;
  RecordingLookups lookups;
  RecordingNotices notices;
  CountingCrypto crypto;
  NullLog log;
  std::optional<store::SealedRows> sealed;
  std::unique_ptr<Service> service;
};

}  // namespace opaline::identity::testing
