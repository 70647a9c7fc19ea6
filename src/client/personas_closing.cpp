// What the person does with businesses: closing, blocking, deleting.
#include "base/fault_point.hpp"
#include "client/personas.hpp"
#include "client/personas_internal.hpp"
#include "client/replies.hpp"
#include "proto/device.pb.h"

namespace opaline::client {

using endpoint::PersonaState;

void Personas::close(const AccountId& business, Standing standing, Done<bool> done) {
  const auto word = this->word(business);
  if (!word) return done(fail(word.error()));
  if (!*word) return done(fail(never_written()));
  const auto found = at(business);
  if (!found) return done(fail(found.error()));
  One& one = **found;
  if (one.opening || one.closing)
    return done(fail(Failure{ClientError::list_busy, "this conversation is just being opened or closed; try again"}));
  if (const auto planned = plan_closing(one, standing); !planned) return done(fail(planned.error()));
  one.closed.push_back(std::move(done));
  if (const auto runs = run(one); !runs) return end_closing(one, fail(runs.error()));
  go_on_closing(one);
}

/// From here on it is closed for the person, and will be for all.
Result<void, Failure> Personas::plan_closing(One& one, Standing standing) {
  OPALINE_TRY(std::optional<PersonaState> word, this->word(one.business()));
  const Time since = PersonaBook::next_word(parts_.clock.now(), word);
  auto done = one.home->set_closing(ClosingPlan{since, standing, false});
  if (done) done = one.home->set_opening(std::nullopt);
  if (done) done = one.home->set_join_at(std::nullopt);
  if (!done) return fail(persona_store_failure(done.error()));
  word->state = standing;
  word->changed_at = since;
  if (const auto set = book_.set(*word); !set) return fail(store_failure(set.error()));
  fault_point("client.persona_closing");
  return {};
}

/// The next step: the business is told, the service closes, the person's other devices are told.
void Personas::go_on_closing(One& one) {
  const auto plan = one.home->closing();
  if (!plan || !*plan) {
    return end_closing(one, plan ? Result<bool, Failure>(true) : fail(persona_store_failure(plan.error())));
  }
  if (!parts_.account.online()) return end_closing(one, false);
  one.closing = true;
  if (one.close_message || close_told(one, **plan)) return;
  close_at_service(one);
}

/// True: the message that says so is on its way, or its connection is.
bool Personas::close_told(One& one, const ClosingPlan& plan) {
  if (plan.told || !one.client) return false;
  if (!one.closing_timer.armed()) one.closing_timer.arm(kCloseWithin, [this, &one] { told(one); });
  if (!one.client->online()) return true;
  const auto queued = queue(one, {.text = {}, .kind = wire::PartKind::close});
  if (!queued) return false;
  one.close_message = *queued;
  return true;
}

void Personas::told(One& one) {
  one.closing_timer.cancel();
  one.close_message.reset();
  auto plan = one.home->closing();
  if (!plan || !*plan) return go_on_closing(one);
  (*plan)->told = true;
  if (const auto done = one.home->set_closing(*plan); !done)
    return end_closing(one, fail(persona_store_failure(done.error())));
  fault_point("client.persona_closing");  // its second time: the business was told, the service was not asked
  go_on_closing(one);
}

void Personas::close_at_service(One& one) {
  wire::v1::PersonaCloseRequest request;
  request.set_business(to_string(one.business().view()));
  parts_.account.call(wire::v1::METHOD_PERSONA_CLOSE, serialized(request),
                      [this, &one, alive = std::weak_ptr(alive_)](const Result<Bytes, Failure>& body) {
                        if (alive.expired()) return;
                        const bool gone = !body && body.error().call_status == wire::v1::CALL_STATUS_NOT_FOUND;
                        if (!body && !gone) {
                          if (body.error().call_status == 0)
                            return end_closing(one, false);  // the connection ended: again with the next
                          return end_closing(one, fail(body.error()));
                        }
                        fault_point("client.persona_closed");
                        const auto done = closed(one);
                        end_closing(one, done ? Result<bool, Failure>(true) : fail(done.error()));
                      });
}

Result<void, Failure> Personas::closed(One& one) {
  OPALINE_TRY(std::optional<PersonaState> word, this->word(one.business()));
  const auto plan = one.home->closing();
  if (!plan) return fail(persona_store_failure(plan.error()));
  if (word && *plan && word->changed_at <= (*plan)->since) OPALINE_CHECK(say(std::move(*word)));
  retire(one);
  auto done = one.home->drop_device();
  if (done) done = one.home->set_closing(std::nullopt);
  if (!done) return fail(persona_store_failure(done.error()));
  return {};
}

void Personas::end_closing(One& one, const Result<bool, Failure>& result) {
  one.closing = false;
  one.closing_timer.cancel();
  one.close_message.reset();
  tell_all(one.closed, result);
  const auto waiting = std::exchange(one.opened, {});  // who wants to write again
  for (const auto& done : waiting) open(one.business(), done);
  events_.on_progress();
}

Result<void, Failure> Personas::unblock(const AccountId& business) {
  OPALINE_TRY(std::optional<PersonaState> word, this->word(business));
  if (!word) return fail(never_written());
  if (word->state != Standing::blocked) return {};
  OPALINE_TRY(One* const one, at(business));
  auto plan = one->home->closing();
  if (!plan) return fail(persona_store_failure(plan.error()));
  word->changed_at = PersonaBook::next_word(parts_.clock.now(), word);
  word->state = Standing::closed;
  if (*plan) {
    (*plan)->standing = Standing::closed;
    (*plan)->since = word->changed_at;
    if (const auto done = one->home->set_closing(*plan); !done) return fail(persona_store_failure(done.error()));
  }
  return say(std::move(*word));
}

void Personas::erase(const AccountId& business, Done<bool> done) {
  const auto deleted = [this, business]() -> Result<void, Failure> {
    const Time now = parts_.clock.now();
    OPALINE_CHECK(
        parts_.account.change([&](endpoint::Endpoint& device) { device.delete_conversation(business, now); }));
    return follow_deletion(business);
  };
  const auto word = this->word(business);
  if (!word) return done(fail(word.error()));
  if (!*word || (*word)->state != Standing::open) {
    const auto erased = deleted();
    return done(erased ? Result<bool, Failure>(true) : fail(erased.error()));
  }
  close(business, Standing::closed, [deleted, done = std::move(done)](const Result<bool, Failure>& closed) {
    if (!closed) return done(fail(closed.error()));
    const auto erased = deleted();
    done(erased ? closed : fail(erased.error()));
  });
}

}  // namespace opaline::client
