// One's own account, and what administrators do with accounts.
#include <algorithm>

#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::bad_request;
using internal::Changes;
using internal::Effects;
using internal::failure;
using internal::LoadedAccount;
using internal::not_found;
using internal::Verification;

calls::AccountReply to_reply(const LoadedAccount& account) {
  calls::AccountReply out;
  for (const std::string& handle : account.record.handles) out.add_handles(handle);
  out.set_list_number(static_cast<std::uint32_t>(account.list.list().number));
  out.set_pin_set(account.record.pin.has_value());
  out.set_people(account.record.switches.people);
  out.set_businesses(account.record.switches.businesses);
  out.set_calls(account.record.switches.calls);
  out.set_managed_by(account.record.managed_by);
  return out;
}

Answer<calls::AccountReply> Service::account(const Caller& caller) {
  OPALINE_CHECK(state_->charge_calls(caller.account, 1));
  OPALINE_TRY(const LoadedAccount account, state_->load_own(caller));
  return to_reply(account);
}

Answer<AccountKind> Service::writer(const Caller& caller) {
  OPALINE_CHECK(state_->charge_calls(caller.account, 1));
  OPALINE_TRY(const LoadedAccount account, state_->load_own(caller));
  if (!account.record.switches.people)
    return failure(calls::CALL_STATUS_FORBIDDEN, "This account may not write to people.");
  return account.record.kind;
}

Answer<calls::StartReply> Service::handle_add_start(const Caller& caller, const calls::HandleAddStartRequest& request) {
  State& s = *state_;
  OPALINE_CHECK(s.charge_calls(caller.account, 1));
  OPALINE_TRY(const LoadedAccount account, s.load_person(caller));
  if (account.record.handles.size() >= kMaxHandles)
    return failure(calls::CALL_STATUS_FORBIDDEN, "This account has as many handles as it may.");
  return s.begin_verification(caller.source, request.handle(), caller.account);
}

Answer<calls::AccountReply> Service::handle_add_finish(const Caller& caller,
                                                       const calls::HandleAddFinishRequest& request) {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  if (request.code().size() != kCodeDigits) return bad_request("A code has six digits.");
  if (request.pin().size() > kMaxPinBytes) return bad_request("A PIN has at most 64 bytes.");
  OPALINE_CHECK(s.charge_calls(caller.account, 1));
  OPALINE_TRY(LoadedAccount account, s.load_person(caller));
  const auto checked =
      s.verifications.check(as_view(request.verification()), request.code(), caller.account, s.ports.clock.monotonic());
  if (!checked.known) return internal::expired();
  if (checked.right == nullptr) {
    ++s.counters.wrong_codes;
    return failure(calls::CALL_STATUS_WRONG_CODE, "This is not the code that was sent.", seconds(0),
                   checked.tries_left);
  }
  Verification& verification = *checked.right;
  const Handle& handle = verification.handle;
  if (std::ranges::find(account.record.handles, handle.text()) != account.record.handles.end())
    return to_reply(account);
  if (verification.completed) return internal::expired();  // it was added and has gone since: another code is needed
  if (account.record.handles.size() >= kMaxHandles)
    return failure(calls::CALL_STATUS_FORBIDDEN, "This account has as many handles as it may.");

  Changes changes = s.directory.changes();
  Effects effects;
  OPALINE_TRY(auto holder, s.holder_of(handle));
  const bool takeover = holder.has_value();
  if (holder) {
    OPALINE_CHECK(s.check_pin(*holder, request.pin(), now));
    OPALINE_CHECK(s.lose_handle(changes, effects, std::move(*holder), handle, now));
  }
  account.record.handles.push_back(handle.text());
  changes.put(handle, {.account = account.id, .since = now});
  changes.put(account.id, account.record);
  s.tell_changed(account, caller.device, effects);
  OPALINE_CHECK(s.commit(std::move(changes), std::move(effects), now));
  verification.completed.emplace();
  s.verifications.forget_others(handle, verification);
  if (takeover) ++s.counters.takeovers;
  return to_reply(account);
}

Answer<calls::AccountReply> Service::handle_remove(const Caller& caller, const calls::HandleRemoveRequest& request) {
  State& s = *state_;
  const auto handle = normalize_handle(request.handle());
  if (!handle) return bad_request(internal::kNoHandle);
  OPALINE_CHECK(s.charge_calls(caller.account, 1));
  OPALINE_TRY(LoadedAccount account, s.load_person(caller));
  if (std::erase(account.record.handles, handle->text()) == 0)
    return not_found("This is not a handle of this account.");
  if (account.record.handles.empty()) {
    return failure(calls::CALL_STATUS_FORBIDDEN, "This is the account's last handle. Delete the account instead.");
  }
  Changes changes = s.directory.changes();
  changes.erase_handle(*handle);
  changes.put(account.id, account.record);
  Effects effects;
  s.tell_changed(account, caller.device, effects);
  OPALINE_CHECK(s.commit(std::move(changes), std::move(effects), s.ports.clock.now()));
  return to_reply(account);
}

Answer<calls::Empty> Service::delete_account(const Caller& caller, const calls::AccountDeleteRequest& request) {
  State& s = *state_;
  if (!equal(as_view(request.confirm_account()), caller.account.view()))
    return bad_request("To confirm, name the account to be deleted.");
  OPALINE_TRY(const LoadedAccount account, s.load_person(caller));
  return remove_account(account.id);
}

Answer<calls::Empty> Service::remove_account(const AccountId& id) {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  OPALINE_TRY(const LoadedAccount account, s.load_person(id));
  Changes changes = s.directory.changes();
  Effects effects;
  OPALINE_CHECK(s.remove_account(changes, effects, account, now));
  OPALINE_CHECK(s.commit(std::move(changes), std::move(effects), now));
  return calls::Empty();
}

Answer<calls::Empty> Service::set_switches(const AccountId& id, const ServiceSwitches& switches) {
  State& s = *state_;
  const Time now = s.ports.clock.now();
  OPALINE_TRY(LoadedAccount account, s.load_person(id));
  const ServiceSwitches before = std::exchange(account.record.switches, switches);
  Changes changes = s.directory.changes();
  Effects effects;
  changes.put(id, account.record);
  if (before.people && !switches.people) {
    changes.put_revoked(internal::Revocation::sender, id.view(), now);
    effects.revoked_senders.push_back(id);
    for (const auto& device : account.list.list().devices) {
      changes.put_revoked(internal::Revocation::mailbox, device.mailbox.view(), now);
      effects.revoked_mailboxes.push_back(device.mailbox);
    }
  }
  if (before.businesses && !switches.businesses) OPALINE_CHECK(s.shut_personas_out(changes, effects, id, now));
  s.tell_changed(account, std::nullopt, effects);
  OPALINE_CHECK(s.commit(std::move(changes), std::move(effects), now));
  return calls::Empty();
}

Answer<calls::Empty> Service::set_managed_by(const AccountId& id, std::string_view managed_by) {
  State& s = *state_;
  if (managed_by.size() > kMaxManagedByBytes) return bad_request("The organisation's name is too long.");
  OPALINE_TRY(LoadedAccount account, s.load_person(id));
  account.record.managed_by = std::string(managed_by);
  Changes changes = s.directory.changes();
  changes.put(id, account.record);
  Effects effects;
  s.tell_changed(account, std::nullopt, effects);
  OPALINE_CHECK(s.commit(std::move(changes), std::move(effects), s.ports.clock.now()));
  return calls::Empty();
}

Answer<AccountId> Service::find_account(const Handle& handle) {
  OPALINE_TRY(const auto account, state_->read(state_->directory.account_of(handle)));
  if (!account) return not_found("Nobody has this handle.");
  return *account;
}

}  // namespace opaline::identity
