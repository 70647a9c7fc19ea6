#include <fmt/format.h>

#include "apps/opaline/agent.hpp"
#include "apps/opaline/business.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using namespace std::chrono_literals;

constexpr auto kWithin = 20s;

/// 60 digits as 12 groups of 5, in 3 lines.
std::string grouped(const std::string& digits) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); i += 5) {
    out += (i == 0 ? "    " : i % 20 == 0 ? "\n    " : " ");
    out += digits.substr(i, 5);
  }
  return out;
}

/// Finds the account (of a handle that has changed hands: the new one); asks the directory for its devices if nothing
/// is known of it yet.
Result<AccountId, Failure> known_peer(Context& context, const std::string& peer) {
  const auto reached = context.connect(kWithin);
  const auto contact = context.client().contacts().find(peer);
  const auto pending = contact && *contact ? (*contact)->pending : std::nullopt;
  AccountId account = pending.value_or(AccountId());
  if (!pending) {
    OPALINE_TRY(account, await<AccountId>(context, kWithin, [&](auto done) { context.client().resolve(peer, done); }));
  }
  if (account == context.client().device().address().account)
    return fail(Failure{ClientError::to_self, "that is your own account"});
  if (context.client().device().peer_status(account)) return account;
  OPALINE_CHECK(reached);
  OPALINE_CHECK(context.client().change([&](endpoint::Endpoint& device) { device.refresh_peer(account); }));
  context.wait(kWithin, [&] { return context.client().device().peer_status(account).has_value(); });
  return account;
}

}  // namespace

Exit run_verify(Context& context, const VerifyArguments& arguments) {
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  const auto account = known_peer(context, arguments.peer);
  if (!account) return failed(context, account.error());
  endpoint::Endpoint& device = context.client().device();
  const auto number = device.safety_number(*account);
  if (!number) return failed(context, client::failure_of(number.error()));
  if (arguments.confirm || arguments.undo) {
    std::optional<Result<void, endpoint::Error>> set;
    const auto changed =
        context.client().change([&](endpoint::Endpoint& d) { set = d.set_verified(*account, arguments.confirm); });
    if (!*set) return failed(context, client::failure_of(set->error()));
    if (!changed) return failed(context, changed.error());
  }
  const auto status = device.peer_status(*account);
  if (!status) return failed(context, client::failure_of(status.error()));
  const std::string peer = printable(as_view(arguments.peer));
  std::string text = fmt::format("Safety number with {}:\n\n{}\n\n", peer, grouped(*number));
  if (status->verified) {
    text += "You have verified it.";
  } else {
    text += fmt::format(
        "Compare it with the number that {0} sees, by voice or face to face. If it is the same,\nnobody stands between "
        "you: opaline verify {0} --confirm",
        peer);
  }
  const auto contact = context.client().contacts().find(arguments.peer);
  const bool changed = status->alarmed || (contact && *contact && (*contact)->pending.has_value());
  if (changed)
    text += fmt::format(
        "\nWARNING: this is the number of the NEW identity of {0}; nothing is sent until: opaline accept {0}", peer);
  context.output().line({{"event", "safety_number"},
                         {"peer", arguments.peer},
                         {"account", account->hex()},
                         {"safety_number", *number},
                         {"verified", status->verified},
                         {"verify_again", status->verify_again},
                         {"identity_changed", changed}},
                        text);
  context.finish(1s);
  return Exit::ok;
}

Exit run_accept(Context& context, const std::string& peer) {
  if (names_business(peer)) return run_business_accept(context, peer);
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  if (context.client().accept_new_account(peer)) {
    context.output().line({{"event", "accepted"}, {"peer", peer}},
                          fmt::format("The new account of {0} is accepted. Compare safety numbers: opaline verify {0}",
                                      printable(as_view(peer))));
    return Exit::ok;
  }
  const auto account = known_peer(context, peer);
  if (!account) return failed(context, account.error());
  std::optional<Result<void, endpoint::Error>> accepted;
  const auto changed =
      context.client().change([&](endpoint::Endpoint& device) { accepted = device.accept_changed_identity(*account); });
  if (!*accepted) return failed(context, client::failure_of(accepted->error()));
  if (!changed) return failed(context, changed.error());
  context.output().line(
      {{"event", "accepted"}, {"peer", peer}},
      fmt::format("The new identity of {} is accepted; waiting messages go out.", printable(as_view(peer))));
  context.finish(10s);
  return Exit::ok;
}

Exit run_receipts(Context& context, bool on) {
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  if (const auto changed = context.client().change([&](endpoint::Endpoint& device) { device.set_receipts(on); });
      !changed)
    return failed(context, changed.error());
  context.output().line({{"event", "receipts"}, {"on", on}},
                        on ? "Others are told when their messages were delivered and read."
                           : "Others are no longer told when their messages were delivered and read.");
  return Exit::ok;
}

}  // namespace opaline::cli
