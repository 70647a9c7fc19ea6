#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <numeric>

#include "apps/opaline/agent.hpp"
#include "apps/opaline/business.hpp"
#include "apps/opaline/commands.hpp"
#include "apps/opaline/devices.hpp"
#include "apps/opaline/files.hpp"
#include "apps/opaline/sms.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Entry;
using client::Failure;
using namespace std::chrono_literals;

constexpr auto kConnectWithin = 15s;
constexpr std::size_t kMaxSmsEntries =
    100'000;  // all numbers share one conversation: as many as `history` shows at most

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
  if (names_business(to)) {
    const auto home = context.personas().home(entry.peer);
    if (home && *home != nullptr) {
      const std::string name = business_name(**home);
      auto object = business_entry_json(entry, **home);
      if (const auto number = sms_number(entry, **home)) {
        object["reachable"] = "sms";
        context.output().line(object, sms_sent_text(entry, *number));
        return exit_code(entry.state);
      }
      context.output().line(object, sent_text(entry.state, entry.reason, name));
      return exit_code(entry.state);
    }
  }
  auto object = entry_json(entry, to);
  object["reachable"] = "opaline";
  context.output().line(object, sent_text(entry.state, entry.reason, to));
  return exit_code(entry.state);
}

}  // namespace

Exit run_send(Context& context, const SendArguments& arguments) {
  const std::string text = text_argument(arguments.text);
  if (arguments.sms) {
    if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
    return run_sms(context, arguments, text);
  }
  if (!arguments.files.empty()) return run_send_files(context, arguments, text);
  const auto until = state_by_name(arguments.until);
  const auto opened = open_or_find_agent(context);
  if (!opened) return failed(context, opened.error());
  if (*opened == Opened::followed)
    return send_through_agent(context, {arguments.to, text, *until, seconds(arguments.wait_seconds)});
  const auto reached = context.connect(kConnectWithin);
  if (!reached && context.fatal()) return failed(context, reached.error());
  if (names_business(arguments.to)) return send_to_business(context, arguments, text);
  const auto id =
      await<MessageId>(context, kConnectWithin, [&](auto done) { context.client().send(arguments.to, text, done); });
  if (!id && id.error().error == ClientError::no_such_handle) return offer_sms(context, arguments, text, id.error());
  if (!id) return failed(context, id.error());
  return report_message(context, *id, arguments, reached.has_value());
}

Exit report_message(Context& context, const MessageId& id, const SendArguments& arguments, bool reached) {
  const auto until = state_by_name(arguments.until);
  std::optional<Entry> entry;
  const auto look = [&] {
    auto found = find_outgoing(context, arguments.to, id);
    if (found && *found) entry = std::move(**found);
    return entry && (entry->state >= *until || entry->state == endpoint::MessageState::failed);
  };
  if (reached) {
    bool changed = true;
    context.on_event = [&](const endpoint::Event&) { changed = true; };
    context.on_business_event = [&](const AccountId&, const endpoint::Event&) { changed = true; };
    context.wait(seconds(arguments.wait_seconds), [&] { return std::exchange(changed, false) && look(); });
    context.on_event = [](const endpoint::Event&) {};
    context.on_business_event = [](const AccountId&, const endpoint::Event&) {};
  }
  (void)look();
  if (!names_business(arguments.to) && entry && entry->state == endpoint::MessageState::failed &&
      !context.interrupted()) {
    // Whose handle is it now? Said here, so that nobody has to try again to learn it.
    const auto now = await<AccountId>(context, 2s, [&](auto done) { context.client().resolve(arguments.to, done); });
    if (!now) context.output().hint(now.error().message);
  }
  context.finish(2s);
  if (!entry) return failed(context, history_failure(context, ClientError::store_failed));
  return report_sent(context, *entry, arguments.to);
}

namespace {

/// An entry of whichever conversation, as it is shown.
struct Line {
  Time placed;
  boost::json::object object;
  std::string text;
};

Result<void, ClientError> add_business_lines(const client::PersonaHome& home, std::size_t limit,
                                             std::vector<Line>& lines) {
  OPALINE_TRY(const auto entries, client::History(home.store()).entries({}, limit));
  for (const Entry& entry : entries)
    lines.push_back({entry.placed, business_entry_json(entry, home), business_entry_text(entry, home)});
  return {};
}

/// Of the conversation with the carrier, what is about one number.
Result<void, ClientError> add_sms_lines(const client::PersonaHome& home, std::string_view number, std::size_t limit,
                                        std::vector<Line>& lines) {
  OPALINE_TRY(const auto entries, client::History(home.store()).entries({}, kMaxSmsEntries));
  std::vector<Line> found;
  for (const Entry& entry : entries)
    if (sms_number(entry, home) == number)
      found.push_back({entry.placed, business_entry_json(entry, home), business_entry_text(entry, home)});
  if (found.size() > limit) found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(limit));
  std::ranges::move(found, std::back_inserter(lines));
  return {};
}

void show_newest(Context& context, const std::vector<Line>& lines, std::size_t limit) {
  std::vector<std::size_t> order(lines.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&lines](std::size_t i) { return std::pair(lines[i].placed, i); });
  if (order.size() > limit) order.erase(order.begin(), order.end() - static_cast<std::ptrdiff_t>(limit));
  for (const std::size_t i : order) context.output().line(lines[i].object, lines[i].text);
  if (lines.empty()) context.output().hint("nothing yet");
}

/// The conversation with one business.
Exit show_business_history(Context& context, const HistoryArguments& arguments) {
  const auto link = parse_business(arguments.peer);
  if (!link) return failed(context, link.error());
  std::vector<Line> lines;
  const client::LocalStore* uploads_of = nullptr;
  const auto homes = business_homes(context);
  for (const auto& home : homes) {
    if (home->business() != business_of(*link)) continue;
    if (const auto added = add_business_lines(*home, arguments.limit, lines); !added)
      return failed(context, history_failure(context, added.error()));
    uploads_of = &home->store();
  }
  show_newest(context, lines, arguments.limit);
  if (uploads_of != nullptr) show_uploads(context, *uploads_of, {});
  return Exit::ok;
}

}  // namespace

Exit run_history(Context& context, const HistoryArguments& arguments) {
  if (const auto opened = context.open_to_look(); !opened) return failed(context, opened.error());
  if (names_business(arguments.peer)) return show_business_history(context, arguments);
  const client::Contacts contacts(context.store(), context.random());
  client::History::Filter filter;
  std::vector<Line> lines;
  if (!arguments.peer.empty()) {
    auto peers = contacts.accounts_of(arguments.peer);
    if (!peers) return failed(context, {peers.error(), "the local store could not be read"});
    filter.peers = std::move(*peers);
    if (const auto id = AccountId::from_hex(arguments.peer)) filter.peers.push_back(*id);
    const auto number = sms_number_of(arguments.peer);
    for (const auto& home : business_homes(context))
      if (number && is_carrier(*home))
        if (const auto added = add_sms_lines(*home, *number, arguments.limit, lines); !added)
          return failed(context, history_failure(context, added.error()));
    if (filter.peers.empty() && lines.empty())
      return failed(context, {ClientError::unknown_peer, "nothing was written to or received from " + arguments.peer});
  }
  const bool only_sms = !arguments.peer.empty() && filter.peers.empty();
  const auto entries = only_sms ? Result<std::vector<Entry>, ClientError>(std::vector<Entry>())
                                : client::History(context.store()).entries(filter, arguments.limit);
  if (!entries) return failed(context, history_failure(context, entries.error()));
  const auto devices = context.looked().own_devices();
  for (const Entry& entry : *entries) {
    const std::string peer = contacts.display_name(entry.peer);
    const std::string device = device_label(devices, entry.device);
    lines.push_back({entry.placed, entry_json(entry, peer, device), entry_text(entry, peer, device)});
  }
  if (arguments.peer.empty()) {
    for (const auto& home : business_homes(context))
      if (const auto added = add_business_lines(*home, arguments.limit, lines); !added)
        return failed(context, history_failure(context, added.error()));
  }
  show_newest(context, lines, arguments.limit);
  if (arguments.peer.empty()) {
    show_all_uploads(context);
  } else {
    show_uploads(context, context.store(), filter.peers);
  }
  return Exit::ok;
}

}  // namespace opaline::cli
