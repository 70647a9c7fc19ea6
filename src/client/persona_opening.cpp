#include "client/persona_opening.hpp"

#include "base/fault_point.hpp"
#include "client/business_profile.hpp"
#include "client/registration.hpp"
#include "client/replies.hpp"
#include "proto/device.pb.h"

namespace opaline::client {
namespace {

using credentials::OpaqueId;
using endpoint::Endpoint;
using session::VerifiedDeviceList;

constexpr int kMaxConflicts = 5;  // other devices of the person that join at the same moment

Failure no_business() {
  return {ClientError::no_such_business, "there is no such business at this service"};
}
Failure elsewhere() {
  return {
      ClientError::keys_elsewhere,
      "another device of yours has the keys for this business; it gives them to this one when it is connected. If "
      "there is no such device any more, remove it from your account (opaline devices remove), and write again: the "
      "business still knows you, but what only that device had of the conversation is lost"};
}
Failure not_as_known() {
  return {ClientError::expired, "the conversation is not what your devices know of it (any more)"};
}

/// The device `own` on a list of the service.
const session::DeviceEntry* find(const VerifiedDeviceList& list, const endpoint::Enrolment& enrolment,
                                 const session::DevicePublicKeys& keys) {
  const auto* entry = list.find(enrolment.device);
  return entry != nullptr && entry->keys == keys && entry->mailbox == enrolment.mailbox ? entry : nullptr;
}

}  // namespace

Failure persona_store_failure(ClientError error) {
  return {error, "what the home has of this business (its folder in businesses) could not be read or written"};
}

// ---- what there is

Result<std::optional<PersonaOpening::Own>, Failure> PersonaOpening::own() const {
  auto& rows = parts_.home.rows();
  const auto pending = Endpoint::pending_registration(rows);
  if (!pending && pending.error() == endpoint::Error::not_registered) return std::nullopt;
  if (!pending && pending.error() != endpoint::Error::registered) return fail(failure_of(pending.error()));
  const auto identity = Endpoint::identity(rows);
  if (!identity) return fail(failure_of(identity.error()));
  if (pending) return Own{pending->enrolment, identity->public_keys(), false, std::nullopt};
  const auto device = Endpoint::load(rows, parts_.random, parts_.clock);
  if (!device) return fail(failure_of(device.error()));
  auto root = (*device)->account_key();
  if (!root) return fail(failure_of(root.error()));
  return Own{{(*device)->address().account, (*device)->address().device, (*device)->mailbox()},
             identity->public_keys(),
             true,
             std::move(*root)};
}

Result<std::optional<session::AccountKey>, Failure> PersonaOpening::known_root(
    const std::optional<Own>& own, const crypto::HybridPublicKey& account_key) const {
  if (own && own->root && own->root->public_key() == account_key) {
    auto copy = session::AccountKey::deserialise(own->root->serialise());
    if (copy) return std::optional<session::AccountKey>(std::move(*copy));
  }
  const auto known = parts_.book.find(parts_.home.business());
  if (!known) return fail(store_failure(known.error()));
  if (!*known) return std::nullopt;
  auto root = session::AccountKey::deserialise((*known)->root);
  if (!root || root->public_key() != account_key) return std::nullopt;
  return std::optional<session::AccountKey>(std::move(*root));
}

// ---- asking

void PersonaOpening::start() {
  const auto kept = parts_.home.profile();
  if (!kept) return end(fail(persona_store_failure(kept.error())));
  const auto profile = read_profile(parts_.home.business(), *kept);
  if (whom_ == For::person && (!profile || !profile->has_gateway())) return ask_profile();
  ask(false);
}

/// Before there is a gateway nobody would read what is written, and the business would not even know of it.
void PersonaOpening::ask_profile() {
  wire::v1::BusinessProfileRequest request;
  request.set_business(to_string(parts_.home.business().view()));
  parts_.account.call(
      wire::v1::METHOD_BUSINESS_PROFILE, serialized(request),
      [this, alive = std::weak_ptr(alive_)](const Result<Bytes, Failure>& body) {
        if (alive.expired()) return;
        if (!body && body.error().call_status == wire::v1::CALL_STATUS_NOT_FOUND) return end(fail(no_business()));
        if (!body) return end(fail(body.error()));
        const auto profile = read_profile(parts_.home.business(), *body);
        if (!profile) return end(fail(profile.error()));
        if (!profile->has_gateway())
          return end(fail(Failure{ClientError::no_gateway,
                                  "this business has not set up its gateway yet: nobody would read what you write. "
                                  "Nothing was sent; try again later"}));
        if (const auto kept = parts_.home.set_profile(*body); !kept)
          return end(fail(persona_store_failure(kept.error())));
        ask(false);
      });
}

void PersonaOpening::ask(bool be_new) {
  wire::v1::PersonaOpenRequest request;
  request.set_business(to_string(parts_.home.business().view()));
  request.set_be_new(be_new);
  parts_.account.call(wire::v1::METHOD_PERSONA_OPEN, serialized(request),
                      [this, be_new, alive = std::weak_ptr(alive_)](const Result<Bytes, Failure>& body) {
                        if (!alive.expired()) answered(body, be_new);
                      });
}

void PersonaOpening::answered(const Result<Bytes, Failure>& body, bool be_new) {
  const auto reply = parsed<wire::v1::PersonaOpenReply>(body);
  if (!reply) {
    if (reply.error().call_status == wire::v1::CALL_STATUS_NOT_FOUND) return end(fail(no_business()));
    return end(fail(reply.error()));
  }
  if (whom_ == For::person && !be_new) {
    const auto plan = parts_.home.opening();
    if (!plan) return end(fail(persona_store_failure(plan.error())));
    // Asked once more after a crash, the service has another id already: then nothing is left to be left.
    if (*plan && (*plan)->left && equal((*plan)->left->bytes(), as_view(reply->opaque_id()))) return ask(true);
  }
  const auto taken = take(*reply);
  if (!taken) return end(fail(taken.error()));
  if (is_in_) return end(confirmed());
  join();
}

/// Brings the home to where a join is what is missing, or to where nothing is.
Result<void, Failure> PersonaOpening::take(const wire::v1::PersonaOpenReply& reply) {
  const ByteView opaque_id = as_view(reply.opaque_id()), device_list = as_view(reply.device_list());
  const bool open = reply.open();
  const auto mailbox = MailboxId::from(as_view(reply.mailbox()));
  if (opaque_id.size() != credentials::kOpaqueIdBytes || !mailbox) return fail(senseless_answer());
  opaque_id_.emplace(to_array<credentials::kOpaqueIdBytes>(opaque_id));
  const AccountId persona = opaque_id_->persona();
  std::optional<VerifiedDeviceList> list;
  if (!device_list.empty()) {
    auto read = session::verify_device_list(device_list);
    if (!read || read->list().account != persona) return fail(senseless_answer());
    list.emplace(std::move(*read));
  }
  if (open && !list) return fail(senseless_answer());
  if (whom_ == For::book) {
    const auto known = parts_.book.find(parts_.home.business());
    if (!known) return fail(store_failure(known.error()));
    const bool same = *known && (*known)->state == endpoint::PersonaStanding::open &&
                      (*known)->opaque_id == opaque_id_->bytes() && open;
    if (!same) return fail(not_as_known());
  }
  OPALINE_TRY(const std::optional<Own> own, this->own());
  is_in_ = own && open && own->enrolment.account == persona && find(*list, own->enrolment, own->keys) != nullptr;
  if (is_in_) return {};
  return make(own, list, reply, *mailbox);
}

Result<PersonaOpening::Lists, Failure> PersonaOpening::lists_of(const Parts& parts, const OpaqueId& opaque_id,
                                                                std::optional<VerifiedDeviceList> services) {
  auto ours = parts.home.newest_list();
  if (!ours) return fail(persona_store_failure(ours.error()));
  const auto word = parts.book.find(parts.home.business());
  if (!word) return fail(store_failure(word.error()));
  if (*ours && (*ours)->list().account != opaque_id.persona()) ours->reset();  // the person is new since
  return Lists{std::move(services), std::move(*ours), *word && (*word)->opaque_id == opaque_id.bytes()};
}

bool PersonaOpening::Lists::set_back() const {
  if (!services) return ours || known_before;
  return ours && services->list().number < ours->list().number;
}

session::DeviceList PersonaOpening::next_list(const Lists& lists, const wire::v1::PersonaOpenReply& reply, Time now) {
  session::DeviceList next;
  if (lists.services) next = session::next_device_list(*lists.services, now);
  if (!reply.open()) next.devices.clear();
  std::erase_if(next.devices, [&](const session::DeviceEntry& entry) {
    return std::ranges::find(reply.gone(), static_cast<std::uint32_t>(entry.number)) != reply.gone().end();
  });
  if (!lists.set_back()) return next;
  next.account = credentials::OpaqueId(to_array<credentials::kOpaqueIdBytes>(as_view(reply.opaque_id()))).persona();
  // Nobody needs to know what came in between: no list and no device has had a number above the minutes since 1970.
  const auto minutes = static_cast<std::uint32_t>(duration_cast<std::chrono::minutes>(now.time_since_epoch()).count());
  next.number = ListNumber{std::max(static_cast<std::uint32_t>(next.number), minutes)};
  next.next_device = std::max(next.next_device, DeviceNumber{minutes});
  if (next.previous.is_zero())
    next.previous = lists.ours ? lists.ours->hash() : session::ListHash(ByteArray<32>{std::byte{1}});
  if (!lists.ours) return next;
  const session::DeviceList& ours = lists.ours->list();
  next.number = std::max(next.number, ListNumber{static_cast<std::uint32_t>(ours.number) + 1});
  next.next_device = std::max(next.next_device, ours.next_device);
  // Who came under a number that another device had joins again.
  std::erase_if(next.devices, [&](const session::DeviceEntry& entry) {
    const auto* known = lists.ours->find(entry.number);
    return entry.number < ours.next_device && (known == nullptr || *known != entry);
  });
  return next;
}

/// A device for the next list.
Result<void, Failure> PersonaOpening::make(const std::optional<Own>& own, const std::optional<VerifiedDeviceList>& list,
                                           const wire::v1::PersonaOpenReply& reply, const MailboxId& mailbox) {
  OPALINE_TRY(const Lists lists, lists_of(parts_, *opaque_id_, list));
  const bool set_back = lists.set_back();
  // Who was removed from the account since it was opened is not to know the root: what is opened has a new one.
  std::optional<session::AccountKey> root;
  if (reply.open() && !set_back) {
    OPALINE_TRY(root, known_root(own, list->list().account_key));
    if (!root) return fail(elsewhere());
  }
  if (own)
    if (const auto dropped = parts_.home.drop_device(); !dropped) return fail(persona_store_failure(dropped.error()));
  auto& rows = parts_.home.rows();
  Result<endpoint::Registration, endpoint::Error> made = fail(endpoint::Error::bad_device);
  if (!list && !set_back) {
    made = Endpoint::create(rows, parts_.random, parts_.clock, {opaque_id_->persona(), DeviceNumber{1}, mailbox});
  } else {
    if (!root) root.emplace(session::AccountKey::generate(parts_.random));
    made = Endpoint::create_in_persona(rows, parts_.random, parts_.clock, next_list(lists, reply, parts_.clock.now()),
                                       mailbox, *root);
  }
  if (!made) return fail(failure_of(made.error()));
  fault_point("client.persona_made");
  return {};
}

// ---- joining

void PersonaOpening::join() {
  const auto keys = Endpoint::pending_registration(parts_.home.rows());
  if (!keys) return end(fail(failure_of(keys.error())));
  wire::v1::PersonaJoinRequest request;
  request.set_business(to_string(parts_.home.business().view()));
  request.set_device_list(to_string(keys->device_list));
  request.mutable_prekeys()->set_signed_prekeys(to_string(keys->prekeys.signed_set));
  request.mutable_prekeys()->set_one_time_batch(to_string(keys->prekeys.one_time_batch));
  parts_.account.call(wire::v1::METHOD_PERSONA_JOIN, serialized(request),
                      [this, alive = std::weak_ptr(alive_)](const Result<Bytes, Failure>& body) {
                        if (!alive.expired()) joined(body);
                      });
}

void PersonaOpening::joined(const Result<Bytes, Failure>& body) {
  if (!body && body.error().call_status == wire::v1::CALL_STATUS_CONFLICT && ++conflicts_ < kMaxConflicts)
    return ask(false);
  if (!body && body.error().call_status == wire::v1::CALL_STATUS_NOT_FOUND) return end(fail(no_business()));
  if (!body) return end(fail(body.error()));
  fault_point("client.persona_joined");
  end(confirmed());
}

Result<PersonaOpening::Opened, Failure> PersonaOpening::confirmed() {
  auto& rows = parts_.home.rows();
  if (const auto done = Endpoint::confirm_registration(rows); !done) return fail(failure_of(done.error()));
  const auto device = Endpoint::load(rows, parts_.random, parts_.clock);
  if (!device) return fail(failure_of(device.error()));
  const auto root = (*device)->account_key();
  if (!root) return fail(failure_of(root.error()));
  fault_point("client.persona_confirmed");
  return Opened{*opaque_id_, root->serialise()};
}

void PersonaOpening::end(Result<Opened, Failure> result) {
  const auto done = std::move(done_);
  done(std::move(result));
}

}  // namespace opaline::client
