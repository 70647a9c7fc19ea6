// `opaline devices`: one's own devices, shown, added, removed, named.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "apps/opaline/call.hpp"
#include "apps/opaline/devices.hpp"
#include "apps/opaline/prompt.hpp"
#include "client/linking.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using client::PrimaryLinking;
using namespace std::chrono_literals;

constexpr auto kPollEvery = 500ms;
constexpr auto kHearFromIt = 20s;    ///< the new device connects when it is told
constexpr auto kGiveHistory = 600s;  ///< at most, while it goes on

std::uint32_t number(DeviceNumber device) {
  return static_cast<std::uint32_t>(device);
}

void print_device(Context& context, const endpoint::OwnDevice& d) {
  boost::json::object object{{"event", "device"},    {"device", number(d.number)},
                             {"name", d.name},       {"linked_at", rfc3339_millis(d.linked)},
                             {"primary", d.primary}, {"this_device", d.this_device}};
  const bool heard = d.last_seen != Time{};
  if (heard) object["last_seen_at"] = rfc3339_millis(d.last_seen);
  std::string marks = d.primary ? "  primary" : "";
  if (d.this_device) marks += "  this one";
  if (d.forgotten) {
    object["forgotten"] = true;
    marks += fmt::format("  the server has lost it: opaline devices remove {}, then link it again", number(d.number));
  }
  context.output().line(object, fmt::format("{:>3}  {:<24}  linked {}  last seen {}{}", number(d.number),
                                            printable(as_view(device_label(d))), local_day(d.linked),
                                            d.this_device ? "now"
                                            : heard       ? local_day(d.last_seen)
                                                          : "never",
                                            marks));
}

/// The account's list was changed, or was not.
Result<void, Failure> await_change(Context& context) {
  bool refused = false;
  const auto before = std::exchange(context.on_event, [&refused](const endpoint::Event& event) {
    refused = refused || std::holds_alternative<endpoint::DeviceChangeRefused>(event);
  });
  context.wait(kAnswerWithin, [&] { return refused || !context.client().device().list_change_pending(); });
  context.on_event = before;
  if (refused)
    for (const auto& d : context.client().device().own_devices())
      if (d.forgotten)
        return fail(Failure{
            ClientError::refused,
            fmt::format("the server was set back and has lost \"{}\" ({}), so it takes no other change: first opaline "
                        "devices remove {}, then link it again",
                        printable(as_view(device_label(d))), number(d.number), number(d.number))});
  if (refused)
    return fail(Failure{ClientError::refused,
                        "the server did not take the change: your devices had changed meanwhile, or it took too long. "
                        "Nothing was changed; try again"});
  if (context.client().device().list_change_pending())
    return fail(Failure{ClientError::list_busy,
                        "the server has not answered yet; the change is made when it does (opaline receive)"});
  return {};
}

/// Runs something that may refuse, and commits it.
Result<void, Failure> changed(Context& context,
                              const std::function<Result<void, endpoint::Error>(endpoint::Endpoint&)>& what) {
  std::optional<Result<void, endpoint::Error>> done;
  const auto committed = context.client().change([&](endpoint::Endpoint& device) { done = what(device); });
  if (!*done) return fail(client::failure_of(done->error()));
  return committed;
}

std::optional<std::string> nine_digits(const std::string& typed) {
  std::string out;
  for (const char c : typed) {
    if (c >= '0' && c <= '9')
      out += c;
    else if (c != ' ' && c != '-')
      return std::nullopt;
  }
  if (out.size() != 9) return std::nullopt;
  return out;
}

/// Joins the exchange that a code or a number names.
Result<PrimaryLinking, Failure> join(Context& context, const std::string& typed,
                                     const session::VerifiedDeviceList& list, std::string_view handle) {
  wire::v1::LinkJoinRequest request;
  std::optional<session::LinkCode> code;
  if (typed.starts_with(session::kLinkCodePrefix)) {
    auto read = session::decode_link_code(typed);
    if (!read) return fail(Failure{ClientError::link_failed, "this code is not complete, or of another version"});
    code.emplace(std::move(*read));
    request.set_exchange(to_string(code->exchange.view()));
  } else if (const auto digits = nine_digits(typed)) {
    request.set_number(*digits);
  } else {
    return fail(
        Failure{ClientError::link_failed,
                "that is neither a code (opaline-link:...) nor a number of 9 digits; the new device shows both: "
                "opaline link"});
  }
  const auto reply = call<wire::v1::LinkJoinReply>(context, wire::v1::METHOD_LINK_JOIN, request);
  if (!reply && reply.error().call_status == wire::v1::CALL_STATUS_NOT_FOUND)
    return fail(Failure{ClientError::link_failed,
                        "no device waits under this code or number (they last ten minutes); start again on the new "
                        "device: opaline link"});
  if (!reply) return fail(reply.error());
  const auto id = session::LinkExchangeId::from(as_view(reply->exchange()));
  const auto mailbox = MailboxId::from(as_view(reply->mailbox()));
  if (!id || !mailbox) return fail(Failure{ClientError::protocol, "the server's answer makes no sense"});
  std::vector<Bytes> first;
  for (const std::string& message : reply->messages()) first.push_back(to_bytes(message));
  client::LinkTransport turn = [&context](ByteView body) {
    // While a person thinks, the server hears no answer to its pings and hangs up.
    context.wait(kAnswerWithin, [&] { return context.client().online(); });
    return await<Bytes>(context, kAnswerWithin, [&](auto done) {
      context.client().call(static_cast<std::uint16_t>(wire::v1::METHOD_LINK_TURN), body, done);
    });
  };
  const session::LinkPrimaryInput input{*id, *mailbox, list, handle, context.clock().now()};
  session::LinkPrimary link = code ? session::LinkPrimary(input, std::move(*code)) : session::LinkPrimary(input);
  client::LinkExchange exchange(*id, {}, std::move(turn), static_cast<std::uint32_t>(first.size()));
  return PrimaryLinking(context.random(), std::move(exchange), std::move(link), std::move(first));
}

/// Until the new device has shown what it is.
Result<session::LinkProposal, Failure> proposal(Context& context, PrimaryLinking& linking) {
  for (;;) {
    OPALINE_TRY(PrimaryLinking::News news, linking.poll());
    if (const auto* digits = std::get_if<session::LinkDigits>(&news)) {
      if (!same_digits(context, *digits)) {
        linking.refuse(session::LinkRefusal::person);
        return fail(Failure{ClientError::link_failed, "nobody said that the digits were the same; nothing was added"});
      }
      OPALINE_CHECK(linking.confirm());
    } else if (auto* found = std::get_if<session::LinkProposal>(&news)) {
      return std::move(*found);
    } else {
      context.wait(kPollEvery, [] { return false; });
    }
    if (context.interrupted() || context.fatal()) {
      linking.refuse(session::LinkRefusal::person);
      return fail(Failure{ClientError::link_failed, "stopped; nothing was added"});
    }
  }
}

/// The new device has said something end to end, such as its name.
bool heard_from(Context& context, DeviceNumber device, std::chrono::milliseconds within) {
  return context.wait(within, [&] {
    for (const auto& d : context.client().device().own_devices())
      if (d.number == device && d.last_seen != Time{}) return true;
    return false;
  });
}

/// The new device asks for the history once it is connected: this one has to be there.
void give_history(Context& context, DeviceNumber device) {
  context.output().hint("Giving it the history; stay until that is done (Ctrl-C: the rest goes another time).");
  if (!heard_from(context, device, kHearFromIt)) return;
  std::uint64_t seen = 0;
  const auto quiet = [&] {
    const endpoint::Counters& c = context.client().device().counters();
    const std::uint64_t now = c.received + c.submitted;
    return std::exchange(seen, now) == now && context.client().settled();
  };
  const auto end = context.clock().monotonic() + kGiveHistory;
  for (int calm = 0; calm < 3 && !context.interrupted() && context.clock().monotonic() < end;) {
    context.wait(1s, [] { return false; });
    calm = quiet() ? calm + 1 : 0;
  }
}

Result<DeviceNumber, Failure> add(Context& context, PrimaryLinking& linking, const session::LinkProposal& proposed) {
  const session::DeviceList next = linking.next_list(context.clock().now());
  const auto staged = changed(context, [&](endpoint::Endpoint& device) {
    return device.add_device(next, linking.exchange().view(), {proposed.signed_prekeys, proposed.one_time_batch});
  });
  if (!staged) {
    linking.refuse(session::LinkRefusal::list_changed);
    return fail(staged.error());
  }
  if (auto taken = await_change(context); !taken) {
    if (taken.error().error == ClientError::refused) linking.refuse(session::LinkRefusal::service);
    return fail(std::move(taken.error()));  // else it may still come through: the exchange is left as it is
  }
  const auto list = context.client().device().own_list();
  // Its time may be another: the device counts by the service's clock.
  if (!list || list->list() != linking.next_list(list->list().created)) {
    linking.refuse(session::LinkRefusal::list_changed);
    return fail(Failure{ClientError::refused, "your devices changed at the same time; nothing was added, try again"});
  }
  linking.approve(*list);
  return next.devices.back().number;
}

}  // namespace

bool agrees(const std::string& question) {
  const auto answer = ask(question);
  return answer && (*answer == "yes" || *answer == "y" || *answer == "Yes" || *answer == "YES");
}

bool same_digits(Context& context, const session::LinkDigits& digits) {
  const std::string_view text = digits.text();
  context.output().line({{"event", "link_digits"}, {"digits", text}},
                        fmt::format("\n    {} {}\n", text.substr(0, 4), text.substr(4)));
  return agrees("Does the other device show the same 8 digits? (yes/no) ");
}

Result<std::string, Failure> own_handle(Context& context) {
  OPALINE_TRY(const auto account, call<wire::v1::AccountReply>(context, wire::v1::METHOD_ACCOUNT, wire::v1::Empty()));
  if (account.handles().empty()) return fail(Failure{ClientError::protocol, "the server's answer makes no sense"});
  const std::string handle = account.handles(0);
  OPALINE_CHECK(context.client().change([&](endpoint::Endpoint& device) { device.set_handle(handle); }));
  return handle;
}

void report_history(Context& context, const endpoint::HistoryArrived& arrived) {
  context.output().line({{"event", "history_part"}, {"part", arrived.part}, {"parts", arrived.parts}}, "");
  if (context.output().json()) return;
  if (arrived.parts == 0) return context.output().hint("The other device has no messages to give.");
  constexpr std::uint32_t kWidth = 30;
  const std::uint32_t full = kWidth * arrived.part / arrived.parts;
  const bool live = isatty(STDERR_FILENO) != 0, last = arrived.part >= arrived.parts;
  if (!live && !last) return;
  fmt::print(stderr, "\r  [{}{}] history {} of {}{}", std::string(full, '#'), std::string(kWidth - full, '.'),
             arrived.part, arrived.parts, last ? "\n" : "");
  std::fflush(stderr);
}

std::string device_label(const endpoint::OwnDevice& device) {
  return device.name.empty() ? fmt::format("device {}", number(device.number)) : device.name;
}

std::string device_label(const std::vector<endpoint::OwnDevice>& devices, DeviceNumber wanted) {
  for (const auto& device : devices)
    if (device.number == wanted) return device_label(device);
  return fmt::format("device {}", number(wanted));
}

Exit run_devices(Context& context) {
  if (const auto opened = context.open_to_look(); !opened) return failed(context, opened.error());
  for (const auto& device : context.looked().own_devices()) print_device(context, device);
  return Exit::ok;
}

Exit run_devices_add(Context& context, const std::string& code, bool yes) {
  if (const auto ready = open_and_connect(context); !ready) return failed(context, ready.error());
  endpoint::Endpoint& device = context.client().device();
  if (const auto primary = device.is_primary(); !primary || !*primary)
    return failed(context, client::failure_of(primary ? endpoint::Error::not_primary : primary.error()));
  if (device.list_change_pending())
    if (const auto through = await_change(context); !through) return failed(context, through.error());
  const auto list = device.own_list();
  if (!list) return failed(context, client::failure_of(list.error()));
  if (list->list().devices.size() >= credentials::kMaxDevices)
    return failed(context, client::failure_of(endpoint::Error::list_full));
  const auto handle = own_handle(context);
  if (!handle) return failed(context, handle.error());
  auto linking = join(context, code, *list, *handle);
  if (!linking) return failed(context, linking.error());
  const auto proposed = proposal(context, *linking);
  if (!proposed) return failed(context, proposed.error());
  const std::string name = printable(as_view(proposed->name));
  context.output().line(
      {{"event", "device_proposed"}, {"name", proposed->name}, {"wants_history", proposed->wants_history}},
      fmt::format("\"{}\" wants to be a device of {}: it will read and write what you do{}.", name,
                  printable(as_view(*handle)), proposed->wants_history ? ", and gets the messages that are here" : ""));
  if (proposed->web || (!yes && !agrees("Add it? (yes/no) "))) {
    linking->refuse(session::LinkRefusal::person);
    return failed(context, {ClientError::refused, "nothing was added"});
  }
  const auto added = add(context, *linking, *proposed);
  if (!added) return failed(context, added.error());
  context.output().line({{"event", "device_added"}, {"device", number(*added)}, {"name", proposed->name}},
                        fmt::format("\"{}\" is device {} now.", name, number(*added)));
  if (proposed->wants_history)
    give_history(context, *added);
  else
    (void)heard_from(context, *added, 3s);
  context.finish(10s);
  return Exit::ok;
}

Exit run_devices_remove(Context& context, std::uint32_t wanted, bool yes) {
  if (const auto ready = open_and_connect(context); !ready) return failed(context, ready.error());
  endpoint::Endpoint& device = context.client().device();
  const auto devices = device.own_devices();
  const std::string label = printable(as_view(device_label(devices, DeviceNumber{wanted})));
  // What cannot be done is not asked about.
  if (std::ranges::any_of(devices, [](const auto& d) { return d.this_device && !d.primary; }))
    return failed(context, client::failure_of(endpoint::Error::not_primary));
  if (std::ranges::none_of(devices, [&](const auto& d) { return d.number == DeviceNumber{wanted}; }))
    return failed(context, client::failure_of(endpoint::Error::unknown_device));
  if (!yes && !agrees(fmt::format("Remove \"{}\" ({}) from your account? What waits for it is destroyed. (yes/no) ",
                                  label, wanted)))
    return failed(context, {ClientError::refused, "nothing was removed"});
  if (const auto staged =
          changed(context, [&](endpoint::Endpoint& d) { return d.remove_device(DeviceNumber{wanted}); });
      !staged)
    return failed(context, staged.error());
  if (const auto taken = await_change(context); !taken) return failed(context, taken.error());
  context.output().line(
      {{"event", "device_removed"}, {"device", wanted}},
      fmt::format("\"{}\" is no device of yours any more. What it has received is still on it.", label));
  context.personas().start();  // it is not to know the roots of conversations with businesses any more
  context.finish(10s);
  return Exit::ok;
}

Exit run_devices_rename(Context& context, const std::string& name) {
  if (!session::is_device_name(name))
    return failed(context, {ClientError::bad_text, "a device's name has 1 to 64 bytes and no control characters"});
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  if (const auto done = context.client().change([&](endpoint::Endpoint& d) { d.set_device_name(name); }); !done)
    return failed(context, done.error());
  context.output().line({{"event", "device_renamed"}, {"name", name}},
                        fmt::format("This device is called \"{}\" now.", printable(as_view(name))));
  if (context.connect(kAnswerWithin)) context.finish(5s);  // else the others hear it next time
  return Exit::ok;
}

}  // namespace opaline::cli
