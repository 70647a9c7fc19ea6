#include "gateway/webhooks.hpp"

#include <algorithm>
#include <charconv>

#include "base/fault_point.hpp"

namespace opaline::gateway {
namespace {

using namespace std::chrono_literals;

/// People whose messages are on their way to one business, and so opened in memory, at once.
constexpr std::size_t kUnderWay = 64;
constexpr auto kAnswerWithin = 30s;
constexpr std::size_t kMaxAnswerBytes = 64 * 1024;  // nobody reads it
constexpr BackOff kWaits(1s, 5min);
/// Rows of what was taken are erased by the next commit of anything, or by one of their own after this time.
constexpr auto kForgetWithin = 10ms;
constexpr auto kForgetAgain = 1s;
/// Answers that say "never" are believed when they were given so often.
constexpr unsigned kRefusals = 3;
/// Those that are about the address and not about the message are not asked in a row: software that is being replaced
/// answers so for a while.
constexpr seconds kMissing[kRefusals - 1] = {60s, 600s};

std::optional<Refusal> refusal_of(unsigned status) {
  switch (status) {
    case 400:
      return Refusal::bad_request;
    case 404:
      return Refusal::not_found;
    case 410:
      return Refusal::gone;
    case 413:
      return Refusal::too_large;
    default:
      return std::nullopt;
  }
}

bool is_about_address(Refusal refusal) {
  return refusal == Refusal::not_found || refusal == Refusal::gone;
}

/// RFC 9110 section 10.2.3, in seconds; dates are not looked at.
seconds retry_after(const net::HttpResponse& response) {
  constexpr std::uint32_t kLongest = 3'600;
  std::uint32_t out = 0;
  const std::string_view text = response.header("Retry-After").value_or("");
  std::from_chars(text.data(), text.data() + text.size(), out);
  return seconds(std::min(out, kLongest));
}

}  // namespace

Webhooks::Webhooks(const Parts& parts, const BusinessConfig& config)
    : parts_(parts), config_(config), forget_(parts.loop) {
  connect();
}

Webhooks::~Webhooks() = default;

void Webhooks::connect() {
  auto key = msp::TokenKey::from_secret(config_.msp_secret);
  key_ = key ? std::optional(std::move(*key)) : std::nullopt;
  signer_ = key_ && config_.signed_webhooks ? std::optional<msp::WebhookSigner>(*key_) : std::nullopt;
  net::HttpClientOptions options;
  options.origin = config_.webhook;
  options.tls = &parts_.tls;
  options.public_only = !config_.allow_private_webhooks;
  options.max_connections = kUnderWay;
  options.max_waiting = kUnderWay;
  options.max_response_bytes = kMaxAnswerBytes;
  http_ = std::make_unique<net::HttpClient>(parts_.loop, std::move(options));
}

void Webhooks::reconfigured() {
  // What was under way ends without an answer: it comes again, by the same id.
  under_way_ = 0;
  lanes_.clear();
  line_.clear();
  connect();
  for (const AccountId& persona : parts_.store.people_waiting()) wake(persona);
}

void Webhooks::stop() {
  stopped_ = true;
  lanes_.clear();
  line_.clear();
  http_.reset();
  under_way_ = 0;
  if (!forget_.armed()) return;
  forget_.cancel();
  forget();
}

void Webhooks::wake(const AccountId& persona) {
  if (stopped_) return;
  Lane& lane = lanes_.try_emplace(persona, parts_.loop, kWaits).first->second;
  if (lane.busy || lane.timer.armed()) return;
  line_up(persona, lane);
  take_turns();
}

void Webhooks::line_up(const AccountId& persona, Lane& lane) {
  lane.busy = true;
  line_.push_back(persona);
}

void Webhooks::take_turns() {
  while (under_way_ < kUnderWay && !line_.empty()) {
    const AccountId first = line_.front();
    line_.pop_front();
    next(first, lanes_.at(first));
  }
}

void Webhooks::next(const AccountId& persona, Lane& lane) {
  const auto waiting = parts_.store.front(persona);
  if (!waiting) return later(persona, lane, 0s);  // the disk's trouble passes, or the process ends
  if (*waiting) return attempt(persona, lane, **waiting);
  lanes_.erase(persona);
}

net::HttpClientRequest Webhooks::request_of(const msp::Uuid& id, msp::Webhook webhook) const {
  net::HttpClientRequest request;
  request.method = "POST";
  request.target = config_.webhook.target;
  if (request.target.ends_with('/')) request.target.pop_back();
  request.target += "/message";
  for (auto& header : webhook.headers) request.headers.push_back({std::move(header.name), std::move(header.value)});
  request.headers.push_back({"Authorization", "Bearer " + msp::make_token(msp::TokenUse::call_of_service,
                                                                          config_.msp_id, parts_.clock.now(), *key_)});
  if (signer_) {
    for (auto& header : signer_->sign(msp::to_text(id), parts_.clock.now(), webhook.body))
      request.headers.push_back({std::move(header.name), std::move(header.value)});
  }
  request.body = to_bytes(ByteView(webhook.body));
  request.deadline = kAnswerWithin;
  return request;
}

void Webhooks::attempt(const AccountId& persona, Lane& lane, const Store::Waiting& waiting) {
  if (lane.number != waiting.number) {
    lane.number = waiting.number;
    lane.attempts = 0;
    lane.is_status = waiting.message.kind == Received::Kind::delivered || waiting.message.kind == Received::Kind::read;
    lane.refused = 0;
    lane.back_off.reset();
  }
  auto webhook = webhook_for(waiting.message, config_, parts_.service);
  if (!webhook) return bury(persona, lane, waiting.message.id, Refusal::unwritable);
  if (!key_) return later(persona, lane, 0s);
  ++lane.attempts;
  fault_point("gateway.before_webhook");
  ++under_way_;
  http_->request(request_of(waiting.message.id, std::move(*webhook)),
                 [this, persona, number = waiting.number,
                  id = waiting.message.id](Result<net::HttpResponse, net::NetError> answer) {
                   --under_way_;
                   answered(persona, number, id, answer);
                   take_turns();
                 });
}

void Webhooks::answered(const AccountId& persona, Store::Number number, const msp::Uuid& id,
                        const Result<net::HttpResponse, net::NetError>& answer) {
  Lane& lane = lanes_.at(persona);
  if (answer && answer->status == 200) {
    ++counters_.taken;
    fault_point("gateway.after_webhook");
    finish(persona, number);
    return line_up(persona, lane);
  }
  ++counters_.failed;
  seconds at_least = answer ? retry_after(*answer) : 0s;
  if (const auto refusal = answer ? refusal_of(answer->status) : std::nullopt) {
    if (lane.is_status) {  // nobody's words: who does not want it need not have it
      finish(persona, number);
      return line_up(persona, lane);
    }
    if (++lane.refused >= kRefusals) return bury(persona, lane, id, *refusal);
    if (is_about_address(*refusal)) at_least = std::max(at_least, kMissing[lane.refused - 1]);
  }
  later(persona, lane, at_least);
}

void Webhooks::bury(const AccountId& persona, Lane& lane, const msp::Uuid& id, Refusal why) {
  ++counters_.buried;
  if (!parts_.store.bury(persona, lane.number, id, why, lane.attempts)) return later(persona, lane, 0s);
  if (parts_.refused) parts_.refused(persona, id);
  line_up(persona, lane);
}

void Webhooks::finish(const AccountId& persona, Store::Number number) {
  parts_.store.finish(persona, number);
  if (!forget_.armed()) forget_.arm(kForgetWithin, [this] { forget(); });
}

void Webhooks::forget() {
  if (parts_.store.forget_taken()) return fault_point("gateway.after_taken");
  if (!stopped_) forget_.arm(kForgetAgain, [this] { forget(); });  // the disk's trouble passes
}

void Webhooks::later(const AccountId& persona, Lane& lane, seconds at_least) {
  lane.busy = false;
  const auto wait = lane.back_off.next(parts_.random);
  lane.timer.arm(std::max<std::chrono::nanoseconds>(wait, at_least), [this, persona] {
    line_up(persona, lanes_.at(persona));
    take_turns();
  });
}

void Webhooks::typing(const AccountId& persona, bool active) {
  const auto id = parts_.store.opaque_id(persona);
  if (stopped_ || under_way_ >= kUnderWay || !id || !key_ || parts_.store.has_waiting(persona)) return;
  ByteArray<msp::Uuid::kSize> fresh{};
  parts_.random.fill(fresh);
  Received message;
  message.kind = active ? Received::Kind::typing_start : Received::Kind::typing_end;
  message.id = msp::Uuid(fresh);
  message.opaque_id = id->text();
  auto webhook = webhook_for(message, config_, parts_.service);
  if (!webhook) return;
  ++under_way_;
  http_->request(request_of(message.id, std::move(*webhook)), [this](const Result<net::HttpResponse, net::NetError>&) {
    --under_way_;
    take_turns();
  });
}

}  // namespace opaline::gateway
