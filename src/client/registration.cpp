#include "client/registration.hpp"

#include "client/replies.hpp"
#include "proto/device.pb.h"

namespace opaline::client {
namespace {

std::string text(ByteView bytes) {
  return to_string(bytes);
}

}  // namespace

Failure failure_of(endpoint::Error error) {
  switch (error) {
    case endpoint::Error::too_large:
      return {ClientError::bad_text, "the text is empty or longer than 16,384 bytes"};
    case endpoint::Error::bad_text:
      return {ClientError::bad_text, "the text is not valid UTF-8"};
    case endpoint::Error::bad_attachment:
      return {ClientError::bad_attachment,
              "a file's name or size is not possible in a message (1 byte to 100 MiB, at most 8 files)"};
    case endpoint::Error::blocked:
      return {ClientError::blocked, "you have blocked this person; lift it first: opaline unblock TO"};
    case endpoint::Error::not_primary:
      return {ClientError::not_primary, "only the primary device can do that (opaline devices shows which one it is)"};
    case endpoint::Error::list_busy:
      return {ClientError::list_busy,
              "another change of your devices is still on its way to the server; try again when it is through"};
    case endpoint::Error::list_full:
      return {ClientError::list_full, "an account has at most 10 devices; remove one first (opaline devices remove N)"};
    case endpoint::Error::unknown_device:
      return {ClientError::unknown_device, "there is no device of yours with this number (opaline devices)"};
    case endpoint::Error::this_device:
      return {ClientError::this_device, "a device does not remove itself: do it from the primary device"};
    case endpoint::Error::bad_device:
      return {ClientError::bad_device, "the device list that would come of it is not a valid one; nothing was changed"};
    case endpoint::Error::to_self:
      return {ClientError::to_self, "that is your own account"};
    case endpoint::Error::outbox_full:
      return {ClientError::outbox_full, "10,000 messages are waiting to go out; let them go first (opaline receive)"};
    case endpoint::Error::repeated:
      return {ClientError::store_failed, "a message with this id is there already; nothing was sent"};
    case endpoint::Error::bad_id:
      return {ClientError::bad_text, "a message's id is not all zeros"};
    case endpoint::Error::unknown_peer:
      return {ClientError::unknown_peer, "nothing is known of this person yet; send a message first"};
    case endpoint::Error::no_alarm:
      return {ClientError::no_alarm, "this person's identity has not changed"};
    case endpoint::Error::not_registered:
      return {ClientError::not_registered, "there is no account in this home yet: opaline register HANDLE"};
    case endpoint::Error::bad_enrolment:
      return {ClientError::protocol, "the server gave this device no usable account; is it an Opaline server?"};
    case endpoint::Error::registered:
      return {ClientError::registered, "there is an account in this home already"};
    case endpoint::Error::store_full:
      return {ClientError::store_full, "the disk is full; nothing was changed"};
    case endpoint::Error::store_failed:
      return {
          ClientError::store_failed,
          "the local store (opaline.db in the home) could not be read or written; nothing was sent. If the disk has "
          "room, the file is damaged: put it back from a backup"};
    case endpoint::Error::corrupt_state:
      return {ClientError::store_damaged,
              "the local store is damaged; restore this home from a backup or register again"};
  }
  return {ClientError::store_failed, "unknown error"};
}

Result<Registration::Started, Failure> Registration::start(std::string_view handle) {
  wire::v1::StartRequest request;
  request.set_handle(std::string(handle));
  OPALINE_TRY(const auto reply, parsed<wire::v1::StartReply>(service_.post("registration/start", serialized(request))));
  verification_ = to_bytes(reply.verification());
  handle_ = reply.normalized_handle();
  return Started{handle_, seconds(reply.valid_seconds())};
}

Result<Registration::Checked, Failure> Registration::check(std::string_view code) {
  wire::v1::CheckRequest request;
  request.set_verification(text(verification_));
  request.set_code(std::string(code));
  OPALINE_TRY(const auto reply, parsed<wire::v1::CheckReply>(service_.post("registration/check", serialized(request))));
  const auto account = AccountId::from(as_view(reply.account()));
  const auto mailbox = MailboxId::from(as_view(reply.mailbox()));
  if (!account || !mailbox || reply.device() == 0) return fail(senseless_answer());
  ticket_ = to_bytes(reply.ticket());
  const auto made =
      endpoint::Endpoint::create(rows_, random_, clock_, {*account, DeviceNumber(reply.device()), *mailbox});
  if (!made) return fail(failure_of(made.error()));
  return Checked{reply.pin_required()};
}

Result<std::string, Failure> Registration::complete(std::string_view pin) {
  const auto keys = endpoint::Endpoint::pending_registration(rows_);
  if (!keys) return fail(failure_of(keys.error()));
  wire::v1::CompleteRequest request;
  request.set_ticket(text(ticket_));
  request.set_pin(std::string(pin));
  request.set_device_list(text(keys->device_list));
  request.mutable_prekeys()->set_signed_prekeys(text(keys->prekeys.signed_set));
  request.mutable_prekeys()->set_one_time_batch(text(keys->prekeys.one_time_batch));
  OPALINE_TRY(const auto reply,
              parsed<wire::v1::CompleteReply>(service_.post("registration/complete", serialized(request))));
  if (const auto done = endpoint::Endpoint::confirm_registration(rows_); !done) return fail(failure_of(done.error()));
  return reply.handle();
}

}  // namespace opaline::client
