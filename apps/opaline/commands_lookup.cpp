// `opaline lookup`: who is here. `opaline my-lookups`: what the service has written of that.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "apps/opaline/agent.hpp"
#include "apps/opaline/business.hpp"
#include "apps/opaline/call.hpp"
#include "apps/opaline/commands.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using client::LookedUp;
using client::Reachable;
using namespace std::chrono_literals;

constexpr auto kConnectWithin = 15s;
constexpr auto kAllWithin = 60s;

std::string_view name(Reachable reachable) {
  switch (reachable) {
    case Reachable::here:
      return "here";
    case Reachable::sms:
      return "sms";
    case Reachable::not_here:
      return "not_here";
    case Reachable::unknown:
      return "unknown";
  }
  return "unknown";
}

std::string_view explain(const LookedUp& one) {
  if (one.changed) return "here, but as another account than before: opaline verify, then opaline accept";
  switch (one.reachable) {
    case Reachable::here:
      return "here";
    case Reachable::sms:
      return "not here; could be reached by SMS, which is not encrypted";
    case Reachable::not_here:
      return "not here";
    case Reachable::unknown:
      return "not known: it was not answered";
  }
  return "";
}

boost::json::object to_json(const LookedUp& one) {
  boost::json::object out{{"event", "lookup"}, {"handle", one.handle}, {"reachable", name(one.reachable)}};
  if (one.account) out["account"] = one.account->hex();
  if (one.changed) out["changed"] = true;
  if (one.reachable != Reachable::unknown) {
    out["from"] = one.from_cache ? "cache" : "service";
    out["asked_at"] = rfc3339_millis(one.asked_at);
    out["ask_again_at"] = rfc3339_millis(one.ask_again_at);
  }
  if (!one.problem.empty()) out["problem"] = one.problem;
  return out;
}

std::string to_text(const LookedUp& one, Time now) {
  const std::string handle = printable(as_view(one.handle));
  if (!one.problem.empty()) return fmt::format("{}  {}", handle, printable(as_view(one.problem)));
  if (one.reachable == Reachable::unknown) return fmt::format("{}  {}", handle, explain(one));
  const auto left = std::chrono::ceil<std::chrono::seconds>(one.ask_again_at - now).count();
  const std::string again = duration(static_cast<std::uint32_t>(std::max<std::int64_t>(left, 0)));
  if (!one.from_cache) return fmt::format("{}  {}  (asked now; remembered for {})", handle, explain(one), again);
  const auto age = std::chrono::floor<std::chrono::seconds>(now - one.asked_at).count();
  return fmt::format("{}  {}  (remembered from {} ago; asked again in {})", handle, explain(one),
                     duration(static_cast<std::uint32_t>(std::max<std::int64_t>(age, 0))), again);
}

/// An address as people write it: RFC 5952, or of IPv4 with dots. Empty: not 16 bytes.
std::string address_text(ByteView bytes) {
  if (bytes.size() != 16) return {};
  static constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool v4 = equal(bytes.first(12), std::as_bytes(std::span(kMapped)));
  char text[INET6_ADDRSTRLEN] = {};
  const std::byte* const from = v4 ? bytes.data() + 12 : bytes.data();
  return ::inet_ntop(v4 ? AF_INET : AF_INET6, from, text, sizeof text) == nullptr ? std::string() : std::string(text);
}

void show(Context& context, const wire::v1::MyLookupsReply::Entry& entry) {
  const Time at = from_unix_millis(static_cast<std::int64_t>(entry.time_ms()));
  const std::string from = address_text(as_view(entry.source_address()));
  const boost::json::object object{{"event", "my_lookup"},
                                   {"at", rfc3339_millis(at)},
                                   {"source_handle", entry.source_handle()},
                                   {"source_address", from},
                                   {"looked_up_handle", entry.looked_up_handle()},
                                   {"capable_devices", entry.capable_devices()}};
  const std::string there =
      entry.capable_devices() == 0 ? std::string("not here") : fmt::format("{} devices", entry.capable_devices());
  context.output().line(
      object, fmt::format("{}  {} ({}) asked for {}: {}", local_time(at), printable(as_view(entry.source_handle())),
                          from, printable(as_view(entry.looked_up_handle())), there));
}

}  // namespace

Exit run_my_lookups(Context& context) {
  if (const auto connected = open_and_connect(context); !connected) return failed(context, connected.error());
  wire::v1::MyLookupsRequest request;
  bool any = false;
  std::uint32_t days = 0;
  std::string seen;
  do {
    const auto page = call<wire::v1::MyLookupsReply>(context, wire::v1::METHOD_MY_LOOKUPS, request);
    if (!page) return failed(context, page.error());
    for (const auto& entry : page->entries()) show(context, entry);
    any = any || page->entries_size() > 0;
    days = page->log_days();
    seen = std::exchange(*request.mutable_after(), page->next());
  } while (!request.after().empty() && request.after() != seen && !context.interrupted());
  if (days == 0)
    context.output().hint("this service logs no lookups");
  else
    context.output().hint(fmt::format("{}this service keeps its log of lookups for {} {}", any ? "" : "none; ", days,
                                      days == 1 ? "day" : "days"));
  context.finish(2s);
  return Exit::ok;
}

Result<LookUpOutcome, Failure> look_up(Context& context, const std::vector<std::string>& handles, bool again,
                                       std::chrono::seconds within) {
  const auto outcome = std::make_shared<std::optional<LookUpOutcome>>();
  context.client().look_up(
      handles, again, [outcome](auto found, auto why) { *outcome = LookUpOutcome{std::move(found), std::move(why)}; });
  context.wait(within, [&] { return outcome->has_value(); });
  if (!*outcome) return fail(Failure{ClientError::timed_out, "the server did not answer in time"});
  return std::move(**outcome);
}

Exit run_lookup(Context& context, const LookupArguments& arguments) {
  for (const std::string& each : arguments.handles)
    if (names_business(each))
      return failed(context, {ClientError::bad_text, each + " is a business: opaline business open shows who it is"});
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  const bool all_known = std::ranges::all_of(
      arguments.handles, [&](const std::string& each) { return context.client().remembered(each).has_value(); });
  if (arguments.again || !all_known) (void)context.connect(kConnectWithin);
  const auto outcome = look_up(context, arguments.handles, arguments.again, kAllWithin);
  if (!outcome) return failed(context, outcome.error());
  bool all = true;
  for (const LookedUp& each : outcome->answers) {
    context.output().line(to_json(each), to_text(each, context.clock().now()));
    all = all && each.problem.empty();
  }
  context.finish(2s);
  if (outcome->failure) return failed(context, *outcome->failure);
  return all ? Exit::ok : Exit::failed;
}

}  // namespace opaline::cli
