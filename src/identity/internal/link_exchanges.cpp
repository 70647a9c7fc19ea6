#include "identity/internal/link_exchanges.hpp"

#include <algorithm>

#include "crypto/compare.hpp"
#include "identity/internal/failures.hpp"

namespace opaline::identity::internal {
namespace {

constexpr std::uint32_t kNumbers = 1'000'000'000;
/// Tag and length of a message in an answer.
constexpr std::size_t kMessageOverhead = 4;

std::string digits(std::uint32_t number) {
  std::string out(kLinkNumberDigits, '0');
  for (std::size_t i = out.size(); i-- > 0; number /= 10) out[i] = static_cast<char>('0' + number % 10);
  return out;
}

bool keep_limits(LinkExchanges::Messages messages, std::size_t before) {
  if (before + messages.size() > kMaxLinkMessages) return false;
  return std::ranges::all_of(messages, [](const auto* m) { return !m->empty() && m->size() <= kMaxLinkMessageBytes; });
}

std::size_t size_of(LinkExchanges::Messages messages) {
  std::size_t out = 0;
  for (const std::string* message : messages) out += message->size();
  return out;
}

/// The messages after the first `received`, as many as an answer takes: at least one if there is one.
std::vector<std::string> take(LinkSide& from, std::size_t received) {
  std::vector<std::string> out;
  std::size_t size = 0;
  for (std::size_t at = received; at < from.sent.size(); ++at) {
    size += from.sent[at].size() + kMessageOverhead;
    if (!out.empty() && size > kMaxLinkReplyBytes) break;
    out.push_back(from.sent[at]);
  }
  from.given = std::max(from.given, received + out.size());
  return out;
}

auto limits_exceeded() {
  return bad_request("An exchange takes 8 messages from each side, of 1 to 49152 bytes.");
}
auto no_room() {
  return failure(calls::CALL_STATUS_UNAVAILABLE, "Too many devices are being linked. Try again in a few minutes.",
                 seconds(60));
}

}  // namespace

ByteArray<kLinkSecretBytes> LinkExchanges::secret(ByteView id) const {
  return crypto::hmac_sha256(key_.reveal(), {as_view("link"), id});
}

bool LinkExchanges::has_room(std::size_t bytes, bool joined) const {
  return bytes_ + bytes <= kMaxLinkBytes && (joined || unjoined_bytes_ + bytes <= kMaxLinkBytes / 2);
}

Answer<LinkExchanges::Opened> LinkExchanges::open(Messages first, Instant now) {
  if (!keep_limits(first, 0)) return limits_exceeded();
  const std::size_t bytes = size_of(first);
  if (exchanges_.size() >= kMaxLinkExchanges || !has_room(bytes, false)) drop_expired(now);
  if (exchanges_.size() >= kMaxLinkExchanges || !has_room(bytes, false)) return no_room();
  auto number = static_cast<std::uint32_t>(random_.below(kNumbers));
  while (numbers_.contains(number)) number = static_cast<std::uint32_t>(random_.below(kNumbers));
  const auto id = random_.id<ExchangeId>();
  LinkExchange& exchange = exchanges_[id];
  exchange.number = number;
  exchange.mailbox = random_.id<MailboxId>();
  exchange.expires = now + kLinkLifetime;
  for (const std::string* message : first) exchange.new_device.sent.push_back(*message);
  exchange.bytes = bytes;
  bytes_ += bytes;
  unjoined_bytes_ += bytes;
  numbers_.emplace(number, id);
  return Opened{.id = id, .secret = secret(id.view()), .number = digits(number)};
}

LinkExchanges::Found LinkExchanges::find(ByteView id, Instant now) {
  const auto key = ExchangeId::from(id);
  if (!key) return {};
  const auto found = exchanges_.find(*key);
  if (found == exchanges_.end() || now >= found->second.expires) return {};
  return {.id = *key, .exchange = &found->second};
}

LinkExchanges::Found LinkExchanges::join(ByteView id, std::uint32_t number, const credentials::DeviceAddress& device,
                                         Instant now) {
  Found found;
  if (id.size() == ExchangeId::kSize) {
    found = find(id, now);
  } else if (const auto named = numbers_.find(number); named != numbers_.end()) {
    found = find(named->second.view(), now);
  }
  if (found.exchange == nullptr || (found.exchange->joiner && found.exchange->joiner != device)) return {};
  if (!found.exchange->joiner) unjoined_bytes_ -= found.exchange->bytes;
  found.exchange->joiner = device;
  return found;
}

LinkExchanges::Found LinkExchanges::find_by_secret(ByteView id, ByteView given, Instant now) {
  if (id.size() != ExchangeId::kSize) return {};
  const bool authentic = crypto::constant_time_equal(secret(id), given);
  const Found found = find(id, now);
  return authentic ? found : Found();
}

LinkExchanges::Found LinkExchanges::find_joined(ByteView id, const credentials::DeviceAddress& device, Instant now) {
  const Found found = find(id, now);
  return found.exchange != nullptr && found.exchange->joiner == device ? found : Found();
}

Answer<calls::LinkTurnReply> LinkExchanges::turn(const Found& found, LinkSide LinkExchange::* side, const Turn& turn) {
  LinkExchange& exchange = *found.exchange;
  LinkSide& own = exchange.*side;
  LinkSide& other = side == &LinkExchange::account ? exchange.new_device : exchange.account;
  if (turn.received > other.sent.size() || turn.sent > own.sent.size())
    return bad_request("There are not as many messages in this exchange.");
  if (!keep_limits(turn.send, turn.sent)) return limits_exceeded();
  // What is here already must be the same; what follows it is new.
  const std::size_t again = std::min(own.sent.size() - turn.sent, turn.send.size());
  for (std::size_t i = 0; i < again; ++i) {
    if (*turn.send[i] != own.sent[turn.sent + i])
      return failure(calls::CALL_STATUS_CONFLICT, "This message was sent before, with other bytes.");
  }
  const Messages more = turn.send.subspan(again);
  if (own.ended && !more.empty()) return failure(calls::CALL_STATUS_CONFLICT, "This side has ended the exchange.");
  const std::size_t bytes = size_of(more);
  if (!has_room(bytes, exchange.joiner.has_value())) return no_room();

  for (const std::string* message : more) own.sent.push_back(*message);
  exchange.bytes += bytes;
  bytes_ += bytes;
  if (!exchange.joiner) unjoined_bytes_ += bytes;
  own.ended = own.ended || turn.end;
  calls::LinkTurnReply reply;
  for (std::string& message : take(other, turn.received)) reply.add_messages(std::move(message));
  reply.set_joined(exchange.joiner.has_value());
  const bool all_given = turn.received + static_cast<std::size_t>(reply.messages_size()) == other.sent.size();
  reply.set_ended(other.ended && all_given);
  const bool heard_out = own.given == own.sent.size() && other.given == other.sent.size();
  if (own.ended && (!exchange.joiner || (other.ended && heard_out))) forget(found.id);
  return reply;
}

std::vector<std::string> LinkExchanges::first_messages(LinkExchange& exchange) {
  return take(exchange.new_device, 0);
}

void LinkExchanges::forget(const ExchangeId& id) {
  const auto found = exchanges_.find(id);
  const LinkExchange& exchange = found->second;
  numbers_.erase(exchange.number);
  bytes_ -= exchange.bytes;
  if (!exchange.joiner) unjoined_bytes_ -= exchange.bytes;
  exchanges_.erase(found);
}

void LinkExchanges::drop_expired(Instant now) {
  for (auto at = exchanges_.begin(); at != exchanges_.end();) {
    const auto next = std::next(at);
    if (now >= at->second.expires) forget(ExchangeId(at->first));
    at = next;
  }
}

}  // namespace opaline::identity::internal
