#include "apps/opaline/business.hpp"
#include "apps/opaline/sms.hpp"

#include <fmt/format.h>

#include "wire/business_part.hpp"

namespace opaline::cli {

using client::ClientError;
using client::Entry;
using client::Failure;

bool names_business(std::string_view text) {
  return msp::parse_uuid(text).has_value() || text.find("urn:biz:") != std::string_view::npos;
}

Result<msp::EntryLink, Failure> parse_business(std::string_view text) {
  if (const auto uuid = msp::parse_uuid(text)) {
    msp::EntryLink link;
    link.business = *uuid;
    return link;
  }
  auto link = msp::parse_entry_link(text);
  if (link) return std::move(*link);
  if (link.error() == msp::Error::unsafe_text)
    return fail(Failure{ClientError::bad_text, "this link has a text that hides what it says; it was not opened"});
  return fail(Failure{ClientError::bad_text,
                      "'" + std::string(text) +
                          "' is no business: it looks like urn:biz:01234567-89ab-cdef-0123-456789abcdef, or is a link "
                          "that has this in it"});
}

AccountId business_of(const msp::EntryLink& link) {
  return AccountId(link.business.view());
}

client::BusinessProfile profile_of(const client::PersonaHome& home) {
  client::BusinessProfile none;
  none.name = client::business_urn(home.business());
  const auto kept = home.profile();
  return kept ? client::read_profile(home.business(), *kept).value_or(none) : none;
}

std::string business_name(const client::PersonaHome& home) {
  return profile_of(home).name;
}

std::string_view gateway_placement(const client::PersonaHome& home) {
  const auto profile = profile_of(home);
  const auto wanted = home.fingerprint();
  if (wanted && !wanted->empty()) return equal(*wanted, profile.gateway) ? "own_checked" : "changed";
  if (!profile.has_gateway()) return "none";
  return profile.own_gateway ? "own_said" : "hosted";
}

std::string_view explain_placement(std::string_view placement) {
  if (placement == "own_checked")
    return "its gateway: own, checked: nobody between you and the business reads anything";
  if (placement == "own_said") return "its gateway: own, says the operator";
  if (placement == "hosted")
    return "its gateway: hosted by the service, which reads in passing, in memory alone, what you write";
  if (placement == "changed")
    return "WARNING: its gateway is not the one that the link names: somebody may be in between, or the link is old";
  return "its gateway: none; nobody reads there yet, and what you write now does not go out";
}

std::string_view gateway_move(const client::PersonaHome& home) {
  const auto moved = home.moved_to_own();
  if (!moved || !*moved) return "";
  return **moved ? "to_own" : "to_hosted";
}

std::string explain_move(std::string_view move, const client::PersonaHome& home) {
  const std::string urn = client::business_urn(home.business());
  if (move == "to_own")
    return "its gateway has moved from the service into its own house, says the operator: so its key is another one. "
           "Compare the fingerprint with what the business says (opaline business check " +
           urn + "), then: opaline accept " + urn;
  return "its gateway has moved from its own house to the service, says the operator, which reads in passing what you "
         "write from now on: so its key is another one. If the business says so too: opaline accept " +
         urn;
}

// ---- events

void report_business_event(Context& context, const AccountId& business, const endpoint::Event& event) {
  const auto home = context.personas().home(business);
  const std::string name = home && *home != nullptr ? business_name(**home) : client::business_urn(business);
  const std::string urn = client::business_urn(business);
  if (home && *home != nullptr && is_carrier(**home)) return;  // what its software has is not what a telephone has
  if (const auto* changed = std::get_if<endpoint::MessageStateChanged>(&event)) {
    boost::json::object object{{"event", "state"},
                               {"id", changed->id.hex()},
                               {"to", name},
                               {"business", urn},
                               {"state", cli::name(changed->state)}};
    if (changed->reason != endpoint::Reason::none) object["reason"] = cli::name(changed->reason);
    context.output().line(
        object, fmt::format("  -- your message to {}: {}", printable(as_view(name)), cli::name(changed->state)));
  } else if (const auto* typing = std::get_if<endpoint::TypingChanged>(&event)) {
    context.output().line({{"event", "typing"}, {"from", name}, {"business", urn}, {"active", typing->active}}, "");
  } else if (std::holds_alternative<endpoint::MessagesMissed>(event)) {
    context.output().line(
        {{"event", "missed"}, {"business", urn}},
        fmt::format("  -- some messages of {} were lost: too many waited, or they expired", printable(as_view(name))));
  }
}

// ---- finding

std::vector<std::unique_ptr<client::PersonaHome>> business_homes(Context& context) {
  std::vector<std::unique_ptr<client::PersonaHome>> out;
  for (const AccountId& business : client::PersonaHome::all(context.home())) {
    auto home = client::PersonaHome::find({context.home(), context.store(), context.random()}, business);
    if (!home) {
      context.output().error(client::persona_store_failure(home.error()));
    } else if (*home) {
      out.push_back(std::move(*home));
    }
  }
  return out;
}

Result<std::optional<Entry>, ClientError> find_outgoing(Context& context, const std::string& to, const MessageId& id) {
  if (!names_business(to)) return client::History(context.store()).outgoing(id);
  const auto link = parse_business(to);
  if (!link) return std::optional<Entry>();
  const auto home = context.personas().home(business_of(*link));
  if (!home) return fail(home.error().error);
  if (*home == nullptr) return std::optional<Entry>();
  return client::History((*home)->store()).outgoing(id);
}

void send_to(Context& context, const std::string& to, std::string_view text, client::Done<MessageId> done) {
  if (!names_business(to)) return context.client().send(to, text, std::move(done));
  const auto link = parse_business(to);
  if (!link) return done(fail(link.error()));
  context.personas().send(business_of(*link), {.text = to_secret_bytes(as_view(text))}, std::move(done));
}

}  // namespace opaline::cli
