// What the person does with businesses: opening and writing.
#include <algorithm>

#include "base/fault_point.hpp"
#include "client/business_profile.hpp"
#include "client/personas.hpp"
#include "client/personas_internal.hpp"
#include "client/replies.hpp"
#include "msp/limits.hpp"
#include "msp/text.hpp"
#include "proto/device.pb.h"
#include "wire/business_part.hpp"

namespace opaline::client {

using endpoint::PersonaState;

namespace {

constexpr std::uint32_t kCapabilities =
    static_cast<std::uint32_t>(wire::Capability::list) | static_cast<std::uint32_t>(wire::Capability::time) |
    static_cast<std::uint32_t>(wire::Capability::form) | static_cast<std::uint32_t>(wire::Capability::quick) |
    static_cast<std::uint32_t>(wire::Capability::auth2);

constexpr auto kLookForKey = std::chrono::milliseconds(250);
constexpr int kLooksForKey = 60;

Failure no_business() {
  return {ClientError::no_such_business, "there is no such business at this service"};
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
        if (!body) return done(fail(body.error()));
        if (const auto profile = read_profile(business, *body); !profile) return done(fail(profile.error()));
        const auto home = this->home(business);
        if (home && *home != nullptr) (void)keep_profile(**home, *body);  // it is asked for again
        done(*body);
      });
}

Result<PersonaHome*, Failure> Personas::remember(const AccountId& business, ByteView profile) {
  OPALINE_TRY(One* const one, at(business));
  if (const auto done = keep_profile(*one->home, profile); !done) return fail(persona_store_failure(done.error()));
  return one->home.get();
}

/// Another key and another kind of gateway: it has moved.
Result<void, ClientError> Personas::keep_profile(const PersonaHome& home, ByteView profile) {
  OPALINE_TRY(const Bytes kept, home.profile());
  const auto before = read_profile(home.business(), kept), now = read_profile(home.business(), profile);
  if (before && now && before->has_gateway() && now->has_gateway() && before->gateway != now->gateway &&
      before->own_gateway != now->own_gateway)
    OPALINE_CHECK(home.set_moved_to_own(now->own_gateway));
  return home.set_profile(profile);
}

bool Personas::looks_why(const AccountId& business) const {
  const auto found = ones_.find(business);
  return found != ones_.end() && found->second && found->second->looks_why;
}

void Personas::look_why(One& one, const endpoint::Event& event) {
  one.looks_why = true;
  parts_.loop.post([this, &one, event, alive = std::weak_ptr(alive_)] {  // not within a round of its client's
    if (alive.expired()) return;
    fetch_profile(one.business(), [this, &one, event](const Result<Bytes, Failure>&) {
      one.looks_why = false;
      events_.on_event(one.business(), event);
      events_.on_progress();
    });
  });
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
  // While all of it runs, the connection comes back by itself, and account_online goes on with it.
  if (!parts_.account.online() && started_) return;
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
  // A service that was set back made another root necessary.
  const bool renewed = !known && word && word->state == Standing::open && word->opaque_id == opened.opaque_id.bytes();
  if (!known && (whom == PersonaOpening::For::person || renewed)) {
    PersonaState state{one.business(), opened.opaque_id.bytes(), opened.root, Standing::open,
                       PersonaBook::next_word(parts_.clock.now(), word)};
    OPALINE_CHECK(say(std::move(state)));
    OPALINE_TRY(const std::uint32_t lost, devices_lost());
    if (const auto done = one.home->set_root_made_after(lost); !done) return fail(persona_store_failure(done.error()));
  }
  fault_point("client.persona_opened");
  auto done = one.home->set_opening(std::nullopt);
  if (done) done = one.home->set_join_at(std::nullopt);
  if (!done) return fail(persona_store_failure(done.error()));
  if (one.home->profile().value_or(Bytes()).empty())  // opened on another device: its name is not known here
    fetch_profile(one.business(), [](const Result<Bytes, Failure>&) {});
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
  // The gateway could not write it into a webhook, and would set it aside without a word.
  if (const auto text = as_text(message.text);
      msp::is_text(text) && msp::count_characters(text) > msp::kMaxTextCharacters)
    return done(fail(Failure{ClientError::bad_text, "a message to a business has at most 10,000 characters"}));
  auto kept = std::make_shared<BusinessMessage>(std::move(message));
  ready(business, [this, business, kept, done = std::move(done)](const Result<std::monostate, Failure>& checked) {
    if (!checked) return done(fail(checked.error()));
    const auto again = at(business);
    if (!again) return done(fail(again.error()));
    if (!(*again)->client)
      return done(fail(Failure{ClientError::connect_failed, "the conversation was closed meanwhile"}));
    done(queue(**again, std::move(*kept)));
  });
}

void Personas::ready(const AccountId& business, Done<std::monostate> done) {
  open(business, [this, business, done = std::move(done)](const Result<std::monostate, Failure>& opened) {
    if (!opened) return done(fail(opened.error()));
    const auto one = at(business);
    if (!one) return done(fail(one.error()));
    if (!(*one)->client)
      return done(fail(Failure{ClientError::connect_failed,
                               "the service does not know this device there any more; "
                               "send it again"}));
    await_key(**one, kLooksForKey, done);
  });
}

/// A link named the gateway's key. True: it is that; or none was named. False: it is not known here yet.
/// identity_changed: it is another one.
Result<bool, Failure> Personas::check_key(One& one) {
  const auto wanted = one.home->fingerprint();
  if (!wanted) return fail(persona_store_failure(wanted.error()));
  if (wanted->empty()) return true;
  const auto status = one.client->device().peer_status(one.business());
  if (!status) return false;
  if (equal(*wanted, status->account_key_hash)) return true;
  return fail(Failure{ClientError::identity_changed,
                      "WARNING: the gateway of this business is not the one that the link named: somebody may be in "
                      "between, or the link is old. Nothing was sent. To go on all the same: opaline accept " +
                          business_urn(one.business())});
}

/// Before the first word goes out the key is fetched, and compared.
void Personas::await_key(One& one, int looks, Done<std::monostate> then) {
  const auto checked = check_key(one);
  if (!checked) return then(fail(checked.error()));
  if (*checked) return then(std::monostate());
  if (looks == 0)
    return then(fail(Failure{ClientError::timed_out, "the gateway's key could not be fetched; nothing was sent"}));
  if (one.client->online())
    (void)one.client->change([&](endpoint::Endpoint& device) { device.refresh_peer(one.business()); });
  one.key_timer.arm(kLookForKey, [this, &one, looks, then = std::move(then)] {
    if (!one.client) return then(fail(Failure{ClientError::connect_failed, "the conversation was closed meanwhile"}));
    await_key(one, looks - 1, then);
  });
}

}  // namespace opaline::client
