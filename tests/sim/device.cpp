#include "tests/sim/device.hpp"

#include <gtest/gtest.h>

#include "proto/device.pb.h"
#include "uplink/requests.hpp"

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
    endpoint::encode_auth(out_, *endpoint_, *hello, pipe_->binding);
    flush();
  } else if (const auto* ready = std::get_if<wire::Ready>(&frame)) {
    ready_ = true;
    endpoint_->connected(*ready);
    send(wire::Credit{64, 1 << 20});
  } else if (const auto* reply = std::get_if<wire::Reply>(&frame)) {
    const auto call = calls_.find(reply->id);
    ASSERT_NE(call, calls_.end()) << "a reply that nobody asked for";
    const auto [request, method] = call->second;
    calls_.erase(call);
    uplink::give_reply(*endpoint_, request, method, {reply->status, to_bytes(reply->body)});
  } else if (const auto* notice = std::get_if<wire::Notice>(&frame)) {
    if (notice->kind == wire::v1::NOTICE_ACCOUNT_CHANGED) endpoint_->check_own_list();
  } else if (const auto* goodbye = std::get_if<wire::Goodbye>(&frame)) {
    removed = removed || goodbye->code == wire::GoodbyeCode::removed;
    detach();
  } else {
    endpoint::give_frame(*endpoint_, frame);
  }
}

void Device::round() {
  const auto actions = endpoint_->commit_round();
  if (!actions) return detach();  // the store failed: the connection's end is what the client does too
  for (const endpoint::Action& action : *actions) {
    if (const auto* event = std::get_if<endpoint::Event>(&action)) events.push_back(*event);
    perform(action);
  }
  flush();
}

void Device::perform(const endpoint::Action& action) {
  if (!ready()) return;
  if (endpoint::encode_action(out_, action)) {
    flush_if_large();
  } else if (const auto* request = std::get_if<endpoint::Request>(&action)) {
    const auto encoded = uplink::encode_request(request->body);
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
