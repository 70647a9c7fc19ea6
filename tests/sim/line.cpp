#include "tests/sim/line.hpp"

#include <gtest/gtest.h>

#include "proto/device.pb.h"
#include "uplink/requests.hpp"

namespace opaline::sim {

void Line::forget_connection() {
  ready_ = false;
  out_.clear();
  for (const auto& [id, call] : std::exchange(calls_, {}))
    if (const auto* answered = std::get_if<Answered>(&call)) (*answered)(nullptr);
}

void Line::crash() {
  if (pipe_) pipe_->cut = true;
  pipe_.reset();
  forget_connection();
  endpoint_.reset();
}

void Line::attach(std::shared_ptr<Pipe> pipe) {
  pipe_ = std::move(pipe);
  forget_connection();
}

void Line::detach() {
  if (pipe_) pipe_->cut = true;
  pipe_.reset();
  if (std::exchange(ready_, false) && endpoint_) endpoint_->disconnected();
  forget_connection();
}

void Line::call(std::uint16_t method, const std::string& body, Answered answered) {
  if (!ready()) return answered(nullptr);
  const std::uint32_t call = next_call_++;
  calls_[call] = std::move(answered);
  send(wire::Call{call, method, as_view(body)});
  flush();
}

void Line::receive(ByteView batch) {
  for (wire::FrameReader in(batch); !in.done() && pipe_;) {
    const auto frame = in.next();
    ASSERT_TRUE(frame) << "the node sent a malformed frame";
    take(*frame);
  }
  if (pipe_) round();
}

void Line::take(const wire::Frame& frame) {
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
    const auto asked = std::move(call->second);
    calls_.erase(call);
    const uplink::CallResult result{reply->status, to_bytes(reply->body)};
    if (const auto* of = std::get_if<OfEndpoint>(&asked)) {
      uplink::give_reply(*endpoint_, of->request, of->method, result);
    } else {
      std::get<Answered>(asked)(&result);
    }
  } else if (const auto* notice = std::get_if<wire::Notice>(&frame)) {
    uplink::give_notice(*endpoint_, *notice);
    on_notice(*notice);
  } else if (const auto* goodbye = std::get_if<wire::Goodbye>(&frame)) {
    removed = removed || goodbye->code == wire::GoodbyeCode::removed;
    detach();
  } else {
    endpoint::give_frame(*endpoint_, frame);
  }
}

void Line::round() {
  const auto actions = endpoint_->commit_round();
  if (!actions) return detach();  // the store failed: the connection's end is what the client does too
  on_committed();
  for (const endpoint::Action& action : *actions) {
    if (const auto* event = std::get_if<endpoint::Event>(&action)) on_event(*event);
    perform(action);
  }
  flush();
}

void Line::perform(const endpoint::Action& action) {
  if (!ready()) return;
  if (endpoint::encode_action(out_, action)) {
    flush_if_large();
  } else if (const auto* request = std::get_if<endpoint::Request>(&action)) {
    const auto encoded = uplink::encode_request(request->body);
    const std::uint32_t call = next_call_++;
    calls_[call] = OfEndpoint{request->id, encoded.method};
    send(wire::Call{call, encoded.method, encoded.body});
  }
}

void Line::flush() {
  if (pipe_ && !out_.empty()) pipe_->to_node.push_back(out_);
  out_.clear();
}

}  // namespace opaline::sim
