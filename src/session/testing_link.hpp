#pragma once
// For tests: an exchange between a new device and the primary device of an account, over a way that tests can bend.
#include <functional>

#include "session/link.hpp"
#include "session/testing.hpp"

namespace opaline::session::testing {

enum class Way : std::uint8_t { scanned, typed };

/// What a new device is going to be, as the endpoint would make it.
struct NewKeys {
  NewKeys(const DeviceAddress& owner, std::uint64_t seed, std::size_t one_time_count = 4, Time now = kStart)
      : random(seed),
        identity(DeviceIdentity::generate(random)),
        prekeys(generate_prekeys(identity, owner, PrekeySetId{1}, one_time_count, now, random)) {}
  [[nodiscard]] LinkKeys input() const {
    return {.identity = identity,
            .signed_prekeys = prekeys.signed_set,
            .one_time_batch = prekeys.one_time_batch,
            .name = "Anna's laptop ✓",
            .wants_history = true};
  }
  SeededRandom random;
  DeviceIdentity identity;
  NewPrekeys prekeys;
};

class Linking {
 public:
  explicit Linking(Way chosen, std::uint64_t seed = 40)
      : way(chosen),
        alice(seed),
        random_n(seed + 1000),
        random_p(seed + 2000),
        exchange(random_n.id<LinkExchangeId>()),
        mailbox(random_n.id<MailboxId>()),
        fresh(random_n),
        primary(input()) {
    fresh.opened(exchange);
    if (way == Way::scanned) {
      const SecretBytes code = fresh.code();
      primary = LinkPrimary(input(), std::move(*decode_link_code(as_text(code))));
    }
  }

  [[nodiscard]] LinkPrimaryInput input() const {
    return {.exchange = exchange, .mailbox = mailbox, .list = alice.list, .handle = "anna@example.org", .now = kStart};
  }
  [[nodiscard]] VerifiedDeviceList sign(const DeviceList& next) {
    return std::move(*verify_device_list(sign_device_list(next, alice.account_key, alice.random)));
  }

  /// Honest persons: they compare the digits and confirm only if they are the same. Ends with N's last event.
  void run() {
    Result<LinkStep, Error> last = until_welcome();
    if (!last || !std::holds_alternative<LinkWelcome>(last->event)) return;
    const Result<LinkStep, Error> proposed = propose(std::get<LinkWelcome>(last->event));
    if (!proposed || !std::holds_alternative<LinkProposal>(proposed->event)) return;
    const auto approved = primary.approve(sign(primary.next_list(kStart)));
    last = to_new(approved->send);
    linked = last && std::holds_alternative<LinkDone>(last->event);
  }

  /// Plays up to the welcome: gives N's step with it, or what N said last.
  Result<LinkStep, Error> until_welcome() {
    Result<LinkStep, Error> p = to_primary({fresh.hello()});
    if (!p) return LinkStep{};
    Result<LinkStep, Error> n = to_new(p->send);
    if (way == Way::scanned || !n) return n;
    p = to_primary(n->send);
    if (!p || !std::holds_alternative<LinkDigits>(p->event)) return LinkStep{};
    digits_p = std::get<LinkDigits>(p->event);
    n = to_new(p->send);
    if (!n || !std::holds_alternative<LinkDigits>(n->event)) return n;
    digits_n = std::get<LinkDigits>(n->event);
    if (digits_n != digits_p) {
      fresh.end();
      primary.end();
      return LinkStep{};
    }
    p = primary.confirm();
    n = fresh.confirm();
    return p ? to_new(p->send) : n;
  }

  Result<LinkStep, Error> propose(const LinkWelcome& welcome) {
    keys.emplace(DeviceAddress{welcome.list.list().account, welcome.device}, 41);
    const auto step = fresh.send_keys(keys->input(), random_n);
    return to_primary(step->send);
  }

  /// How long an honest side's message is.
  [[nodiscard]] std::size_t size_of(bool of_new, std::size_t at) const {
    Linking honest(way);
    honest.run();
    return (of_new ? honest.from_new : honest.from_primary).at(at).size();
  }

  Way way;
  TestDevice alice;
  SeededRandom random_n;
  SeededRandom random_p;
  LinkExchangeId exchange;
  MailboxId mailbox;
  LinkNewDevice fresh;
  LinkPrimary primary;
  std::optional<NewKeys> keys;
  std::optional<LinkDigits> digits_n;
  std::optional<LinkDigits> digits_p;
  bool linked = false;
  std::vector<Bytes> from_new;      ///< as sent
  std::vector<Bytes> from_primary;  ///< as sent

  /// What the server makes of message `index` of a side.
  std::function<Bytes(bool from_new, std::size_t index, Bytes message)> on_the_way =
      [](bool, std::size_t, Bytes message) { return message; };
  std::function<void(bool at_new, Error error)> on_error = [](bool, Error) {};
  std::optional<std::pair<bool, std::size_t>> twice;  ///< this message is delivered twice

 private:
  Result<LinkStep, Error> to_new(const std::vector<Bytes>& messages) {
    return deliver(messages, false, from_primary,
                   [this](ByteView message) { return fresh.on_message(message, random_n); });
  }
  Result<LinkStep, Error> to_primary(const std::vector<Bytes>& messages) {
    return deliver(messages, true, from_new,
                   [this](ByteView message) { return primary.on_message(message, random_p); });
  }
  /// The last message's step, or the first error.
  template <class Receive>
  Result<LinkStep, Error> deliver(const std::vector<Bytes>& messages, bool of_new, std::vector<Bytes>& sent,
                                  Receive receive) {
    Result<LinkStep, Error> last = LinkStep{};
    for (const Bytes& message : messages) {
      const std::size_t index = sent.size();
      sent.push_back(message);
      const Bytes arriving = on_the_way(of_new, index, message);
      last = receive(arriving);
      if (last && twice == std::pair(of_new, index)) {
        const auto again = receive(arriving);
        if (!again) last = fail(again.error());
      }
      if (last) continue;
      on_error(!of_new, last.error());
      return last;
    }
    return last;
  }
};

}  // namespace opaline::session::testing
