#include "tests/sim/device.hpp"

#include <gtest/gtest.h>

#include "client/requests.hpp"

namespace opaline::sim {

void Device::load() {
  auto loaded = endpoint::Endpoint::load(store, random_, clock_);
  ASSERT_TRUE(loaded) << name << " cannot load its state";
  endpoint_ = std::move(*loaded);
}

void Device::crash() {
  if (pipe_) pipe_->cut = true;
  pipe_.reset();
  ready_ = false;
  out_.clear();
  calls_.clear();
  endpoint_.reset();
}

void Device::attach(std::shared_ptr<Pipe> pipe) {
  pipe_ = std::move(pipe);
  ready_ = false;
  out_.clear();
  calls_.clear();
}

void Device::detach() {
  if (pipe_) pipe_->cut = true;
  pipe_.reset();
  if (std::exchange(ready_, false) && endpoint_) endpoint_->disconnected();
}

void Device::receive(ByteView batch) {
  for (wire::FrameReader in(batch); !in.done() && pipe_;) {
    const auto frame = in.next();
    ASSERT_TRUE(frame) << "the node sent a malformed frame";
    take(*frame);
  }
  if (pipe_) round();
}

void Device::take(const wire::Frame& frame) {
  if (const auto* hello = std::get_if<wire::Hello>(&frame)) {
    wire::Auth auth;
    auth.account = endpoint_->address().account;
    auth.device = endpoint_->address().device;
    const Bytes signature = endpoint_->sign_auth(wire::auth_message(auth, *hello, pipe_->binding));
    auth.signature = signature;
    send(auth);
    flush();
  } else if (const auto* ready = std::get_if<wire::Ready>(&frame)) {
    ready_ = true;
    endpoint_->connected(*ready);
    send(wire::Credit{64, 1 << 20});
  } else if (const auto* push = std::get_if<wire::Push>(&frame)) {
    endpoint_->on_push(push->subscription, push->gap, push->id, push->ciphertext);
  } else if (const auto* result = std::get_if<wire::ResultFrame>(&frame)) {
    for (std::size_t i = 0; i < result->size(); ++i) endpoint_->on_result(result->at(i));
  } else if (const auto* credit = std::get_if<wire::Credit>(&frame)) {
    endpoint_->on_credit(credit->envelopes, credit->bytes);
  } else if (const auto* drained = std::get_if<wire::Drained>(&frame)) {
    endpoint_->on_drained(drained->subscription);
  } else if (const auto* reply = std::get_if<wire::Reply>(&frame)) {
    const auto call = calls_.find(reply->id);
    ASSERT_NE(call, calls_.end()) << "a reply that nobody asked for";
    const auto [request, method] = call->second;
    calls_.erase(call);
    client::give_reply(*endpoint_, request, method, {reply->status, to_bytes(reply->body)});
  } else if (std::holds_alternative<wire::Goodbye>(frame)) {
    detach();
  }
}

void Device::round() {
  const auto actions = endpoint_->commit_round();
  if (!actions) return detach();  // the store failed: the connection's end is what the client does too
  for (const endpoint::Action& action : *actions) perform(action);
  flush();
}

void Device::perform(const endpoint::Action& action) {
  if (!ready()) return;
  if (const auto* route = std::get_if<endpoint::OpenRoute>(&action)) {
    send(wire::Route{route->route, route->mailbox, route->token});
  } else if (const auto* submit = std::get_if<endpoint::SubmitEnvelope>(&action)) {
    send(wire::Submit{submit->route, submit->envelope_class, submit->id, submit->ciphertext});
  } else if (const auto* clear = std::get_if<endpoint::ClearRoute>(&action)) {
    send(wire::Clear{clear->route});
  } else if (const auto* ack = std::get_if<endpoint::AcknowledgePushes>(&action)) {
    send(wire::Ack{ack->number});
    send(wire::Credit{ack->envelopes, ack->bytes});
  } else if (const auto* request = std::get_if<endpoint::Request>(&action)) {
    const auto encoded = client::encode_request(request->body);
    const std::uint32_t call = next_call_++;
    calls_[call] = {request->id, encoded.method};
    send(wire::Call{call, encoded.method, encoded.body});
  }
}

void Device::flush() {
  if (pipe_ && !out_.empty()) pipe_->to_node.push_back(out_);
  out_.clear();
}

}  // namespace opaline::sim
