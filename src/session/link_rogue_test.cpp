// Linking with a device that lies once the channel is there (docs/protocol.md, Linking).
#include <gtest/gtest.h>

#include "session/internal/link_channel.hpp"
#include "session/testing_link.hpp"

namespace opaline::session {
namespace {

using internal::LinkType;
using testing::kStart;
using testing::Linking;
using testing::NewKeys;
using testing::Way;

// ---- a primary device that lies

/// Scanned, so it has the channel; says what it likes.
class RoguePrimary {
 public:
  explicit RoguePrimary(Linking& link) : link_(link) {
    const LinkCode code = *decode_link_code(as_text(link.fresh.code()));
    const Bytes hello = link.fresh.hello();
    const auto ours = crypto::x25519_generate(link.random_p);
    const auto dh = *crypto::x25519_agree(ours.private_key, crypto::X25519PublicKey(ByteView(hello).subspan<2, 32>()));
    const auto kem = crypto::MlKem768Encapsulator::from(crypto::MlKem768EncapsulationKey(ByteView(hello).last<1184>()))
                         ->encapsulate(link.random_p);
    const Bytes answer = internal::link_message(LinkType::answer, {ours.public_key.view(), kem.ciphertext.view()});
    channel_.emplace(internal::link_transcript(link.exchange, {hello, answer}), dh, kem.shared_secret, &code.secret,
                     false);
    EXPECT_TRUE(link.fresh.on_message(answer, link.random_n).has_value());
  }
  Result<LinkStep, Error> says(LinkType type, ByteView text) {
    return link_.fresh.on_message(channel_->seal(type, text), link_.random_n);
  }
  Result<LinkStep, Error> welcomes(const MailboxId& mailbox, std::string_view handle, ByteView list) {
    return says(LinkType::welcome,
                internal::encode_welcome({.mailbox = mailbox, .handle = as_view(handle), .list = list}));
  }

 private:
  Linking& link_;
  std::optional<internal::LinkChannel> channel_;
};

TEST(RoguePrimaryTest, WelcomesAreChecked) {
  const auto said = [](auto welcome) {
    Linking link(Way::scanned);
    RoguePrimary rogue(link);
    const Result<LinkStep, Error> step = welcome(link, rogue);
    EXPECT_EQ(link.fresh.over(), !step.has_value());
    return step ? std::optional<Error>() : step.error();
  };
  EXPECT_EQ(said([](Linking& l, RoguePrimary& r) { return r.welcomes(l.mailbox, "anna", l.alice.list.bytes()); }),
            std::nullopt);
  EXPECT_EQ(said([](Linking& l, RoguePrimary& r) { return r.welcomes(MailboxId(), "anna", l.alice.list.bytes()); }),
            Error::malformed);
  EXPECT_EQ(said([](Linking& l, RoguePrimary& r) { return r.welcomes(l.alice.mailbox, "a", l.alice.list.bytes()); }),
            Error::wrong_device);
  for (const std::string& handle : {std::string(), std::string(255, 'a'), std::string("a\nb"), std::string("\x7f"),
                                    std::string("\xe2\x80\xae"), std::string("\xc2\x85"), std::string("\xc0\xaf"),
                                    std::string("\xed\xa0\x80"), std::string("\xff"), std::string("\xe2\x80")}) {
    EXPECT_EQ(said([&](Linking& l, RoguePrimary& r) { return r.welcomes(l.mailbox, handle, l.alice.list.bytes()); }),
              Error::malformed);
  }
  EXPECT_EQ(said([](Linking& l, RoguePrimary& r) {
              Bytes list = l.alice.list.bytes();
              list.back() ^= std::byte{1};
              return r.welcomes(l.mailbox, "anna", list);
            }),
            Error::bad_signature);
  EXPECT_EQ(said([](Linking& l, RoguePrimary& r) {
              DeviceList full = l.alice.list.list();
              while (full.devices.size() < kMaxDevices) {
                DeviceEntry entry = full.devices[0];
                entry.number = full.next_device;
                entry.mailbox = l.random_p.id<MailboxId>();
                full.devices.push_back(entry);
                full.next_device = DeviceNumber{static_cast<std::uint32_t>(entry.number) + 1};
              }
              return r.welcomes(l.mailbox, "anna", sign_device_list(full, l.alice.account_key, l.random_p));
            }),
            Error::wrong_device);
  for (const std::uint8_t reason : {0, 5, 255}) {
    EXPECT_EQ(said([&](Linking&, RoguePrimary& r) {
                const std::byte text[] = {std::byte{reason}};
                return r.says(LinkType::refused, text);
              }),
              Error::malformed);
  }
}

/// What N says to a done whose list was changed by `change` before it was signed.
template <class Change>
std::optional<Error> done_with(Change change) {
  Linking link(Way::scanned);
  RoguePrimary rogue(link);
  const auto welcomed = rogue.welcomes(link.mailbox, "anna", link.alice.list.bytes());
  const LinkWelcome& welcome = std::get<LinkWelcome>(welcomed->event);
  const NewKeys keys({link.alice.account, welcome.device}, 7);
  EXPECT_TRUE(link.fresh.send_keys(keys.input(), link.random_n).has_value());
  DeviceList next = next_device_list(link.alice.list, kStart);
  next.devices.push_back({.number = DeviceNumber{2},
                          .mailbox = link.mailbox,
                          .created = kStart,
                          .capabilities = kCapabilityMessages | kCapabilityEphemeral,
                          .keys = keys.identity.public_keys()});
  next.next_device = DeviceNumber{3};
  const AccountKey other = AccountKey::generate(link.random_p);
  const AccountKey& key = change(next, other, link) ? other : link.alice.account_key;
  const auto step = rogue.says(LinkType::done, sign_device_list(next, key, link.random_p));
  EXPECT_TRUE(link.fresh.over());
  return step ? std::optional<Error>() : step.error();
}

TEST(RoguePrimaryTest, TheNewListIsChecked) {
  EXPECT_EQ(done_with([](DeviceList&, const AccountKey&, Linking&) { return false; }), std::nullopt);
  using Change = std::function<void(DeviceList&, Linking&)>;
  const Change changes[] = {
      [](DeviceList& l, Linking&) { l.devices.pop_back(); },
      [](DeviceList& l, Linking&) { l.devices.erase(l.devices.begin()); },
      [](DeviceList& l, Linking& k) { l.devices[1].mailbox = k.random_p.id<MailboxId>(); },
      [](DeviceList& l, Linking&) { l.devices[1].capabilities = 1; },
      [](DeviceList& l, Linking& k) { l.devices[1].keys.agreement = k.random_p.id<crypto::X25519PublicKey>(); },
      [](DeviceList& l, Linking& k) { l.devices[1].keys.signing = k.alice.identity.public_keys().signing; },
      [](DeviceList& l, Linking&) {
        l.devices[1].number = DeviceNumber{3};
        l.next_device = DeviceNumber{4};
      },
      [](DeviceList& l, Linking&) { l.devices[0].capabilities ^= 2; },
      [](DeviceList& l, Linking& k) { l.devices[0].keys.agreement = k.random_p.id<crypto::X25519PublicKey>(); },
      [](DeviceList& l, Linking&) { l.number = ListNumber{3}; },
      [](DeviceList& l, Linking& k) { l.previous = k.random_p.id<ListHash>(); },
      [](DeviceList& l, Linking& k) { l.account = k.random_p.id<AccountId>(); },
      [](DeviceList& l, Linking& k) {
        DeviceEntry third = l.devices[1];
        third.number = DeviceNumber{3};
        third.mailbox = k.random_p.id<MailboxId>();
        l.devices.push_back(third);
        l.next_device = DeviceNumber{4};
      }};
  for (const Change& change : changes) {
    EXPECT_EQ(done_with([&](DeviceList& next, const AccountKey&, Linking& link) {
                change(next, link);
                return false;
              }),
              Error::wrong_device)
        << &change - changes;
  }
  EXPECT_EQ(done_with([](DeviceList& next, const AccountKey& other, Linking&) {
              next.account_key = other.public_key();
              return true;
            }),
            Error::wrong_device);
}

// ---- a new device that lies

class RogueNewTest : public ::testing::Test {
 protected:
  /// What P says to a keys message that `change` made otherwise.
  template <class Change>
  std::optional<Error> proposed(Change change, Time now = kStart) {
    Linking link(Way::scanned);
    SeededRandom random(31);
    // The channel's own side, by hand: a device that scans nothing but shows a code.
    const auto agreement = crypto::x25519_generate(random);
    const crypto::MlKem768Decapsulator kem(crypto::mlkem768_generate(random));
    const Bytes hello =
        internal::link_message(LinkType::hello, {agreement.public_key.view(), kem.encapsulation_key().view()});
    LinkCode code{link.exchange, LinkSecret(), internal::hash_of_hello(hello)};
    LinkPrimary primary(link.input(), {code.exchange, code.secret.clone(), code.hello});
    const auto answered = primary.on_message(hello, link.random_p);
    const ByteView answer = answered->send[0];
    const auto dh = *crypto::x25519_agree(agreement.private_key, crypto::X25519PublicKey(answer.subspan<2, 32>()));
    internal::LinkChannel channel(internal::link_transcript(link.exchange, {hello, answer}), dh,
                                  kem.decapsulate(crypto::MlKem768Ciphertext(answer.last<1088>())), &code.secret, true);
    const SecretBytes welcome = *channel.open(*internal::parse_link_message(answered->send[1]));

    Said said{.keys = NewKeys({link.alice.account, DeviceNumber{2}}, 7, 4, now), .link = link};
    said.text = {.keys = said.keys.identity.public_keys(),
                 .capabilities = kCapabilityMessages,
                 .name = as_view("laptop"),
                 .signed_prekeys = said.keys.prekeys.signed_set,
                 .one_time_batch = said.keys.prekeys.one_time_batch,
                 .signed_part = {},
                 .signature = {}};
    said.hash = internal::link_welcome_hash(channel.transcript(), welcome);
    change(said);
    Bytes text = internal::encode_keys(said.text);
    if (said.flags) text[DevicePublicKeys::kSize + 4] = *said.flags;
    if (said.name_bytes) text[DevicePublicKeys::kSize + 5] = *said.name_bytes;
    if (said.padding) text[DevicePublicKeys::kSize + 6 + kMaxDeviceNameBytes - 1] = *said.padding;
    Bytes message = to_bytes(said.hash);
    append(message, text);
    const DeviceIdentity& signer = said.signer ? *said.signer : said.keys.identity;
    append(text, signer.signer().sign(internal::kLinkKeysSignature, message, random).view());
    text.resize(text.size() + said.more);
    const auto step = primary.on_message(channel.seal(LinkType::keys, text), link.random_p);
    EXPECT_EQ(primary.over(), !step.has_value());
    return step ? std::optional<Error>() : step.error();
  }

  struct Said {
    NewKeys keys;
    Linking& link;
    internal::KeysText text{};
    ByteArray<32> hash{};
    const DeviceIdentity* signer = nullptr;
    std::optional<std::byte> flags{}, name_bytes{}, padding{};
    std::size_t more = 0;
  };
};

TEST_F(RogueNewTest, StructureIsChecked) {
  EXPECT_EQ(proposed([](Said&) {}), std::nullopt);
  EXPECT_EQ(proposed([](Said& s) { s.flags = std::byte{4}; }), Error::malformed);
  EXPECT_EQ(proposed([](Said& s) { s.name_bytes = std::byte{0}; }), Error::malformed);
  EXPECT_EQ(proposed([](Said& s) { s.name_bytes = std::byte{65}; }), Error::malformed);
  EXPECT_EQ(proposed([](Said& s) { s.name_bytes = std::byte{7}; }), Error::malformed);  // a NUL in the name
  EXPECT_EQ(proposed([](Said& s) { s.padding = std::byte{1}; }), Error::malformed);
  EXPECT_EQ(proposed([](Said& s) { s.more = 1; }), Error::malformed);
  for (const std::string_view name : {"two\nlines", "\xe2\x80\xae evil", "\xff", "bell\x07"}) {
    EXPECT_EQ(proposed([&](Said& s) { s.text.name = as_view(name); }), Error::malformed);
  }
  EXPECT_EQ(proposed([](Said& s) { s.text.name = as_view("日本語 🙂"); }), std::nullopt);
}

TEST_F(RogueNewTest, SignaturesAreChecked) {
  SeededRandom random(5);
  const DeviceIdentity other = DeviceIdentity::generate(random);
  EXPECT_EQ(proposed([&](Said& s) { s.signer = &other; }), Error::bad_signature);
  EXPECT_EQ(proposed([](Said& s) { s.hash[0] ^= std::byte{1}; }), Error::bad_signature);  // another welcome
  Bytes set;
  EXPECT_EQ(proposed([&](Said& s) {  // prekeys that another device signed
              set = generate_prekeys(other, {s.link.alice.account, DeviceNumber{2}}, PrekeySetId{1}, 4, kStart, random)
                        .signed_set;
              s.text.signed_prekeys = set;
            }),
            Error::bad_signature);  // the batch is not this set's
  EXPECT_EQ(proposed([&](Said& s) {
              auto made =
                  generate_prekeys(other, {s.link.alice.account, DeviceNumber{2}}, PrekeySetId{1}, 0, kStart, random);
              set = made.signed_set;
              s.text.signed_prekeys = set;
              s.text.one_time_batch = {};
            }),
            Error::bad_signature);
  EXPECT_EQ(proposed([](Said& s) { s.text.one_time_batch = s.text.one_time_batch.first(96); }), Error::malformed);
}

TEST_F(RogueNewTest, OwnersKeysAndTimesAreChecked) {
  for (const DeviceNumber number : {DeviceNumber{1}, DeviceNumber{3}}) {
    std::optional<NewPrekeys> made;
    EXPECT_EQ(proposed([&](Said& s) {
                made = generate_prekeys(s.keys.identity, {s.link.alice.account, number}, PrekeySetId{1}, 0, kStart,
                                        s.keys.random);
                s.text.signed_prekeys = made->signed_set;
                s.text.one_time_batch = {};
              }),
              Error::wrong_device);
  }
  EXPECT_EQ(proposed([](Said& s) { s.text.keys.agreement = s.link.alice.identity.public_keys().agreement; }),
            Error::wrong_device);
  EXPECT_EQ(proposed([](Said&) {}, kStart + kClockSkew), std::nullopt);
  EXPECT_EQ(proposed([](Said&) {}, kStart + kClockSkew + milliseconds(1)), Error::expired);
  EXPECT_EQ(proposed([](Said&) {}, kStart - kPrekeyOffered), std::nullopt);
  EXPECT_EQ(proposed([](Said&) {}, kStart - kPrekeyOffered - milliseconds(1)), Error::expired);
  EXPECT_EQ(proposed([](Said& s) { s.text.keys.agreement = crypto::X25519PublicKey(); }), Error::bad_key);
}

}  // namespace
}  // namespace opaline::session
