// Conversations, blocks and deletions.
#include <fmt/format.h>

#include <algorithm>

#include "apps/opaline/agent.hpp"
#include "apps/opaline/business.hpp"
#include "apps/opaline/devices.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using namespace std::chrono_literals;

constexpr auto kWithin = 20s;

std::string messages_text(std::size_t count) {
  return fmt::format("{} {}", count, count == 1 ? "message" : "messages");
}

/// The account of a person who is known here, or whom the directory finds. Of a handle that changed hands: the one that
/// the person has written with.
Result<AccountId, Failure> account_of(Context& context, const std::string& peer) {
  const auto contact = context.client().contacts().find(peer);
  if (contact && *contact && (*contact)->account) return *(*contact)->account;
  (void)context.connect(kWithin);
  return await<AccountId>(context, kWithin, [&](auto done) { context.client().resolve(peer, done); });
}

}  // namespace

Exit run_block(Context& context, const std::string& peer, bool blocked) {
  if (names_business(peer))
    return blocked ? run_business_close(context, peer, true) : run_business_unblock(context, peer);
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  const auto account = account_of(context, peer);
  if (!account) return failed(context, account.error());
  if (*account == context.client().device().address().account)
    return failed(context, client::failure_of(endpoint::Error::to_self));
  if (const auto done = context.client().change([&](endpoint::Endpoint& d) { d.set_blocked(*account, blocked); });
      !done)
    return failed(context, done.error());
  if (blocked && !context.client().device().peer_status(*account) && context.connect(kWithin)) {
    // So that `blocked` can tell of it.
    (void)context.client().change([&](endpoint::Endpoint& device) { device.refresh_peer(*account); });
    context.wait(5s, [&] { return context.client().device().peer_status(*account).has_value(); });
  }
  const std::string shown = printable(as_view(peer));
  context.output().line(
      {{"event", "blocked"}, {"peer", peer}, {"account", account->hex()}, {"blocked", blocked}},
      blocked
          ? fmt::format(
                "{0} is blocked, on all your devices, and is not told: nothing that {0} sends is kept or shown.", shown)
          : fmt::format("{} is no longer blocked. What was sent meanwhile is gone.", shown));
  if (context.client().online() || context.connect(kWithin))
    context.finish(5s);  // else the other devices hear it later
  return Exit::ok;
}

Exit run_blocked(Context& context) {
  if (const auto opened = context.open_to_look(); !opened) return failed(context, opened.error());
  const auto blocked = context.looked().blocked();
  if (!blocked) return failed(context, client::failure_of(blocked.error()));
  const client::Contacts contacts(context.store(), context.random());
  for (const AccountId& account : *blocked) {
    const std::string peer = contacts.display_name(account);
    context.output().line({{"event", "blocked"}, {"peer", peer}, {"account", account.hex()}, {"blocked", true}},
                          printable(as_view(peer)));
  }
  if (blocked->empty()) context.output().hint("nobody is blocked");
  return Exit::ok;
}

Exit run_conversations(Context& context) {
  if (const auto opened = context.open_to_look(); !opened) return failed(context, opened.error());
  const auto talks = client::History(context.store()).conversations();
  if (!talks) return failed(context, history_failure(context, talks.error()));
  const client::Contacts contacts(context.store(), context.random());
  for (const auto& talk : *talks) {
    const std::string peer = contacts.display_name(talk.peer);
    const auto status = context.looked().peer_status(talk.peer);
    const bool blocked = status && status->blocked;
    std::string text =
        fmt::format("{}  {}  {}", local_time(talk.active_at), printable(as_view(peer)), messages_text(talk.messages));
    if (talk.unread > 0) text += fmt::format(", {} unread", talk.unread);
    if (blocked) text += "  (blocked)";
    context.output().line({{"event", "conversation"},
                           {"peer", peer},
                           {"account", talk.peer.hex()},
                           {"active_at", rfc3339_millis(talk.active_at)},
                           {"messages", talk.messages},
                           {"unread", talk.unread},
                           {"blocked", blocked}},
                          text);
  }
  if (talks->empty()) context.output().hint("nothing yet");
  return Exit::ok;
}

Exit run_delete(Context& context, const DeleteArguments& arguments) {
  if (names_business(arguments.peer) && arguments.messages.empty())
    return run_business_delete(context, arguments.peer, arguments.yes);
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  for (const std::string& text : arguments.messages)
    if (!is_id_begin(text))
      return failed(context,
                    {ClientError::bad_text, "'" + text + "' is no message id, nor the first 4 digits of one or more " +
                                                "(opaline --json history shows them)"});
  auto accounts = context.client().contacts().accounts_of(arguments.peer);
  if (!accounts) return failed(context, {accounts.error(), "the local store could not be read"});
  if (const auto id = AccountId::from_hex(arguments.peer)) accounts->push_back(*id);
  const auto latest = context.client().history().latest(*accounts);
  if (!latest) return failed(context, history_failure(context, latest.error()));
  if (!*latest)
    return failed(context, {ClientError::unknown_peer, "there is no conversation with " + arguments.peer + " here"});
  std::vector<MessageId> ids;
  for (const std::string& text : arguments.messages) {
    const auto here = context.client().history().beginning(*accounts, text);
    if (!here) return failed(context, history_failure(context, here.error()));
    if (here->empty())
      return failed(context, {ClientError::unknown_peer, "there is no message " + text + " with " + arguments.peer});
    if (here->size() > 1)
      return failed(context, {ClientError::unknown_peer,
                              "several messages have an id that begins with " + text + "; give more of it"});
    if (std::ranges::find(ids, here->front()) == ids.end()) ids.push_back(here->front());
  }
  const std::string peer = printable(as_view(arguments.peer));
  if (!arguments.yes) {
    const std::string what = ids.empty() ? fmt::format("all messages with {}", peer) : messages_text(ids.size());
    if (!agrees(fmt::format("Delete {} on all your devices? (yes/no) ", what)))
      return failed(context, {ClientError::refused, "nothing was deleted"});
  }
  // The sender's clock may be ahead of ours: what is shown is what goes.
  const Time through = std::max(context.clock().now(), **latest);
  const auto done = context.client().change([&](endpoint::Endpoint& device) {
    for (const AccountId& account : *accounts) {
      if (ids.empty())
        device.delete_conversation(account, through);
      else
        device.delete_messages(account, ids);
    }
  });
  if (!done) return failed(context, done.error());
  boost::json::object object{
      {"event", "deleted"}, {"peer", arguments.peer}, {"messages", ids.size()}, {"all", ids.empty()}};
  context.output().line(object, ids.empty() ? fmt::format("The conversation with {} is gone from your devices.", peer)
                                            : fmt::format("Gone from your devices: {}.", messages_text(ids.size())));
  if (context.connect(kWithin)) context.finish(5s);
  return Exit::ok;
}

}  // namespace opaline::cli
