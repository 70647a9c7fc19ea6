// POST /v1/message, POST /v1/authenticate, GET /v1/messages/{id}.
#include "base/fault_point.hpp"
#include "gateway/internal/api_call.hpp"
#include "gateway/tickets.hpp"
#include "gateway/translate.hpp"

namespace opaline::gateway {

using msp::Error;
using msp::Problem;

namespace {

/// What of an interactive message the operator must have switched on; nullopt: nothing.
std::optional<msp::Capability> needed_for(const msp::Outbound& message) {
  const auto* const interactive = std::get_if<msp::Interactive>(&message.content);
  if (interactive == nullptr) return std::nullopt;
  struct {
    std::optional<msp::Capability> operator()(const msp::ListPicker&) { return msp::Capability::list; }
    std::optional<msp::Capability> operator()(const msp::TimePicker&) { return msp::Capability::time; }
    std::optional<msp::Capability> operator()(const msp::QuickReply&) { return msp::Capability::quick; }
    std::optional<msp::Capability> operator()(const msp::Form&) { return msp::Capability::form; }
    std::optional<msp::Capability> operator()(const msp::Authentication&) { return msp::Capability::auth2; }
    std::optional<msp::Capability> operator()(const msp::CustomApp&) { return std::nullopt; }
  } by_kind;
  return std::visit(by_kind, interactive->kind);
}

msp::DataRef ref_of(const msp::Interactive& interactive, const endpoint::Attachment& file,
                    const BusinessConfig& business, const net::Url& service) {
  msp::DataRef out{.bid = std::string(interactive.bid.view()),
                   .owner = msp::to_text(business.id),
                   .url = url_of(file.blob, service),
                   .title = interactive.received ? interactive.received->title : msp::Text(),
                   .size_bytes = file.size_bytes,
                   .signature = file.sha256,
                   .service_signature = {},
                   .key = std::nullopt};
  const msp::AttachmentKey key(ByteView(file.key).first<msp::kAttachmentKeyBytes>());
  out.service_signature = seal_ref_key(out, key, business);
  return out;
}

}  // namespace

/// A message on its way through uploads and the session.
struct Api::Delivery {
  CallPtr call;
  msp::Uuid business;
  msp::Outbound message;
  std::optional<LargePart> part = std::nullopt;  ///< to be uploaded
  bool part_is_message = false;                  ///< it has no room in the envelope; else it is for the answer alone
  std::optional<endpoint::Attachment> file = std::nullopt;
  std::optional<msp::DataRef> answer_ref = std::nullopt;

  void answer(Outcome outcome) const {
    fault_point("gateway.before_answer");
    if (const auto refusal = internal::refusal_of(outcome)) return call->refuse(*refusal);
    if (!answer_ref) return call->accept();
    call->answer(200, "application/json", msp::write_data_ref_answer(*answer_ref));
  }
};

void Api::message(const CallPtr& call) {
  const auto business = caller(call->fields);
  if (!business) return call->refuse(business.error());
  const auto body = call->body();
  if (!body) return call->refuse(body.error());
  auto message = msp::parse_message(call->fields, *body);
  if (!message) return call->refuse(message.error());
  deliver(call, **business, std::move(*message));
}

void Api::authenticate(const CallPtr& call) {
  const auto business = caller(call->fields);
  if (!business) return call->refuse(business.error());
  const auto body = call->body();
  if (!body) return call->refuse(body.error());
  auto message = msp::parse_authenticate(call->fields, *body);
  if (!message) return call->refuse(message.error());
  deliver(call, **business, std::move(*message));
}

void Api::deliver(const CallPtr& call, BusinessPort& business, msp::Outbound message) {
  OPALINE_ASSERT(message.headers.source == business.config().id);
  const auto to = credentials::OpaqueId::parse(message.headers.destination);
  if (!to) return call->refuse(internal::nobody());
  if (const auto* const typing = std::get_if<msp::Typing>(&message.content)) {
    const auto refusal = internal::refusal_of(business.typing(*to, typing->active));
    return refusal ? call->refuse(*refusal) : call->accept();
  }
  if (const auto needed = needed_for(message); needed && !business.config().capabilities.has(*needed)) {
    Problem refused = internal::problem(403, Error::forbidden, "the operator has not switched this kind of message on");
    refused.pointer = "/interactiveData/data";
    return call->refuse(refused);
  }
  const auto delivery = std::make_shared<Delivery>(
      Delivery{.call = call, .business = business.config().id, .message = std::move(message)});
  auto& content = delivery->message.content;
  if (auto* const ref = std::get_if<msp::DataRef>(&content)) {
    if (!ref->key) ref->key = open_ref_key(*ref, business.config());
    if (ref->key && delivery->message.headers.include_data_ref) {
      delivery->answer_ref = msp::DataRef{.bid = ref->bid,
                                          .owner = ref->owner,
                                          .url = ref->url,
                                          .title = ref->title,
                                          .size_bytes = ref->size_bytes,
                                          .signature = ref->signature,
                                          .service_signature = seal_ref_key(*ref, *ref->key, business.config()),
                                          .key = std::nullopt};
    }
  }
  delivery->part = large_part(delivery->message);
  delivery->part_is_message = delivery->part.has_value();
  const auto* const interactive = std::get_if<msp::Interactive>(&content);
  if (!delivery->part && interactive != nullptr && delivery->message.headers.include_data_ref) {
    delivery->part = payload_part(*interactive);
  }
  if (!delivery->part) return send(delivery, business);

  // A retry uploads nothing unless its answer needs a reference; the message is not sent again in any case.
  if (const auto known = business.status(delivery->message.headers.id)) {
    if (interactive == nullptr || internal::refusal_of(*known)) return delivery->answer(*known);
  }
  upload_part(delivery, business);
}

void Api::upload_part(const DeliveryPtr& delivery, BusinessPort& business) {
  auto sealed = std::make_shared<SealedFile>(seal_file(std::move(*delivery->part), random_));
  const std::uint64_t size = sealed->ciphertext.size();
  files_.create(business, size, [this, delivery, sealed](const Result<Files::Place, Files::Failure>& place) {
    if (!place) return delivery->call->refuse(place.error());
    sealed->attachment.blob = place->blob;
    files_.upload(*place, std::move(sealed->ciphertext),
                  [this, delivery, sealed](const Result<ByteArray<32>, Files::Failure>& stored) {
                    if (!stored) return delivery->call->refuse(stored.error());
                    BusinessPort* const now = businesses_.find(delivery->business);
                    if (now == nullptr) return delivery->call->refuse(msp::refused_token());
                    const auto* const asked = std::get_if<msp::Interactive>(&delivery->message.content);
                    if (asked != nullptr) {
                      delivery->answer_ref = ref_of(*asked, sealed->attachment, now->config(), files_.service());
                    }
                    if (delivery->part_is_message) delivery->file = std::move(sealed->attachment);
                    send(delivery, *now);
                  });
  });
}

void Api::send(const DeliveryPtr& delivery, BusinessPort& business) {
  auto prepared = prepare(delivery->message, std::move(delivery->file), files_.service());
  if (!prepared) return delivery->call->refuse(prepared.error());
  business.send(std::move(*prepared), options_.answer_within,
                [delivery](Outcome outcome) { delivery->answer(outcome); });
}

void Api::message_status(const CallPtr& call) {
  const auto source = msp::find_header(call->fields, "source-id");
  const bool named = !source || !source->empty();
  std::vector<BusinessPort*> asked;
  if (named) {
    const auto one = caller(call->fields);
    if (!one) return call->refuse(one.error());
    asked = {*one};
  } else {
    auto all = callers(call->fields);
    if (!all) return call->refuse(all.error());
    asked = std::move(*all);
  }
  std::erase_if(asked, [](const BusinessPort* one) { return !one->config().status_webhooks; });
  if (asked.empty()) {
    return call->refuse(
        internal::problem(403, Error::forbidden, "the operator has not switched status on for this business"));
  }
  if (const auto id = msp::parse_uuid(call->path[0])) {
    for (BusinessPort* const one : asked) {
      const auto outcome = one->status(*id);
      if (!outcome) continue;
      return call->json("{\"id\":\"" + msp::to_text(*id) + "\",\"status\":\"" + std::string(name(*outcome)) + "\"}");
    }
  }
  call->refuse(internal::problem(404, Error::unknown, "no message of this id in the last 7 days"));
}

}  // namespace opaline::gateway
