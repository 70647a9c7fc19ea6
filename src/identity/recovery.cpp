// A new primary device by the account key alone (docs/device-api.md, "One's own devices"; docs/protocol.md, Recovery).
// What decides is the account key's signature, on the challenge and then on the list: no code, and no PIN.
#include "credentials/labels.hpp"
#include "crypto/hash.hpp"
#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::bad_request;
using internal::failure;
using internal::LoadedAccount;
using internal::NewDevice;
using internal::NextList;
using internal::Recovery;

namespace {

std::string text(ByteView bytes) {
  return std::string(as_text(bytes));
}

/// What makes two requests to complete the same.
ByteArray<32> request_hash(const calls::RecoveryCompleteRequest& request) {
  const auto list = crypto::sha256(as_view(request.device_list()));
  const auto set = crypto::sha256(as_view(request.prekeys().signed_prekeys()));
  const std::byte web{request.web()};
  return crypto::sha256({list, set, ByteView(&web, 1)});
}

auto over() {
  return failure(calls::CALL_STATUS_EXPIRED, "This recovery is over. Start again.");
}

/// The device that has the ticket's mailbox.
const credentials::DeviceEntry* device_of(const Recovery& ticket, const credentials::DeviceList& list) {
  const auto found = std::ranges::find(list.devices, ticket.mailbox, &credentials::DeviceEntry::mailbox);
  return found == list.devices.end() ? nullptr : &*found;
}

}  // namespace

Answer<calls::RecoveryStartReply> Service::recovery_start(const calls::RecoveryStartRequest& request) {
  State& s = *state_;
  const auto account = AccountId::from(as_view(request.account()));
  if (!account) return bad_request("An account has 16 bytes.");
  calls::RecoveryStartReply reply;
  reply.set_challenge(text(s.recoveries.challenge(*account, s.ports.clock.monotonic())));
  reply.set_valid_seconds(static_cast<std::uint32_t>(seconds(kRecoveryLifetime).count()));
  return reply;
}

Answer<calls::RecoveryOpenReply> Service::recovery_open(const SourceAddress& source,
                                                        const calls::RecoveryOpenRequest& request) {
  State& s = *state_;
  s.turn_day(s.ports.clock.now());
  const Instant now = s.ports.clock.monotonic();
  const auto id = AccountId::from(as_view(request.account()));
  const auto signature = crypto::HybridSignature::from(as_view(request.signature()));
  if (!id || !signature) return bad_request("An account has 16 bytes and a signature 3373.");
  if (!s.recoveries.is_good(*id, as_view(request.challenge()), now)) return over();
  // Of a source, whatever the account: each costs a verification, and who has the account key needs one.
  const auto bucket = s.source_key("recovery", source, 8);
  if (const auto wait = s.failed_auth.peek(bucket, 1, now))
    return internal::quota("Too many wrong signatures came from this address.", *wait);

  OPALINE_TRY(const auto account, s.load_by_id(*id));
  Bytes message = to_bytes(request.challenge());
  append(message, id->view());
  const crypto::HybridPublicKey& key = account ? account->list.list().account_key : s.decoy_key;
  const bool authentic = s.ports.crypto.verify(key, credentials::kAccountRecoverySignature, message, *signature);
  if (!account || !authentic) {
    (void)s.failed_auth.take(bucket, 1, now);
    ++s.counters.recoveries_refused;
    return failure(calls::CALL_STATUS_FORBIDDEN, "There is no such account with this key.");
  }
  const auto opened = s.recoveries.open(*id, as_view(request.challenge()), now);
  if (!opened) return failure(calls::CALL_STATUS_UNAVAILABLE, "Too many recoveries are under way.", seconds(60));
  calls::RecoveryOpenReply reply;
  reply.set_ticket(text(opened->ticket));
  reply.set_mailbox(text(opened->recovery->mailbox.view()));
  reply.set_device_list(text(account->list.bytes()));
  for (const std::string& handle : account->record.handles) reply.add_handles(handle);
  const std::size_t used = reply.ByteSizeLong();
  OPALINE_TRY(auto lists, s.list_history(*account, request.known_list(),
                                         used < kMaxListReplyBytes ? kMaxListReplyBytes - used : 0));
  for (std::string& list : lists) reply.add_list_history(std::move(list));
  return reply;
}

Answer<calls::CompleteReply> Service::recovery_complete(const calls::RecoveryCompleteRequest& request) {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  s.turn_day(now);
  const Instant instant = s.ports.clock.monotonic();
  Recovery* ticket = s.recoveries.find(as_view(request.ticket()), instant);
  if (ticket == nullptr) return over();
  OPALINE_TRY(auto account, s.load(ticket->account));
  if (!account) return internal::not_found("This account does not exist any more.");
  calls::CompleteReply reply;
  reply.set_handle(account->record.handles.front());
  reply.set_server_time_ms(static_cast<std::uint64_t>(unix_millis(now)));
  const auto hash = request_hash(request);
  if (ticket->completed) {
    if (*ticket->completed == hash) return reply;
    return failure(calls::CALL_STATUS_CONFLICT, "This recovery was completed with other keys.");
  }
  if (ticket->attempts_left == 0) return over();
  --ticket->attempts_left;

  OPALINE_TRY(NextList next, s.check_next_list(*account, as_view(request.device_list()), request.between()));
  const credentials::DeviceEntry* device = device_of(*ticket, next.list.list());
  if (device == nullptr || (!next.unchanged && next.added != device->number))
    return bad_request("The list must add the new device, with the mailbox of the answer to open.");
  if (next.unchanged) {  // an earlier attempt whose outcome was unknown was stored after all
    OPALINE_CHECK(s.settle(now));
    ticket->completed = hash;
    return reply;
  }
  const auto bucket = s.daily.key("recovery lists", account->id.view());
  if (const auto wait = s.list_updates.peek(bucket, 1, instant))
    return internal::quota("This account was recovered too often today.", *wait);
  const std::optional<NewDevice> fresh(
      NewDevice{.mailbox = ticket->mailbox, .prekeys = request.prekeys(), .web = request.web()});
  OPALINE_CHECK(s.change_list(std::move(*account), std::move(next), fresh, device->number, now));
  (void)s.list_updates.take(bucket, 1, instant);
  ticket->completed = hash;
  ++s.counters.recoveries;
  return reply;
}

}  // namespace opaline::identity
