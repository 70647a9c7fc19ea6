// What the relay itself costs: no sockets, no TLS, no disk. One line per figure:
//   relay_bench [messages]
// "machine": Relay alone, its outputs copied once as an edge would. "node": frames in, frames out.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>

#include "relay/relay_node.hpp"

namespace opaline::relay {
namespace {

constexpr std::size_t kPairs = 8;
constexpr std::size_t kInFlight = 200;
constexpr std::size_t kPayload = 512;

/// Stores nothing and answers `stored`; keeps what it was given to be read again, per mailbox, if told to.
class InstantStore final : public store::MailboxStore {
 public:
  explicit InstantStore(bool keeps) : keeps_(keeps) {}
  [[nodiscard]] std::optional<store::OwnerEpoch> acquire_all() override { return store::OwnerEpoch(1); }
  void append(store::OwnerEpoch, std::vector<store::Append> batch, AppendDone done) override {
    appended += batch.size();
    const std::size_t size = batch.size();
    if (keeps_) {
      for (store::Append& a : batch) {
        kept[a.mailbox].push_back({a.sequence, a.id, a.day, a.gap, std::move(a.ciphertext)});
      }
    }
    later_.push_back(
        [size, done = std::move(done)]() mutable { done(std::vector(size, store::AppendOutcome::stored)); });
  }
  void remove(store::OwnerEpoch, std::vector<store::Removal> batch) override { removals += batch.size(); }
  void destroy(store::OwnerEpoch, MailboxId) override {}
  void summarize(store::OwnerEpoch, MailboxId, SummaryDone done) override {
    later_.push_back([done = std::move(done)]() mutable { done(store::ReadOutcome::ok, {}); });
  }
  void read(store::OwnerEpoch, MailboxId mailbox, store::Sequence from, std::size_t max_count, std::size_t max_bytes,
            ReadDone done) override {
    std::vector<store::StoredEnvelope> out;
    const auto& all = kept[mailbox];
    std::size_t bytes = 0;
    for (auto i = static_cast<std::size_t>(from) - 1; i < all.size() && out.size() < max_count; ++i) {
      bytes += all[i].ciphertext.size();
      if (!out.empty() && bytes > max_bytes) break;
      out.push_back(all[i]);
    }
    later_.push_back(
        [out = std::move(out), done = std::move(done)]() mutable { done(store::ReadOutcome::ok, std::move(out)); });
  }
  void expire_through(Day, ExpireDone) override {}

  void run() {
    while (!later_.empty()) {
      auto next = std::move(later_.front());
      later_.pop_front();
      next();
    }
  }
  std::size_t appended = 0, removals = 0;
  std::unordered_map<MailboxId, std::vector<store::StoredEnvelope>> kept;

 private:
  const bool keeps_;
  std::deque<std::move_only_function<void()>> later_;
};

class CopyingOutputs final : public Outputs {
 public:
  void push(ConnectionId, std::uint8_t, bool, const EnvelopeId&, ByteView ciphertext) override {
    std::memcpy(buffer_, ciphertext.data(), ciphertext.size());
    ++pushes;
  }
  void result(ConnectionId, std::uint32_t, wire::SubmitStatus status, std::uint32_t) override {
    ++results;
    if (status != wire::SubmitStatus::accepted) std::abort();
  }
  void drained(ConnectionId, std::uint8_t) override {}
  std::size_t pushes = 0, results = 0;

 private:
  std::byte buffer_[64 * 1024];
};

/// Processor time, so that a neighbour on the machine counts less.
double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class F>
void report(const char* what, std::size_t count, F work) {
  const double begin = cpu_ns();
  work();
  const double ns = cpu_ns() - begin;
  std::printf("%-46s %8.0f ns each, %10.0f /s\n", what, ns / static_cast<double>(count),
              1e9 * static_cast<double>(count) / ns);
}

void bench_machine(std::size_t messages) {
  SeededRandom random(1);
  const SystemClock clock;
  InstantStore store(false);
  CopyingOutputs outputs;
  Relay relay({}, store, *store.acquire_all(), outputs, clock, random);
  std::vector<MailboxId> mailboxes;
  std::vector<AccountId> senders;
  std::vector<std::uint32_t> numbers(kPairs);
  for (std::size_t i = 0; i < kPairs; ++i) {
    mailboxes.push_back(random.id<MailboxId>());
    senders.push_back(random.id<AccountId>());
    relay.attach(ConnectionId(100 + i), 0, mailboxes[i]);
    relay.add_credit(ConnectionId(100 + i), UINT32_MAX, UINT32_MAX);
  }
  store.run();
  const Bytes payload(kPayload);
  std::vector<EnvelopeId> ids(1 << 16);
  for (EnvelopeId& id : ids) id = random.id<EnvelopeId>();
  const auto run = [&](std::size_t in_flight) {
    for (std::size_t done = 0; done < messages;) {
      for (std::size_t i = 0; i < kPairs; ++i) {
        for (std::size_t n = 0; n < in_flight; ++n) {
          relay.submit({.sender = ConnectionId(i),
                        .number = ++numbers[i],
                        .sender_account = senders[i],
                        .mailbox = mailboxes[i],
                        .envelope_class = wire::EnvelopeClass::normal,
                        .id = ids[done++ & (ids.size() - 1)],
                        .ciphertext = payload});
        }
      }
      for (std::size_t i = 0; i < kPairs; ++i) {
        relay.add_credit(ConnectionId(100 + i), static_cast<std::uint32_t>(in_flight),
                         static_cast<std::uint32_t>(in_flight * kPayload));
        if (!relay.acknowledge(ConnectionId(100 + i), numbers[i])) std::abort();
      }
      relay.flush();
    }
  };
  run(kInFlight);
  report("machine: online, 200 in flight", messages, [&] { run(kInFlight); });
  report("machine: online, 1 in flight", messages, [&] { run(1); });
  if (store.appended != 0) std::abort();
}

class NullLink final : public Link {
 public:
  void send(ByteView batch) override { bytes += batch.size(); }
  void close(std::optional<wire::GoodbyeCode>) override { closed = true; }
  [[nodiscard]] std::size_t queued_bytes() const override { return 0; }
  std::size_t bytes = 0;
  bool closed = false;
};

/// Says yes at once to everybody.
class Friendly final : public Authenticator, public CallHandler {
 public:
  void authenticate(ConnectionId connection, AuthRequest request) override {
    node->on_auth_result(connection,
                         Authenticated{request.account, request.device, MailboxId(request.account.array())});
  }
  void call(ConnectionId, const AccountId&, DeviceNumber, std::uint32_t, std::uint16_t, ByteView) override {}
  RelayNode* node = nullptr;
};

struct NodeBench {
  explicit NodeBench(bool keeps) : store(keeps) {
    random.fill(key.fill());
    std::vector<wire::SendTokenKey> keys;
    keys.push_back(key.clone());
    NodeConfig config;
    config.server_name = "bench";
    config.limits.mailbox_envelopes = 10'000'000;
    config.limits.mailbox_bytes = 8ULL << 30;
    config.edge.max_connections = 1'000'000;
    node = std::make_unique<RelayNode>(std::move(config),
                                       RelayNode::Ports{store, *store.acquire_all(), friendly, friendly, clock, random},
                                       std::move(keys));
    friendly.node = node.get();
  }
  ConnectionId connect(Link& link, const AccountId& account) {
    const ConnectionId id = *node->open(link, std::nullopt);
    Bytes batch;
    const Bytes signature(wire::kAuthSignatureBytes);
    wire::encode(
        batch,
        wire::Auth{
            .account = account, .device = DeviceNumber(1), .binding = wire::Binding::none, .signature = signature});
    node->on_batch(id, batch);
    return id;
  }
  void route(ConnectionId from, const AccountId& account, const AccountId& to) {
    const MailboxId mailbox(to.array());
    Bytes batch;
    wire::encode(
        batch, wire::Route{.route = 0,
                           .mailbox = mailbox,
                           .token = wire::make_send_token(key, account, mailbox, clock.now() + std::chrono::days(1))});
    node->on_batch(from, batch);
  }
  void round() {
    node->end_round();
    store.run();
    node->end_round();
  }

  SeededRandom random{1};
  SystemClock clock;
  InstantStore store;
  Friendly friendly;
  wire::SendTokenKey key;
  std::unique_ptr<RelayNode> node;
};

struct Pair {
  NullLink links[2];
  AccountId accounts[2];
  ConnectionId ids[2];
  std::vector<Bytes> submits;
  std::uint32_t pushed = 0;
};

/// Batches of SUBMITs, as a client that writes in one go what is ready.
std::vector<Bytes> submits(RandomSource& random, std::size_t count) {
  std::vector<Bytes> out(1);
  const Bytes payload(kPayload);
  for (std::size_t i = 0; i < count; ++i) {
    if (out.back().size() + wire::kSubmitOverheadBytes + kPayload > wire::kMaxBatchBytes) out.emplace_back();
    wire::encode(out.back(), wire::Submit{.route = 0,
                                          .envelope_class = wire::EnvelopeClass::normal,
                                          .id = random.id<EnvelopeId>(),
                                          .ciphertext = payload});
  }
  return out;
}

void setup(NodeBench& bench, Pair& pair, bool online, std::size_t in_flight) {
  for (int side = 0; side < 2; ++side) pair.accounts[side] = bench.random.id<AccountId>();
  pair.ids[0] = bench.connect(pair.links[0], pair.accounts[0]);
  bench.route(pair.ids[0], pair.accounts[0], pair.accounts[1]);
  if (online) pair.ids[1] = bench.connect(pair.links[1], pair.accounts[1]);
  pair.submits = submits(bench.random, in_flight);
}

void bench_node_online(std::size_t messages, std::size_t in_flight) {
  NodeBench bench(false);
  std::vector<Pair> pairs(kPairs);
  for (Pair& pair : pairs) setup(bench, pair, true, in_flight);
  const auto run = [&](std::size_t count) {
    for (std::size_t done = 0; done < count;) {
      for (Pair& pair : pairs) {
        for (const Bytes& batch : pair.submits) bench.node->on_batch(pair.ids[0], batch);
        pair.pushed += static_cast<std::uint32_t>(in_flight);
        done += in_flight;
      }
      bench.node->end_round();
      for (Pair& pair : pairs) {
        Bytes batch;
        wire::encode(batch, wire::Ack{pair.pushed});
        wire::encode(batch, wire::Credit{static_cast<std::uint32_t>(in_flight),
                                         static_cast<std::uint32_t>(in_flight * kPayload)});
        bench.node->on_batch(pair.ids[1], batch);
      }
      bench.node->end_round();
    }
  };
  for (Pair& pair : pairs) {
    Bytes batch;
    wire::encode(batch, wire::Credit{1024, 1 << 20});
    bench.node->on_batch(pair.ids[1], batch);
  }
  bench.round();
  run(messages / 4);
  const std::string name = "node: online, " + std::to_string(in_flight) + " in flight";
  report(name.c_str(), messages, [&] { run(messages); });
  if (bench.store.appended != 0 || bench.node->edge_counters().connections != 2 * kPairs) std::abort();
}

void bench_node_store_and_drain(std::size_t messages) {
  NodeBench bench(true);
  std::vector<Pair> pairs(kPairs);
  for (Pair& pair : pairs) setup(bench, pair, false, kInFlight);
  bench.round();
  report("node: offline, to a store that answers at once", messages, [&] {
    for (std::size_t done = 0; done < messages;) {
      for (Pair& pair : pairs) {
        for (const Bytes& batch : pair.submits) bench.node->on_batch(pair.ids[0], batch);
        done += kInFlight;
      }
      bench.round();
    }
  });
  const std::size_t stored = bench.store.appended;
  for (Pair& pair : pairs) pair.ids[1] = bench.connect(pair.links[1], pair.accounts[1]);
  bench.round();
  report("node: drain from a store that answers at once", stored, [&] {
    std::uint64_t pushed_before = 0;
    for (;;) {
      const std::uint64_t pushed = bench.node->counters().pushed;
      if (pushed_before == stored) break;
      for (Pair& pair : pairs) {
        Bytes batch;
        const auto each = static_cast<std::uint32_t>(pushed / kPairs);
        wire::encode(batch, wire::Ack{each});
        const auto credit = pushed == 0 ? 512u : static_cast<std::uint32_t>((pushed - pushed_before) / kPairs);
        wire::encode(batch, wire::Credit{credit, credit * 600});
        bench.node->on_batch(pair.ids[1], batch);
      }
      pushed_before = pushed;
      bench.round();
    }
  });
}

void bench_idle(std::size_t count) {
  NodeBench bench(false);
  std::vector<NullLink> links(count);
  const std::size_t before = mallinfo2().uordblks;
  for (std::size_t i = 0; i < count; ++i) {
    const AccountId account = bench.random.id<AccountId>();
    const ConnectionId id = bench.connect(links[i], account);
    if (i % 64 == 63) bench.round();
    Bytes batch;
    wire::encode(batch, wire::Credit{512, 1 << 20});
    bench.node->on_batch(id, batch);
  }
  bench.round();
  const std::size_t after = mallinfo2().uordblks;
  std::printf("%-46s %8zu bytes\n", "node: an idle connection", (after - before) / count);
}

}  // namespace
}  // namespace opaline::relay

int main(int argc, char** argv) {
  const std::size_t messages = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 2'000'000;
  opaline::relay::bench_machine(messages);
  opaline::relay::bench_node_online(messages, 200);
  opaline::relay::bench_node_online(messages, 16);
  opaline::relay::bench_node_online(messages / 4, 1);
  opaline::relay::bench_node_store_and_drain(messages / 4);
  opaline::relay::bench_idle(20'000);
  return 0;
}
