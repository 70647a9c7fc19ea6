#include "client/persona_renewal.hpp"

#include "base/fault_point.hpp"
#include "client/replies.hpp"

namespace opaline::client {
namespace {

constexpr int kMaxConflicts = 5;  // other devices of the person that join at the same moment

}  // namespace

void PersonaRenewal::ask() {
  wire::v1::PersonaOpenRequest request;
  request.set_business(to_string(parts_.home.business().view()));
  parts_.account.call(wire::v1::METHOD_PERSONA_OPEN, serialized(request),
                      [this, alive = std::weak_ptr(alive_)](const Result<Bytes, Failure>& body) {
                        if (!alive.expired()) answered(body);
                      });
}

void PersonaRenewal::answered(const Result<Bytes, Failure>& body) {
  const auto reply = parsed<wire::v1::PersonaOpenReply>(body);
  if (!reply) return end(fail(reply.error()));
  const auto word = parts_.book.find(parts_.home.business());
  if (!word) return end(fail(store_failure(word.error())));
  const bool same = *word && (*word)->state == endpoint::PersonaStanding::open && reply->open() &&
                    equal((*word)->opaque_id, as_view(reply->opaque_id()));
  if (!same) return end(std::optional<SecretBytes>());
  const auto list = session::verify_device_list(as_view(reply->device_list()));
  if (!list || list->list().account != credentials::OpaqueId((*word)->opaque_id).persona())
    return end(fail(senseless_answer()));
  auto kept = parts_.home.renewal();
  if (!kept) return end(fail(persona_store_failure(kept.error())));
  plan_ = std::move(*kept);
  if (plan_) {
    const auto root = session::AccountKey::deserialise(plan_->root);
    if (!root) return end(fail(persona_store_failure(ClientError::store_damaged)));
    if (root->public_key() == list->list().account_key) return end(std::optional(std::move(plan_->root)));
  }
  if (const auto planned = plan(*list, *reply); !planned) return end(fail(planned.error()));
  join();
}

/// The root is kept before anybody hears of it.
Result<void, Failure> PersonaRenewal::plan(const session::VerifiedDeviceList& list,
                                           const wire::v1::PersonaOpenReply& reply) {
  const credentials::OpaqueId id(to_array<credentials::kOpaqueIdBytes>(as_view(reply.opaque_id())));
  OPALINE_TRY(const auto lists, PersonaOpening::lists_of(parts_, id, list));
  auto next = PersonaOpening::next_list(lists, reply, parts_.clock.now());
  const auto root = session::AccountKey::generate(parts_.random);
  next.account_key = root.public_key();
  if (!credentials::keeps_rules(next)) return fail(senseless_answer());
  plan_ = RenewalPlan{root.serialise(), session::sign_device_list(next, root, parts_.random)};
  if (const auto done = parts_.home.set_renewal(plan_); !done) return fail(persona_store_failure(done.error()));
  fault_point("client.persona_root_made");
  return {};
}

void PersonaRenewal::join() {
  wire::v1::PersonaJoinRequest request;
  request.set_business(to_string(parts_.home.business().view()));
  request.set_device_list(to_string(plan_->list));
  parts_.account.call(wire::v1::METHOD_PERSONA_JOIN, serialized(request),
                      [this, alive = std::weak_ptr(alive_)](const Result<Bytes, Failure>& body) {
                        if (!alive.expired()) joined(body);
                      });
}

void PersonaRenewal::joined(const Result<Bytes, Failure>& body) {
  if (!body && body.error().call_status == wire::v1::CALL_STATUS_CONFLICT && ++conflicts_ < kMaxConflicts) return ask();
  if (!body) return end(fail(body.error()));
  fault_point("client.persona_root_taken");
  end(std::optional(std::move(plan_->root)));
}

void PersonaRenewal::end(Result<std::optional<SecretBytes>, Failure> result) {
  const auto done = std::move(done_);
  done(std::move(result));
}

}  // namespace opaline::client
