#pragma once
// What registration, linking and recovery share: replies of the service read, and what a person hears of the store.
#include <google/protobuf/message_lite.h>

#include "client/error.hpp"

namespace opaline::client {

[[nodiscard]] inline Failure senseless_answer() {
  return {ClientError::protocol, "the server's answer makes no sense; is it an Opaline server?"};
}

/// The reply in a body. protocol.
template <class Reply>
[[nodiscard]] Result<Reply, Failure> parsed(const Result<Bytes, Failure>& body) {
  if (!body) return fail(body.error());
  Reply reply;
  if (!reply.ParseFromArray(body->data(), static_cast<int>(body->size()))) return fail(senseless_answer());
  return reply;
}

[[nodiscard]] inline Bytes serialized(const google::protobuf::MessageLite& message) {
  return to_bytes(message.SerializeAsString());
}

[[nodiscard]] inline Failure store_failure(ClientError error) {
  return {error, "the local store (opaline.db in the home) could not be read or written"};
}

}  // namespace opaline::client
