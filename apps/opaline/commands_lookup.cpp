// `opaline lookup`: who is here.
#include <fmt/format.h>

#include <algorithm>

#include "apps/opaline/agent.hpp"
#include "apps/opaline/business.hpp"
#include "apps/opaline/commands.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using client::LookedUp;
using client::Reachable;
using namespace std::chrono_literals;

constexpr auto kConnectWithin = 15s;
constexpr auto kAnswerWithin = 60s;

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
    out["asked_at"] = iso_time(one.asked_at);
    out["ask_again_at"] = iso_time(one.ask_again_at);
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

}  // namespace

Exit run_lookup(Context& context, const LookupArguments& arguments) {
  for (const std::string& each : arguments.handles)
    if (names_business(each))
      return failed(context, {ClientError::bad_text, each + " is a business: opaline business open shows who it is"});
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  const bool all_known = std::ranges::all_of(
      arguments.handles, [&](const std::string& each) { return context.client().remembered(each).has_value(); });
  if (arguments.again || !all_known) (void)context.connect(kConnectWithin);
  struct Outcome {
    bool done = false;
    std::vector<LookedUp> answers;
    std::optional<Failure> failure;
  };
  auto outcome = std::make_shared<Outcome>();
  context.client().look_up(arguments.handles, arguments.again,
                           [outcome](auto found, auto why) { *outcome = {true, std::move(found), std::move(why)}; });
  context.wait(kAnswerWithin, [&] { return outcome->done; });
  if (!outcome->done) return failed(context, {ClientError::timed_out, "the server did not answer in time"});
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
