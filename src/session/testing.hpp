#pragma once
// For tests and benchmarks of this room and of those above: a device with everything that a session needs, from a seed.
#include <map>

#include "session/handshake.hpp"

namespace opaline::session::testing {

inline constexpr Time kStart = from_unix_millis(1'700'000'000'000);

/// Prekey sets in memory.
class MemoryPrekeys final : public PrekeySource {
 public:
  [[nodiscard]] const PrekeySecrets* find_set(PrekeySetId id) override {
    const auto it = sets.find(id);
    return it == sets.end() ? nullptr : &it->second;
  }
  [[nodiscard]] std::optional<crypto::X25519PrivateKey> find_one_time(PrekeySetId id, OneTimeIndex index) override {
    const auto it = one_time.find({id, index});
    if (it == one_time.end()) return std::nullopt;
    return it->second.clone();
  }
  void add(NewPrekeys made) {
    const PrekeySetId id = made.secrets.id();
    sets.emplace(id, std::move(made.secrets));
    for (std::size_t i = 0; i < made.one_time_secrets.size(); ++i) {
      one_time.emplace(std::pair(id, OneTimeIndex(static_cast<std::uint16_t>(i))), std::move(made.one_time_secrets[i]));
    }
  }

  std::map<PrekeySetId, PrekeySecrets> sets;
  std::map<std::pair<PrekeySetId, OneTimeIndex>, crypto::X25519PrivateKey> one_time;
};

/// The only device of an account, which offered one prekey set (id 1) at kStart.
class TestDevice {
 public:
  explicit TestDevice(std::uint64_t seed, std::size_t one_time_count = 4)
      : random(seed),
        account(random.id<AccountId>()),
        mailbox(random.id<MailboxId>()),
        account_key(AccountKey::generate(random)),
        identity(DeviceIdentity::generate(random)),
        list(*verify_device_list(sign_device_list(
            first_device_list(account, account_key, mailbox, kCapabilityMessages, identity.public_keys(), kStart),
            account_key, random))) {
    NewPrekeys made = generate_prekeys(identity, address(), PrekeySetId{1}, one_time_count, kStart, random);
    signed_set = made.signed_set;
    one_time = made.one_time;
    prekeys.add(std::move(made));
  }

  [[nodiscard]] DeviceAddress address() const { return {account, DeviceNumber{1}}; }
  [[nodiscard]] LocalDevice local() const { return {identity, address(), list.reference()}; }
  /// As the directory would answer: with one-time prekey `index`, or without.
  [[nodiscard]] VerifiedBundle bundle(std::optional<std::size_t> index = 0, Time now = kStart) const {
    PrekeyBundle out{.signed_set = signed_set, .one_time = {}};
    if (index && *index < one_time.size()) out.one_time = one_time[*index];
    return std::move(*verify_bundle(list, DeviceNumber{1}, out, now));
  }

  SeededRandom random;
  AccountId account;
  MailboxId mailbox;
  AccountKey account_key;
  DeviceIdentity identity;
  VerifiedDeviceList list;
  MemoryPrekeys prekeys;
  Bytes signed_set;
  std::vector<Bytes> one_time;
};

/// Two devices with a session that both have answered in: `initiator` has the peer's first answer.
struct TestPair {
  Session initiator;
  Session responder;
};
[[nodiscard]] inline TestPair open_pair(TestDevice& a, TestDevice& b, Time now = kStart) {
  Session initiator = std::move(*start_session(a.local(), b.bundle(0, now), now, a.random));
  const Bytes hello = *initiator.encrypt(as_view("hello"), {}, now, a.random);
  AcceptedSession accepted = std::move(*accept_session(b.local(), b.prekeys, hello, {}, now));
  const Bytes answer = *accepted.session.encrypt(as_view("hello yourself"), {}, now, b.random);
  (void)*initiator.decrypt(answer, {}, now);
  return {std::move(initiator), std::move(accepted.session)};
}

}  // namespace opaline::session::testing
