#include "client/personas.hpp"

#include <algorithm>
#include <cstdlib>

#include "client/personas_internal.hpp"
#include "client/replies.hpp"
#include "proto/device.pb.h"

namespace opaline::client {
namespace {

using endpoint::PersonaState;

constexpr auto kLookAgain = std::chrono::hours(1);

/// "en_US.UTF-8" is "en_US"; "C" and what is no language is nothing.
std::string locale_of(std::string_view value) {
  value = value.substr(0, value.find_first_of(".@"));
  const auto language = value.substr(0, value.find('_'));
  const auto all = [](std::string_view text, char first, char last) {
    return std::ranges::all_of(text, [=](char c) { return c >= first && c <= last; });
  };
  if (language.size() < 2 || language.size() > 3 || !all(language, 'a', 'z')) return {};
  const auto region = language.size() == value.size() ? std::string_view() : value.substr(language.size() + 1);
  if (region.size() != 2 || !all(region, 'A', 'Z')) return std::string(language);
  return std::string(value);
}

}  // namespace

Manners manners_of_environment() {
  Manners out{{}, "linux"};
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    out.locale = locale_of(value);
    break;
  }
  return out;
}

Personas::Personas(const Parts& parts, Events events, Manners manners)
    : parts_(parts),
      events_(std::move(events)),
      manners_(std::move(manners)),
      book_(parts.store, parts.random),
      wake_(parts.loop) {}

Personas::~Personas() = default;

// ---- what there is

Result<Personas::One*, Failure> Personas::at(const AccountId& business) {
  auto& one = ones_[business];
  if (one) return one.get();
  auto home = PersonaHome::open({parts_.home, parts_.store, parts_.random}, business);
  if (!home) {
    ones_.erase(business);
    return fail(persona_store_failure(home.error()));
  }
  one = std::make_unique<One>(parts_.loop, std::move(*home));
  return one.get();
}

std::vector<AccountId> Personas::known() const {
  return PersonaHome::all(parts_.home);
}

Result<PersonaHome*, Failure> Personas::home(const AccountId& business) {
  const auto all = known();
  if (std::ranges::find(all, business) == all.end()) return nullptr;
  OPALINE_TRY(One* const one, at(business));
  return one->home.get();
}

Client* Personas::running(const AccountId& business) {
  const auto found = ones_.find(business);
  return found == ones_.end() || !found->second ? nullptr : found->second->client.get();
}

Result<std::optional<PersonaState>, Failure> Personas::word(const AccountId& business) const {
  auto out = book_.find(business);
  if (!out) return fail(store_failure(out.error()));
  return std::move(*out);
}

/// In the book, and to the person's other devices.
Result<void, Failure> Personas::say(PersonaState state) {
  return parts_.account.change([&](endpoint::Endpoint& device) { device.share_persona(std::move(state)); });
}

Result<std::vector<BusinessStanding>, Failure> Personas::list() {
  const auto states = book_.list();
  if (!states) return fail(store_failure(states.error()));
  std::map<AccountId, BusinessStanding> out;
  for (const PersonaState& state : *states)
    out[state.business] = {state.business, state.state, credentials::OpaqueId(state.opaque_id)};
  for (const AccountId& business : known()) {
    auto& standing = out[business];
    standing.business = business;
    OPALINE_TRY(One* const one, at(business));
    const auto device = one->home->device_of();
    const auto opening = one->home->opening();
    const auto closing = one->home->closing();
    if (!device) return fail(persona_store_failure(device.error()));
    standing.here = standing.opaque_id && *device == standing.opaque_id->persona();
    standing.pending = !opening || *opening || !closing || *closing;
  }
  std::vector<BusinessStanding> list;
  for (auto& [business, standing] : out) list.push_back(std::move(standing));
  return list;
}

// ---- running

void Personas::start() {
  started_ = true;
  look_at_all();
}

void Personas::stop() {
  started_ = false;
  wake_.cancel();
  for (auto& [business, one] : ones_)
    if (one && one->client) one->client->stop();
}

bool Personas::settled() const {
  return std::ranges::all_of(ones_, [](const auto& each) {
    const One* const one = each.second.get();
    if (one == nullptr) return true;
    if (one->opening || one->closing || one->renewal || one->looks_why) return false;
    return !one->client || !one->client->online() || one->client->settled();
  });
}

bool Personas::drained() const {
  return std::ranges::all_of(ones_, [](const auto& each) {
    const One* const one = each.second.get();
    return one == nullptr || !one->client || one->drained || one->unreachable;
  });
}

bool Personas::offline() const {
  return std::ranges::all_of(ones_, [](const auto& each) {
    const One* const one = each.second.get();
    return one == nullptr || !one->client || !one->client->online();
  });
}

void Personas::account_event(const endpoint::Event& event) {
  if (std::holds_alternative<endpoint::PersonasChanged>(event) ||
      (started_ && std::holds_alternative<endpoint::OwnDevicesChanged>(event))) {
    parts_.loop.post([this, alive = std::weak_ptr(alive_)] {  // not within a round of the account's
      if (!alive.expired()) look_at_all();
    });
  } else if (const auto* changed = std::get_if<endpoint::ConversationChanged>(&event)) {
    parts_.loop.post([this, business = changed->peer, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) (void)follow_deletion(business);
    });
  }
}

void Personas::account_online() {
  if (started_) look_at_all();
}

void Personas::look_at_all() {
  std::vector<std::pair<Time, AccountId>> all;  // the newest first
  for (const AccountId& business : known()) {
    const auto one = at(business);
    const auto active = one ? (*one)->home->active_at() : Result<Time, ClientError>(Time{});
    all.emplace_back(active.value_or(Time{}), business);
  }
  if (const auto states = book_.list()) {
    for (const PersonaState& state : *states)
      if (std::ranges::find(all, state.business, &std::pair<Time, AccountId>::second) == all.end())
        all.emplace_back(Time{}, state.business);
  }
  std::ranges::sort(all, std::greater());
  for (const auto& [active, business] : all) look(business);
  wake();
}

void Personas::look(const AccountId& business) {
  (void)look_closer(business);  // what cannot be read now is looked at again with the next event
}

/// Brings this device to where the last word about a business says it is to be.
Result<void, Failure> Personas::look_closer(const AccountId& business) {
  OPALINE_TRY(const std::optional<PersonaState> word, this->word(business));
  const auto all = known();
  if (std::ranges::find(all, business) == all.end() && (!word || word->state != Standing::open)) return {};
  OPALINE_CHECK(follow_deletion(business));
  OPALINE_TRY(One* const one, at(business));
  if (one->opening || one->closing || one->renewal) return {};
  const auto closing = one->home->closing();
  if (!closing) return fail(persona_store_failure(closing.error()));
  const bool overtaken = *closing && word && word->state == Standing::open && word->changed_at > (*closing)->since;
  if (overtaken)
    if (const auto done = one->home->set_closing(std::nullopt); !done) return fail(persona_store_failure(done.error()));
  if (*closing && !overtaken) {
    OPALINE_CHECK(run(*one));
    go_on_closing(*one);
    return {};
  }
  const auto opening = one->home->opening();
  if (!opening) return fail(persona_store_failure(opening.error()));
  const bool given_up = *opening && word && word->state != Standing::open && word->changed_at > (*opening)->since;
  if (given_up)
    if (const auto done = one->home->set_opening(std::nullopt); !done) return fail(persona_store_failure(done.error()));
  if (*opening && !given_up) {
    if (parts_.account.online()) begin(*one, PersonaOpening::For::person);
    return {};
  }
  const auto device = one->home->device_of();
  if (!device) return fail(persona_store_failure(device.error()));
  const bool open = word && word->state == Standing::open;
  const bool in = *device && open && **device == credentials::OpaqueId(word->opaque_id).persona();
  if (in) {
    OPALINE_CHECK(run(*one));
    OPALINE_CHECK(follow_root(*one, *word));
  }
  if (open && parts_.account.online()) {
    OPALINE_TRY(const bool due, renewal_due(*one));
    if (due) renew(*one);
    if (due) return {};
  }
  if (in) return {};
  if (*device) {
    retire(*one);
    if (const auto done = one->home->drop_device(); !done) return fail(persona_store_failure(done.error()));
  }
  if (open) return plan_join(*one);
  if (const auto done = one->home->set_join_at(std::nullopt); !done) return fail(persona_store_failure(done.error()));
  return {};
}

/// The person has deleted the conversation, here or on another device.
Result<void, Failure> Personas::follow_deletion(const AccountId& business) {
  auto statement = parts_.store.database().prepare("SELECT through FROM deleted_conversation WHERE peer = ?");
  const auto found = statement.bind(1, business.view()).step();
  if (!found) return fail(store_failure(client_error(found.error())));
  if (!*found) return {};
  const Time through = from_unix_millis(statement.integer(0));
  OPALINE_TRY(PersonaHome* const home, this->home(business));
  if (home == nullptr) return {};
  if (const auto done = home->delete_conversation(through); !done) return fail(persona_store_failure(done.error()));
  return {};
}

Result<void, Failure> Personas::plan_join(One& one) {
  auto at = one.home->join_at();
  if (!at) return fail(persona_store_failure(at.error()));
  if (!*at) {
    const auto within = static_cast<std::uint64_t>(milliseconds(kJoinWithin).count());
    *at = parts_.clock.now() + milliseconds(parts_.random.below(within));
    if (const auto done = one.home->set_join_at(*at); !done) return fail(persona_store_failure(done.error()));
  }
  if (**at <= parts_.clock.now() && parts_.account.online()) begin(one, PersonaOpening::For::book);
  return {};
}

/// For the next join that is due.
void Personas::wake() {
  if (!started_) return;
  std::chrono::milliseconds wait = kLookAgain;
  for (const auto& [business, one] : ones_) {
    const auto at = one ? one->home->join_at() : Result<std::optional<Time>, ClientError>(std::nullopt);
    if (at && *at && **at > parts_.clock.now())
      wait = std::min(wait, std::chrono::duration_cast<std::chrono::milliseconds>(**at - parts_.clock.now()));
  }
  wake_.arm(wait + std::chrono::milliseconds(1), [this] { look_at_all(); });
}

// ---- clients

/// Loads the client of a home that has a device, and connects it. False: there is no device.
Result<bool, Failure> Personas::run(One& one) {
  if (one.client) return true;
  Client::Events events;
  const AccountId business = one.business();
  events.on_event = [this, &one](const endpoint::Event& event) { on_event(one, event); };
  events.on_drained = [this, &one] {
    one.drained = true;
    events_.on_progress();
  };
  events.on_link = [this, &one](const Failure* why) {
    one.unreachable = why != nullptr;
    if (why == nullptr && one.closing) go_on_closing(one);
    events_.on_progress();
  };
  events.on_fatal = [this, business](const Failure& why) {
    parts_.loop.post([this, business, why, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) lost(business, why);
    });
  };
  auto client = Client::open(parts_.loop, parts_.clock, parts_.random, one.home->store(), parts_.service,
                             std::move(events), Client::Kind::persona);
  if (!client && client.error().error == ClientError::not_registered) return false;
  if (!client) return fail(client.error());
  const auto count = std::ranges::count_if(ones_, [](const auto& each) { return each.second && each.second->client; });
  one.client = std::move(*client);
  one.drained = one.unreachable = false;
  const bool receipts = parts_.account.device().receipts();
  if (one.client->device().receipts() != receipts)
    OPALINE_CHECK(one.client->change([receipts](endpoint::Endpoint& device) { device.set_receipts(receipts); }));
  // What the person writes to connects in any case; it finds its client here.
  if (static_cast<std::size_t>(count) < kMaxPersonasRunning || !one.opened.empty() || one.closing) {
    one.client->start();
  } else {
    one.unreachable = true;
  }
  return true;
}

/// Its client goes, when nothing of it is running any more.
void Personas::retire(One& one) {
  if (!one.client) return;
  one.client->stop();
  retired_.push_back(std::move(one.client));
  parts_.loop.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) retired_.clear();
  });
}

/// Its connection does not come back. `removed`: the service does not know the device any more: another device of the
/// person has closed the conversation, and will say so; or the service has forgotten it. Nothing of it can be used.
void Personas::lost(const AccountId& business, const Failure& why) {
  const auto found = ones_.find(business);
  if (found == ones_.end() || !found->second->client) return;
  One& one = *found->second;
  retire(one);
  if (why.error == ClientError::removed && !one.opening) {
    (void)one.home->drop_device();
    if (one.closing) return go_on_closing(one);
    (void)one.home->set_join_at(parts_.clock.now());
    look(business);
  }
  events_.on_progress();
}

void Personas::on_event(One& one, const endpoint::Event& event) {
  const auto* changed = std::get_if<endpoint::MessageStateChanged>(&event);
  if (changed != nullptr && changed->id == one.close_message && changed->state != endpoint::MessageState::queued) {
    parts_.loop.post([this, business = one.business(), alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      if (const auto found = ones_.find(business); found != ones_.end() && found->second->closing) told(*found->second);
    });
  }
  if (const auto* unknown = std::get_if<endpoint::RootUnknown>(&event); unknown != nullptr && unknown->set_back) {
    one.set_back = true;
    parts_.loop.post([this, business = one.business(), alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) look(business);
    });
  }
  const auto* added = std::get_if<endpoint::NoticeAdded>(&event);
  if (added != nullptr && added->kind == endpoint::NoticeKind::identity_changed) return look_why(one, event);
  events_.on_event(one.business(), event);
  events_.on_progress();
}

}  // namespace opaline::client
