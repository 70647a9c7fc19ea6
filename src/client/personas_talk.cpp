// What the person does with businesses: opening, writing, closing.
#include <algorithm>

#include "base/fault_point.hpp"
#include "client/personas.hpp"
#include "client/personas_internal.hpp"
#include "client/replies.hpp"
#include "proto/device.pb.h"
#include "wire/business_part.hpp"

namespace opaline::client {

using endpoint::PersonaState;

namespace {

constexpr std::uint32_t kCapabilities =
    static_cast<std::uint32_t>(wire::Capability::list) | static_cast<std::uint32_t>(wire::Capability::time) |
    static_cast<std::uint32_t>(wire::Capability::form) | static_cast<std::uint32_t>(wire::Capability::quick) |
    static_cast<std::uint32_t>(wire::Capability::auth2);

Failure no_business() {
  return {ClientError::no_such_business, "there is no such business at this service"};
}

template <class T>
void tell_all(std::vector<Done<T>>& waiting, const Result<T, Failure>& result) {
  for (const auto& done : std::exchange(waiting, {})) done(result);
}

}  // namespace

// ---- profiles

void Personas::fetch_profile(const AccountId& business, Done<Bytes> done) {
  wire::v1::BusinessProfileRequest request;
  request.set_business(to_string(business.view()));
  parts_.account.call(
      wire::v1::METHOD_BUSINESS_PROFILE, serialized(request),
      [this, business, done = std::move(done), alive = std::weak_ptr(alive_)](const Result<Bytes, Failure>& body) {
        if (alive.expired()) return;
        if (!body && body.error().call_status == wire::v1::CALL_STATUS_NOT_FOUND) return done(fail(no_business()));
        const auto profile = parsed<wire::v1::BusinessProfile>(body);
        if (!profile) return done(fail(profile.error()));
        if (as_view(profile->business()).size() != AccountId::kSize ||
            !equal(as_view(profile->business()), business.view()))
          return done(fail(senseless_answer()));
        const auto home = this->home(business);
        if (home && *home != nullptr) (void)(*home)->set_profile(*body);  // it is asked for again
        done(*body);
      });
}

Result<PersonaHome*, Failure> Personas::remember(const AccountId& business, ByteView profile) {
  OPALINE_TRY(One* const one, at(business));
  if (const auto done = one->home->set_profile(profile); !done) return fail(persona_store_failure(done.error()));
  return one->home.get();
}

// ---- opening

void Personas::open(const AccountId& business, Done<std::monostate> done) {
  const auto word = this->word(business);
  if (!word) return done(fail(word.error()));
  if (*word && (*word)->state == Standing::blocked) return done(fail(blocked_business()));
  const auto found = at(business);
  if (!found) return done(fail(found.error()));
  One& one = **found;
  if (one.opening || one.closing) return one.opened.push_back(std::move(done));
  const auto closing = one.home->closing();
  if (!closing) return done(fail(persona_store_failure(closing.error())));
  if (*closing)  // the service was never told, and need not be any more
    if (const auto dropped = one.home->set_closing(std::nullopt); !dropped)
      return done(fail(persona_store_failure(dropped.error())));
  const auto opening = one.home->opening();
  if (!opening) return done(fail(persona_store_failure(opening.error())));
  if (*word && (*word)->state == Standing::open && !*opening) {
    const auto device = one.home->device_of();
    if (!device) return done(fail(persona_store_failure(device.error())));
    if (*device && **device == credentials::OpaqueId((*word)->opaque_id).persona()) {
      one.opened.push_back({});
      const auto runs = run(one);
      one.opened.pop_back();
      if (!runs) return done(fail(runs.error()));
      return done(std::monostate());
    }
  }
  if (!*opening) {
    const Time since = PersonaBook::next_word(parts_.clock.now(), *word);
    if (const auto planned = one.home->set_opening(OpeningPlan{since, std::nullopt}); !planned)
      return done(fail(persona_store_failure(planned.error())));
  }
  one.opened.push_back(std::move(done));
  begin(one, PersonaOpening::For::person);
}

void Personas::be_new(const AccountId& business, Done<std::monostate> done) {
  const auto word = this->word(business);
  if (!word) return done(fail(word.error()));
  if (!*word) return done(fail(never_written()));
  if ((*word)->state == Standing::blocked) return done(fail(blocked_business()));
  const auto found = at(business);
  if (!found) return done(fail(found.error()));
  One& one = **found;
  if (one.opening || one.closing)
    return done(fail(Failure{ClientError::list_busy, "this conversation is just being opened or closed; try again"}));
  const Time since = PersonaBook::next_word(parts_.clock.now(), *word);
  auto planned = one.home->set_closing(std::nullopt);
  if (planned) planned = one.home->set_opening(OpeningPlan{since, credentials::OpaqueId((*word)->opaque_id)});
  if (!planned) return done(fail(persona_store_failure(planned.error())));
  one.opened.push_back(std::move(done));
  begin(one, PersonaOpening::For::person);
}

void Personas::begin(One& one, PersonaOpening::For whom) {
  retire(one);  // its device may be replaced
  one.opening = std::make_unique<PersonaOpening>(
      PersonaOpening::Parts{parts_.account, book_, *one.home, parts_.random, parts_.clock}, whom,
      [this, &one, whom, alive = std::weak_ptr(alive_)](Result<PersonaOpening::Opened, Failure> result) {
        if (alive.expired()) return;
        // Within a call of the opening's own, or of the account's.
        parts_.loop.post([this, &one, whom, alive, result = std::move(result)]() mutable {
          if (!alive.expired()) opened(one, whom, std::move(result));
        });
      });
  one.opening->start();
}

void Personas::opened(One& one, PersonaOpening::For whom, Result<PersonaOpening::Opened, Failure> result) {
  one.opening.reset();
  auto outcome = result ? settle_in(one, whom, *result) : Result<void, Failure>(fail(result.error()));
  if (!outcome && whom == PersonaOpening::For::person) {
    // What may have been done is gone on with; what was refused is not asked for again.
    const bool unknown = outcome.error().error == ClientError::connect_failed ||
                         outcome.error().error == ClientError::keys_elsewhere ||
                         outcome.error().call_status == wire::v1::CALL_STATUS_UNAVAILABLE;
    if (!unknown) (void)one.home->set_opening(std::nullopt);
  } else if (!outcome) {
    (void)one.home->set_join_at(std::nullopt);  // planned anew when something is said of it
  }
  if (outcome || whom == PersonaOpening::For::person) {
    const auto told = outcome ? Result<std::monostate, Failure>(std::monostate()) : fail(outcome.error());
    tell_all(one.opened, told);
  } else if (!one.opened.empty()) {
    begin(one, PersonaOpening::For::person);
  }
  wake();
  events_.on_progress();
}

/// This device is in: the person's others are told, unless they said so, and the client runs.
Result<void, Failure> Personas::settle_in(One& one, PersonaOpening::For whom, const PersonaOpening::Opened& opened) {
  OPALINE_TRY(const std::optional<PersonaState> word, this->word(one.business()));
  const bool known = word && word->state == Standing::open && word->opaque_id == opened.opaque_id.bytes() &&
                     equal(word->root, opened.root);
  if (!known && whom == PersonaOpening::For::person) {
    PersonaState state{one.business(), opened.opaque_id.bytes(), opened.root, Standing::open,
                       PersonaBook::next_word(parts_.clock.now(), word)};
    OPALINE_CHECK(say(std::move(state)));
  }
  fault_point("client.persona_opened");
  auto done = one.home->set_opening(std::nullopt);
  if (done) done = one.home->set_join_at(std::nullopt);
  if (!done) return fail(persona_store_failure(done.error()));
  const bool first = !one.client;
  OPALINE_CHECK(run(one));
  if (first && known)  // what was said on the person's other devices
    OPALINE_CHECK(one.client->change([](endpoint::Endpoint& device) { device.ask_history(Time{}); }));
  return {};
}

// ---- writing

Result<SecretBytes, Failure> Personas::part_of(const AccountId& business, const BusinessMessage& message) {
  OPALINE_TRY(const std::optional<PersonaState> word, this->word(business));
  OPALINE_TRY(PersonaHome* const home, this->home(business));
  if (!word || home == nullptr) return fail(never_written());
  auto tags = home->tags();
  if (!tags) return fail(persona_store_failure(tags.error()));
  if (*tags) {
    const auto answered = home->answered_since((*tags)->since);
    if (!answered) return fail(persona_store_failure(answered.error()));
    if (*answered) {
      tags->reset();
      if (const auto done = home->set_tags(std::nullopt); !done) return fail(persona_store_failure(done.error()));
    }
  }
  wire::BusinessPart part{.kind = message.kind,
                          .json = message.json,
                          .in_file = message.in_file,
                          .answers = message.answers,
                          .opaque_id = word->opaque_id};
  if (*tags) {
    part.intent = as_view((*tags)->intent.view());
    part.group = as_view((*tags)->group.view());
  }
  part.locale = as_view(manners_.locale);
  part.device_agent = as_view(manners_.device_agent);
  part.capabilities = kCapabilities;
  part.shared = as_view(message.shared);
  SecretBytes out;
  if (!wire::encode(out, part))
    return fail(Failure{ClientError::bad_text, "this is more than fits into a message to a business"});
  return out;
}

Result<MessageId, Failure> Personas::queue(One& one, BusinessMessage message) {
  OPALINE_TRY(const SecretBytes part, part_of(one.business(), message));
  return one.client->send_message(
      one.business(),
      {.utf8 = as_text(message.text), .attachments = std::move(message.attachments), .part = part, .id = {}});
}

void Personas::send(const AccountId& business, BusinessMessage message, Done<MessageId> done) {
  auto kept = std::make_shared<BusinessMessage>(std::move(message));
  open(business, [this, business, kept, done = std::move(done)](const Result<std::monostate, Failure>& opened) {
    if (!opened) return done(fail(opened.error()));
    const auto one = at(business);
    if (!one) return done(fail(one.error()));
    if (!(*one)->client)
      return done(fail(Failure{ClientError::connect_failed,
                               "the service does not know this device there any more; "
                               "send it again"}));
    done(queue(**one, std::move(*kept)));
  });
}

// ---- closing

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
