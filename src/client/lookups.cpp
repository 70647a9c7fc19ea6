// Who is here: what the directory said, for how long, and when it is asked again (docs/lookups.md).
#include <algorithm>
#include <iterator>

#include "client/client.hpp"
#include "client/progress.hpp"
#include "client/replies.hpp"
#include "proto/device.pb.h"

namespace opaline::client {
namespace {

constexpr std::string_view kCarrier = "carrier";  // of Progress
constexpr int kMaxHandlesAtOnce = 100;            // of one request: docs/device-api.md
/// So long a renewal token is good (docs/device-api.md): whoever was asked about within it, by handle or by account, is
/// asked about by account.
constexpr std::chrono::days kRenewalLasts{60};
/// How long an answer about an account stands in for one about its handle: as the directory says of handles.
constexpr std::chrono::hours kConfirmedRefresh{24}, kConfirmedExpires{7 * 24};

Failure changed_account(const std::string& handle) {
  return {ClientError::identity_changed,
          "WARNING: " + handle +
              " belongs to another account than before. That happens when somebody "
              "registers again, and when somebody else has "
              "got hold of the number or address. Compare safety numbers (opaline verify " +
              handle + "); to go on: opaline accept " + handle};
}

Failure not_reachable(const std::string& handle) {
  if (reachable_elsewhere(handle) == Reachable::sms)
    return {ClientError::no_such_handle,
            handle + " is not reachable here. It could be reached by SMS, which is not encrypted; nothing was sent"};
  return {ClientError::no_such_handle, handle + " is not reachable here"};
}

Failure unreadable() {
  return {ClientError::store_failed, "the local store could not be read"};
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

bool is_fresh(const Contact& contact, Time now) {
  return now < contact.refresh_at && now >= contact.asked_at;  // a clock that went back makes nothing fresh
}
bool is_known(const Contact& contact) {
  return contact.account && !contact.gone;
}
/// The token of its account still pays, and nothing speaks against the account (the epoch: to be asked).
bool renews(const Contact& contact, Time now) {
  return !contact.renewal_token.empty() && contact.refresh_at != Time{} && contact.asked_at != Time{} &&
         now >= contact.asked_at && now - contact.asked_at < kRenewalLasts;
}

LookedUp described(const std::string& asked, const Contact& contact, bool from_cache) {
  LookedUp out{.handle = asked, .asked_at = contact.asked_at, .ask_again_at = contact.refresh_at};
  out.from_cache = from_cache;
  out.changed = contact.pending.has_value();
  if (contact.pending || is_known(contact)) {
    out.reachable = Reachable::here;
    out.account = contact.pending ? contact.pending : contact.account;
  } else {
    out.reachable = reachable_elsewhere(asked);
  }
  return out;
}

}  // namespace

Reachable reachable_elsewhere(std::string_view handle) {
  return handle.starts_with('+') ? Reachable::sms : Reachable::not_here;
}

// ---- one handle, to be written to

void Client::resolve(std::string_view to, Done<AccountId> done) {
  const std::string handle(trimmed(to));
  if (handle.size() == 2 * AccountId::kSize) {
    if (const auto id = AccountId::from_hex(handle)) return done(*id);
  }
  const auto cached = contacts_.find(handle);
  if (!cached) return done(fail(unreadable()));
  if (*cached && (*cached)->pending) return done(fail(changed_account(handle)));
  const Time now = clock_.now();
  if (*cached && is_known(**cached)) {
    const AccountId account = *(*cached)->account;
    const bool renewed = renews(**cached, now);
    if (!online() || is_fresh(**cached, now) || renewed) {
      if (online() && !is_fresh(**cached, now)) confirm(**cached);
      // What was only looked up so far is told to the person's other devices with the first word.
      if (!device_->peer_status(account) && account != device_->address().account) {
        device_->share_contact(account, (*cached)->handle);
        schedule_round();
      }
      return done(account);
    }
  } else if (*cached && (!online() || is_fresh(**cached, now))) {
    return done(fail(not_reachable(handle)));
  }
  if (!online())
    return done(fail(Failure{ClientError::connect_failed,
                             "never wrote to " + handle + " before, and the server is not reached to look it up"}));
  lookup(handle, *cached ? (*cached)->renewal_token : Bytes(), std::move(done));
}

/// The account is asked about by its id, with its token: no lookup of the handle. If it is gone, the message fails and
/// the handle is looked up (look_again).
void Client::confirm(Contact contact) {
  const Time now = clock_.now();
  contact.asked_at = now;
  contact.refresh_at = now + kConfirmedRefresh;
  contact.expires_at = now + kConfirmedExpires;
  (void)contacts_.save(contact);  // a cache: the worst is one question more
  device_->refresh_peer(*contact.account);
  schedule_round();
}

Result<void, Failure> Client::accept_new_account(std::string_view to) {
  const auto cached = contacts_.find(trimmed(to));
  if (!cached) return fail(Failure{cached.error(), "the local store could not be read"});
  if (!*cached || !(*cached)->pending) return fail(Failure{ClientError::no_alarm, "this handle has not changed"});
  if (const auto saved = contacts_.accept(**cached); !saved)
    return fail(Failure{saved.error(), "the local store could not be written"});
  return change([&](endpoint::Endpoint& device) { device.share_contact(*(*cached)->pending, (*cached)->handle); });
}

void Client::lookup(const std::string& handle, const Bytes& renewal_token, Done<AccountId> done) {
  wire::v1::LookupRequest request;
  auto* item = request.add_items();
  item->set_handle(handle);
  item->set_renewal_token(to_string(renewal_token));
  call(wire::v1::METHOD_LOOKUP, serialized(request),
       [this, handle, done = std::move(done)](Result<Bytes, Failure> body) {
         auto answers =
             body ? lookup_answers({&handle, 1}, *body) : Result<std::vector<Answered>, Failure>(fail(body.error()));
         if (!answers) return done(fail(answers.error()));
         const auto& [contact, first] = answers->front();
         if (contact.pending) return done(fail(changed_account(handle)));
         if (contact.gone) return done(fail(not_reachable(contact.handle)));
         if ((first || !device_->peer_status(*contact.account)) && *contact.account != device_->address().account)
           device_->share_contact(*contact.account, contact.handle);
         schedule_round();
         done(*contact.account);
       });
}

/// The lines in the history by which the person learns that the handle of `before` is another account's.
Result<void, Failure> Client::sound_alarm(const AccountId& before) {
  std::vector<endpoint::NoticeKind> kinds{endpoint::NoticeKind::identity_changed};
  const auto status = device_->peer_status(before);
  if (status && status->verified) kinds.push_back(endpoint::NoticeKind::verify_again);
  endpoint::Batch batch;
  for (const auto kind : kinds) batch.history.emplace_back(endpoint::AddNotice{before, kind, clock_.now()});
  if (const auto done = rows_.commit(std::move(batch)); !done)
    return fail(Failure{ClientError::store_failed, "the local store could not be written"});
  for (const auto kind : kinds) events_.on_event(endpoint::NoticeAdded{before, kind});
  return {};
}

/// Keeps what the directory answered, in the order asked.
Result<std::vector<Client::Answered>, Failure> Client::lookup_answers(std::span<const std::string> asked,
                                                                      ByteView body) {
  wire::v1::LookupReply reply;
  if (!reply.ParseFromArray(body.data(), static_cast<int>(body.size())) ||
      reply.items_size() != static_cast<int>(asked.size()))
    return fail(Failure{ClientError::protocol, "the server's answer to a lookup makes no sense"});
  keep_carrier(as_view(reply.carrier()));
  std::vector<Answered> out;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto& item = reply.items(static_cast<int>(i));
    const Time now = clock_.now();
    Contact contact{asked[i],
                    AccountId::from(as_view(item.account())),
                    std::nullopt,
                    to_bytes(item.renewal_token()),
                    now + seconds(item.expires_seconds()),
                    now + seconds(item.refresh_seconds())};
    contact.asked_at = now;
    const std::string normal = item.handle().empty() ? asked[i] : item.handle();
    OPALINE_TRY(const bool first, keep_answer(contact, normal));
    contact.handle = normal;
    out.push_back({std::move(contact), first});
  }
  return out;
}

/// Saves an answer, and sets `pending` or `gone` by what was known before. True: Answered::first.
Result<bool, Failure> Client::keep_answer(Contact& contact, const std::string& normal) {
  // What the person typed and what the directory calls it may differ ("Ben@..."): neither way goes around the pin.
  const auto asked_before = contacts_.find(contact.handle), normal_before = contacts_.find(normal);
  if (!asked_before || !normal_before) return fail(unreadable());
  const auto& before = *asked_before && (*asked_before)->account ? asked_before : normal_before;
  const bool moved = *before && (*before)->account && contact.account && (*before)->account != contact.account;
  if (moved) {
    if ((*before)->pending != contact.account) OPALINE_CHECK(sound_alarm(*(*before)->account));
    contact.pending = contact.account;
    contact.account = (*before)->account;
  } else if (!contact.account) {
    contact.gone = true;
    if (*before) contact.account = (*before)->account;
  }
  if (const auto saved = contacts_.save(contact); !saved)
    return fail(Failure{saved.error(), "the local store could not be written"});
  if (normal != contact.handle && (!*normal_before || (*normal_before)->account == contact.account)) {
    Contact same = contact;
    same.handle = normal;
    (void)contacts_.save(same);  // a cache: the next lookup makes it again
  }
  if (!contact.pending && !contact.gone) device_->remember_renewal_token(*contact.account, contact.renewal_token);
  return !(*before && is_known(**before));
}

// ---- who takes texts to numbers that are not here

void Client::keep_carrier(ByteView named) {
  const Progress kept(store_, random_);
  const auto known = carrier();
  const auto now = AccountId::from(named);
  if (known == now) return;
  // A cache: the worst is one lookup more.
  if (now) {
    (void)kept.put(kCarrier, now->view());
  } else {
    (void)kept.erase(kCarrier);
  }
}

std::optional<AccountId> Client::carrier() const {
  const auto kept = Progress(store_, random_).get(kCarrier);
  return kept && *kept ? AccountId::from(**kept) : std::nullopt;
}

// ---- many handles

std::optional<LookedUp> Client::remembered(std::string_view text) const {
  const std::string handle(trimmed(text));
  const auto contact = contacts_.find(handle);
  if (!contact || !*contact || !is_fresh(**contact, clock_.now())) return std::nullopt;
  return described(handle, **contact, true);
}

struct Client::ManyLookups {
  std::vector<LookedUp> answers;
  std::vector<std::vector<std::size_t>> waiting;  ///< the requests still to be made, by index of `answers`
  std::function<void(std::vector<LookedUp>, std::optional<Failure>)> done;
};

void Client::look_up(const std::vector<std::string>& handles, bool again,
                     std::function<void(std::vector<LookedUp>, std::optional<Failure>)> done) {
  auto many = std::make_shared<ManyLookups>();
  many->done = std::move(done);
  for (const std::string& each : handles) {
    const auto known = again ? std::nullopt : remembered(each);
    many->answers.push_back(known ? *known : LookedUp{.handle = std::string(trimmed(each))});
    if (known) continue;
    if (many->waiting.empty() || many->waiting.back().size() == kMaxHandlesAtOnce) many->waiting.emplace_back();
    many->waiting.back().push_back(many->answers.size() - 1);
  }
  std::ranges::reverse(many->waiting);
  next_lookup(std::move(many));
}

void Client::next_lookup(std::shared_ptr<ManyLookups> many) {
  if (many->waiting.empty()) {
    schedule_round();  // renewal tokens
    return many->done(std::move(many->answers), std::nullopt);
  }
  std::vector<std::size_t> which = std::move(many->waiting.back());
  many->waiting.pop_back();
  wire::v1::LookupRequest request;
  std::vector<std::string> asked;
  for (const std::size_t i : which) {
    asked.push_back(many->answers[i].handle);
    const auto contact = contacts_.find(asked.back());
    auto* item = request.add_items();
    item->set_handle(asked.back());
    if (contact && *contact) item->set_renewal_token(to_string((*contact)->renewal_token));
  }
  call(wire::v1::METHOD_LOOKUP, serialized(request),
       [this, many, which, asked, alive = std::weak_ptr(alive_)](const Result<Bytes, Failure>& body) {
         if (alive.expired()) return;
         if (!body && body.error().call_status == wire::v1::CALL_STATUS_BAD_REQUEST) {
           // One of them can be no handle. Nothing was charged: halved, until it is found.
           if (which.size() == 1) {
             many->answers[which[0]].problem = body.error().message;
           } else {
             const auto middle = which.begin() + static_cast<std::ptrdiff_t>(which.size() / 2);
             many->waiting.emplace_back(middle, which.end());
             many->waiting.emplace_back(which.begin(), middle);
           }
           return next_lookup(many);
         }
         auto answers =
             body ? lookup_answers(asked, *body) : Result<std::vector<Answered>, Failure>(fail(body.error()));
         if (!answers) {
           schedule_round();
           return many->done(std::move(many->answers), answers.error());
         }
         for (std::size_t i = 0; i < which.size(); ++i)
           many->answers[which[i]] = described((*answers)[i].contact.handle, (*answers)[i].contact, false);
         next_lookup(many);
       });
}

}  // namespace opaline::client
