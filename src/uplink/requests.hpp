#pragma once
// The endpoint's requests as calls of proto/device.proto, and the replies back.
#include "uplink/connection.hpp"

namespace opaline::uplink {

struct EncodedRequest {
  std::uint16_t method = 0;
  Bytes body;
};
[[nodiscard]] EncodedRequest encode_request(const decltype(endpoint::Request::body)& body);

/// Gives the device the reply to request `id`, or that it failed.
void give_reply(endpoint::Endpoint& device, endpoint::RequestId id, std::uint16_t method, const CallResult& result);

}  // namespace opaline::uplink
