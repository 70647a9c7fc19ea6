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

constexpr auto kConnectWithin = 15s;

std::string text_argument(const std::string& text) {
  if (text != "-") return text;
  std::string out(std::istreambuf_iterator<char>(std::cin), {});
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
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
  const auto opened = open_or_find_agent(context);
  if (!opened) return failed(context, opened.error());
  if (*opened == Opened::followed)
    return send_through_agent(context, {arguments.to, text, *until, seconds(arguments.wait_seconds)});
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
