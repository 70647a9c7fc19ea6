#pragma once
// Between an Endpoint and the frames of its device connection (docs/device-api.md): the same whatever carries them, so
// client, simulator and gateway share it. Calls, notices and the closing are the carrier's.
#include "endpoint/endpoint.hpp"
#include "wire/frames.hpp"

namespace opaline::endpoint {

/// Appends the AUTH frame that answers `hello`. `binding`: the connection's tls-exporter value.
void encode_auth(Bytes& batch, Endpoint& device, const wire::Hello& hello, FixedView<wire::kBindingBytes> binding);
/// Gives PUSH, RESULT, CREDIT and DRAINED to the device. False: another kind, nothing was done.
bool give_frame(Endpoint& device, const wire::Frame& frame);
/// Appends an action's frames: ROUTE, SUBMIT, CLEAR, ACK with CREDIT. False: a request or an event, nothing was done.
[[nodiscard]] bool encode_action(Bytes& batch, const Action& action);

}  // namespace opaline::endpoint
