// `opaline send --sms`, and what `send` says of a number that is not here.
#include <fmt/format.h>

#include "apps/opaline/business.hpp"
#include "apps/opaline/call.hpp"
#include "apps/opaline/prompt.hpp"
#include "apps/opaline/sms.hpp"
#include "carrier/line.hpp"
#include "carrier/short_message.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using client::LookedUp;
using client::Reachable;
using namespace std::chrono_literals;

constexpr auto kConnectWithin = 15s;
constexpr auto kLookUpWithin = 15s;

Result<LookedUp, Failure> look_up_one(Context& context, const std::string& number, bool again) {
  OPALINE_TRY(auto outcome, look_up(context, {number}, again, kLookUpWithin));
  if (outcome.failure) return fail(std::move(*outcome.failure));
  if (outcome.answers.size() != 1) return fail(Failure{ClientError::protocol, "the server's answer makes no sense"});
  return std::move(outcome.answers.front());
}

/// Nobody here takes it: the person's own telephone can.
void show_link(Context& context, std::string_view number, std::string_view text) {
  const SecretBytes link = carrier::sms_link(number, as_view(text));
  context.output().line({{"event", "sms_link"}, {"to", number}, {"link", as_text(link)}},
                        fmt::format("your own telephone can send it: {}", as_text(link)));
}

Failure no_carrier() {
  return {ClientError::refused, "this service does not send short messages; nothing was sent"};
}

std::string cost(const carrier::Shape& shape) {
  return fmt::format("{} {}", shape.parts, shape.parts == 1 ? "part" : "parts");
}

Failure too_long() {
  return {ClientError::bad_text,
          fmt::format("this is too long for short messages (at most {} parts), or empty; nothing "
                      "was sent",
                      carrier::kMaxParts)};
}

/// A profile of before it was the carrier is asked for again: by it these conversations are shown for what they are.
void know_carrier(Context& context, const AccountId& business) {
  const auto home = context.personas().home(business);
  if (!home || *home == nullptr || is_carrier(**home)) return;
  const auto profile = await<Bytes>(context, kLookUpWithin,
                                    [&](auto done) { context.personas().fetch_profile(business, std::move(done)); });
  if (profile) (void)client::Personas::keep_profile(**home, *profile);
}

/// To the business that hands texts to carriers.
Exit send_to_carrier(Context& context, const SendArguments& arguments, const AccountId& business,
                     const carrier::ToCarrier& message) {
  know_carrier(context, business);
  SendArguments as_business = arguments;
  as_business.to = client::business_urn(business);
  const SecretBytes line = carrier::write(message);
  return send_to_business(context, as_business, as_text(line));
}

}  // namespace

Exit run_sms(Context& context, const SendArguments& arguments, const std::string& text) {
  const auto number = sms_number_of(arguments.to);
  if (!number)
    return failed(context, {ClientError::bad_text, "'" + arguments.to +
                                                       "' is no telephone number (+49...): nothing else can be reached "
                                                       "by SMS; nothing was sent"});
  if (!arguments.files.empty())
    return failed(context, {ClientError::bad_attachment, "files cannot be sent by SMS; nothing was sent"});
  if (!carrier::shape_of(as_view(text))) return failed(context, too_long());
  (void)context.connect(kConnectWithin);
  auto found = look_up_one(context, *number, false);
  if (found && found->from_cache && found->reachable == Reachable::sms && !context.client().carrier())
    found = look_up_one(context, *number, true);
  if (!found) return failed(context, found.error());
  if (!found->problem.empty()) return failed(context, {ClientError::bad_text, found->problem});
  if (found->reachable == Reachable::here)
    return failed(context, {ClientError::refused, *number + " is here: without --sms it is sent encrypted; nothing was "
                                                            "sent"});
  if (found->reachable != Reachable::sms)
    return failed(context, {ClientError::no_such_handle, *number + " cannot be reached by SMS; nothing was sent"});
  const auto carrier = context.client().carrier();
  if (!carrier) {
    const Exit refused = failed(context, no_carrier());
    show_link(context, *number, text);
    return refused;
  }
  return send_to_carrier(context, arguments, *carrier, {.number = *number, .text = to_secret_bytes(as_view(text))});
}

Exit offer_sms(Context& context, const SendArguments& arguments, const std::string& text, const Failure& why) {
  const auto number = sms_number_of(arguments.to);
  const auto shape = carrier::shape_of(as_view(text));
  const Exit refused = failed(context, why);
  if (!number || !shape) return refused;
  if (!context.client().carrier()) {
    show_link(context, *number, text);
    return refused;
  }
  context.output().line(
      {{"event", "sms_offer"}, {"to", *number}, {"reachable", "sms"}, {"encrypted", false}, {"parts", shape->parts}},
      fmt::format("As a short message to {} this would not be encrypted: this service's operator, your "
                  "carrier and theirs can read it. It costs {}. To send it so: opaline send --sms {} TEXT",
                  *number, cost(*shape), *number));
  if (context.output().json() || !can_ask()) return refused;
  const auto answer = ask("Send it as a short message? (y/N) ");
  if (!answer || (*answer != "y" && *answer != "Y" && *answer != "yes")) return refused;
  return run_sms(context, arguments, text);
}

}  // namespace opaline::cli
