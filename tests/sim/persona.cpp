#include "tests/sim/persona.hpp"

#include <gtest/gtest.h>

namespace opaline::sim {

using endpoint::Endpoint;
using endpoint::MessageState;
using wire::v1::PersonaOpenReply;

namespace {

/// As the client does (src/client/personas.hpp).
constexpr std::chrono::seconds kCloseWithin{5};

template <class Request>
Request about(const AccountId& business) {
  Request out;
  out.set_business(to_string(business.view()));
  return out;
}

}  // namespace

Persona::Persona(World& world, Device& account, const AccountId& business, const std::string& name)
    : device(name, world.random, world.clock), world_(world), account_(account), business_(business) {
  world.add(device);
}

// ---- the person

void Persona::write(const std::string& text) {
  if (busy_ && closing_) return;
  if (std::exchange(closing_, false)) ++era;  // the service may have closed it, or not
  if (word_ == Word::open && !opening_) {
    if (device.running())
      if (const auto id = queue(text, wire::PartKind::words)) written.push_back({*id, text, era});
    return;
  }
  if (!std::exchange(opening_, true)) ++openings;
  drafts_.push_back(text);
  go_on();
}

void Persona::close() {
  if (word_ == Word::none || busy_ || closing_) return;
  ++era;
  word_ = Word::closed;
  closing_ = true;
  opening_ = told_ = false;
  close_message_.reset();
  told_by_ = world_.clock.now() + kCloseWithin;
  drafts_.clear();
  go_on();
}

void Persona::go_on() {
  if (device.removed) drop_device();
  if (busy_ || !account_.ready()) return;
  if (closing_ && is_told()) {
    close_at_service();
  } else if (opening_) {
    world_.stop(device);  // it may be replaced
    ask();
  }
}

std::optional<MessageId> Persona::queue(const std::string& text, wire::PartKind kind) {
  SecretBytes part;
  EXPECT_TRUE(wire::encode(part, wire::BusinessPart{.kind = kind, .opaque_id = opaque_id_->bytes()}));
  const auto id = device.endpoint().send(business_, {.utf8 = text, .part = part});
  EXPECT_TRUE(id);
  const bool fails = device.store.fail_commits > 0;
  world_.round(device);
  // A commit that failed forgot the message, and the person was told so: nothing is promised about it.
  if (!id || fails || device.store.history().find(*id) == nullptr) return std::nullopt;
  return *id;
}

// ---- opening

bool Persona::is_ok(Reply reply) {
  if (reply != nullptr && reply->status == wire::v1::CALL_STATUS_OK) return true;
  EXPECT_TRUE(reply == nullptr || reply->status == wire::v1::CALL_STATUS_UNAVAILABLE)
      << device.name << " is refused: " << reply->status;
  busy_ = false;
  return false;
}

void Persona::ask() {
  busy_ = true;
  const auto request = about<wire::v1::PersonaOpenRequest>(business_);
  account_.call(wire::v1::METHOD_PERSONA_OPEN, request.SerializeAsString(), [this](Reply reply) {
    if (!is_ok(reply)) return;
    PersonaOpenReply opened;
    EXPECT_TRUE(opened.ParseFromArray(reply->body.data(), static_cast<int>(reply->body.size())));
    answered(opened);
  });
}

void Persona::answered(const PersonaOpenReply& reply) {
  const credentials::OpaqueId id(to_array<credentials::kOpaqueIdBytes>(as_view(reply.opaque_id())));
  EXPECT_EQ(id, opaque_id_.value_or(id)) << "one id for each account and business";
  opaque_id_ = id;
  std::optional<session::VerifiedDeviceList> list;
  if (!reply.device_list().empty()) list.emplace(*session::verify_device_list(as_view(reply.device_list())));
  if (list && reply.open() && is_in(*list)) return confirm();
  if (make(reply, list)) return join();
  busy_ = false;
}

bool Persona::is_in(const session::VerifiedDeviceList& list) {
  const auto identity = Endpoint::identity(device.store);
  if (!identity) return false;
  const auto& devices = list.list().devices;
  return std::ranges::any_of(devices, [&](const auto& entry) { return entry.keys == identity->public_keys(); });
}

/// A device for the next list. False: its store failed.
bool Persona::make(const PersonaOpenReply& reply, const std::optional<session::VerifiedDeviceList>& list) {
  drop_device();
  const MailboxId mailbox = *MailboxId::from(as_view(reply.mailbox()));
  const AccountId persona = opaque_id_->persona();
  if (!list)
    return Endpoint::create(device.store, world_.random, world_.clock, {persona, DeviceNumber{1}, mailbox}).has_value();
  std::vector<DeviceNumber> left_out;
  for (const auto& entry : list->list().devices)
    if (!reply.open()) left_out.push_back(entry.number);
  EXPECT_TRUE(root_) << "a list that this person did not sign";
  return root_ && Endpoint::create_recovered(device.store, world_.random, world_.clock,
                                             {persona, list->list().next_device, mailbox}, *list, *root_, left_out);
}

void Persona::join() {
  const auto keys = Endpoint::pending_registration(device.store);
  ASSERT_TRUE(keys);
  auto request = about<wire::v1::PersonaJoinRequest>(business_);
  request.set_device_list(to_string(keys->device_list));
  request.mutable_prekeys()->set_signed_prekeys(to_string(keys->prekeys.signed_set));
  request.mutable_prekeys()->set_one_time_batch(to_string(keys->prekeys.one_time_batch));
  account_.call(wire::v1::METHOD_PERSONA_JOIN, request.SerializeAsString(), [this](Reply reply) {
    if (is_ok(reply)) confirm();
  });
}

void Persona::confirm() {
  busy_ = false;
  if (!Endpoint::confirm_registration(device.store)) return;
  device.removed = false;
  device.load();
  root_ = std::move(*device.endpoint().account_key());
  word_ = Word::open;
  opening_ = false;
  world_.connect(device);
  for (const std::string& text : std::exchange(drafts_, {})) write(text);
}

// ---- closing

/// The business knows it from the person, or it has been long enough.
bool Persona::is_told() {
  if (told_ || !device.running() || world_.clock.now() >= told_by_) return true;
  if (close_message_) {
    const auto* message = device.store.history().find(*close_message_);
    return told_ = message == nullptr || message->state != MessageState::queued;
  }
  if (!device.ready()) return false;
  close_message_ = queue("", wire::PartKind::close);
  return told_ = !close_message_;
}

void Persona::close_at_service() {
  busy_ = true;
  const auto request = about<wire::v1::PersonaCloseRequest>(business_);
  account_.call(wire::v1::METHOD_PERSONA_CLOSE, request.SerializeAsString(), [this](Reply reply) {
    if (!is_ok(reply)) return;
    busy_ = closing_ = false;
    ++era;
    drop_device();
  });
}

/// Keys, sessions and all that waits are forgotten; the conversation stays, what had not gone out has failed.
void Persona::drop_device() {
  if (device.running()) left.push_back(device.endpoint().mailbox());
  world_.stop(device);
  device.removed = false;
  auto contents = device.store.backup();
  contents.rows.clear();
  for (auto& outgoing : contents.history.outgoing)
    if (outgoing.state == MessageState::queued) outgoing.state = MessageState::failed;
  device.store.restore(std::move(contents));
}

}  // namespace opaline::sim
