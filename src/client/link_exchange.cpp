#include "client/link_exchange.hpp"

#include "proto/device.pb.h"

namespace opaline::client {

Result<LinkExchange::Turn, Failure> LinkExchange::turn(std::vector<Bytes> messages, bool end) {
  for (Bytes& message : messages) to_send_.push_back(std::move(message));
  // One at a time: a call holds one message of any size and not two.
  while (to_send_.size() > 1) OPALINE_CHECK(once(false));
  OPALINE_CHECK(once(end));
  return std::exchange(arrived_, Turn());
}

Result<void, Failure> LinkExchange::once(bool end) {
  wire::v1::LinkTurnRequest request;
  request.set_exchange(to_string(id_.view()));
  request.set_secret(to_string(secret_));
  request.set_received(received_);
  request.set_sent(sent_);
  if (!to_send_.empty()) request.add_send(to_string(to_send_.front()));
  request.set_end(end);
  OPALINE_TRY(const Bytes body, transport_(as_view(request.SerializeAsString())));
  wire::v1::LinkTurnReply reply;
  if (!reply.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return fail(Failure{ClientError::protocol, "the server's answer makes no sense"});
  if (!to_send_.empty()) {
    to_send_.pop_front();
    ++sent_;
  }
  for (const std::string& each : reply.messages()) arrived_.messages.push_back(to_bytes(each));
  received_ += static_cast<std::uint32_t>(reply.messages_size());
  arrived_.joined = reply.joined();
  arrived_.ended = reply.ended();
  return {};
}

Failure link_failure(session::Error error) {
  switch (error) {
    case session::Error::unsupported_version:
      return {ClientError::link_failed, "the other device has another version of opaline; update both and start again"};
    case session::Error::authentication_failed:
    case session::Error::bad_signature:
    case session::Error::wrong_device:
    case session::Error::bad_key:
      return {ClientError::link_failed,
              "WARNING: what came is not from the device that it should be from: somebody may have tried to get in "
              "between. Nothing was linked. Start again with: opaline link"};
    default:
      return {ClientError::link_failed,
              "the other device sent what does not belong to this linking. Nothing was linked; start again with: "
              "opaline link"};
  }
}

}  // namespace opaline::client
