// Linking: messages between a new device and a device of an account (docs/device-api.md, "One's own devices").
#include <algorithm>

#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::bad_request;
using internal::LinkExchange;
using internal::LinkExchanges;
using internal::no_exchange;

namespace {

std::string text(ByteView bytes) {
  return std::string(as_text(bytes));
}

/// What a person typed: nine digits, with blanks between them where it is easier to read. nullopt: it is not that.
std::optional<std::uint32_t> parse_number(const std::string& typed) {
  std::uint32_t out = 0;
  std::size_t digits = 0;
  for (const char c : typed) {
    if (c == ' ') continue;
    if (c < '0' || c > '9' || ++digits > kLinkNumberDigits) return std::nullopt;
    out = out * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return digits == kLinkNumberDigits ? std::optional(out) : std::nullopt;
}

std::uint32_t seconds_left(const LinkExchange& exchange, Instant now) {
  return static_cast<std::uint32_t>(std::chrono::ceil<seconds>(exchange.expires - now).count());
}

/// Views of the request's messages.
std::vector<const std::string*> messages_of(const google::protobuf::RepeatedPtrField<std::string>& send) {
  std::vector<const std::string*> out;
  for (const std::string& message : send) out.push_back(&message);
  return out;
}

Answer<calls::LinkTurnReply> take_turn(LinkExchanges& links, const LinkExchanges::Found& found,
                                       internal::LinkSide LinkExchange::* side, const calls::LinkTurnRequest& request) {
  if (found.exchange == nullptr) return no_exchange();
  const auto send = messages_of(request.send());
  return links.turn(found, side,
                    {.received = request.received(), .sent = request.sent(), .send = send, .end = request.end()});
}

}  // namespace

Answer<calls::LinkOpenReply> Service::link_open(const SourceAddress& source, const calls::LinkOpenRequest& request) {
  State& s = *state_;
  s.turn_day(s.ports.clock.now());
  const Instant now = s.ports.clock.monotonic();
  const auto site_key = s.source_key("link source", source, 8);
  const auto network_key = s.source_key("link network", source, 6);
  auto wait = s.link_opens_per_source.peek(site_key, 1, now);
  if (!wait) wait = s.link_opens_per_network.peek(network_key, 1, now);
  if (wait) return internal::quota("Too many devices were to be linked from this address.", *wait);
  OPALINE_TRY(const auto opened, s.links.open(messages_of(request.send()), now));
  (void)s.link_opens_per_source.take(site_key, 1, now);
  (void)s.link_opens_per_network.take(network_key, 1, now);
  ++s.counters.links_opened;
  calls::LinkOpenReply reply;
  reply.set_exchange(text(opened.id.view()));
  reply.set_secret(text(opened.secret));
  reply.set_number(opened.number);
  reply.set_valid_seconds(static_cast<std::uint32_t>(seconds(kLinkLifetime).count()));
  return reply;
}

Answer<calls::LinkTurnReply> Service::new_device_turn(const calls::LinkTurnRequest& request) {
  State& s = *state_;
  const auto found =
      s.links.find_by_secret(as_view(request.exchange()), as_view(request.secret()), s.ports.clock.monotonic());
  return take_turn(s.links, found, &LinkExchange::new_device, request);
}

Answer<calls::LinkJoinReply> Service::link_join(const Caller& caller, const calls::LinkJoinRequest& request) {
  State& s = *state_;
  const bool by_id = !request.exchange().empty();
  const auto number = parse_number(request.number());
  const bool named_once =
      by_id ? request.exchange().size() == internal::ExchangeId::kSize && request.number().empty() : number.has_value();
  if (!named_once) return bad_request("An exchange is named by its 16 bytes or by a number of nine digits.");
  OPALINE_CHECK(s.charge_calls(caller.account, 1));
  const Instant now = s.ports.clock.monotonic();
  if (const auto wait = s.link_joins.take(s.daily.key("joins", caller.account.view()), 1, now))
    return internal::quota("This account has tried to link too many devices.", *wait);
  OPALINE_CHECK(s.load_person(caller));
  const auto found =
      s.links.join(as_view(request.exchange()), number.value_or(0), {caller.account, caller.device}, now);
  if (found.exchange == nullptr) {
    ++s.counters.link_joins_refused;
    return no_exchange();
  }
  ++s.counters.links_joined;
  calls::LinkJoinReply reply;
  reply.set_exchange(text(found.id.view()));
  reply.set_mailbox(text(found.exchange->mailbox.view()));
  for (std::string& message : LinkExchanges::first_messages(*found.exchange)) reply.add_messages(std::move(message));
  reply.set_valid_seconds(seconds_left(*found.exchange, now));
  return reply;
}

Answer<calls::LinkTurnReply> Service::link_turn(const Caller& caller, const calls::LinkTurnRequest& request) {
  State& s = *state_;
  OPALINE_CHECK(s.charge_calls(caller.account, 1));
  OPALINE_CHECK(s.load_person(caller));
  const auto found =
      s.links.find_joined(as_view(request.exchange()), {caller.account, caller.device}, s.ports.clock.monotonic());
  return take_turn(s.links, found, &LinkExchange::account, request);
}

}  // namespace opaline::identity
