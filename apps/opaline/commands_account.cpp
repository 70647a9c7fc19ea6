#include <fmt/format.h>

#include "apps/opaline/commands.hpp"
#include "apps/opaline/prompt.hpp"
#include "proto/device.pb.h"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using namespace std::chrono_literals;

constexpr auto kWithin = 20s;
constexpr int kCodeTries = 5;

/// Asks for the code until it is right, the tries are over, or standard input ends.
Result<client::Registration::Checked, Failure> check_code(Context& context, client::Registration& registration,
                                                          std::string code) {
  for (int i = 0; i < kCodeTries; ++i) {
    if (code.empty()) {
      const auto line = ask("The 6 digits that were sent to you: ");
      if (!line) return fail(Failure{ClientError::refused, "no code was given; run it again"});
      code = *line;
    }
    auto checked = registration.check(code);
    if (checked || checked.error().tries_left == 0 || !can_ask()) return checked;
    context.output().error(checked.error());
    code.clear();
  }
  return fail(Failure{ClientError::refused, "too many wrong codes; start again"});
}

/// Opens, connects and calls one method.
template <class Reply>
Result<Reply, Failure> call(Context& context, wire::v1::Method method, const google::protobuf::MessageLite& request) {
  const auto body = await<Bytes>(context, kWithin, [&](auto done) {
    context.client().call(static_cast<std::uint16_t>(method), as_view(request.SerializeAsString()), done);
  });
  if (!body) return fail(body.error());
  Reply reply;
  if (!reply.ParseFromArray(body->data(), static_cast<int>(body->size())))
    return fail(Failure{ClientError::protocol, "the server's answer makes no sense"});
  return reply;
}

Result<void, Failure> open_and_connect(Context& context) {
  OPALINE_CHECK(context.open());
  return context.connect(kWithin);
}

Exit print_account(Context& context, const wire::v1::AccountReply& reply) {
  boost::json::array handles;
  std::string list;
  for (const auto& handle : reply.handles()) {
    handles.emplace_back(handle);
    list += (list.empty() ? "" : ", ") + printable(as_view(handle));
  }
  const auto& address = context.client().device().address();
  boost::json::object object{{"event", "account"},
                             {"account", address.account.hex()},
                             {"device", static_cast<std::uint32_t>(address.device)},
                             {"handles", std::move(handles)},
                             {"pin_set", reply.pin_set()},
                             {"receipts", context.client().device().receipts()}};
  if (!reply.managed_by().empty()) object["managed_by"] = reply.managed_by();
  context.output().line(object, fmt::format("handles:   {}\naccount:   {}\ndevice:    {}\nPIN:       {}\nreceipts:  {}",
                                            list, address.account.hex(), static_cast<std::uint32_t>(address.device),
                                            reply.pin_set() ? "set" : "none (opaline pin set)",
                                            context.client().device().receipts() ? "on" : "off"));
  context.finish(1s);
  return Exit::ok;
}

}  // namespace

Exit failed(Context& context, const Failure& failure) {
  context.output().error(failure);
  return Exit::failed;
}

Exit run_register(Context& context, const RegisterArguments& arguments) {
  if (const auto opened = context.open_for_registration(arguments.passphrase); !opened)
    return failed(context, opened.error());
  client::SqliteEndpointStore rows(context.store(), context.random());
  if (endpoint::Endpoint::load(rows, context.random(), context.clock()))
    return failed(context, {ClientError::registered, "there is an account in " + context.options().home +
                                                         " already; use another --home for another account"});
  client::Registration registration(context.service(), rows, context.random(), context.clock());
  const auto started = registration.start(arguments.handle);
  if (!started) return failed(context, started.error());
  context.output().line(
      {{"event", "code_sent"}, {"handle", started->handle}, {"valid_seconds", started->valid.count()}},
      fmt::format("A code of 6 digits was sent to {}. It is good for {} minutes.", started->handle,
                  started->valid.count() / 60));
  const auto checked = check_code(context, registration, arguments.code);
  if (!checked) return failed(context, checked.error());
  std::string pin = arguments.pin;
  if (checked->pin_required && pin.empty()) {
    context.output().hint("This handle belongs to an account that has a registration PIN.");
    pin = ask("Its PIN: ").value_or("");
  }
  const auto handle = registration.complete(pin);
  if (!handle) return failed(context, handle.error());
  if (const auto loaded = context.load_client(); !loaded) return failed(context, loaded.error());
  if (const auto named = context.client().change([&](endpoint::Endpoint& device) { device.set_handle(*handle); });
      !named)
    return failed(context, named.error());
  const std::string account = context.client().device().address().account.hex();
  context.output().line(
      {{"event", "registered"}, {"handle", *handle}, {"account", account}, {"device", 1}},
      fmt::format("Registered as {}. This device's keys are in {}.", *handle, context.options().home));
  context.output().hint("Next: opaline send SOMEBODY \"hello\", opaline receive --follow");
  return Exit::ok;
}

Exit run_account(Context& context) {
  if (const auto ready = open_and_connect(context); !ready) return failed(context, ready.error());
  const auto reply = call<wire::v1::AccountReply>(context, wire::v1::METHOD_ACCOUNT, wire::v1::Empty());
  return reply ? print_account(context, *reply) : failed(context, reply.error());
}

Exit run_account_delete(Context& context, bool yes) {
  if (const auto ready = open_and_connect(context); !ready) return failed(context, ready.error());
  if (!yes) {
    const auto answer =
        ask("This deletes the account at the server: handles, devices, waiting messages. Type DELETE to go on: ");
    if (!answer || *answer != "DELETE") return failed(context, {ClientError::refused, "nothing was deleted"});
  }
  wire::v1::AccountDeleteRequest request;
  request.set_confirm_account(to_string(context.client().device().address().account.view()));
  const auto reply = call<wire::v1::Empty>(context, wire::v1::METHOD_ACCOUNT_DELETE, request);
  if (!reply) return failed(context, reply.error());
  context.output().line(
      {{"event", "account_deleted"}},
      fmt::format("The account is gone. What this device has is still in {}; remove it with: rm -r {}",
                  context.options().home, context.options().home));
  return Exit::ok;
}

Exit run_handle_add(Context& context, const HandleArguments& arguments) {
  if (const auto ready = open_and_connect(context); !ready) return failed(context, ready.error());
  wire::v1::HandleAddStartRequest start;
  start.set_handle(arguments.handle);
  const auto started = call<wire::v1::StartReply>(context, wire::v1::METHOD_HANDLE_ADD_START, start);
  if (!started) return failed(context, started.error());
  context.output().line(
      {{"event", "code_sent"}, {"handle", started->normalized_handle()}, {"valid_seconds", started->valid_seconds()}},
      fmt::format("A code of 6 digits was sent to {}.", started->normalized_handle()));
  wire::v1::HandleAddFinishRequest finish;
  finish.set_verification(started->verification());
  finish.set_pin(arguments.pin);
  finish.set_code(arguments.code.empty() ? ask("The 6 digits: ").value_or("") : arguments.code);
  const auto reply = call<wire::v1::AccountReply>(context, wire::v1::METHOD_HANDLE_ADD_FINISH, finish);
  return reply ? print_account(context, *reply) : failed(context, reply.error());
}

Exit run_handle_remove(Context& context, const std::string& handle) {
  if (const auto ready = open_and_connect(context); !ready) return failed(context, ready.error());
  wire::v1::HandleRemoveRequest request;
  request.set_handle(handle);
  const auto reply = call<wire::v1::AccountReply>(context, wire::v1::METHOD_HANDLE_REMOVE, request);
  return reply ? print_account(context, *reply) : failed(context, reply.error());
}

Exit run_pin(Context& context, const std::string& pin, bool remove) {
  std::string value = pin;
  if (!remove && value.empty()) {
    const auto asked = ask_new_passphrase();
    if (asked) value = to_string(*asked);
  }
  if (!remove && value.empty()) return failed(context, {ClientError::refused, "no PIN was given"});
  if (const auto ready = open_and_connect(context); !ready) return failed(context, ready.error());
  wire::v1::SetPinRequest request;
  if (!remove) request.set_pin(value);
  const auto reply = call<wire::v1::Empty>(context, wire::v1::METHOD_SET_PIN, request);
  if (!reply) return failed(context, reply.error());
  context.output().line({{"event", "pin"}, {"set", !remove}},
                        remove ? "The registration PIN was removed."
                               : "The registration PIN is set. Nobody can take over your handles without it.");
  context.finish(1s);
  return Exit::ok;
}

}  // namespace opaline::cli
