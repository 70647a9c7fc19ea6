#pragma once
// A Relay on a memory disk, its outputs written down: for tests of single rules.
#include <map>

#include "relay/relay.hpp"
#include "store/drivers/memory_disk.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/drivers/memory_mailbox_store.hpp"

namespace opaline::relay::testing {

struct WrittenOutputs final : Outputs {
  struct Pushed {
    ConnectionId reader{};
    std::uint8_t subscription = 0;
    bool gap = false;
    EnvelopeId id;
    std::size_t size = 0;
  };
  void push(ConnectionId reader, std::uint8_t subscription, bool gap, const EnvelopeId& id,
            ByteView ciphertext) override {
    pushes.push_back({reader, subscription, gap, id, ciphertext.size()});
  }
  void result(ConnectionId sender, std::uint32_t number, wire::SubmitStatus status, std::uint32_t bytes) override {
    OPALINE_ASSERT(!results.contains({sender, number}));  // exactly once
    results[{sender, number}] = status;
    answered_bytes += bytes;
  }
  void drained(ConnectionId reader, std::uint8_t) override { ++drains[reader]; }

  std::vector<Pushed> pushes;
  std::map<std::pair<ConnectionId, std::uint32_t>, wire::SubmitStatus> results;
  std::map<ConnectionId, int> drains;
  std::size_t answered_bytes = 0;
};

/// Connections: 1..9 for senders, 101.. for readers, by convention of the tests.
class Machine {
 public:
  explicit Machine(const Limits& limits = {}) : limits(limits) { start(); }

  void start() {
    store = std::make_unique<store::MemoryMailboxStore>(disk, vault);
    epoch = *store->acquire_all();
    relay = std::make_unique<Relay>(limits, *store, epoch, outputs, clock, random);
  }
  /// Nothing that is only in RAM survives; the disk keeps what was written.
  void stop() {
    relay.reset();
    store.reset();
  }
  void crash() {
    stop();
    disk.crash();
    start();
  }

  EnvelopeId submit(std::uint64_t sender, const MailboxId& to, std::size_t size = 100) {
    const auto id = random.id<EnvelopeId>();
    submit_as(sender, to, id, size);
    return id;
  }
  void submit_as(std::uint64_t sender, const MailboxId& to, const EnvelopeId& id, std::size_t size = 100,
                 wire::EnvelopeClass envelope_class = wire::EnvelopeClass::normal) {
    const Bytes ciphertext(size, std::byte{7});
    relay->submit({.sender = ConnectionId(sender),
                   .number = ++numbers[sender],
                   .sender_account = account_of(sender),
                   .mailbox = to,
                   .envelope_class = envelope_class,
                   .id = id,
                   .ciphertext = ciphertext});
  }
  AccountId account_of(std::uint64_t sender) {
    auto [at, fresh] = accounts.try_emplace(sender);
    if (fresh) at->second = random.id<AccountId>();
    return at->second;
  }
  /// A reader with plenty of credit, unless told otherwise.
  void read(std::uint64_t reader, const MailboxId& mailbox, std::uint32_t credit = 1'000'000,
            std::uint8_t subscription = 0) {
    relay->attach(ConnectionId(reader), subscription, mailbox);
    if (credit > 0) relay->add_credit(ConnectionId(reader), credit, 1'000'000'000);
  }
  bool ack(std::uint64_t reader, std::uint32_t number) { return relay->acknowledge(ConnectionId(reader), number); }

  /// The end of the round, and everything that the store has to do.
  void settle() {
    for (int i = 0; i < 100; ++i) {
      relay->flush();
      bool moved = false;
      while (store->step()) moved = true;
      if (!moved) break;
    }
  }
  void pass(std::chrono::nanoseconds time) {
    clock.advance(time);
    relay->tick();
  }

  [[nodiscard]] std::optional<wire::SubmitStatus> status(std::uint64_t sender, std::uint32_t number) const {
    const auto at = outputs.results.find({ConnectionId(sender), number});
    if (at == outputs.results.end()) return std::nullopt;
    return at->second;
  }
  [[nodiscard]] std::vector<EnvelopeId> pushed_ids() const {
    std::vector<EnvelopeId> out;
    for (const auto& each : outputs.pushes) out.push_back(each.id);
    return out;
  }
  [[nodiscard]] std::vector<EnvelopeId> on_disk(const MailboxId& mailbox) const {
    std::vector<EnvelopeId> out;
    const auto contents = disk.copy();
    if (const auto at = contents.mailboxes.find(mailbox); at != contents.mailboxes.end()) {
      for (const auto& [sequence, envelope] : at->second) out.push_back(envelope.id);
    }
    return out;
  }

  Limits limits;
  SeededRandom random{42};
  ManualClock clock{Time(std::chrono::days(20'000))};
  store::MemoryDisk disk{random};
  store::MemoryKeyVault vault{random};
  WrittenOutputs outputs;
  std::unique_ptr<store::MemoryMailboxStore> store;
  store::OwnerEpoch epoch{};
  std::unique_ptr<Relay> relay;
  std::map<std::uint64_t, std::uint32_t> numbers;
  std::map<std::uint64_t, AccountId> accounts;
};

}  // namespace opaline::relay::testing
