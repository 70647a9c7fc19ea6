#include "sms/code_sender.hpp"

#include "identity/phone_number.hpp"

namespace opaline::sms {
namespace {

constexpr std::size_t kMaxWaiting = 256;

SecretBytes text_of(std::string_view service, const identity::Code& code) {
  SecretBytes out;
  const auto add = [&out](ByteView part) { out.insert(out.end(), part.begin(), part.end()); };
  add(as_view("Your code for "));
  add(as_view(service));
  add(as_view(" is "));
  add(code.reveal());
  add(as_view(". Whoever has it can take this number there: tell nobody."));
  return out;
}

}  // namespace

bool CodeSender::failing(identity::HandleKind kind) const {
  if (kind != identity::HandleKind::phone) return ports_.others.failing(kind);
  return state_->failed_at && ports_.clock.monotonic() - *state_->failed_at < kFailingFor;
}

identity::CodeQueued CodeSender::send(const identity::Handle& handle, const identity::Code& code, seconds valid_for) {
  if (handle.kind() != identity::HandleKind::phone) return ports_.others.send(handle, code, valid_for);
  Counters& counters = state_->counters;
  if (counters.waiting >= kMaxWaiting) return identity::CodeQueued::busy;
  const auto number = identity::normalize_phone(handle.text());
  Outgoing message{.to = handle.text(), .text = text_of(service_name_, code)};
  const auto shape = carrier::shape_of(message.text);
  if (!number || !shape) return identity::CodeQueued::unsupported;
  if (const auto charged = ports_.budgets.charge(number->country_code, shape->parts); !charged) {
    if (charged.error() == Error::over_budget) {
      ++counters.over_budget;
      const Day today = day_of(ports_.clock.now());
      if (state_->warned_of_budget != today) {
        ports_.log.event(LogLevel::warning, "sms.over_budget", {{"country_code", std::int64_t{number->country_code}}});
      }
      state_->warned_of_budget = today;
    }
    return identity::CodeQueued::busy;
  }
  ++counters.waiting;
  ports_.kannel.send(message, [state = state_, &clock = ports_.clock, &log = ports_.log](Result<void, Error> sent) {
    --state->counters.waiting;
    if (sent) {
      ++state->counters.accepted;
      state->failed_at.reset();
      return;
    }
    ++state->counters.failed;
    // Said once until one is taken: whoever asks for codes cannot fill the log.
    if (!state->failed_at) log.event(LogLevel::warning, "sms.failing", {{"why", name(sent.error())}});
    state->failed_at = clock.monotonic();
  });
  return identity::CodeQueued::queued;
}

}  // namespace opaline::sms
