#include "uplink/requests.hpp"

#include <algorithm>

#include "proto/device.pb.h"

namespace opaline::uplink {
namespace {

EncodedRequest encoded(wire::v1::Method method, const google::protobuf::MessageLite& message) {
  return {static_cast<std::uint16_t>(method), to_bytes(message.SerializeAsString())};
}

EncodedRequest encode(const endpoint::FetchBundles& request) {
  wire::v1::BundlesRequest out;
  out.set_account(to_string(request.account.view()));
  out.set_renewal_token(to_string(request.renewal_token));
  for (const DeviceNumber device : request.devices) out.add_devices(static_cast<std::uint32_t>(device));
  out.set_known_list(static_cast<std::uint32_t>(request.known));
  return encoded(wire::v1::METHOD_BUNDLES, out);
}

EncodedRequest encode(const endpoint::FetchSendTokens& request) {
  wire::v1::SendTokensRequest out;
  out.set_account(to_string(request.account.view()));
  out.set_renewal_token(to_string(request.renewal_token));
  out.set_known_list(static_cast<std::uint32_t>(request.known));
  return encoded(wire::v1::METHOD_SEND_TOKENS, out);
}

EncodedRequest encode(const endpoint::UploadPrekeys& request) {
  wire::v1::UploadPrekeysRequest out;
  out.mutable_prekeys()->set_signed_prekeys(to_string(request.signed_set));
  out.mutable_prekeys()->set_one_time_batch(to_string(request.one_time_batch));
  return encoded(wire::v1::METHOD_UPLOAD_PREKEYS, out);
}

EncodedRequest encode(const endpoint::FetchPrekeyStatus&) {
  return encoded(wire::v1::METHOD_PREKEY_STATUS, wire::v1::Empty());
}

EncodedRequest encode(const endpoint::UpdateDevices& request) {
  wire::v1::UpdateDevicesRequest out;
  out.set_device_list(to_string(request.signed_list));
  for (const Bytes& list : request.between) out.add_between(to_string(list));
  if (!request.exchange.empty()) {
    out.set_exchange(to_string(request.exchange));
    out.mutable_prekeys()->set_signed_prekeys(to_string(request.prekeys.signed_set));
    out.mutable_prekeys()->set_one_time_batch(to_string(request.prekeys.one_time_batch));
  }
  return encoded(wire::v1::METHOD_UPDATE_DEVICES, out);
}

template <class Reply>
std::optional<Reply> parsed(ByteView body) {
  Reply reply;
  if (!reply.ParseFromArray(body.data(), static_cast<int>(body.size()))) return std::nullopt;
  return reply;
}

/// nullopt: an identifier of the wrong length.
template <class Reply>
std::optional<endpoint::DevicesReply> devices_of(ByteView body) {
  const auto reply = parsed<Reply>(body);
  if (!reply) return std::nullopt;
  endpoint::DevicesReply out;
  out.signed_list = to_bytes(reply->device_list());
  out.renewal_token = to_bytes(reply->renewal_token());
  for (const auto& list : reply->list_history()) out.history.push_back(to_bytes(list));
  for (const auto& device : reply->devices()) {
    const auto mailbox = MailboxId::from(as_view(device.mailbox()));
    if (!mailbox || device.send_token().size() != wire::kSendTokenBytes) return std::nullopt;
    out.devices.push_back({DeviceNumber(device.device()), *mailbox,
                           to_array<wire::kSendTokenBytes>(as_view(device.send_token())), to_bytes(device.bundle())});
  }
  return out;
}

endpoint::RequestFailure failure_of_status(std::uint16_t method, std::uint16_t status) {
  if (method == wire::v1::METHOD_UPDATE_DEVICES) {
    switch (status) {
      case wire::v1::CALL_STATUS_CONFLICT:
      case wire::v1::CALL_STATUS_FORBIDDEN:
      case wire::v1::CALL_STATUS_BAD_REQUEST:
      case wire::v1::CALL_STATUS_EXPIRED:
      case wire::v1::CALL_STATUS_NOT_FOUND:
        return endpoint::RequestFailure::refused;
      default:
        break;
    }
  }
  if (status == wire::v1::CALL_STATUS_NOT_FOUND) return endpoint::RequestFailure::not_found;
  if (status == wire::v1::CALL_STATUS_CLOSED) return endpoint::RequestFailure::closed;
  if (status == wire::v1::CALL_STATUS_QUOTA) return endpoint::RequestFailure::quota;
  return endpoint::RequestFailure::unavailable;
}

/// False if the body makes no sense.
bool give_ok(endpoint::Endpoint& device, endpoint::RequestId id, std::uint16_t method, ByteView body) {
  switch (method) {
    case wire::v1::METHOD_BUNDLES:
    case wire::v1::METHOD_SEND_TOKENS: {
      const auto reply = method == wire::v1::METHOD_BUNDLES ? devices_of<wire::v1::BundlesReply>(body)
                                                            : devices_of<wire::v1::SendTokensReply>(body);
      if (reply) device.on_devices(id, *reply);
      return reply.has_value();
    }
    case wire::v1::METHOD_UPLOAD_PREKEYS: {
      const auto reply = parsed<wire::v1::UploadPrekeysReply>(body);
      if (reply) device.on_prekeys_left(id, reply->one_time_left(), std::nullopt);
      return reply.has_value();
    }
    case wire::v1::METHOD_PREKEY_STATUS: {
      const auto reply = parsed<wire::v1::PrekeyStatusReply>(body);
      if (!reply || reply->signed_until_ms() > INT64_MAX) return false;
      device.on_prekeys_left(id, reply->one_time_left(),
                             from_unix_millis(static_cast<std::int64_t>(reply->signed_until_ms())));
      return true;
    }
    case wire::v1::METHOD_UPDATE_DEVICES:
      device.on_devices_updated(id);
      return true;
    default:
      return false;
  }
}

}  // namespace

EncodedRequest encode_request(const decltype(endpoint::Request::body)& body) {
  return std::visit([](const auto& request) { return encode(request); }, body);
}

void give_reply(endpoint::Endpoint& device, endpoint::RequestId id, std::uint16_t method, const CallResult& result) {
  if (result.status == wire::v1::CALL_STATUS_OK) {
    if (!give_ok(device, id, method, result.body))
      device.on_request_failed(id, endpoint::RequestFailure::unavailable, seconds(60));
    return;
  }
  wire::v1::Failure failure;
  (void)failure.ParseFromArray(result.body.data(), static_cast<int>(result.body.size()));
  device.on_request_failed(id, failure_of_status(method, result.status), seconds(failure.retry_after_seconds()));
}

void ask(Connection& connection, endpoint::Endpoint& device, const endpoint::Request& request,
         std::function<void()> changed) {
  const EncodedRequest encoded = encode_request(request.body);
  const bool sent = connection.call(
      encoded.method, encoded.body,
      [&connection, &device, id = request.id, method = encoded.method, changed](const CallResult& result) {
        if (!connection.ready()) return;  // it has ended: nobody refused anything
        give_reply(device, id, method, result);
        changed();
      });
  if (sent) return;
  device.on_request_failed(request.id, endpoint::RequestFailure::unavailable, seconds(1));
  changed();
}

void give_notice(endpoint::Endpoint& device, const wire::Notice& notice) {
  if (notice.kind == wire::v1::NOTICE_ACCOUNT_CHANGED) device.check_own_list();
  if (notice.kind != wire::v1::NOTICE_PREKEYS_LOW) return;
  if (const auto status = parsed<wire::v1::PrekeyStatusReply>(notice.body))
    device.on_prekeys_low(status->one_time_left());
}

std::optional<milliseconds> next_tick(const endpoint::Endpoint& device, Time now) {
  const auto deadline = device.next_deadline();
  if (!deadline) return std::nullopt;
  return std::clamp<milliseconds>(*deadline - now, milliseconds(10), std::chrono::minutes(1));
}

}  // namespace opaline::uplink
