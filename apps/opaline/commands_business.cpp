// `opaline business ...`: whom one writes to, and how that stands.
#include <fmt/format.h>

#include "apps/common/files.hpp"
#include "apps/opaline/agent.hpp"
#include "apps/opaline/business.hpp"
#include "apps/opaline/call.hpp"
#include "apps/opaline/devices.hpp"
#include "apps/opaline/prompt.hpp"
#include "client/gateway_check.hpp"

namespace opaline::cli {
namespace {

using client::BusinessStanding;
using client::ClientError;
using client::Failure;
using client::PersonaHome;
using endpoint::PersonaStanding;
using namespace std::chrono_literals;

constexpr auto kWithin = 30s;

std::string_view name(const std::optional<PersonaStanding>& standing) {
  if (!standing) return "looked_at";
  switch (*standing) {
    case PersonaStanding::open:
      return "open";
    case PersonaStanding::closed:
      return "closed";
    case PersonaStanding::blocked:
      return "blocked";
  }
  return "unknown";
}

boost::json::object business_json(const PersonaHome& home, const BusinessStanding& standing) {
  const auto profile = profile_of(home);
  boost::json::object out{{"event", "business"},
                          {"business", client::business_urn(home.business())},
                          {"name", business_name(home)},
                          {"standing", name(standing.standing)},
                          {"gateway", gateway_placement(home)},
                          {"here", standing.here},
                          {"pending", standing.pending}};
  if (standing.opaque_id) out["opaque_id"] = standing.opaque_id->text();
  if (profile.has_gateway()) out["gateway_key"] = to_base64url(profile.gateway);
  if (!gateway_move(home).empty()) out["moved"] = gateway_move(home);
  if (!profile.website.empty()) out["website"] = profile.website;
  if (!profile.away_text.empty()) out["away_text"] = profile.away_text;
  return out;
}

std::string_view explain(const BusinessStanding& standing) {
  if (!standing.standing) return "you have not written to it";
  switch (*standing.standing) {
    case PersonaStanding::open:
      if (standing.here) return "open";
      return "open on another device of yours; this one joins within two days, at once when you write";
    case PersonaStanding::closed:
      return standing.pending ? "closed; the service hears it when it is reached" : "closed; writing opens it again";
    case PersonaStanding::blocked:
      return standing.pending ? "blocked; the service hears it when it is reached" : "blocked";
  }
  return "";
}

Result<BusinessStanding, Failure> standing_of(Context& context, const AccountId& business) {
  OPALINE_TRY(const auto all, context.personas().list());
  for (const BusinessStanding& each : all)
    if (each.business == business) return each;
  return BusinessStanding{business, std::nullopt, std::nullopt};
}

/// The business that an argument names, with the home open; connected where it can be.
Result<AccountId, Failure> opened(Context& context, const std::string& text) {
  OPALINE_TRY(const msp::EntryLink link, parse_business(text));
  OPALINE_CHECK(open_or_borrow(context));
  return business_of(link);
}

std::string shown_name(Context& context, const AccountId& business) {
  const auto home = context.personas().home(business);
  return printable(as_view(home && *home != nullptr ? business_name(**home) : client::business_urn(business)));
}

Exit report_standing(Context& context, const AccountId& business, const std::string& text) {
  const auto home = context.personas().home(business);
  if (!home) return failed(context, home.error());
  const auto standing = standing_of(context, business);
  if (!standing) return failed(context, standing.error());
  if (*home != nullptr) context.output().line(business_json(**home, *standing), text);
  context.finish(5s);
  return Exit::ok;
}

std::string profile_text(const PersonaHome& home) {
  const auto profile = profile_of(home);
  std::string out = fmt::format("{}\n  a business ({})\n  {}", printable(as_view(business_name(home))),
                                client::business_urn(home.business()), explain_placement(gateway_placement(home)));
  if (const auto move = gateway_move(home); !move.empty()) out += fmt::format("\n  {}", explain_move(move, home));
  if (profile.has_gateway()) out += fmt::format("\n  the fingerprint of its key: {}", to_base64url(profile.gateway));
  if (!profile.website.empty())
    out += fmt::format("\n  its website, says the operator: {}", printable(as_view(profile.website)));
  if (!profile.away_text.empty())
    out += fmt::format("\n  out of hours it answers: {}", printable(as_view(profile.away_text)));
  return out;
}

/// What a link said is kept; the profile is there.
Result<PersonaHome*, Failure> remember(Context& context, const msp::EntryLink& link) {
  const AccountId business = business_of(link);
  OPALINE_TRY(const Bytes profile,
              await<Bytes>(context, kWithin, [&](auto done) { context.personas().fetch_profile(business, done); }));
  OPALINE_TRY(PersonaHome* const home, context.personas().remember(business, profile));
  Result<void, ClientError> kept;
  if (!link.intent.empty() || !link.group.empty())
    kept = home->set_tags(client::EntryTags{link.intent, link.group, context.clock().now()});
  if (kept && link.gateway) kept = home->set_fingerprint(link.gateway->view());
  if (!kept) return fail(client::persona_store_failure(kept.error()));
  return home;
}

}  // namespace

Exit run_business_open(Context& context, const std::string& text) {
  const auto link = parse_business(text);
  if (!link) return failed(context, link.error());
  if (const auto connected = open_and_connect(context); !connected) return failed(context, connected.error());
  const auto home = remember(context, *link);
  if (!home) return failed(context, home.error());
  const auto standing = standing_of(context, (*home)->business());
  if (!standing) return failed(context, standing.error());
  auto object = business_json(**home, *standing);
  if (!link->body.empty()) object["body"] = link->body.view();
  const std::string urn = client::business_urn((*home)->business());
  std::string said = profile_text(**home);
  if (link->body.empty()) {
    said += fmt::format("\nWrite to it: opaline send {} TEXT", urn);
  } else {
    said +=
        fmt::format("\nThe link proposes this text; nothing was sent:\n  {}", printable(as_view(link->body.view())));
  }
  context.output().line(object, said);
  if (!link->body.empty() && !context.output().json() && can_ask() &&
      agrees(fmt::format("Send this text to {}? (yes/no) ", printable(as_view(business_name(**home)))))) {
    SendArguments send;
    send.to = urn;
    return send_to_business(context, send, link->body.view());
  }
  context.finish(2s);
  return Exit::ok;
}

Exit run_business_check(Context& context, const std::string& text, const std::string& authority_file, bool yes) {
  const auto link = parse_business(text);
  if (!link) return failed(context, link.error());
  client::GatewayCheckOptions options;
  if (!authority_file.empty()) {
    auto pem = apps::read_file(authority_file);
    if (!pem) return failed(context, {ClientError::certificate_rejected, pem.error()});
    if (pem->empty()) return failed(context, {ClientError::certificate_rejected, authority_file + " is empty"});
    options.authority_pem = std::move(*pem);
  }
  if (const auto connected = open_and_connect(context); !connected) return failed(context, connected.error());
  const auto home = remember(context, *link);
  if (!home) return failed(context, home.error());
  const auto profile = profile_of(**home);
  if (!profile.has_gateway())
    return failed(context, {ClientError::no_gateway, "this business has not set up its gateway yet"});
  if (!profile.own_gateway)
    return failed(context, {ClientError::refused,
                            "its gateway is hosted by the service, says the operator: there is nothing to be checked"});
  auto check = client::GatewayCheck::create(context.loop(), profile.website, options);
  if (!check) return failed(context, check.error());
  if (!yes &&
      !agrees(fmt::format("Ask {} which key its gateway has? It sees your IP address, and may guess that you are "
                          "about to write. (yes/no) ",
                          profile.website)))
    return failed(context, {ClientError::refused, "nothing was asked"});
  const auto found = await<msp::GatewayFingerprint>(
      context, kWithin, [&](auto done) { (*check)->ask(business_of(*link), std::move(done)); });
  if (!found) return failed(context, found.error());
  if (const auto kept = (*home)->set_fingerprint(found->view()); !kept)
    return failed(context, client::persona_store_failure(kept.error()));
  return report_standing(context, (*home)->business(), profile_text(**home));
}

Exit run_business_list(Context& context) {
  if (const auto opened = context.open_to_read(); !opened) return failed(context, opened.error());
  const client::PersonaBook book(context.store(), context.random());
  bool any = false;
  for (const auto& home : business_homes(context)) {
    const auto word = book.find(home->business());
    const auto device = home->device_of();
    if (!word || !device) return failed(context, {ClientError::store_failed, "the local store could not be read"});
    BusinessStanding standing{home->business(), std::nullopt, std::nullopt};
    if (*word) {
      standing.standing = (*word)->state;
      standing.opaque_id.emplace((*word)->opaque_id);
      standing.here = *device && **device == standing.opaque_id->persona();
    }
    standing.pending =
        home->closing().value_or(std::nullopt).has_value() || home->opening().value_or(std::nullopt).has_value();
    context.output().line(business_json(*home, standing),
                          fmt::format("{}  {}  {}", client::business_urn(home->business()),
                                      printable(as_view(business_name(*home))), explain(standing)));
    any = true;
  }
  if (!any) context.output().hint("none yet; see: opaline business open");
  return Exit::ok;
}

Exit run_business_close(Context& context, const std::string& text, bool block) {
  const auto business = opened(context, text);
  if (!business) return failed(context, business.error());
  (void)context.connect(kWithin);
  const auto done = await<bool>(context, kWithin, [&](auto answer) {
    context.personas().close(*business, block ? PersonaStanding::blocked : PersonaStanding::closed, answer);
  });
  if (!done) return failed(context, done.error());
  const std::string shown = shown_name(context, *business);
  const std::string how = *done ? "" : " The service and your other devices hear it when it is reached.";
  if (block)
    return report_standing(context, *business,
                           fmt::format("{} is blocked, on all your devices, until you lift it.{}", shown, how));
  return report_standing(
      context, *business,
      fmt::format("The conversation with {} is closed: it cannot write to you any more. Writing opens it again.{}",
                  shown, how));
}

Exit run_business_unblock(Context& context, const std::string& text) {
  const auto business = opened(context, text);
  if (!business) return failed(context, business.error());
  if (const auto done = context.personas().unblock(*business); !done) return failed(context, done.error());
  (void)context.connect(kWithin);
  return report_standing(context, *business,
                         fmt::format("{} is no longer blocked; the conversation is closed until you write.",
                                     shown_name(context, *business)));
}

Exit run_business_new(Context& context, const std::string& text) {
  const auto link = parse_business(text);
  if (!link) return failed(context, link.error());
  if (const auto connected = open_and_connect(context); !connected) return failed(context, connected.error());
  const AccountId business = business_of(*link);
  const auto done =
      await<std::monostate>(context, kWithin, [&](auto answer) { context.personas().be_new(business, answer); });
  if (!done) return failed(context, done.error());
  return report_standing(
      context, business,
      fmt::format("{} knows you by another id from now on. What you write may tell who you are all the same.",
                  shown_name(context, business)));
}

Exit run_business_accept(Context& context, const std::string& text) {
  const auto link = parse_business(text);
  if (!link) return failed(context, link.error());
  if (const auto connected = open_and_connect(context); !connected) return failed(context, connected.error());
  const AccountId business = business_of(*link);
  const auto opened =
      await<std::monostate>(context, kWithin, [&](auto done) { context.personas().open(business, done); });
  client::Client* const client = context.personas().running(business);
  if (!opened) return failed(context, opened.error());
  if (client == nullptr) return failed(context, {ClientError::no_alarm, "the gateway's key has not changed"});
  std::optional<Result<void, endpoint::Error>> accepted;
  const auto changed =
      client->change([&](endpoint::Endpoint& device) { accepted = device.accept_changed_identity(business); });
  const auto home = context.personas().home(business);
  if (!home) return failed(context, home.error());
  const auto wanted = (*home)->fingerprint();  // a link's: it was of the former gateway, or of none
  if (!*accepted && (!wanted || wanted->empty()))
    return failed(context, {ClientError::no_alarm, "the gateway's key has not changed"});
  if (!changed) return failed(context, changed.error());
  auto done = (*home)->set_fingerprint({});
  if (done) done = (*home)->set_moved_to_own(std::nullopt);
  if (!done) return failed(context, client::persona_store_failure(done.error()));
  const std::string name = shown_name(context, business);
  context.output().line({{"event", "accepted"}, {"peer", client::business_urn(business)}},
                        fmt::format("The new gateway of {} is accepted; waiting messages go out.", name));
  context.finish(10s);
  return Exit::ok;
}

Exit run_business_delete(Context& context, const std::string& text, bool yes) {
  const auto business = opened(context, text);
  if (!business) return failed(context, business.error());
  const auto home = context.personas().home(*business);
  if (!home) return failed(context, home.error());
  if (*home == nullptr) return failed(context, client::never_written());
  const std::string name = shown_name(context, *business);
  if (!yes && !agrees(fmt::format("Delete all messages with {} on all your devices, and close the conversation? "
                                  "(yes/no) ",
                                  name)))
    return failed(context, {ClientError::refused, "nothing was deleted"});
  (void)context.connect(kWithin);
  const auto done = await<bool>(context, kWithin, [&](auto answer) { context.personas().erase(*business, answer); });
  if (!done) return failed(context, done.error());
  context.output().line(
      {{"event", "deleted"}, {"peer", client::business_urn(*business)}, {"messages", 0}, {"all", true}},
      fmt::format("The conversation with {} is gone from your devices, and closed. What you shared stays listed: "
                  "opaline shared",
                  name));
  context.finish(5s);
  return Exit::ok;
}

// ---- writing

Result<PersonaHome*, Failure> ready_for(Context& context, const std::string& text) {
  OPALINE_TRY(const msp::EntryLink link, parse_business(text));
  const AccountId business = business_of(link);
  OPALINE_TRY(PersonaHome * home, context.personas().home(business));
  if (home == nullptr) {
    OPALINE_TRY(home, remember(context, link));
  }
  OPALINE_TRY(const auto ready,
              await<std::monostate>(context, kWithin, [&](auto done) { context.personas().ready(business, done); }));
  (void)ready;
  context.wait(kWithin, [&] {
    client::Client* const client = context.personas().running(business);
    return client == nullptr || client->online();
  });
  return home;
}

Exit send_to_business(Context& context, const SendArguments& arguments, std::string_view text) {
  const auto link = parse_business(arguments.to);
  if (!link) return failed(context, link.error());
  if (context.client().online()) {
    const auto home = context.personas().home(business_of(*link));
    if (!home) return failed(context, home.error());
    if (*home == nullptr)  // so that it has a name from the beginning
      if (const auto known = remember(context, *link); !known) return failed(context, known.error());
  }
  const auto id =
      await<MessageId>(context, kWithin, [&](auto done) { send_to(context, arguments.to, text, std::move(done)); });
  if (!id) {
    context.finish(1s);
    return failed(context, id.error());
  }
  return report_message(context, *id, arguments, context.client().online());
}

}  // namespace opaline::cli
