#include "client/recovering.hpp"

#include "client/registration.hpp"
#include "client/replies.hpp"
#include "proto/device.pb.h"

namespace opaline::client {
namespace {

constexpr std::string_view kProgress = "recovery";
constexpr std::size_t kTicketBytes = 32;

template <class Reply>
Result<Reply, Failure> asked(Service& service, std::string_view step, const google::protobuf::MessageLite& request) {
  return parsed<Reply>(service.post(step, serialized(request)));
}

Result<void, endpoint::Error> confirm(endpoint::EndpointStore& rows) {
  return endpoint::Endpoint::confirm_registration(rows);
}

}  // namespace

Failure recovery_failure(session::Error error) {
  switch (error) {
    case session::Error::authentication_failed:
      return {ClientError::wrong_passphrase, "the passphrase does not open this recovery file"};
    case session::Error::wrong_kind:
      return {ClientError::bad_recovery_file, "this is no recovery file of opaline"};
    case session::Error::unsupported_version:
      return {ClientError::bad_recovery_file, "this recovery file was written by a newer version; update this program"};
    case session::Error::too_costly:
      return {ClientError::bad_recovery_file,
              "this file asks for more memory than there is, or than a recovery file does"};
    default:
      return {ClientError::bad_recovery_file, "this recovery file is damaged; use another copy of it"};
  }
}

Result<bool, ClientError> Recovering::unfinished(const LocalStore& store, RandomSource& random) {
  OPALINE_TRY(const auto kept, Progress(store, random).get(kProgress));
  return kept.has_value();
}

Result<void, ClientError> Recovering::finish(const LocalStore& store, RandomSource& random) {
  return Progress(store, random).erase(kProgress);
}

Result<bool, Failure> Recovering::resume() {
  const Progress progress(parts_.store, parts_.random);
  const auto ticket = progress.get(kProgress);
  if (!ticket) return fail(store_failure(ticket.error()));
  if (!*ticket) return false;
  const bool keys = endpoint::Endpoint::pending_registration(parts_.rows).has_value();
  if (keys) {
    const auto done = complete(**ticket);
    if (done) return true;
    if (done.error().call_status == 0) return fail(done.error());
    // The ticket is over, or was never used. Did the request before the crash come through?
    OPALINE_TRY(const bool known, known_to_service(parts_, confirm));
    if (known) {
      if (const auto confirmed = confirm(parts_.rows); !confirmed) return fail(failure_of(confirmed.error()));
      return true;
    }
  }
  if (const auto erased = progress.erase(kProgress); !erased) return fail(store_failure(erased.error()));
  return false;
}

/// The stored list, if it follows the one of the file: each list in between is there, or it is the same. Of a service
/// that was set back the file's own list, if that follows the stored one.
Result<Recovering::Base, Failure> Recovering::followed(const session::Recovery& recovery,
                                                       const std::vector<Bytes>& history, ByteView stored) {
  const Failure bad{
      ClientError::bad_recovery_file,
      "WARNING: the server shows a device list that does not follow the one in the recovery file: it is of "
      "another account now, or the server hides something. Nothing was changed"};
  std::optional<session::VerifiedDeviceList> last;
  const auto follow = [&](ByteView bytes) {
    auto next = session::verify_device_list(bytes);
    if (!next) return false;
    const auto change = session::compare_lists(last ? *last : recovery.list, *next);
    if (change != session::ListChange::successor && change != session::ListChange::unchanged) return false;
    last.emplace(std::move(*next));
    return true;
  };
  for (const Bytes& bytes : history)
    if (!follow(bytes)) return fail(bad);
  if (follow(stored)) return Base{std::move(*last), {}, {}};
  auto list = session::verify_device_list(stored);
  if (!list) return fail(bad);
  // Lists in between may be kept no longer (64 are): then the account key's signature has to do.
  if (session::compare_lists(last ? *last : recovery.list, *list) == session::ListChange::gap)
    return Base{std::move(*list), {}, {}};
  if (!history.empty()) return fail(bad);
  switch (session::compare_lists(*list, recovery.list)) {
    case session::ListChange::successor: {
      Base out{recovery.list, to_bytes(recovery.list.bytes()), {}};
      for (const session::DeviceEntry& device : recovery.list.list().devices)
        if (list->find(device.number) == nullptr && device.number != recovery.primary)
          out.lost.push_back(device.number);
      return out;
    }
    case session::ListChange::gap:
      return fail(Failure{
          ClientError::bad_recovery_file,
          "the server was restored from a copy that is older than this recovery file, and lacks more than one change "
          "of your devices, which the file does not have either. A linked device has them: on one that still works, "
          "opaline recovery import. Nothing was changed"});
    default:
      return fail(bad);
  }
}

Result<Recovering::Outcome, Failure> Recovering::run(const session::Recovery& recovery) {
  const AccountId& account = recovery.list.list().account;
  wire::v1::RecoveryStartRequest start;
  start.set_account(to_string(account.view()));
  OPALINE_TRY(const auto started, asked<wire::v1::RecoveryStartReply>(parts_.service, "recovery/start", start));
  if (started.challenge().size() != 32) return fail(senseless_answer());
  const auto challenge = to_array<32>(as_view(started.challenge()));
  const auto signature = session::sign_recovery_challenge(recovery.account_key, challenge, account, parts_.random);
  wire::v1::RecoveryOpenRequest open;
  open.set_account(to_string(account.view()));
  open.set_challenge(started.challenge());
  open.set_signature(to_string(signature.view()));
  open.set_known_list(static_cast<std::uint32_t>(recovery.list.list().number));
  std::vector<Bytes> history;
  wire::v1::RecoveryOpenReply opened;
  for (;;) {  // as many lists as fit come at once
    OPALINE_TRY(opened, asked<wire::v1::RecoveryOpenReply>(parts_.service, "recovery/open", open));
    for (const auto& list : opened.list_history()) history.push_back(to_bytes(list));
    const auto last = opened.list_history_size() == 0
                          ? Result<session::VerifiedDeviceList, session::Error>(fail(session::Error::malformed))
                          : session::load_device_list(history.back());
    if (!last || history.size() > 256) break;
    open.set_known_list(static_cast<std::uint32_t>(last->list().number));
  }
  OPALINE_TRY(const Base base, followed(recovery, history, as_view(opened.device_list())));
  const session::VerifiedDeviceList& list = base.list;
  const auto mailbox = MailboxId::from(as_view(opened.mailbox()));
  if (!mailbox || opened.ticket().size() != kTicketBytes) return fail(senseless_answer());
  const Progress progress(parts_.store, parts_.random);
  // First the ticket, then the keys: with keys and no ticket nobody would know what they were for.
  Bytes kept = to_bytes(opened.ticket());
  if (base.between) append(kept, *base.between);
  if (const auto done = progress.put(kProgress, kept); !done) return fail(store_failure(done.error()));
  std::vector<DeviceNumber> left_out = base.lost;
  left_out.push_back(recovery.primary);
  const auto made = endpoint::Endpoint::create_recovered(parts_.rows, parts_.random, parts_.clock,
                                                         {account, list.list().next_device, *mailbox}, list,
                                                         recovery.account_key, left_out);
  if (!made) return fail(failure_of(made.error()));
  OPALINE_CHECK(complete(kept));
  return Outcome{base.between.has_value(), base.lost};
}

Result<void, Failure> Recovering::complete(ByteView progress) {
  const ByteView ticket = progress.first(std::min(progress.size(), kTicketBytes));
  const ByteView between = progress.subspan(ticket.size());
  const auto keys = endpoint::Endpoint::pending_registration(parts_.rows);
  if (!keys) return fail(failure_of(keys.error()));
  wire::v1::RecoveryCompleteRequest request;
  request.set_ticket(to_string(ticket));
  if (!between.empty()) request.add_between(to_string(between));
  request.set_device_list(to_string(keys->device_list));
  request.mutable_prekeys()->set_signed_prekeys(to_string(keys->prekeys.signed_set));
  request.mutable_prekeys()->set_one_time_batch(to_string(keys->prekeys.one_time_batch));
  OPALINE_CHECK(asked<wire::v1::CompleteReply>(parts_.service, "recovery/complete", request));
  if (const auto done = confirm(parts_.rows); !done) return fail(failure_of(done.error()));
  return {};
}

}  // namespace opaline::client
