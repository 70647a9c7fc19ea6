#include "identity/dispatcher.hpp"

#include <google/protobuf/stubs/logging.h>

#include <functional>

#include "identity/internal/failures.hpp"

namespace opaline::identity {
namespace {

Bytes serialise(const google::protobuf::MessageLite& message) {
  Bytes out(message.ByteSizeLong());
  message.SerializeToArray(out.data(), static_cast<int>(out.size()));
  return out;
}

/// What parses as `Request`; protobuf refuses strings that are not UTF-8.
template <class Request>
std::optional<Request> parse(ByteView body) {
  // It would write a line to stderr for each such string: nobody outside may fill a log.
  const google::protobuf::LogSilencer silence;
  Request out;
  if (body.size() > kMaxRegistrationBodyBytes || !out.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return std::nullopt;
  return out;
}

template <class Reply>
CallReply to_reply(const Answer<Reply>& answer) {
  if (answer) return {.status = calls::CALL_STATUS_OK, .body = serialise(*answer)};
  return {.status = answer.error().status, .body = serialise(answer.error().to_message())};
}

CallReply malformed(const char* message) {
  return to_reply<calls::Empty>(internal::bad_request(message));
}

/// Parses, calls, serialises.
template <class Request, class Method>
CallReply run(ByteView body, Method method) {
  const auto request = parse<Request>(body);
  if (!request) return malformed("The body is not the message that this call takes.");
  return to_reply(method(*request));
}

std::uint16_t http_status(calls::CallStatus status) {
  switch (status) {
    case calls::CALL_STATUS_OK:
      return 200;
    case calls::CALL_STATUS_BAD_REQUEST:
      return 400;
    case calls::CALL_STATUS_NOT_FOUND:
      return 404;
    case calls::CALL_STATUS_QUOTA:
      return 429;
    case calls::CALL_STATUS_FORBIDDEN:
    case calls::CALL_STATUS_WRONG_CODE:
    case calls::CALL_STATUS_PIN_REQUIRED:
    case calls::CALL_STATUS_WRONG_PIN:
      return 403;
    case calls::CALL_STATUS_CONFLICT:
      return 409;
    case calls::CALL_STATUS_EXPIRED:
    case calls::CALL_STATUS_CLOSED:
      return 410;
    case calls::CALL_STATUS_UNAVAILABLE:
    case calls::CallStatus_INT_MIN_SENTINEL_DO_NOT_USE_:
    case calls::CallStatus_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return 503;
}

}  // namespace

CallReply CallDispatcher::call(const Caller& caller, std::uint16_t method, ByteView body) {
  const auto with = [&](auto handler) {
    return [this, &caller, handler](const auto& request) { return std::invoke(handler, service_, caller, request); };
  };
  const auto without = [&](auto handler) {
    return [this, &caller, handler](const calls::Empty&) { return std::invoke(handler, service_, caller); };
  };
  switch (method) {
    case calls::METHOD_LOOKUP:
      return run<calls::LookupRequest>(body, with(&Service::lookup));
    case calls::METHOD_BUNDLES:
      return run<calls::BundlesRequest>(body, with(&Service::bundles));
    case calls::METHOD_UPLOAD_PREKEYS:
      return run<calls::UploadPrekeysRequest>(body, with(&Service::upload_prekeys));
    case calls::METHOD_PREKEY_STATUS:
      return run<calls::Empty>(body, without(&Service::prekey_status));
    case calls::METHOD_ACCOUNT:
      return run<calls::Empty>(body, without(&Service::account));
    case calls::METHOD_HANDLE_ADD_START:
      return run<calls::HandleAddStartRequest>(body, with(&Service::handle_add_start));
    case calls::METHOD_HANDLE_ADD_FINISH:
      return run<calls::HandleAddFinishRequest>(body, with(&Service::handle_add_finish));
    case calls::METHOD_HANDLE_REMOVE:
      return run<calls::HandleRemoveRequest>(body, with(&Service::handle_remove));
    case calls::METHOD_SET_PIN:
      return run<calls::SetPinRequest>(body, with(&Service::set_pin));
    case calls::METHOD_ACCOUNT_DELETE:
      return run<calls::AccountDeleteRequest>(body, with(&Service::delete_account));
    case calls::METHOD_SEND_TOKENS:
      return run<calls::SendTokensRequest>(body, with(&Service::send_tokens));
    case calls::METHOD_UPDATE_DEVICES:
      return run<calls::UpdateDevicesRequest>(body, with(&Service::update_devices));
    case calls::METHOD_LINK_JOIN:
      return run<calls::LinkJoinRequest>(body, with(&Service::link_join));
    case calls::METHOD_LINK_TURN:
      return run<calls::LinkTurnRequest>(body, with(&Service::link_turn));
    case calls::METHOD_BUSINESS_PROFILE:
      return run<calls::BusinessProfileRequest>(body, with(&Service::business_profile));
    case calls::METHOD_PERSONA_OPEN:
      return run<calls::PersonaOpenRequest>(body, with(&Service::persona_open));
    case calls::METHOD_PERSONA_JOIN:
      return run<calls::PersonaJoinRequest>(body, with(&Service::persona_join));
    case calls::METHOD_PERSONA_CLOSE:
      return run<calls::PersonaCloseRequest>(body, with(&Service::persona_close));
    case calls::METHOD_MY_LOOKUPS:
      return run<calls::MyLookupsRequest>(body, with(&Service::my_lookups));
    case calls::METHOD_MY_NOTICES:
      return run<calls::Empty>(body, with(&Service::my_notices));
    default:
      return malformed("There is no such method.");
  }
}

HttpAnswer CallDispatcher::registration(const SourceAddress& source, std::string_view step, ByteView body) {
  return post(source, "registration/" + std::string(step), body);
}

HttpAnswer CallDispatcher::post(const SourceAddress& source, std::string_view path, ByteView body) {
  const auto with_source = [&](auto handler) {
    return [this, &source, handler](const auto& request) { return std::invoke(handler, service_, source, request); };
  };
  const auto without = [&](auto handler) {
    return [this, handler](const auto& request) { return std::invoke(handler, service_, request); };
  };
  CallReply reply;
  if (path == "registration/start") {
    reply = run<calls::StartRequest>(body, with_source(&Service::start));
  } else if (path == "registration/check") {
    reply = run<calls::CheckRequest>(body, without(&Service::check));
  } else if (path == "registration/complete") {
    reply = run<calls::CompleteRequest>(body, without(&Service::complete));
  } else if (path == "link/open") {
    reply = run<calls::LinkOpenRequest>(body, with_source(&Service::link_open));
  } else if (path == "link/turn") {
    reply = run<calls::LinkTurnRequest>(body, without(&Service::new_device_turn));
  } else if (path == "recovery/start") {
    reply = run<calls::RecoveryStartRequest>(body, without(&Service::recovery_start));
  } else if (path == "recovery/open") {
    reply = run<calls::RecoveryOpenRequest>(body, with_source(&Service::recovery_open));
  } else if (path == "recovery/complete") {
    reply = run<calls::RecoveryCompleteRequest>(body, without(&Service::recovery_complete));
  } else {
    reply = to_reply<calls::Empty>(internal::not_found("There is no such step."));
  }
  HttpAnswer out{.http_status = http_status(reply.status), .status = reply.status, .body = std::move(reply.body)};
  if (out.status != calls::CALL_STATUS_OK) {
    const auto failed = parse<calls::Failure>(out.body);
    out.retry_after_seconds = failed ? failed->retry_after_seconds() : 0;
  }
  return out;
}

}  // namespace opaline::identity
