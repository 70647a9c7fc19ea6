#pragma once
// For the tests of personas: Ada with a phone, businesses with gateways, and what their devices do.
#include <gtest/gtest.h>

#include "credentials/opaque_id.hpp"
#include "identity/devices_test_world.hpp"

namespace opaline::identity::testing {

/// A persona as the devices of its account know it: the root, and the device that each of them has there.
struct Persona {
  explicit Persona(std::uint64_t seed) : root(seed) {}
  Person root;  ///< its account key alone
  std::map<std::uint64_t, Person> devices;
};

/// `fresh` becomes the device of the given account key's list 1.
inline calls::PrekeyUpload first_list(Person& fresh, Person& root, const AccountId& account, ByteView mailbox, Time now,
                                      std::string& signed_list) {
  fresh.account = account;
  fresh.mailbox = *MailboxId::from(mailbox);
  fresh.device = DeviceNumber{1};
  const auto list = session::first_device_list(account, root.account_key, fresh.mailbox, session::kCapabilityMessages,
                                               fresh.identity.public_keys(), now);
  signed_list = text(session::sign_device_list(list, root.account_key, root.random));
  return fresh.make_prekeys(now);
}

/// A world with businesses.
class BusinessWorld : public World {
 public:
  using World::World;

  [[nodiscard]] AccountId create(const std::string& name = "Shop", bool own_gateway = false) {
    BusinessDetails details;
    details.name = name;
    details.own_gateway = own_gateway;
    return *service->create_business(details, as_view(std::string_view("settings of the gateway")));
  }
  [[nodiscard]] calls::CompleteRequest enrol_request(Person& gateway, const BusinessEnrolment& enrolment) {
    calls::CompleteRequest out;
    out.set_ticket(text(enrolment.ticket));
    std::string list;
    *out.mutable_prekeys() =
        first_list(gateway, gateway, enrolment.business, enrolment.mailbox.view(), clock.now(), list);
    out.set_device_list(list);
    return out;
  }
  bool enrol_gateway(Person& gateway, const AccountId& business) {
    return service->complete(enrol_request(gateway, *service->enrol_business(business))).has_value();
  }
  [[nodiscard]] Answer<calls::PersonaOpenReply> open(const Person& who, const AccountId& business,
                                                     bool be_new = false) {
    calls::PersonaOpenRequest request;
    request.set_business(text(business.view()));
    request.set_be_new(be_new);
    return service->persona_open(who.caller(), request);
  }
  [[nodiscard]] static credentials::OpaqueId opaque_id(const calls::PersonaOpenReply& reply) {
    return credentials::OpaqueId(to_array<credentials::kOpaqueIdBytes>(as_view(reply.opaque_id())));
  }
  /// What an honest device asks for after this answer: list 1, or the next one with `fresh`; alone where it is closed.
  [[nodiscard]] calls::PersonaJoinRequest join_request(const calls::PersonaOpenReply& opened, const AccountId& business,
                                                       Person& root, Person& fresh) {
    calls::PersonaJoinRequest out;
    out.set_business(text(business.view()));
    if (opened.device_list().empty()) {
      std::string list;
      *out.mutable_prekeys() =
          first_list(fresh, root, opaque_id(opened).persona(), as_view(opened.mailbox()), clock.now(), list);
      out.set_device_list(list);
      return out;
    }
    const auto before = *session::verify_device_list(as_view(opened.device_list()));
    auto list = list_with(before, fresh, as_view(opened.mailbox()), clock.now());
    list.account_key = root.account_key.public_key();
    if (!opened.open()) std::erase_if(list.devices, [&](const auto& entry) { return entry.number != fresh.device; });
    out.set_device_list(text(session::sign_device_list(list, root.account_key, root.random)));
    *out.mutable_prekeys() = fresh.make_prekeys(clock.now());
    return out;
  }
  [[nodiscard]] Answer<calls::PersonaJoinReply> join(const Person& who, const calls::PersonaJoinRequest& request) {
    return service->persona_join(who.caller(), request);
  }
  /// Opens and joins. `fresh` is the persona's device from then on. False: refused.
  bool join(const Person& who, const AccountId& business, Person& root, Person& fresh) {
    const auto opened = open(who, business);
    return opened && join(who, join_request(*opened, business, root, fresh)).has_value();
  }
  [[nodiscard]] Answer<calls::Empty> close(const Person& who, const AccountId& business) {
    calls::PersonaCloseRequest request;
    request.set_business(text(business.view()));
    return service->persona_close(who.caller(), request);
  }
};

/// Ada writes to a shop, Bob is another person, and there is a bank of which neither knows.
class PersonasTest : public ::testing::Test {
 protected:
  explicit PersonasTest(Config config = {}) : world(config) {}
  void SetUp() override {
    ASSERT_TRUE(world.enrol(ada, "ada@example.org"));
    ASSERT_TRUE(world.enrol(bob, "bob@example.org"));
    shop = world.create("Shop");
    bank = world.create("Bank");
    ASSERT_TRUE(world.enrol_gateway(shop_gateway, shop));
    ASSERT_TRUE(world.enrol_gateway(bank_gateway, bank));
  }
  void ada_joins() {
    ASSERT_TRUE(world.join(ada, shop, ada_root, ada_there));
    persona = ada_there.account;
  }
  [[nodiscard]] std::size_t notices(calls::NoticeKind kind) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        world.relay.events, [&](const auto& event) { return event.ends_with(" " + std::to_string(kind)); }));
  }
  BusinessWorld world;
  Person ada{7}, bob{8}, laptop{9};
  Person shop_gateway{20}, bank_gateway{21};
  Person ada_root{30}, ada_there{31}, laptop_there{32};
  AccountId shop, bank, persona;
};

}  // namespace opaline::identity::testing
