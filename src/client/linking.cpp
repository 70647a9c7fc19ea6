#include "client/linking.hpp"

#include "base/codec.hpp"
#include "client/registration.hpp"
#include "client/replies.hpp"
#include "proto/device.pb.h"

namespace opaline::client {
namespace {

using namespace std::chrono_literals;
using session::LinkExchangeId;

constexpr std::string_view kProgress = "link";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSecretBytes = 32;
constexpr auto kPollEvery = 500ms;
/// Clocks that differ, and a request that is under way when the ten minutes end.
constexpr auto kSlack = 60s;

/// What is kept of an attempt: u8 version, u8 keys_sent, u8 with_history, exchange, secret, u64 over_at.
struct Attempt {
  bool keys_sent = false, with_history = false;
  LinkExchangeId exchange;
  SecretBytes secret;
  Time over_at;
};

std::optional<Attempt> decode(ByteView bytes) {
  Reader in(bytes);
  Attempt out;
  const std::uint8_t version = in.u8();
  out.keys_sent = in.u8() != 0;
  out.with_history = in.u8() != 0;
  out.exchange = LinkExchangeId(in.array<LinkExchangeId::kSize>());
  out.secret = to_secret_bytes(in.bytes(kSecretBytes));
  out.over_at = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  if (!in.finished() || version != kVersion) return std::nullopt;
  return out;
}

LinkTransport over_https(Service& service) {
  return [&service](ByteView request) { return service.post("link/turn", request); };
}

}  // namespace

NewDeviceLinking::NewDeviceLinking(const Parts& parts, std::string name, bool with_history)
    : parts_(parts), name_(std::move(name)), with_history_(with_history), link_(parts.random) {}

Result<bool, ClientError> NewDeviceLinking::unfinished(const LocalStore& store, RandomSource& random) {
  OPALINE_TRY(const auto kept, Progress(store, random).get(kProgress));
  return kept.has_value();
}

Result<void, ClientError> NewDeviceLinking::finish(const LocalStore& store, RandomSource& random) {
  return Progress(store, random).erase(kProgress);
}

Result<NewDeviceLinking::Before, Failure> NewDeviceLinking::resume(const Parts& parts, const Pause& pause,
                                                                   const std::function<void()>& on_wait) {
  const Progress progress(parts.store, parts.random);
  const auto kept = progress.get(kProgress);
  if (!kept) return fail(store_failure(kept.error()));
  const auto attempt = *kept ? decode(**kept) : std::nullopt;
  const auto forgotten = [&]() -> Result<Before, Failure> {
    if (const auto done = progress.erase(kProgress); !done) return fail(store_failure(done.error()));
    return Before::nothing;
  };
  if (!attempt) return forgotten();
  LinkExchange exchange(attempt->exchange, attempt->secret, over_https(parts.service));
  if (!attempt->keys_sent) {
    (void)exchange.turn({}, true);  // the other device need not wait
    return forgotten();
  }
  const auto confirm = [&](endpoint::EndpointStore& rows) {
    return endpoint::Endpoint::confirm_linked(rows, {}, attempt->with_history);
  };
  // The other device may have added this one, or may be about to: as long as that can be, no other keys are made.
  for (bool last = false, said = false;;) {
    OPALINE_TRY(const bool known, known_to_service(parts, confirm));
    if (known) {
      if (const auto done = confirm(parts.rows); !done) return fail(failure_of(done.error()));
      return Before::linked;
    }
    if (last) return forgotten();
    const auto turn = exchange.turn({}, true);
    const bool gone = !turn && turn.error().call_status == wire::v1::CALL_STATUS_NOT_FOUND;
    last = gone || (turn && turn->ended) || parts.clock.now() > attempt->over_at + kSlack;
    if (last) continue;  // it may have been added just before: look once more
    if (!std::exchange(said, true)) on_wait();
    if (!pause(2 * kPollEvery)) return fail(Failure{ClientError::timed_out, "stopped; run it again to go on"});
  }
}

Result<void, Failure> NewDeviceLinking::save(bool keys_sent) const {
  Bytes head;
  Writer(head).u8(kVersion).u8(keys_sent ? 1 : 0).u8(with_history_ ? 1 : 0).bytes(exchange_->id().view());
  SecretBytes value = to_secret_bytes(head);
  value.insert(value.end(), secret_.begin(), secret_.end());
  Bytes tail;
  Writer(tail).u64(static_cast<std::uint64_t>(unix_millis(over_at_)));
  value.insert(value.end(), tail.begin(), tail.end());
  if (const auto done = Progress(parts_.store, parts_.random).put(kProgress, value); !done)
    return fail(store_failure(done.error()));
  return {};
}

Result<NewDeviceLinking::Opened, Failure> NewDeviceLinking::open() {
  wire::v1::LinkOpenRequest request;
  request.add_send(to_string(link_.hello()));
  OPALINE_TRY(const auto reply, parsed<wire::v1::LinkOpenReply>(parts_.service.post("link/open", serialized(request))));
  const auto id = LinkExchangeId::from(as_view(reply.exchange()));
  if (!id || reply.secret().size() != kSecretBytes || reply.number().size() != 9) return fail(senseless_answer());
  secret_ = to_secret_bytes(as_view(reply.secret()));
  over_at_ = parts_.clock.now() + seconds(reply.valid_seconds());
  exchange_.emplace(*id, secret_, over_https(parts_.service), 0, 1);
  link_.opened(*id);
  OPALINE_CHECK(save(false));
  return Opened{link_.code(), reply.number(), seconds(reply.valid_seconds())};
}

Result<NewDeviceLinking::News, Failure> NewDeviceLinking::poll() {
  // Until all is sent: while a person is being asked the other side must not lack anything.
  for (bool first = news_.empty(); !link_.over() && (first || !to_send_.empty()); first = false) {
    const auto turn = exchange_->turn(std::exchange(to_send_, {}));
    if (!turn) {
      if (turn.error().call_status != wire::v1::CALL_STATUS_NOT_FOUND) return fail(turn.error());
      return fail(Failure{ClientError::expired, "nobody linked this device within ten minutes; start again"});
    }
    if (turn->joined && !std::exchange(joined_, true)) news_.emplace_back(Joined{});
    for (const Bytes& message : turn->messages) {
      if (link_.over()) break;  // what comes after the end changes nothing of it
      OPALINE_CHECK(take(link_.on_message(message, parts_.random)));
    }
    if (turn->ended && !link_.over() && news_.empty()) {
      give_up();
      return fail(Failure{ClientError::link_failed, "the other device has ended it; start again"});
    }
  }
  if (news_.empty()) return News{};
  News out = std::move(news_.front());
  news_.pop_front();
  return out;
}

Result<void, Failure> NewDeviceLinking::take(Result<session::LinkStep, session::Error> step) {
  if (!step) {
    give_up();
    return fail(link_failure(step.error()));
  }
  for (Bytes& message : step->send) to_send_.push_back(std::move(message));
  if (const auto* digits = std::get_if<session::LinkDigits>(&step->event)) {
    news_.emplace_back(*digits);
  } else if (const auto* welcome = std::get_if<session::LinkWelcome>(&step->event)) {
    return welcomed(*welcome);
  } else if (const auto* done = std::get_if<session::LinkDone>(&step->event)) {
    const auto confirmed = endpoint::Endpoint::confirm_linked(parts_.rows, done->list.bytes(), with_history_);
    if (!confirmed) return fail(failure_of(confirmed.error()));
    (void)exchange_->turn({}, true);
    news_.emplace_back(Linked{});
  } else if (const auto* refusal = std::get_if<session::LinkRefusal>(&step->event)) {
    (void)exchange_->turn({}, true);
    (void)finish(parts_.store, parts_.random);
    news_.emplace_back(*refusal);
  }
  return {};
}

Result<void, Failure> NewDeviceLinking::welcomed(const session::LinkWelcome& welcome) {
  const endpoint::Enrolment enrolment{welcome.list.list().account, welcome.device, welcome.mailbox};
  const auto made =
      endpoint::Endpoint::create_linked(parts_.rows, parts_.random, parts_.clock, enrolment, welcome.list, name_);
  if (!made) return fail(failure_of(made.error()));
  const auto identity = endpoint::Endpoint::identity(parts_.rows);
  if (!identity) return fail(failure_of(identity.error()));
  OPALINE_CHECK(save(true));  // from here on the other device may add this one
  auto step = link_.send_keys({.identity = *identity,
                               .signed_prekeys = made->prekeys.signed_set,
                               .one_time_batch = made->prekeys.one_time_batch,
                               .name = name_,
                               .wants_history = with_history_},
                              parts_.random);
  news_.emplace_back(Welcome{welcome.handle, welcome.device});
  return take(std::move(step));
}

Result<void, Failure> NewDeviceLinking::confirm(bool same) {
  if (same) return take(link_.confirm());
  give_up();
  return {};
}

/// Before any keys went out there is nothing left to come: else resume() looks what did.
void NewDeviceLinking::give_up() {
  link_.end();
  (void)exchange_->turn({}, true);
}

}  // namespace opaline::client
