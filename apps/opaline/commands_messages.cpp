#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "apps/opaline/agent.hpp"
#include "apps/opaline/commands.hpp"
#include "apps/opaline/devices.hpp"
#include "apps/opaline/files.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Entry;
using client::Failure;
using namespace std::chrono_literals;

constexpr std::size_t kPageEntries = 200;
constexpr auto kConnectWithin = 15s;
constexpr auto kFilesWithin = 24h * 30;  // it ends by itself when nothing moves

std::string text_argument(const std::string& text) {
  if (text != "-") return text;
  std::string out(std::istreambuf_iterator<char>(std::cin), {});
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

/// Prints what has come and was not shown, marks it as shown and tells the senders that it was read. With a
/// folder, files that came are remembered as wanted there first.
Result<void, Failure> show_new(Context& context, Files& files, const std::string& folder) {
  for (;;) {
    auto entries = context.client().history().entries({.peers = {}, .unshown_only = true, .after = 0}, kPageEntries);
    if (!entries) return fail(history_failure(context, entries.error()));
    if (entries->empty()) return {};
    std::vector<std::int64_t> ids;
    const auto devices = context.client().device().own_devices();
    for (const Entry& entry : *entries) {
      const std::string peer = context.client().display_name(entry.peer);
      const std::string device = device_label(devices, entry.device);
      context.output().line(entry_json(entry, peer, device), entry_text(entry, peer, device));
      ids.push_back(entry.id);
      if (!folder.empty()) OPALINE_CHECK(files.want(entry, folder));
    }
    if (const auto done = context.client().history().mark_shown(ids); !done)
      return fail(Failure{done.error(), "the history could not be written"});
    OPALINE_CHECK(context.client().change([&](endpoint::Endpoint& device) {
      for (const Entry& entry : *entries)
        if (entry.kind == client::EntryKind::incoming) device.mark_read(entry.peer, std::span(&entry.message, 1));
    }));
  }
}

/// The files of these messages are wanted, also of those that were read on another device and are not shown as new.
Result<void, Failure> want_all(Context& context, Files& files, const std::string& folder,
                               const std::vector<MessageId>& ids) {
  for (const MessageId& id : ids)
    for (const Entry& entry : context.client().history().with_files(id.hex()).value_or(std::vector<Entry>()))
      OPALINE_CHECK(files.want(entry, folder));
  return {};
}

Exit exit_code(endpoint::MessageState state) {
  if (state == endpoint::MessageState::failed) return Exit::failed;
  return state == endpoint::MessageState::queued ? Exit::queued : Exit::ok;
}

Exit report_sent(Context& context, const Entry& entry, const std::string& to) {
  context.output().line(entry_json(entry, to), sent_text(entry.state, entry.reason, to));
  return exit_code(entry.state);
}

}  // namespace

Exit run_send(Context& context, const SendArguments& arguments) {
  const std::string text = text_argument(arguments.text);
  if (!arguments.files.empty()) return run_send_files(context, arguments, text);
  const auto until = state_by_name(arguments.until);
  if (const auto opened = context.open(); !opened) {
    if (opened.error().error == ClientError::locked)
      return send_through_agent(context, {arguments.to, text, *until, seconds(arguments.wait_seconds)});
    return failed(context, opened.error());
  }
  const auto reached = context.connect(kConnectWithin);
  if (!reached && context.fatal()) return failed(context, reached.error());
  const auto id =
      await<MessageId>(context, kConnectWithin, [&](auto done) { context.client().send(arguments.to, text, done); });
  if (!id) return failed(context, id.error());
  return report_message(context, *id, arguments, reached.has_value());
}

Exit report_message(Context& context, const MessageId& id, const SendArguments& arguments, bool reached) {
  const auto until = state_by_name(arguments.until);
  std::optional<Entry> entry;
  const auto look = [&] {
    auto found = context.client().history().outgoing(id);
    if (found && *found) entry = std::move(**found);
    return entry && (entry->state >= *until || entry->state == endpoint::MessageState::failed);
  };
  if (reached) {
    bool changed = true;
    context.on_event = [&](const endpoint::Event&) { changed = true; };
    context.wait(seconds(arguments.wait_seconds), [&] { return std::exchange(changed, false) && look(); });
    context.on_event = [](const endpoint::Event&) {};
  }
  (void)look();
  if (entry && entry->state == endpoint::MessageState::failed && !context.interrupted()) {
    // Whose handle is it now? Said here, so that nobody has to try again to learn it.
    const auto now = await<AccountId>(context, 2s, [&](auto done) { context.client().resolve(arguments.to, done); });
    if (!now) context.output().hint(now.error().message);
  }
  context.finish(2s);
  if (!entry) return failed(context, history_failure(context, ClientError::store_failed));
  return report_sent(context, *entry, arguments.to);
}

Exit run_receive(Context& context, const ReceiveArguments& arguments) {
  if (const auto opened = context.open(); !opened) return failed(context, opened.error());
  Files files(context, !arguments.follow);
  const auto reached = context.connect(kConnectWithin);
  if (!reached && (!arguments.follow || context.fatal())) {
    (void)show_new(context, files, arguments.folder);
    show_uploads(context, {});
    return failed(context, reached.error());
  }
  if (!reached) context.output().hint(fmt::format("{}; trying again", reached.error().message));
  files.start();
  std::optional<Failure> trouble;
  bool fresh = true;
  std::vector<MessageId> came;
  std::unique_ptr<Agent> agent;
  context.on_event = [&](const endpoint::Event& event) {
    fresh = true;
    if (const auto* received = std::get_if<endpoint::MessageReceived>(&event)) came.push_back(received->id);
    if (const auto* copied = std::get_if<endpoint::MessageCopied>(&event)) came.push_back(copied->id);
    if (arguments.follow)
      report_event(context, event);
    else if (const auto* part = std::get_if<endpoint::HistoryArrived>(&event))
      report_history(context, *part);
    if (agent) agent->look();
  };
  const auto show = [&] {
    if (!context.client().names_settled() || !std::exchange(fresh, false)) return;
    files.bar().clear();
    if (const auto shown = show_new(context, files, arguments.folder); !shown) trouble = shown.error();
    if (arguments.folder.empty() || trouble) return;
    if (const auto wanted = want_all(context, files, arguments.folder, std::exchange(came, {})); !wanted)
      trouble = wanted.error();
    files.fetch_wanted();
  };
  if (arguments.follow) {
    agent = Agent::start(context, files);
    if (reached) context.output().hint("connected; waiting for messages (Ctrl-C ends)");
    context.on_link = [&](const Failure* why) {
      context.output().hint(why != nullptr ? fmt::format("{}; trying again", why->message)
                                           : std::string("connected; waiting for messages (Ctrl-C ends)"));
    };
    while (!context.interrupted() && !context.fatal() && !trouble) {
      context.wait(1h, [&] {
        show();
        return trouble.has_value();
      });
    }
  } else {
    context.wait(seconds(arguments.wait_seconds), [&] {
      show();
      return trouble || (context.drained() && !fresh && context.client().settled());
    });
    if (!trouble && files.busy() && !context.interrupted())  // files take as long as they move
      context.wait(kFilesWithin, [&] {
        show();
        return trouble || !files.busy();
      });
  }
  if (const auto shown = show_new(context, files, arguments.folder); !shown) trouble = shown.error();
  files.stop();
  if (!arguments.follow) show_uploads(context, {});
  context.on_event = [](const endpoint::Event&) {};
  if (agent) agent->end();
  context.finish(2s);
  agent.reset();
  if (trouble) return failed(context, *trouble);
  if (context.fatal()) return failed(context, *context.fatal());
  if (!arguments.follow && !context.drained() && !context.interrupted())
    return failed(context, {ClientError::timed_out, "the server did not hand over everything in time; run it again"});
  return files.failures() > 0 && !arguments.follow ? Exit::failed : Exit::ok;
}

Exit run_history(Context& context, const HistoryArguments& arguments) {
  if (const auto opened = context.open_to_look(); !opened) return failed(context, opened.error());
  const client::Contacts contacts(context.store(), context.random());
  client::History::Filter filter;
  if (!arguments.peer.empty()) {
    auto peers = contacts.accounts_of(arguments.peer);
    if (!peers) return failed(context, {peers.error(), "the local store could not be read"});
    filter.peers = std::move(*peers);
    if (const auto id = AccountId::from_hex(arguments.peer)) filter.peers.push_back(*id);
    if (filter.peers.empty())
      return failed(context, {ClientError::unknown_peer, "nothing was written to or received from " + arguments.peer});
  }
  const auto entries = client::History(context.store()).entries(filter, arguments.limit);
  if (!entries) return failed(context, history_failure(context, entries.error()));
  const auto devices = context.looked().own_devices();
  for (const Entry& entry : *entries) {
    const std::string peer = contacts.display_name(entry.peer);
    const std::string device = device_label(devices, entry.device);
    context.output().line(entry_json(entry, peer, device), entry_text(entry, peer, device));
  }
  show_uploads(context, filter.peers);
  if (entries->empty()) context.output().hint("nothing yet");
  return Exit::ok;
}

}  // namespace opaline::cli
