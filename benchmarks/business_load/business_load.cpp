#include "business_load/business_load.hpp"

#include <fmt/format.h>

#include "business_load/ticker.hpp"
#include "load/die.hpp"
#include "msp/gzip.hpp"

namespace opaline::bench {
namespace {

constexpr std::size_t kTextBytes = 1024;
constexpr std::size_t kPoolBytes = 64 * 1024;
constexpr std::size_t kMaxWebhookBytes = 64 * 1024;
constexpr Nanos kTickEvery = 200'000'000;

/// Words as people use them, one after the other: gzip, which webhooks go through, makes about half of them.
std::string random_text(std::size_t size) {
  static constexpr std::string_view kWords[] = {
      "the",   "order", "and",     "is",    "ready",     "when",      "can",    "I",     "come",   "by",    "to",
      "fetch", "it",    "please",  "tea",   "green",     "delivered", "to",     "my",    "house",  "on",    "Tuesday",
      "or",    "after", "weekend", "thank", "you",       "very",      "much",   "for",   "answer", "we",    "have",
      "not",   "got",   "parcel",  "yet",   "yesterday", "number",    "is",     "wrong", "colour", "would", "like",
      "a",     "small", "one",     "with",  "lid",       "because",   "broken", "how",   "long",   "does",  "take",
      "still", "open",  "until",   "seven", "evening",   "there",     "anyone", "who",   "knows"};
  SeededRandom random(1);
  std::string out;
  while (out.size() < size) out.append(kWords[random.below(std::size(kWords))]).append(" ");
  return out.substr(0, size);
}

std::string post_head(std::string_view path, const Target& to, std::string_view more, std::size_t size) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n", path,
      to.name, to.port, more, size);
}

/// The value of a member whose value is a string without escapes.
std::string_view member(std::string_view json, std::string_view key) {
  const std::string wanted = fmt::format("\"{}\":\"", key);
  const std::size_t at = json.find(wanted);
  if (at == std::string_view::npos) die(fmt::format("a webhook without {}", key));
  const std::size_t begin = at + wanted.size();
  return json.substr(begin, json.find('"', begin) - begin);
}

msp::TokenKey key_of(std::string_view secret) {
  auto key = msp::TokenKey::from_secret(secret);
  if (!key) die("the business's secret is none");
  return std::move(*key);
}

}  // namespace

BusinessLoad::BusinessLoad(const Service& service, const std::vector<Account>& accounts, const BusinessAccess& business,
                           Nanos patience)
    : business_(business),
      client_context_(service.context),
      patience_(patience),
      key_(key_of(business.secret)),
      pool_(random_text(kPoolBytes + kTextBytes)),
      api_token_(msp::make_token(msp::TokenUse::call_of_msp, business.msp_id, SystemClock().now(), key_)),
      texts_(accounts.size()) {
  receiver_ =
      std::make_unique<HttpReceiver>(engine_, business.webhook_context, business.webhook_port,
                                     [this](const HttpMessage& webhook, Nanos now) { on_webhook(webhook, now); });
  const AccountId peer(business.id.array());
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    PersonEvents& events = *this;
    persons_.push_back(std::make_unique<Person>(service, accounts[i], i, peer, engine_, events));
    by_opaque_id_.emplace(persons_.back()->opaque_id(), i);
  }
  open();
}

BusinessLoad::~BusinessLoad() {
  persons_.clear();
}

void BusinessLoad::open() {
  for (const auto& person : persons_) person->send(text_of(person->index(), 0), 0);
  until(
      [this] {
        return std::ranges::all_of(persons_, [this](const auto& person) {
          return person->is_established() && person->unanswered() == 0 && texts_[person->index()] == 1;
        });
      },
      "the persons' first messages");
}

void BusinessLoad::until(const std::function<bool()>& done, std::string_view what) {
  std::uint64_t seen = progress_;
  Nanos at = now_ns(), ticked = at;
  engine_.run_until([&] {
    const Nanos now = now_ns();
    if (progress_ != seen) {
      seen = progress_;
      at = now;
    } else if (now - at > patience_) {
      die(fmt::format("nothing has happened for {} s while waiting for {}", patience_ / 1'000'000'000, what));
    }
    if (now - ticked > kTickEvery) {
      ticked = now;
      for (const auto& person : persons_) person->tick();
    }
    if (meter_) meter_->look(now);
    return done();
  });
}

std::string BusinessLoad::text_of(std::size_t person, std::uint64_t number) const {
  std::string out = fmt::format("{:04x} {:04x} {:08x} ", run_, person, number);
  return out.append(pool_, (number * 131 + person * 4099) % kPoolBytes, kTextBytes - out.size());
}

// ---- runs

std::string BusinessLoad::webhooks(Plan plan, const Pace& pace) {
  ++run_;
  plan.freed_by = FreedBy::receipt;
  if (pace.per_second == 0) {
    const std::uint64_t each = (plan.messages + persons_.size() - 1) / persons_.size();
    plan.messages = each * persons_.size();
    allowed_.assign(persons_.size(), each);
    for (const auto& person : persons_)
      for (std::uint64_t i = 0; i < each; ++i) person->prepare(text_of(person->index(), i), i);
  }
  return run(Kind::webhooks, plan, pace);
}

std::string BusinessLoad::posts(Plan plan, const Pace& pace, std::size_t connections) {
  ++run_;
  plan.freed_by = FreedBy::accepted;
  allowed_.assign(persons_.size(), UINT64_MAX);
  for (std::size_t i = callers_.size(); i < connections; ++i) {
    callers_.push_back(
        std::make_unique<HttpCaller>(engine_, client_context_, business_.api,
                                     [this](std::size_t person, std::uint64_t number, const HttpMessage& answer,
                                            Nanos now) { on_answer(person, number, answer, now); }));
  }
  return run(Kind::posts, plan, pace);
}

std::string BusinessLoad::run(Kind kind, const Plan& wanted, const Pace& pace) {
  kind_ = kind;
  Plan plan = wanted;
  plan.pairs = persons_.size();
  plan.payload_bytes = kTextBytes;
  plan.in_flight = pace.per_second == 0 ? pace.in_flight : plan.messages;
  begun_.assign(persons_.size(), 0);
  texts_.assign(persons_.size(), 0);
  meter_ = std::make_unique<Meter>(plan);
  meter_->start(now_ns());
  if (pace.per_second == 0) {
    Sender& sender = *this;
    pacer_ = std::make_unique<Pacer>(plan, *meter_, sender);
    pacer_->start(now_ns());
    until([this] { return meter_->finished(); }, "what is on its way");
    pacer_.reset();
  } else {
    paced(plan, pace.per_second);
  }
  const auto quiet = [this] {
    return std::ranges::all_of(persons_, [this](const auto& person) {
      return person->unanswered() == 0 && texts_[person->index()] == begun_[person->index()];
    });
  };
  until(quiet, "what came late");
  const std::string figures = meter_->json();
  meter_.reset();
  for (const auto& person : persons_) person->catch_up();
  return figures;
}

void BusinessLoad::paced(const Plan& plan, double per_second) {
  std::size_t turn = 0;
  const Ticker ticker(engine_, per_second, [&](Nanos due) {
    if (!meter_->take_slot()) return;
    const std::size_t person = turn++ % plan.pairs;
    send(person, meter_->sent(person, due));
  });
  until([this] { return meter_->finished(); }, "what is on its way");
}

bool BusinessLoad::may_send(std::size_t person) {
  return begun_[person] < allowed_[person];
}

void BusinessLoad::send(std::size_t person, std::uint64_t number) {
  ++begun_[person];
  if (kind_ == Kind::posts) return post(person, number);
  persons_[person]->send(text_of(person, number), number);
}

void BusinessLoad::post(std::size_t person, std::uint64_t number) {
  const std::string id = msp::to_text(crypto::SystemRandom().id<msp::Uuid>());
  const std::string& to = persons_[person]->opaque_id();
  const std::string from = msp::to_text(business_.id);
  std::string body =
      fmt::format(R"({{"v":1,"id":"{}","type":"text","sourceId":"{}","destinationId":"{}","body":"{}"}})", id, from, to,
                  text_of(person, number));
  const std::string more = fmt::format("Authorization: Bearer {}\r\nid: {}\r\nsource-id: {}\r\ndestination-id: {}\r\n",
                                       api_token_, id, from, to);
  std::string head = post_head("/v1/message", business_.api, more, body.size());
  callers_[person % callers_.size()]->request(person, number, std::move(head), std::move(body));
}

// ---- what comes

void BusinessLoad::verify_token(const HttpMessage& webhook) {
  std::string_view token = webhook.header("authorization").value_or("");
  if (!token.starts_with("Bearer ")) die("a webhook without a token");
  token.remove_prefix(7);
  if (token == verified_token_) return;  // the gateway makes one a second
  if (!msp::verify_token(token, msp::TokenUse::call_of_service, business_.msp_id, key_, {}, SystemClock().now()))
    die("a webhook with a token that was not made with the business's secret");
  verified_token_ = token;
}

void BusinessLoad::on_webhook(const HttpMessage& webhook, Nanos now) {
  ++progress_;
  verify_token(webhook);
  const auto id = msp::parse_uuid(webhook.header("id").value_or(""));
  if (!id || !webhook_ids_.insert(*id).second) die("a webhook's id is none, or came before");
  const auto found = by_opaque_id_.find(std::string(webhook.header("source-id").value_or("")));
  if (found == by_opaque_id_.end()) die("a webhook of a person who is none of ours");
  const std::size_t person = found->second;
  SecretBytes opened;
  ByteView body = webhook.body;
  if (webhook.header("content-encoding") == "gzip") {
    auto plain = msp::gunzip(body, kMaxWebhookBytes);
    if (!plain) die("a webhook's gzip is damaged");
    opened = std::move(*plain);
    body = opened;
  }
  const std::uint64_t number = texts_[person]++;
  if (member(as_text(body), "body") != text_of(person, number))
    die(fmt::format("person {}: a webhook is not that of message {}: lost, out of order or damaged", person, number));
  if (kind_ == Kind::posts) die("a webhook that nobody wrote");
  if (kind_ == Kind::webhooks && meter_->received(person, number, now) && pacer_) {
    pacer_->freed(person);
    pacer_->pump_after(person, now);
  }
}

void BusinessLoad::on_answer(std::size_t person, std::uint64_t number, const HttpMessage& answer, Nanos now) {
  ++progress_;
  if (!answer.start_line.starts_with("HTTP/1.1 200 "))
    die(fmt::format("POST /v1/message: {} {}", answer.start_line, as_text(answer.body).substr(0, 200)));
  if (meter_->accepted(person, number, now) && pacer_) {
    pacer_->freed(person);
    pacer_->pump_after(person, now);
  }
}

void BusinessLoad::on_accepted(Person& person, std::uint64_t number, Nanos now) {
  ++progress_;
  if (kind_ == Kind::webhooks) (void)meter_->accepted(person.index(), number, now);
}

void BusinessLoad::on_text(Person& person, std::string_view text, Nanos now) {
  ++progress_;
  const std::size_t index = person.index();
  const std::uint64_t number = texts_[index]++;
  if (kind_ != Kind::posts || text != text_of(index, number))
    die(fmt::format("person {}: a text is not message {}: lost, out of order or damaged", index, number));
  (void)meter_->received(index, number, now);
}

// ---- for scale

std::string http_load(SSL_CTX* context, const Target& target, const Plan& plan, const Pace& pace) {
  Engine engine;
  Plan counted = plan;
  counted.freed_by = FreedBy::receipt;
  counted.in_flight = pace.per_second == 0 ? plan.pairs : plan.messages;
  Meter meter(counted);
  std::vector<std::unique_ptr<HttpCaller>> callers;
  const std::string body = random_text(plan.payload_bytes);
  const std::string head = post_head("/", target, "", body.size());
  const auto ask = [&](std::size_t pair, Nanos due) {
    if (meter.take_slot()) callers[pair]->request(pair, meter.sent(pair, due), head, body);
  };
  for (std::size_t i = 0; i < plan.pairs; ++i) {
    callers.push_back(std::make_unique<HttpCaller>(
        engine, context, target, [&](std::size_t pair, std::uint64_t number, const HttpMessage& answer, Nanos now) {
          if (!answer.start_line.starts_with("HTTP/1.1 200 ")) die(fmt::format("the answer is {}", answer.start_line));
          (void)meter.accepted(pair, number, now);
          if (meter.received(pair, number, now) && pace.per_second == 0) ask(pair, now);
        }));
  }
  const auto done = [&] {
    meter.look(now_ns());
    return meter.finished();
  };
  meter.start(now_ns());
  if (pace.per_second == 0) {
    for (std::size_t pair = 0; pair < plan.pairs; ++pair) ask(pair, now_ns());
    engine.run_until(done);
  } else {
    std::size_t turn = 0;
    const Ticker ticker(engine, pace.per_second, [&](Nanos due) { ask(turn++ % plan.pairs, due); });
    engine.run_until(done);
  }
  return meter.json();
}

}  // namespace opaline::bench
