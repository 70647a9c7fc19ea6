// Promise 6: businesses that compare all they ever received cannot link a person by ids, keys, mailboxes, prekeys or
// what messages carry. The service and the persons' endpoints are real; the gateways are the attacker's.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "endpoint/endpoint.hpp"
#include "endpoint/memory_endpoint_store.hpp"
#include "endpoint/testing/world.hpp"
#include "identity/personas_test_world.hpp"
#include "tests/collusion/attacker.hpp"
#include "wire/business_part.hpp"

namespace opaline::collusion {
namespace {

using endpoint::Endpoint;
using identity::testing::BusinessWorld;
using identity::testing::Person;

constexpr std::size_t kPeople = 1'000;
/// By chance one pair of any number is right; more than 8 has a probability of 1 in 900,000.
constexpr std::size_t kChance = 8;
/// By chance the rank correlation of 1,000 is 0.03; 0.16 is five times that.
constexpr double kNoCorrelation = 0.16;

Bytes four(std::uint32_t value) {
  Bytes out;
  Writer(out).u32(value);
  return out;
}

/// 1,000 accounts with 1 to 3 devices, two businesses, and what their gateways hear of the service.
class Colluding : public ::testing::Test {
 protected:
  struct Account {
    Person first{0};
    std::vector<std::unique_ptr<Person>> more;
  };
  /// One business's gateway and what it has.
  struct Gateway {
    AccountId business;
    Person keys{0};
    Records records;
  };

  static void SetUpTestSuite() {
    made = new Made;
    made->build();
  }
  static void TearDownTestSuite() {
    delete made;
    made = nullptr;
  }

  struct Made {
    BusinessWorld world;
    std::vector<std::unique_ptr<Account>> accounts;
    Gateway shop, bank;

    void build() {
      std::uint64_t seed = 100;
      for (Gateway* one : {&shop, &bank}) {
        one->business = world.create();
        one->keys = Person(++seed);
        ASSERT_TRUE(world.enrol_gateway(one->keys, one->business));
      }
      for (std::size_t i = 0; i < kPeople; ++i) {
        auto account = std::make_unique<Account>();
        account->first = Person(++seed);
        ASSERT_TRUE(world.enrol(account->first, "person" + std::to_string(i) + "@example.org", 1));
        for (std::size_t more = 0; more < (i % 6 == 0 ? 2U : i % 6 == 1 ? 1U : 0U); ++more) {
          account->more.push_back(std::make_unique<Person>(++seed));
          ASSERT_TRUE(world.link(account->first, *account->more.back()));
        }
        accounts.push_back(std::move(account));
        world.clock.advance(std::chrono::minutes(20));
      }
      for (Gateway* one : {&shop, &bank}) {
        std::vector<std::size_t> order(kPeople);
        std::iota(order.begin(), order.end(), 0U);
        for (std::size_t i = kPeople; i > 1; --i) std::swap(order[i - 1], order[world.random.below(i)]);
        for (const std::size_t person : order) ASSERT_NO_FATAL_FAILURE(come(*one, person));
      }
    }

    /// A person writes to a business for the first time: its devices join, the gateway asks for them.
    void come(Gateway& gateway, std::size_t person) {
      Account& account = *accounts[person];
      Record record{.person = person, .fields = {}};
      std::optional<session::AccountKey> root;
      AccountId persona;
      std::vector<Person*> devices{&account.first};
      for (const auto& one : account.more) devices.push_back(one.get());
      for (Person* const device : devices) {
        world.clock.advance(seconds(1 + static_cast<std::int64_t>(world.random.below(3'600))));
        const auto opened = world.open(*device, gateway.business);
        ASSERT_TRUE(opened);
        persona = BusinessWorld::opaque_id(*opened).persona();
        const auto mailbox = *MailboxId::from(as_view(opened->mailbox()));
        endpoint::MemoryEndpointStore store;
        Result<endpoint::Registration, endpoint::Error> keys = fail(endpoint::Error::store_failed);
        if (opened->device_list().empty()) {
          keys = Endpoint::create(store, world.random, world.clock, {persona, DeviceNumber{1}, mailbox});
        } else {
          const auto list = *session::verify_device_list(as_view(opened->device_list()));
          keys = Endpoint::create_recovered(store, world.random, world.clock,
                                            {persona, list.list().next_device, mailbox}, list, *root, {});
        }
        ASSERT_TRUE(keys);
        identity::calls::PersonaJoinRequest request;
        request.set_business(to_string(gateway.business.view()));
        request.set_device_list(to_string(keys->device_list));
        request.mutable_prekeys()->set_signed_prekeys(to_string(keys->prekeys.signed_set));
        request.mutable_prekeys()->set_one_time_batch(to_string(keys->prekeys.one_time_batch));
        ASSERT_TRUE(world.join(*device, request));
        if (!root) {
          ASSERT_TRUE(Endpoint::confirm_registration(store));
          root = std::move(*(*Endpoint::load(store, world.random, world.clock))->account_key());
          record.fields["opaque id"] = {to_bytes(as_view(opened->opaque_id()))};
        }
      }
      listen(gateway, persona, record);
      gateway.records.push_back(std::move(record));
    }

    /// All that the service tells a gateway about a persona.
    void listen(Gateway& gateway, const AccountId& persona, Record& record) {
      const auto reply = world.bundles(gateway.keys, persona);
      ASSERT_TRUE(reply);
      auto& fields = record.fields;
      const auto list = *session::verify_device_list(as_view(reply->device_list()));
      fields["persona"] = {to_bytes(persona.view())};
      fields["root"] = {to_bytes(list.list().account_key.view())};
      fields["signed list"] = {list.bytes()};
      fields["list hash"] = {to_bytes(list.hash().view())};
      for (const auto& entry : list.list().devices) {
        fields["mailboxes"].push_back(to_bytes(entry.mailbox.view()));
        fields["device numbers"].push_back(four(static_cast<std::uint32_t>(entry.number)));
      }
      for (const auto& device : reply->devices()) {
        fields["bundles"].push_back(to_bytes(as_view(device.bundle())));
        fields["send tokens"].push_back(to_bytes(as_view(device.send_token())));
      }
      fields["renewal token"] = {to_bytes(as_view(reply->renewal_token()))};
    }
  };
  static Made* made;
};
Colluding::Made* Colluding::made = nullptr;

TEST_F(Colluding, FindNothingInWhatTheServiceTellsThem) {
  const Records &a = made->shop.records, &b = made->bank.records;
  ASSERT_EQ(a.size(), kPeople);
  ASSERT_EQ(b.size(), kPeople);
  EXPECT_LE(linked_by_equal_strings(a, b), kChance);
  std::string field;
  EXPECT_LE(linked_by_order(a, b, field), kChance) << field;
  EXPECT_LT(correlation_with_age(a, field), kNoCorrelation) << field;
  EXPECT_LT(correlation_with_age(b, field), kNoCorrelation) << field;
}

TEST_F(Colluding, WouldFindEightBytesThatTwoPersonasShare) {
  Records a = made->shop.records, b = made->bank.records;
  for (Record& one : b) {
    const auto same = std::ranges::find(a, one.person, &Record::person);
    const Bytes& there = same->fields.at("send tokens").front();
    Bytes& here = one.fields.at("bundles").front();
    std::copy_n(there.begin() + 5, 8, here.begin() + 101);
  }
  EXPECT_GT(linked_by_equal_strings(a, b), kPeople * 9 / 10);
}

TEST_F(Colluding, WouldFindANumberThatGrowsWithTheAccounts) {
  Records a = made->shop.records, b = made->bank.records;
  for (Records* records : {&a, &b})
    for (Record& one : *records) one.fields["row"] = {four(static_cast<std::uint32_t>(3 * one.person))};
  std::string field;
  EXPECT_EQ(linked_by_order(a, b, field), kPeople);
  EXPECT_EQ(field, "row");
  EXPECT_GT(correlation_with_age(a, field), 0.99);
}

// ---------------------------------------------------------------- what messages carry

/// Persons' endpoints write to two gateways, get answers, and receipts go back.
class Writing {
 public:
  Records shop, bank;

  void run(std::size_t people) {
    for (std::size_t person = 0; person < people; ++person) {
      endpoint::testing::World world(7'000 + person);
      for (Records* const records : {&shop, &bank}) write(world, *records, person);
    }
  }

 private:
  static endpoint::NewMessage message(endpoint::testing::World& world, const Bytes& opaque_id, SecretBytes& part) {
    const wire::BusinessPart said{.opaque_id = opaque_id,
                                  .locale = as_view("en_US"),
                                  .device_agent = as_view("opaline/1 (cli)"),
                                  .capabilities = 62};
    OPALINE_ASSERT(wire::encode(part, said).has_value());
    endpoint::NewMessage out{.utf8 = "Is my order on its way?"};
    out.part = part;
    endpoint::Attachment file;
    file.blob = world.random.id<endpoint::BlobId>();
    const auto key = world.random.bytes<32>(), release = world.random.bytes<32>();
    file.key = to_secret_bytes(key);
    file.sha256 = world.random.bytes<32>();
    file.size_bytes = 4'000;
    file.name = "order.pdf";
    file.type = "application/pdf";
    file.release = to_secret_bytes(release);
    out.attachments.push_back(std::move(file));
    return out;
  }
  static void write(endpoint::testing::World& world, Records& records, std::size_t person) {
    world.clock.advance(milliseconds(world.random.below(5'000'000'000)));  // times are not covered
    auto& persona = world.add("persona");
    auto& gateway = world.add("gateway", {}, {.serves_strangers = true});
    Record record{.person = person, .fields = {}};
    world.damage = [&](const endpoint::testing::Device& to, Bytes& ciphertext) {
      if (&to == &gateway) record.fields["envelopes"].push_back(ciphertext);
    };
    world.connect(persona);
    world.connect(gateway);
    ASSERT_TRUE(world.settle());
    Bytes opaque_id(credentials::kOpaqueIdBytes);
    world.random.fill(opaque_id);
    for (int i = 0; i < 2; ++i) {
      SecretBytes part;
      ASSERT_TRUE(persona.endpoint->send(gateway.address.account, message(world, opaque_id, part)));
      world.round(persona);
      ASSERT_TRUE(world.settle());
      world.send(gateway, persona, "Yes, it is.");
      ASSERT_TRUE(world.settle());
    }
    for (const endpoint::IncomingMessage& in : gateway.store.history().incoming) {
      record.fields["message ids"].push_back(to_bytes(in.id.view()));
      record.fields["parts"].push_back(to_bytes(ByteView(in.body.part)));
      for (const auto& file : in.body.attachments) {
        record.fields["blobs"].push_back(to_bytes(file.blob.view()));
        record.fields["file keys"].push_back(to_bytes(ByteView(file.key)));
      }
    }
    ASSERT_EQ(record.fields["message ids"].size(), 2U);
    world.damage = nullptr;
    records.push_back(std::move(record));
  }
};

TEST(ColludingOverMessages, FindNothingInEnvelopesAndContents) {
  Writing all;
  all.run(100);
  ASSERT_EQ(all.shop.size(), 100U);
  EXPECT_LE(linked_by_equal_strings(all.shop, all.bank), kChance);
  std::string field;
  EXPECT_LT(correlation_with_age(all.shop, field), 0.5)  // by chance 0.1
      << field;
}

}  // namespace
}  // namespace opaline::collusion
