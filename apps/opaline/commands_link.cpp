// `opaline link`: this home becomes a further device of an account.
#include <fmt/format.h>
#include <unistd.h>

#include "apps/opaline/call.hpp"
#include "apps/opaline/devices.hpp"
#include "apps/opaline/prompt.hpp"
#include "apps/opaline/qr.hpp"
#include "client/linking.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using client::NewDeviceLinking;
using namespace std::chrono_literals;

constexpr auto kPollEvery = 500ms;
constexpr auto kQuietAtMost = 60s;  ///< nothing of the history has come for so long

void show_code(Context& context, NewDeviceLinking::Opened& opened) {
  const std::string code = to_string(opened.code);
  const std::string number =
      fmt::format("{} {} {}", opened.number.substr(0, 3), opened.number.substr(3, 3), opened.number.substr(6, 3));
  std::string text = qr_code(opened.code, isatty(STDOUT_FILENO) != 0);
  text += fmt::format(
      "On the primary device of your account, within {} minutes, either scan this, or type\n"
      "    opaline devices add {}\n"
      "or, and then compare 8 digits,\n"
      "    opaline devices add {}\n"
      "Show the code to nobody: whoever sees it could answer first.",
      opened.valid.count() / 60, code, number);
  context.output().line(
      {{"event", "link_code"}, {"code", code}, {"number", opened.number}, {"valid_seconds", opened.valid.count()}},
      text);
  wipe(text.data(), text.size());
}

std::string explain(session::LinkRefusal refusal) {
  switch (refusal) {
    case session::LinkRefusal::person:
      return "the other device said no";
    case session::LinkRefusal::too_many:
      return "the account has as many devices as it may (10): remove one first (opaline devices remove N)";
    case session::LinkRefusal::list_changed:
      return "the account's devices changed meanwhile; start again";
    case session::LinkRefusal::service:
      return "the server did not take the new device; start again";
  }
  return "the other device said no";
}

/// Opens an exchange and goes through it; on success this device is on the list. The handle that the other device said.
Result<std::string, Failure> link(Context& context, const NewDeviceLinking::Parts& parts,
                                  const LinkArguments& arguments) {
  NewDeviceLinking linking(parts, arguments.name, arguments.with_history);
  OPALINE_TRY(NewDeviceLinking::Opened opened, linking.open());
  show_code(context, opened);
  const Instant over = context.clock().monotonic() + opened.valid;
  bool told_trouble = false;
  std::string handle;
  for (;;) {
    const auto news = linking.poll();
    if (!news) {
      const ClientError error = news.error().error;
      const bool passes = error == ClientError::connect_failed || error == ClientError::timed_out;
      if (!passes) return fail(news.error());
      if (context.clock().monotonic() > over) return fail(news.error());
      if (!std::exchange(told_trouble, true)) context.output().hint(news.error().message + "; trying again");
      context.wait(kPollEvery, [] { return false; });
    } else if (std::holds_alternative<NewDeviceLinking::Joined>(*news)) {
      context.output().hint("The other device has come.");
    } else if (const auto* digits = std::get_if<session::LinkDigits>(&*news)) {
      const bool same = same_digits(context, *digits);
      OPALINE_CHECK(linking.confirm(same));
      if (!same)
        return fail(Failure{ClientError::link_failed, "nobody said that the digits were the same; nothing was linked"});
      context.output().hint("Now wait for the other device to agree.");
    } else if (const auto* welcome = std::get_if<NewDeviceLinking::Welcome>(&*news)) {
      handle = welcome->handle;
      context.output().line(
          {{"event", "link_welcome"},
           {"handle", welcome->handle},
           {"device", static_cast<std::uint32_t>(welcome->device)}},
          fmt::format("This is to become device {} of {}. Agree on the other device.",
                      static_cast<std::uint32_t>(welcome->device), printable(as_view(welcome->handle))));
    } else if (std::holds_alternative<NewDeviceLinking::Linked>(*news)) {
      return handle;
    } else if (const auto* refusal = std::get_if<session::LinkRefusal>(&*news)) {
      return fail(Failure{ClientError::link_failed, explain(*refusal)});
    } else {
      context.wait(kPollEvery, [] { return false; });
    }
    if (context.interrupted()) return fail(Failure{ClientError::timed_out, "stopped; run it again to go on"});
  }
}

/// Receives what another device gives, with a bar.
void receive_history(Context& context, const std::shared_ptr<std::optional<endpoint::HistoryArrived>>& arrived) {
  context.output().hint("Receiving the history; the other device has to be connected for it.");
  for (;;) {
    arrived->reset();
    const bool more = context.wait(kQuietAtMost, [&] { return arrived->has_value(); });
    if (!more) {
      context.output().hint("The rest of the history comes when the other device is connected: opaline receive");
      return;
    }
    if ((*arrived)->part >= (*arrived)->parts) return;
  }
}

/// What comes after a device is on the list; again after a crash.
Exit settle_in(Context& context, bool with_history, const std::string& said_handle) {
  if (const auto loaded = context.load_client(); !loaded) return failed(context, loaded.error());
  auto arrived = std::make_shared<std::optional<endpoint::HistoryArrived>>();
  context.on_event = [&context, arrived, with_history](const endpoint::Event& event) {
    if (const auto* part = std::get_if<endpoint::HistoryArrived>(&event)) {
      *arrived = *part;
      if (with_history) report_history(context, *part);
    }
  };
  if (const auto reached = context.connect(kAnswerWithin); !reached) return failed(context, reached.error());
  const auto handle = own_handle(context);
  if (!handle) return failed(context, handle.error());
  if (const auto done = NewDeviceLinking::finish(context.store(), context.random()); !done)
    return failed(context, {done.error(), "the local store could not be written"});
  const auto number = static_cast<std::uint32_t>(context.client().device().address().device);
  context.output().line({{"event", "linked"},
                         {"handle", *handle},
                         {"account", context.client().device().address().account.hex()},
                         {"device", number}},
                        fmt::format("Linked to {} as device {}.", printable(as_view(*handle)), number));
  if (!said_handle.empty() && said_handle != *handle)
    context.output().hint(
        fmt::format("The other device called the account {}; the server says {}. If you do not know "
                    "both, remove this device again.",
                    printable(as_view(said_handle)), printable(as_view(*handle))));
  if (with_history) {
    receive_history(context, arrived);
    std::size_t messages = 0;
    if (const auto talks = context.client().history().conversations())
      for (const auto& talk : *talks) messages += talk.messages;
    context.output().hint(fmt::format("{} here now. Files of old messages are not: they stay where they are.",
                                      messages == 1 ? "1 message is" : fmt::format("{} messages are", messages)));
  } else {
    context.output().hint(
        "There is no history on this device: it begins now. (With opaline link --with-history it would have come "
        "along.)");
  }
  context.finish(5s);
  return Exit::ok;
}

}  // namespace

Exit run_link(Context& context, const LinkArguments& given) {
  LinkArguments arguments = given;
  if (arguments.name.empty()) arguments.name = client::default_device_name();
  if (!session::is_device_name(arguments.name))
    return failed(context, {ClientError::bad_text, "a device's name has 1 to 64 bytes and no control characters"});
  if (const auto opened = context.open_for_registration(arguments.passphrase); !opened)
    return failed(context, opened.error());
  client::SqliteEndpointStore rows(context.store(), context.random());
  const NewDeviceLinking::Parts parts{context.loop(), context.service(), context.store(),
                                      rows,           context.random(),  context.clock()};
  const auto unfinished = NewDeviceLinking::unfinished(context.store(), context.random());
  if (!unfinished) return failed(context, {unfinished.error(), "the local store could not be read"});
  if (endpoint::Endpoint::load(rows, context.random(), context.clock())) {
    if (*unfinished) return settle_in(context, arguments.with_history, "");
    return failed(context, {ClientError::registered,
                            context.options().home + " is a device of an account already; use another --home"});
  }
  const auto pause = [&](std::chrono::milliseconds time) {
    context.wait(time, [] { return false; });
    return !context.interrupted();
  };
  const auto before = NewDeviceLinking::resume(parts, pause, [&] {
    context.output().hint(
        "An earlier attempt may still be agreed to on the other device; waiting to know (Ctrl-C ends).");
  });
  if (!before) return failed(context, before.error());
  if (*before == NewDeviceLinking::Before::nothing) {
    const auto linked = link(context, parts, arguments);
    return linked ? settle_in(context, arguments.with_history, *linked) : failed(context, linked.error());
  }
  return settle_in(context, arguments.with_history, "");
}

}  // namespace opaline::cli
