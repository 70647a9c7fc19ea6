#include "endpoint/frames.hpp"

namespace opaline::endpoint {

void encode_auth(Bytes& batch, Endpoint& device, const wire::Hello& hello, FixedView<wire::kBindingBytes> binding) {
  wire::Auth auth;
  auth.account = device.address().account;
  auth.device = device.address().device;
  auth.binding = wire::Binding::tls_exporter;
  const Bytes signature = device.sign_auth(wire::auth_message(auth, hello, binding));
  auth.signature = signature;
  wire::encode(batch, auth);
}

bool give_frame(Endpoint& device, const wire::Frame& frame) {
  if (const auto* push = std::get_if<wire::Push>(&frame)) {
    device.on_push(push->subscription, push->gap, push->id, push->ciphertext);
  } else if (const auto* result = std::get_if<wire::ResultFrame>(&frame)) {
    for (std::size_t i = 0; i < result->size(); ++i) device.on_result(result->at(i));
  } else if (const auto* credit = std::get_if<wire::Credit>(&frame)) {
    device.on_credit(credit->envelopes, credit->bytes);
  } else if (const auto* drained = std::get_if<wire::Drained>(&frame)) {
    device.on_drained(drained->subscription);
  } else {
    return false;
  }
  return true;
}

bool encode_action(Bytes& batch, const Action& action) {
  if (const auto* route = std::get_if<OpenRoute>(&action)) {
    wire::encode(batch, wire::Route{route->route, route->mailbox, route->token});
  } else if (const auto* submit = std::get_if<SubmitEnvelope>(&action)) {
    wire::encode(batch, wire::Submit{submit->route, submit->envelope_class, submit->id, submit->ciphertext});
  } else if (const auto* clear = std::get_if<ClearRoute>(&action)) {
    wire::encode(batch, wire::Clear{clear->route});
  } else if (const auto* ack = std::get_if<AcknowledgePushes>(&action)) {
    wire::encode(batch, wire::Ack{ack->number});
    wire::encode(batch, wire::Credit{ack->envelopes, ack->bytes});
  } else {
    return false;
  }
  return true;
}

}  // namespace opaline::endpoint
