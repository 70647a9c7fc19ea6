#include <fmt/format.h>

#include "apps/opaline/call.hpp"
#include "apps/opaline/prompt.hpp"
#include "client/linking.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using namespace std::chrono_literals;

constexpr auto kWithin = kAnswerWithin;
constexpr int kMaxAnswers = 20;  ///< of one person to one question, right or wrong

/// The digits of what was typed ("123 456" is fine); empty: it is no code.
std::string code_in(const std::string& typed) {
  std::string out;
  for (const char c : typed) {
    if (c >= '0' && c <= '9')
      out += c;
    else if (c != ' ' && c != '-' && c != '\t' && c != '\r')
      return {};
  }
  return out.size() == 6 ? out : std::string();
}

/// Asks, with what was wrong about the answer before; nullopt at the end of standard input.
template <class Ask>
auto ask_after(Context& context, const std::optional<Failure>& wrong, const Ask& question) {
  if (wrong && can_ask()) context.output().error(*wrong);
  auto answer = question();
  if (wrong && !can_ask() && answer) context.output().error(*wrong);  // else it is what the command ends with
  return answer;
}

/// Tries codes until one is right or no try is left: the given one, then those that are typed.
template <class T>
Result<T, Failure> with_code(Context& context, const std::string& given,
                             const std::function<Result<T, Failure>(const std::string&)>& attempt) {
  std::optional<Failure> wrong;
  std::optional<std::string> typed;
  if (!given.empty()) typed = given;
  for (int i = 0; i < kMaxAnswers; ++i) {
    if (!typed) typed = ask_after(context, wrong, [] { return ask("The 6 digits that were sent to you: "); });
    if (!typed)
      return fail(wrong.value_or(Failure{ClientError::refused, "no code was given; run it again for another one"}));
    const std::string code = code_in(*std::exchange(typed, std::nullopt));
    if (code.empty()) {
      wrong = Failure{ClientError::wrong_code, "a code has six digits"};
      continue;
    }
    auto done = attempt(code);
    if (done || done.error().error != ClientError::wrong_code) return done;
    wrong = std::move(done.error());
    if (wrong->tries_left == 0) {
      wrong->message += " That was the last try: run it again for another code.";
      break;
    }
  }
  return fail(*wrong);
}

/// The same for the PIN of the account that has the handle. `attempt` is not called without a PIN.
template <class T>
Result<T, Failure> with_pin(Context& context, const std::string& given,
                            const std::function<Result<T, Failure>(const std::string&)>& attempt) {
  context.output().hint("This handle belongs to an account that has a registration PIN.");
  std::optional<Failure> wrong;
  std::string pin = given;
  for (int i = 0; i < kMaxAnswers; ++i) {
    if (pin.empty()) {
      const auto typed = ask_after(context, wrong, [] { return ask_secret("Its PIN: "); });
      if (!typed || typed->empty())
        return fail(wrong.value_or(Failure{
            ClientError::wrong_pin, "the account that has this handle is protected by a PIN: give it with --pin"}));
      pin = to_string(*typed);
    }
    auto done = attempt(std::exchange(pin, std::string()));
    if (done || done.error().error != ClientError::wrong_pin || done.error().tries_left == 0) return done;
    wrong = std::move(done.error());
  }
  return fail(*wrong);
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

Failure history_failure(const Context& context, ClientError error) {
  return {error, "the history (" + context.options().home +
                     "/opaline.db) could not be read; if the disk has no trouble the file is damaged: put it back from "
                     "a backup"};
}

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
  const auto checked = with_code<client::Registration::Checked>(
      context, arguments.code, [&](const std::string& code) { return registration.check(code); });
  if (!checked) return failed(context, checked.error());
  const auto complete = [&](const std::string& pin) { return registration.complete(pin); };
  const auto handle =
      checked->pin_required ? with_pin<std::string>(context, arguments.pin, complete) : complete(arguments.pin);
  if (!handle) return failed(context, handle.error());
  if (const auto loaded = context.load_client(); !loaded) return failed(context, loaded.error());
  const auto named = context.client().change([&](endpoint::Endpoint& device) {
    device.set_handle(*handle);
    device.set_device_name(client::default_device_name());
  });
  if (!named) return failed(context, named.error());
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
    if (!answer || *answer != "DELETE")
      return failed(context, {ClientError::refused, "nothing was deleted: DELETE was not typed"});
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
      fmt::format("A code of 6 digits was sent to {}. It is good for {} minutes.", started->normalized_handle(),
                  started->valid_seconds() / 60));
  wire::v1::HandleAddFinishRequest finish;
  finish.set_verification(started->verification());
  finish.set_pin(arguments.pin);
  const auto attempt = [&](const std::string& code) {
    finish.set_code(code);
    return call<wire::v1::AccountReply>(context, wire::v1::METHOD_HANDLE_ADD_FINISH, finish);
  };
  auto reply = with_code<wire::v1::AccountReply>(context, arguments.code, attempt);
  if (!reply && reply.error().error == ClientError::wrong_pin &&
      (arguments.pin.empty() || reply.error().tries_left > 0)) {
    if (!arguments.pin.empty()) context.output().error(reply.error());
    reply = with_pin<wire::v1::AccountReply>(context, "", [&](const std::string& pin) {
      finish.set_pin(pin);
      return attempt(finish.code());
    });
  }
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
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  std::string value = pin;
  if (!remove && value.empty()) {
    const auto asked = can_ask() ? ask_new_secret("registration PIN (4 to 64 characters)") : ask_secret("");
    if (asked) value = to_string(*asked);
  }
  if (!remove && value.empty())
    return failed(context,
                  {ClientError::refused, "no PIN was given: type it, or give it with --pin or on standard input"});
  if (const auto ready = context.connect(kWithin); !ready) return failed(context, ready.error());
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
