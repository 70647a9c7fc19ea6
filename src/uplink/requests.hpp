#pragma once
// Between an endpoint and its service: its requests as calls of proto/device.proto and the replies back, notices, and
// when it wants its next tick. What every device in operation does alike.
#include "uplink/connection.hpp"

namespace opaline::uplink {

struct EncodedRequest {
  std::uint16_t method = 0;
  Bytes body;
};
[[nodiscard]] EncodedRequest encode_request(const decltype(endpoint::Request::body)& body);

/// Gives the device the reply to request `id`, or that it failed.
void give_reply(endpoint::Endpoint& device, endpoint::RequestId id, std::uint16_t method, const CallResult& result);

/// Asks the service and gives the device the answer; then, or if it cannot be asked now, calls `changed`. Not called
/// once the connection has ended: Endpoint::disconnected sees to it that it is asked again. All but `request` must
/// outlive the call.
void ask(Connection& connection, endpoint::Endpoint& device, const endpoint::Request& request,
         std::function<void()> changed);

/// Gives the device a NOTICE that is about itself (its list, its prekeys); nothing for others.
void give_notice(endpoint::Endpoint& device, const wire::Notice& notice);

/// After how long a connected device is to be ticked, from 10 ms to a minute; nullopt: only after an input.
[[nodiscard]] std::optional<milliseconds> next_tick(const endpoint::Endpoint& device, Time now);

}  // namespace opaline::uplink
