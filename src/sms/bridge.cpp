#include "sms/bridge.hpp"

#include <algorithm>

#include "base/fault_point.hpp"
#include "carrier/short_message.hpp"
#include "identity/phone_number.hpp"

namespace opaline::sms {
namespace {

using namespace std::chrono_literals;
using carrier::Fate;
using State = TextRow::State;

constexpr auto kExpireEvery = 1h;
constexpr auto kWarnEvery = 10min;
constexpr std::string_view kHelp =
    "This was not sent. A text for the carrier begins with a number, as +4915112345678, on a line of its own.";

// Kannel 1.4.5 user's guide, "Delivery reports".
constexpr unsigned kDelivered = 1, kNotDelivered = 2, kRejected = 16;

/// The same when it is said again: the gateway counts an id once.
msp::Uuid id_of(std::string_view label, ByteView of, std::uint8_t what = 0) {
  const std::byte last{what};
  const auto hash = crypto::sha256({as_view(label), of, ByteView(&last, 1)});
  return msp::Uuid(ByteView(hash).first<16>());
}

/// As carriers write them: with '+', without, or with the international prefix 00. nullopt: no number (a name, a short
/// code).
std::optional<std::string> number_of(std::string_view from) {
  std::string out;
  if (from.starts_with('+'))
    from.remove_prefix(1);
  else if (from.starts_with("00"))
    from.remove_prefix(2);
  out = "+" + std::string(from);
  if (!carrier::is_number(out)) return std::nullopt;
  return out;
}

/// Without NUL, which some carriers put in the place of '@', and which no message may have.
std::optional<SecretBytes> readable(SecretBytes text) {
  std::erase(text, std::byte{0});
  if (!msp::is_text(as_text(text)) || msp::count_characters(as_text(text)) > msp::kMaxTextCharacters - 32)
    return std::nullopt;
  return text;
}

TextRow ended_at(Time since) {
  TextRow out;
  out.state = State::ended;
  out.since = since;
  return out;
}

}  // namespace

Bridge::Bridge(const Ports& ports, std::string report_url)
    : ports_(ports), report_url_(std::move(report_url)), again_(ports.loop), hourly_(ports.loop) {}
Bridge::~Bridge() = default;

void Bridge::warn() {
  const Instant now = ports_.clock.monotonic();
  if (warned_at_ && now - *warned_at_ < kWarnEvery) return;
  warned_at_ = now;
  ports_.log.event(LogLevel::error, "sms.store_failed");
}

Result<void, Error> Bridge::resume() {
  OPALINE_TRY(const auto left, ports_.texts.unfinished());
  for (const MessageId& id : left) {
    OPALINE_TRY(const auto row, ports_.texts.find(id));
    if (row && row->state == State::handing_over && !row->tell) {
      if (!settle(id, *row, Fate::unknown)) return fail(Error::unavailable);
    } else {
      line_up(id);
    }
  }
  return {};
}

void Bridge::expire() {
  if (!ports_.texts.expire()) warn();
  hourly_.arm(kExpireEvery, [this] { expire(); });
}

// ---------------------------------------------------------------- a person's text

bool Bridge::take(const msp::FromPerson& message) {
  if (std::holds_alternative<msp::Closed>(message.content)) {
    const bool done = ports_.texts.forget(message.person).has_value();
    if (!done) warn();
    return done;
  }
  const auto* text = std::get_if<msp::PersonText>(&message.content);
  if (text == nullptr) return true;
  const MessageId id(message.id.view());
  const auto known = ports_.texts.find(id);
  if (!known) {
    warn();
    return false;
  }
  return *known || take_text(id, message.person, *text);
}

bool Bridge::take_text(const MessageId& id, const std::string& person, const msp::PersonText& text) {
  ++counters_.texts;
  TextRow row;
  row.since = ports_.clock.now();
  row.person = person;
  row.tell = Fate::failed;
  auto parsed = carrier::parse_to_carrier(as_view(text.body.view()));
  if (!parsed) return refuse(id, row);
  row.number = parsed->number;
  const auto number = identity::normalize_phone(parsed->number);
  if (!number || number->e164 != parsed->number || text.attachments > 0) return refuse(id, row);
  const auto shape = carrier::shape_of(parsed->text);
  if (!shape) {
    row.tell = Fate::too_long;
    return refuse(id, row);
  }
  if (const auto charged = ports_.budgets.charge(number->country_code, shape->parts, person); !charged) {
    if (charged.error() != Error::over_budget) {
      warn();
      return false;
    }
    row.tell = Fate::over_budget;
    row.later = std::clamp(ports_.budgets.until_tomorrow(), seconds(1), seconds(86'400));
    return refuse(id, row);
  }
  return hand_over(id, person, std::move(*parsed));
}

/// It is not tried; why stands in `row.tell`.
bool Bridge::refuse(const MessageId& id, TextRow row) {
  row.state = State::handed;  // until the person was told
  if (!ports_.texts.put(id, row)) {
    warn();
    return false;
  }
  count(*row.tell);
  line_up(id);
  return true;
}

bool Bridge::hand_over(const MessageId& id, const std::string& person, carrier::ToCarrier text) {
  TextRow row;
  row.state = State::handing_over;
  row.since = ports_.clock.now();
  row.person = person;
  row.number = text.number;
  if (!ports_.texts.begin(id, row)) {
    warn();
    return false;
  }
  fault_point("sms.after_row");
  Outgoing out{.to = std::move(text.number), .text = std::move(text.text)};
  out.report = report_url_ + "?id=" + id.hex() + "&bits=%d";
  ports_.kannel.send(out, [this, id, alive = std::weak_ptr(alive_)](const Result<void, Error>& answer) {
    if (!alive.expired()) answered(id, answer);
  });
  return true;
}

void Bridge::answered(const MessageId& id, const Result<void, Error>& answer) {
  fault_point("sms.after_kannel");
  if (answer) ++counters_.handed;
  auto row = ports_.texts.find(id);
  if (!row) return warn();
  if (!*row || (*row)->state != State::handing_over) return;  // the report was quicker, or the person has closed
  if (!answer) {
    (void)settle(id, **row, answer.error() == Error::unknown ? Fate::unknown : Fate::failed);
    return;
  }
  (*row)->state = State::handed;
  if (!ports_.texts.put(id, **row)) warn();
}

bool Bridge::report(const MessageId& id, unsigned bits) {
  if ((bits & (kDelivered | kNotDelivered | kRejected)) == 0) return true;  // on its way
  const auto row = ports_.texts.find(id);
  if (!row) {
    warn();
    return false;
  }
  if (!*row || (*row)->state == State::ended || (*row)->person.empty()) return true;
  if ((*row)->tell && *(*row)->tell != Fate::unknown) return true;  // one was there before
  return settle(id, **row, (bits & kDelivered) != 0 ? Fate::delivered : Fate::failed);
}

void Bridge::count(Fate fate) {
  switch (fate) {
    case Fate::delivered:
      ++counters_.delivered;
      break;
    case Fate::unknown:
      ++counters_.unknown;
      break;
    case Fate::over_budget:
      ++counters_.over_budget;
      break;
    case Fate::failed:
    case Fate::too_long:
      ++counters_.failed;
      break;
  }
}

/// The person is to be told; on disk when it returns true.
bool Bridge::settle(const MessageId& id, TextRow row, Fate fate) {
  row.state = State::handed;
  row.tell = fate;
  if (!ports_.texts.put(id, row)) {
    warn();
    return false;
  }
  count(fate);
  line_up(id);
  return true;
}

// ---------------------------------------------------------------- telling the person

void Bridge::line_up(const MessageId& id) {
  if (lined_.insert(id).second) line_.push_back(id);
  if (!again_.armed()) tell_next();
}

void Bridge::tell_next() {
  while (!telling_ && !line_.empty()) {
    const MessageId id = line_.front();
    line_.pop_front();
    lined_.erase(id);
    const auto row = ports_.texts.find(id);
    if (!row) warn();
    if (!row || !*row || !(*row)->tell || (*row)->person.empty()) continue;
    const Fate fate = *(*row)->tell;
    SecretBytes text = to_secret_bytes(as_view(kHelp));
    if (!(*row)->number.empty())
      text = carrier::write(carrier::Report{.number = (*row)->number,
                                            .fate = fate,
                                            .message = id,
                                            .later = fate == Fate::over_budget ? (*row)->later : seconds(0)});
    telling_ = true;
    ports_.to_person.send(id_of("opaline sms report v1", id.view(), static_cast<std::uint8_t>(fate)), (*row)->person,
                          text, [this, id, fate, alive = std::weak_ptr(alive_)](Told how) {
                            if (!alive.expired()) told(id, fate, how);
                          });
  }
}

void Bridge::told(const MessageId& id, Fate fate, Told how) {
  telling_ = false;
  fault_point("sms.after_told");
  if (how == Told::later) {
    if (lined_.insert(id).second) line_.push_back(id);
    again_.arm(back_off_.next(ports_.random), [this] { tell_next(); });
    return;
  }
  back_off_.reset();
  const auto row = ports_.texts.find(id);
  if (!row) warn();
  if (row && *row && (*row)->tell == fate) {  // else another report came meanwhile, and is in the line
    TextRow next = **row;
    next.tell.reset();
    // Somebody may say yet what became of it.
    if (fate != Fate::unknown || how == Told::gone) next = ended_at(next.since);
    if (!ports_.texts.put(id, next)) warn();
  }
  tell_next();
}

// ---------------------------------------------------------------- replies

void Bridge::reply(Incoming message, Taken done) {
  const auto number = number_of(message.from);
  auto text = readable(std::move(message.text));
  if (!number || !text) {
    ++counters_.unreadable;
    return done(true);
  }
  const auto person = ports_.texts.last_writer(*number);
  if (!person) {
    warn();
    return done(false);
  }
  if (!*person) {
    ++counters_.replies_dropped;
    return done(true);
  }
  ByteArray<16> once{};
  ports_.random.fill(once);
  const ByteView name = message.id.empty() ? ByteView(once) : as_view(message.id);
  const SecretBytes line = carrier::write(carrier::Reply{.number = *number, .text = std::move(*text)});
  ports_.to_person.send(id_of("opaline sms reply v1", name), **person, line,
                        [this, done = std::move(done), alive = std::weak_ptr(alive_)](Told how) mutable {
                          if (alive.expired()) return;
                          if (how == Told::taken) ++counters_.replies;
                          if (how == Told::gone) ++counters_.replies_dropped;
                          done(how != Told::later);
                        });
}

}  // namespace opaline::sms
