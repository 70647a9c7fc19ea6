#pragma once
// For this room's tests: a peer that authenticates and does as the test likes.
#include "endpoint/internal/core.hpp"
#include "endpoint/testing/world.hpp"
#include "wire/contents.hpp"

namespace opaline::endpoint::testing {

/// A device's keys in other hands: a session of its own with `target`, in which it says what the test wants.
class Rogue {
 public:
  /// `sees`: the list of the target's account that it says it has, signed or not; empty: the true one.
  Rogue(World& world, Device& as, Device& target, const Bytes& sees = {})
      : world_(world), as_(as), target_(target), session_(open(world, as, target, sees)) {}

  ListNumber own_list_number{1};
  std::uint64_t list_check = 0, own_list_check = 0;

  /// It lies in the target's mailbox.
  void queue(const decltype(wire::Content::body)& body) {
    const wire::Content content{.message = world_.random.id<MessageId>(),
                                .list_number = ListNumber{1},
                                .own_list_number = own_list_number,
                                .list_check = list_check,
                                .own_list_check = own_list_check,
                                .sent_at = world_.clock.now(),
                                .body = body};
    SecretBytes plaintext;
    OPALINE_ASSERT(wire::encode(plaintext, content).has_value());
    const auto id = world_.random.id<EnvelopeId>();
    auto message = session_.encrypt(plaintext, id.view(), world_.clock.now(), world_.random);
    OPALINE_ASSERT(message.has_value());
    world_.mailboxes[target_.mailbox].waiting.push_back({id, std::move(*message), as_.address.account});
  }
  /// The target gets it, with whatever else is under way. No clock ticks.
  void say(const decltype(wire::Content::body)& body) {
    queue(body);
    world_.connect(target_);
    OPALINE_ASSERT(world_.settle());
  }

 private:
  static session::Session open(World& world, Device& as, Device& target, const Bytes& sees) {
    const auto identity =
        session::DeviceIdentity::deserialise(**as.store.get(Table::device, as_view(internal::kIdentityKey)));
    internal::OwnRecord own;
    OPALINE_ASSERT(decode(**as.store.get(Table::device, as_view(internal::kOwnKey)), own));
    const auto list = session::load_device_list(own.signed_list);
    const World::Account& account = world.accounts[target.address.account];
    const auto target_list = session::load_device_list(sees.empty() ? account.lists.back() : sees);
    const auto bundle =
        session::verify_bundle(*target_list, target.address.device,
                               {account.offers.at(target.address.device).signed_set, {}}, world.clock.now());
    OPALINE_ASSERT(identity && list && target_list && bundle);
    auto session =
        session::start_session({*identity, as.address, list->reference()}, *bundle, world.clock.now(), world.random);
    OPALINE_ASSERT(session.has_value());
    return std::move(*session);
  }
  World& world_;
  Device& as_;
  Device& target_;
  session::Session session_;
};

}  // namespace opaline::endpoint::testing
