#include "endpoint/testing/world.hpp"

#include "endpoint/internal/prekeys.hpp"

namespace opaline::endpoint::testing {

std::vector<std::string> Device::texts() const {
  std::vector<std::string> out;
  for (const IncomingMessage& message : store.history().incoming) out.push_back(to_string(message.body.text));
  return out;
}

namespace {

/// A device's rows, written past Endpoint::create: for devices that it does not make.
void write_device(MemoryEndpointStore& store, const session::DeviceIdentity& identity, const internal::OwnRecord& own,
                  const internal::PrekeyRecord& prekeys) {
  internal::Staging staging(store);
  staging.put(Table::device, as_view(internal::kIdentityKey), identity.serialise());
  staging.put(Table::device, as_view(internal::kOwnKey), encode(own));
  staging.put(Table::device, as_view(internal::kLedgerKey), encode(internal::LedgerRecord{}));
  staging.put(Table::device, as_view(internal::kPrekeysKey), encode(prekeys));
  OPALINE_ASSERT(staging.commit().has_value());
}

internal::OwnRecord read_own(MemoryEndpointStore& store) {
  internal::OwnRecord own;
  OPALINE_ASSERT(decode(**store.get(Table::device, as_view(internal::kOwnKey)), own));
  return own;
}

void write_own(MemoryEndpointStore& store, const internal::OwnRecord& own) {
  Batch batch;
  batch.rows.push_back({Table::device, to_bytes(as_view(internal::kOwnKey)), encode(own)});
  OPALINE_ASSERT(store.commit(std::move(batch)).has_value());
}

session::AccountKey account_key(MemoryEndpointStore& store) {
  return std::move(*session::AccountKey::deserialise(**store.get(Table::device, as_view(internal::kAccountKeyKey))));
}

}  // namespace

void World::load(Device& device) {
  auto loaded = Endpoint::load(device.store, random, device.clock, device.options);
  OPALINE_ASSERT(loaded.has_value());
  device.endpoint = std::move(*loaded);
}

Device& World::add(std::string name, std::optional<AccountId> account, const Options& options) {
  Device& device = *devices.emplace_back(std::make_unique<Device>(clock));
  device.name = std::move(name);
  device.options = options;
  const Enrolment enrolment{account ? *account : random.id<AccountId>(), DeviceNumber{1}, random.id<MailboxId>()};
  auto made = Endpoint::create(device.store, random, clock, enrolment);
  OPALINE_ASSERT(made.has_value());
  device.address = {enrolment.account, enrolment.device};
  device.mailbox = enrolment.mailbox;
  mailboxes[enrolment.mailbox].owner = &device;
  accounts[enrolment.account].lists.push_back(made->device_list);
  offer(device.address, made->prekeys);
  OPALINE_ASSERT(Endpoint::confirm_registration(device.store).has_value());
  load(device);
  return device;
}

Device& World::link(Device& primary, std::string name) {
  internal::OwnRecord own = read_own(primary.store);
  const auto current = *session::load_device_list(own.signed_list);
  session::DeviceList next = session::next_device_list(current, clock.now());
  const session::DeviceIdentity identity = session::DeviceIdentity::generate(random);
  Device& device = *devices.emplace_back(std::make_unique<Device>(clock));
  device.name = std::move(name);
  device.address = {primary.address.account, next.next_device};
  device.mailbox = random.id<MailboxId>();
  mailboxes[device.mailbox].owner = &device;
  next.devices.push_back({.number = next.next_device,
                          .mailbox = device.mailbox,
                          .created = clock.now(),
                          .capabilities = session::kCapabilityMessages,
                          .keys = identity.public_keys()});
  next.next_device = DeviceNumber{static_cast<std::uint32_t>(next.next_device) + 1};
  own.signed_list = session::sign_device_list(next, account_key(primary.store), random);
  accounts[primary.address.account].lists.push_back(own.signed_list);
  write_own(primary.store, own);

  internal::Staging staging(device.store);
  const auto prekeys =
      internal::make_prekeys(staging, identity, device.address, session::PrekeySetId{0}, clock.now(), random);
  OPALINE_ASSERT(staging.commit().has_value());
  offer(device.address, {prekeys.signed_set, prekeys.one_time_batch});
  internal::PrekeyRecord uploaded = prekeys;
  uploaded.uploaded = true;
  write_device(device.store, identity,
               {{device.address.account, device.address.device, device.mailbox}, true, own.signed_list}, uploaded);
  load(device);
  crash(primary);
  return device;
}

Device& World::start_link(Device& primary, std::string name) {
  clock.advance(seconds(1));
  const session::VerifiedDeviceList list = *primary.endpoint->own_list();
  Device& device = *devices.emplace_back(std::make_unique<Device>(clock));
  device.name = std::move(name);
  device.address = {primary.address.account, list.list().next_device};
  device.mailbox = random.id<MailboxId>();
  const Enrolment enrolment{device.address.account, device.address.device, device.mailbox};
  const auto made = Endpoint::create_linked(device.store, random, device.clock, enrolment, list, device.name);
  OPALINE_ASSERT(made.has_value());
  session::DeviceList next = session::next_device_list(list, primary.clock.now());
  next.devices.push_back({.number = enrolment.device,
                          .mailbox = enrolment.mailbox,
                          .created = primary.clock.now(),
                          .capabilities = session::kCapabilityMessages | session::kCapabilityEphemeral,
                          .keys = made->keys});
  next.next_device = DeviceNumber{static_cast<std::uint32_t>(next.next_device) + 1};
  OPALINE_ASSERT(primary.endpoint->add_device(next, random.bytes<16>(), made->prekeys).has_value());
  round(primary);
  return device;
}

void World::finish_link(Device& device, bool ask_history, bool told) {
  const Bytes list = told ? accounts[device.address.account].lists.back() : Bytes();
  OPALINE_ASSERT(Endpoint::confirm_linked(device.store, list, ask_history).has_value());
  load(device);
}

Device& World::link_live(Device& primary, std::string name, bool ask_history) {
  Device& device = start_link(primary, std::move(name));
  OPALINE_ASSERT(settle());
  finish_link(device, ask_history);
  connect(device);
  OPALINE_ASSERT(settle());
  return device;
}

void World::unlink(Device& primary, const Device& removed) {
  internal::OwnRecord own = read_own(primary.store);
  session::DeviceList next = session::next_device_list(*session::load_device_list(own.signed_list), clock.now());
  std::erase_if(next.devices, [&](const session::DeviceEntry& e) { return e.number == removed.address.device; });
  own.signed_list = session::sign_device_list(next, account_key(primary.store), random);
  accounts[primary.address.account].lists.push_back(own.signed_list);
  accounts[primary.address.account].offers.erase(removed.address.device);
  mailboxes[removed.mailbox].gone = true;
  write_own(primary.store, own);
  crash(primary);
}

Device& World::impostor(const Device& victim, std::string name) {
  Device& device = *devices.emplace_back(std::make_unique<Device>(clock));
  device.name = std::move(name);
  const Enrolment enrolment{victim.address.account, DeviceNumber{1}, random.id<MailboxId>()};
  auto made = Endpoint::create(device.store, random, clock, enrolment);
  OPALINE_ASSERT(made.has_value());
  device.address = {enrolment.account, enrolment.device};
  device.mailbox = enrolment.mailbox;
  mailboxes[enrolment.mailbox].owner = &device;
  accounts[enrolment.account].lists = {made->device_list};
  offer(device.address, made->prekeys);
  OPALINE_ASSERT(Endpoint::confirm_registration(device.store).has_value());
  load(device);
  return device;
}

void World::offer(const session::DeviceAddress& owner, const UploadPrekeys& upload) {
  const auto set = credentials::parse_prekey_set(upload.signed_set);
  OPALINE_ASSERT(set.has_value() && set->owner == owner);
  const auto tree = credentials::check_one_time_batch(*set, upload.one_time_batch);
  OPALINE_ASSERT(tree.has_value());
  Offer& offered = accounts[owner.account].offers[owner.device];
  offered = {upload.signed_set, set->offered_until, {}};
  for (std::size_t i = 0; *tree && i < (*tree)->size(); ++i)
    offered.one_time.push_back((*tree)->entry(session::OneTimeIndex{static_cast<std::uint16_t>(i)}));
}

void World::close(const AccountId& persona) {
  closed.insert(persona);
  for (const auto& entry : session::load_device_list(accounts[persona].lists.back())->list().devices) {
    accounts[persona].offers.erase(entry.number);
    mailboxes[entry.mailbox].gone = true;
    for (const auto& device : devices)
      if (device->mailbox == entry.mailbox) cut(*device);
  }
}

void World::connect(Device& device) {
  if (device.connected) cut(device);
  device.connected = true;
  device.submits = device.pushed = device.acked = 0;
  device.routes.clear();
  device.endpoint->connected({clock.now(), wire::kInitialCreditEnvelopes, wire::kInitialCreditBytes, device.mailbox});
  push(device);
  round(device);
}

void World::cut(Device& device, std::size_t processed) {
  if (!device.connected) return;
  serve(device, processed);
  device.connected = false;
  device.to_server.clear();
  device.to_device.clear();
  Mailbox& mailbox = mailboxes[device.mailbox];
  while (!mailbox.pushed.empty()) {
    mailbox.waiting.push_front(std::move(mailbox.pushed.back()));
    mailbox.pushed.pop_back();
  }
  if (!device.endpoint) return;
  device.endpoint->disconnected();
  round(device);
}

void World::crash(Device& device) {
  device.endpoint.reset();
  cut(device);
  device.to_device.clear();
  load(device);
}

void World::restore(Device& device, MemoryEndpointStore::Contents backup) {
  device.endpoint.reset();
  cut(device);
  device.store.restore(std::move(backup));
  load(device);
}

void World::round(Device& device) {
  auto actions = device.endpoint->commit_round();
  if (trace) {
    const Counters before = std::exchange(device.traced, device.endpoint->counters());
    const Counters& c = device.traced;
    std::fprintf(stderr,
                 "%s round%s: +%llu undecryptable +%llu orphans +%llu heals +%llu suppressed +%llu resends +%llu "
                 "refused +%llu opened +%llu accepted +%llu malformed +%llu dups\n",
                 device.name.c_str(), actions ? "" : " FAILED", 1ULL * c.undecryptable - before.undecryptable,
                 1ULL * c.orphans - before.orphans, 1ULL * c.heals - before.heals,
                 1ULL * c.heals_suppressed - before.heals_suppressed, 1ULL * c.resends - before.resends,
                 1ULL * c.retries_refused - before.retries_refused, 1ULL * c.sessions_opened - before.sessions_opened,
                 1ULL * c.sessions_accepted - before.sessions_accepted, 1ULL * c.malformed - before.malformed,
                 1ULL * c.duplicates - before.duplicates);
  }
  if (!actions) {
    cut(device);
    return;
  }
  for (Action& action : *actions) {
    if (const auto* event = std::get_if<Event>(&action)) {
      device.events.push_back(*event);
    } else if (device.connected) {
      device.to_server.push_back(std::move(action));
    }
  }
}

void World::deliver(Device& device, std::size_t count) {
  struct Visitor {
    Endpoint& endpoint;
    void operator()(const Pushed& p) const { endpoint.on_push(0, p.gap, p.id, p.ciphertext); }
    void operator()(const Answer& a) const { endpoint.on_result(a.range); }
    void operator()(const Granted& g) const { endpoint.on_credit(g.envelopes, g.bytes); }
    void operator()(const DevicesAnswer& a) const { endpoint.on_devices(a.id, a.reply); }
    void operator()(const PrekeysAnswer& a) const { endpoint.on_prekeys_left(a.id, a.left, a.signed_until); }
    void operator()(const FailedAnswer& a) const { endpoint.on_request_failed(a.id, a.failure, a.retry_after); }
    void operator()(const PrekeysLow& p) const { endpoint.on_prekeys_low(p.left); }
    void operator()(const ListTaken& t) const { endpoint.on_devices_updated(t.id); }
    void operator()(const ListNotice&) const { endpoint.check_own_list(); }
  };
  for (; count > 0 && !device.to_device.empty(); --count) {
    std::visit(Visitor{*device.endpoint}, device.to_device.front());
    device.to_device.pop_front();
  }
}

void World::serve(Device& device, std::size_t count) {
  for (; count > 0 && !device.to_server.empty(); --count) {
    const Action action = std::move(device.to_server.front());
    device.to_server.pop_front();
    if (const auto* route = std::get_if<OpenRoute>(&action)) {
      const bool held = device.routes[route->route].held && device.routes[route->route].mailbox == route->mailbox;
      device.routes[route->route] = {route->mailbox, route->token, held};
    } else if (const auto* submit = std::get_if<SubmitEnvelope>(&action)) {
      handle(device, *submit);
    } else if (const auto* clear = std::get_if<ClearRoute>(&action)) {
      device.routes[clear->route].held = false;
    } else if (const auto* ack = std::get_if<AcknowledgePushes>(&action)) {
      OPALINE_ASSERT(ack->number <= device.pushed && ack->number - device.acked == ack->envelopes);
      Mailbox& mailbox = mailboxes[device.mailbox];
      for (; device.acked < ack->number; ++device.acked) mailbox.pushed.pop_front();
      push(device);
    } else if (const auto* request = std::get_if<Request>(&action)) {
      handle(device, *request);
    }
  }
}

void World::handle(Device& device, const SubmitEnvelope& submit) {
  ++envelopes;
  const std::uint32_t number = ++device.submits;
  OPALINE_ASSERT(device.routes.contains(submit.route) && submit.ciphertext.size() <= wire::kMaxEnvelopeBytes);
  Device::Route& route = device.routes[submit.route];
  const wire::SubmitStatus status = store(device, route, submit);
  if (status != wire::SubmitStatus::accepted) route.held = true;
  if (trace)
    std::fprintf(stderr, "%s submits %s%s: %d\n", device.name.c_str(), submit.id.hex().substr(0, 6).c_str(),
                 session::is_handshake(submit.ciphertext) ? " with handshake" : "", static_cast<int>(status));
  device.to_device.push_back(Answer{{number, 1, status}});
  device.to_device.push_back(Granted{1, static_cast<std::uint32_t>(submit.ciphertext.size())});
}

wire::SubmitStatus World::store(Device& from, Device::Route& route, const SubmitEnvelope& submit) {
  using wire::SubmitStatus;
  if (route.held) return SubmitStatus::held_back;
  if (on_submit)
    if (const auto status = on_submit(from, submit.id)) return *status;
  if (std::to_integer<std::uint64_t>(route.token[0]) != token_epoch) return SubmitStatus::refresh;
  Mailbox& mailbox = mailboxes[route.mailbox];
  if (mailbox.gone || mailbox.owner == nullptr) return SubmitStatus::gone;
  Device& to = *mailbox.owner;
  if (submit.envelope_class == wire::EnvelopeClass::ephemeral && !to.connected) return SubmitStatus::accepted;
  const bool singled_out = route.mailbox == full_for && (full_of.is_zero() || full_of == from.address.account);
  if (singled_out || mailbox.waiting.size() + mailbox.pushed.size() >= mailbox_limit) {
    mailbox.gap = true;
    return SubmitStatus::full;
  }
  const bool twice = duplicate_one_in > 0 && random.below(duplicate_one_in) == 0;
  for (int i = 0; i < (twice ? 2 : 1); ++i)
    mailbox.waiting.push_back({submit.id, submit.ciphertext, from.address.account, std::exchange(mailbox.gap, false)});
  push(to);
  return SubmitStatus::accepted;
}

void World::push(Device& device) {
  if (!device.connected) return;
  Mailbox& mailbox = mailboxes[device.mailbox];
  while (!mailbox.waiting.empty() && mailbox.pushed.size() < 64) {
    Envelope envelope = std::move(mailbox.waiting.front());
    mailbox.waiting.pop_front();
    Bytes ciphertext = envelope.ciphertext;
    if (damage) damage(device, ciphertext);
    ++device.pushed;
    if (trace)
      std::fprintf(stderr, "%s is pushed %s%s\n", device.name.c_str(), envelope.id.hex().substr(0, 6).c_str(),
                   ciphertext == envelope.ciphertext ? "" : " DAMAGED");
    device.to_device.push_back(Pushed{envelope.id, std::move(ciphertext), envelope.gap});
    mailbox.pushed.push_back(std::move(envelope));
  }
}

DevicesReply World::devices_of(const AccountId& about, ListNumber known, const FetchBundles* bundles) {
  Account& account = accounts[about];
  DevicesReply reply;
  reply.signed_list = account.lists.back();
  const auto first = known == ListNumber{} ? account.lists.size() : static_cast<std::size_t>(known);
  const bool kept = account.lists.size() - first <= lists_kept + 1;
  for (std::size_t i = first; kept && i + 1 < account.lists.size() && reply.history.size() < history_at_once; ++i)
    reply.history.push_back(account.lists[i]);
  reply.renewal_token = to_bytes("renewal of " + about.hex().substr(0, 8));
  const auto list = session::load_device_list(reply.signed_list);
  for (const session::DeviceEntry& entry : list->list().devices) {
    DevicesReply::Device device{entry.number, entry.mailbox, {}, {}};
    device.token[0] = static_cast<std::byte>(token_epoch);
    const bool wanted =
        bundles != nullptr && (bundles->devices.empty() || std::find(bundles->devices.begin(), bundles->devices.end(),
                                                                     entry.number) != bundles->devices.end());
    Offer& offered = account.offers[entry.number];
    if (wanted && clock.now() < offered.until) {
      session::PrekeyBundle bundle{offered.signed_set, {}};
      if (!offered.one_time.empty()) {
        bundle.one_time = std::move(offered.one_time.front());
        offered.one_time.pop_front();
      }
      device.bundle = session::encode_bundle(bundle);
    }
    reply.devices.push_back(std::move(device));
  }
  if (falsify) falsify(reply, about);
  return reply;
}

void World::handle(Device& device, const Request& request) {
  if (directory_out) {
    device.to_device.push_back(FailedAnswer{request.id, RequestFailure::unavailable, seconds(0)});
    return;
  }
  const auto answer = [&](const AccountId& about, ListNumber known, const FetchBundles* bundles) {
    ++lookups[about];
    asking = &device;
    if (closed.contains(about)) {
      device.to_device.push_back(FailedAnswer{request.id, RequestFailure::closed, seconds(0)});
    } else if (!accounts.contains(about)) {
      device.to_device.push_back(FailedAnswer{request.id, RequestFailure::not_found, seconds(0)});
    } else {
      device.to_device.push_back(DevicesAnswer{request.id, devices_of(about, known, bundles)});
    }
  };
  const auto left = [&](bool with_time) {
    const Offer& offered = accounts[device.address.account].offers[device.address.device];
    device.to_device.push_back(PrekeysAnswer{request.id, static_cast<std::uint32_t>(offered.one_time.size()),
                                             with_time ? std::optional(offered.until) : std::nullopt});
  };
  if (const auto* bundles = std::get_if<FetchBundles>(&request.body)) {
    answer(bundles->account, bundles->known, bundles);
  } else if (const auto* tokens = std::get_if<FetchSendTokens>(&request.body)) {
    answer(tokens->account, tokens->known, nullptr);
  } else if (const auto* upload = std::get_if<UploadPrekeys>(&request.body)) {
    offer(device.address, *upload);
    left(false);
  } else if (const auto* change = std::get_if<UpdateDevices>(&request.body)) {
    update(device, request.id, *change);
  } else {
    left(true);
  }
}

void World::take_list(const AccountId& about, const Bytes& signed_list, const UploadPrekeys& prekeys) {
  Account& account = accounts[about];
  const auto now = session::load_device_list(account.lists.back());
  const auto next = session::load_device_list(signed_list);
  account.lists.push_back(signed_list);
  for (const auto& entry : now->list().devices) {
    if (next->find(entry.number) != nullptr) continue;
    account.offers.erase(entry.number);
    mailboxes[entry.mailbox].gone = true;
    for (const auto& other : devices)
      if (other->mailbox == entry.mailbox) cut(*other);
  }
  for (const auto& entry : next->list().devices) {
    if (now->find(entry.number) != nullptr) continue;
    offer({about, entry.number}, prekeys);
    for (const auto& other : devices)
      if (other->mailbox == entry.mailbox) mailboxes[entry.mailbox].owner = other.get();
  }
}

void World::take_recovery(Device& device, const Registration& made) {
  device.address = {made.enrolment.account, made.enrolment.device};
  device.mailbox = made.enrolment.mailbox;
  take_list(made.enrolment.account, made.device_list, made.prekeys);
  OPALINE_ASSERT(Endpoint::confirm_registration(device.store).has_value());
  load(device);
  for (const auto& other : devices)
    if (other.get() != &device && other->connected && other->address.account == device.address.account)
      other->to_device.push_back(ListNotice{});
}

void World::update(Device& device, RequestId id, const UpdateDevices& change) {
  Account& account = accounts[device.address.account];
  const auto now = session::verify_device_list(account.lists.back());
  const auto next = session::verify_device_list(change.signed_list);
  using session::ListChange;
  ListChange what = next ? session::compare_lists(*now, *next) : ListChange::forked;
  if (what == ListChange::gap &&
      !change.between.empty()) {  // it was set back: it takes what leads on, without additions
    auto last = *now;
    for (const Bytes& bytes : change.between) {
      const auto step = session::verify_device_list(bytes);
      const bool follows = step && session::compare_lists(last, *step) == ListChange::successor;
      if (!follows) break;
      last = *step;
    }
    const bool adds = std::ranges::any_of(next->list().devices, [&](const auto& d) { return !now->find(d.number); });
    what = adds ? ListChange::gap : session::compare_lists(last, *next);
  }
  if (refuse_lists || (what != ListChange::successor && what != ListChange::unchanged)) {
    device.to_device.push_back(FailedAnswer{id, RequestFailure::refused, seconds(0)});
    return;
  }
  const bool bare = change.prekeys.signed_set.empty();  // what is added comes with prekeys
  const bool adds = std::ranges::any_of(next->list().devices, [&](const auto& d) { return !now->find(d.number); });
  if (what == ListChange::successor && adds && bare) {
    device.to_device.push_back(FailedAnswer{id, RequestFailure::refused, seconds(0)});
    return;
  }
  device.to_device.push_back(ListTaken{id});
  if (what == ListChange::unchanged) return;
  take_list(device.address.account, change.signed_list, change.prekeys);
  account.lists.insert(account.lists.end() - 1, change.between.begin(), change.between.end());
  for (const auto& other : devices) {
    const bool told = notices && other.get() != &device && other->connected;
    if (told && other->address.account == device.address.account) other->to_device.push_back(ListNotice{});
  }
}

bool World::settle(std::size_t max_steps) {
  for (std::size_t step = 0; step < max_steps; ++step) {
    bool moved = false;
    for (const auto& device : devices) {
      if (!device->connected) continue;
      if (!device->to_server.empty()) {
        serve(*device, device->to_server.size());
        moved = true;
      }
      if (!device->to_device.empty()) {
        deliver(*device, device->to_device.size());
        moved = true;
      }
      if (device->endpoint->has_work()) round(*device);
    }
    if (!moved) return true;
  }
  return false;
}

bool World::pass(milliseconds time, milliseconds step) {
  if (!settle()) return false;
  for (milliseconds passed{0}; passed < time; passed += step) {
    clock.advance(step);
    for (const auto& device : devices) {
      if (!device->endpoint) continue;
      device->endpoint->tick();
      round(*device);
    }
    if (!settle()) return false;
  }
  return true;
}

MessageId World::send(Device& from, const Device& to, std::string_view text) {
  const auto id = from.endpoint->send_text(to.address.account, text);
  OPALINE_ASSERT(id.has_value());
  round(from);
  return *id;
}

}  // namespace opaline::endpoint::testing
