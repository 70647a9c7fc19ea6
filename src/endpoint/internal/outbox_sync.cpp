// What this device tells the account's other devices: copies of what it sends, what the person read, deleted and
// decided, and the history.
#include <algorithm>
#include <array>

#include "base/codec.hpp"
#include "endpoint/internal/outbox.hpp"
#include "endpoint/internal/text_for_device.hpp"

namespace opaline::endpoint::internal {
namespace {

constexpr std::size_t kHistoryBodyBytes = 4 + 4 + 8 + 8;

static_assert(static_cast<int>(PersonaStanding::open) == static_cast<int>(wire::PersonaStanding::open));
static_assert(static_cast<int>(PersonaStanding::closed) == static_cast<int>(wire::PersonaStanding::closed));
static_assert(static_cast<int>(PersonaStanding::blocked) == static_cast<int>(wire::PersonaStanding::blocked));
static_assert(std::tuple_size_v<decltype(PersonaState::opaque_id)> == wire::kOpaqueIdBytes);

/// In the order in which they may follow each other.
struct EarlyState {
  MessageState state{};
  SeenKind kind{};
};
constexpr std::array kEarlyStates{
    EarlyState{MessageState::failed, SeenKind::is_failed}, EarlyState{MessageState::sent, SeenKind::is_sent},
    EarlyState{MessageState::delivered, SeenKind::is_delivered}, EarlyState{MessageState::read, SeenKind::is_read}};

}  // namespace

bool Outbox::may_tell() {
  if (!core_.has_others() && !core_.list_pending) return false;
  return peers_.get(core_.address.account).unfanned.size() < kMaxSyncWaiting;
}

void Outbox::tell(const wire::Sync& what, DeviceNumber only) {
  if (!may_tell()) return;
  const wire::Content content{.message = core_.random.id<MessageId>(),
                              .list_number = {},
                              .own_list_number = {},
                              .sent_at = core_.sent_time(),
                              .body = what};
  SecretBytes encoded;
  const auto done = wire::encode(encoded, content);
  OPALINE_ASSERT(done.has_value());  // ours: within the limits
  Peer& own = peers_.get(core_.address.account);
  enqueue(own, add(own.account, only, ContentKind::sync, to_bytes(encoded), content.message, content.sent_at));
}

void Outbox::add_copy(const MessageRecord& text) {
  if (!may_tell()) return;
  Bytes body;
  Writer(body).bytes(text.peer.view()).bytes(text.id.view());
  Peer& own = peers_.get(core_.address.account);
  enqueue(own,
          add(own.account, {}, ContentKind::sent_copy, std::move(body), core_.random.id<MessageId>(), text.sent_at));
}

void Outbox::tell_contact(const Peer& peer, std::string_view handle) {
  wire::Contacts one;
  AccountKeyHash key;
  one.contacts[0] = Peers::contact_of(peer, handle, {}, key);
  one.count = 1;
  tell({one});
}

void Outbox::tell_personas(ByteView businesses, DeviceNumber only) {
  if (!may_tell()) return;
  Peer& own = peers_.get(core_.address.account);
  enqueue(own, add(own.account, only, ContentKind::personas, to_bytes(businesses), core_.random.id<MessageId>(),
                   core_.sent_time()));
}

bool Outbox::fill_personas(wire::Personas& out, ByteView businesses, const std::vector<PersonaState>& known) {
  for (Reader in(businesses); in.left() > 0 && out.count < wire::kMaxPersonas;) {
    const auto it = std::ranges::find(known, AccountId(in.array<AccountId::kSize>()), &PersonaState::business);
    if (it == known.end()) continue;
    out.personas.at(out.count++) = {.business = it->business,
                                    .opaque_id = it->opaque_id,
                                    .root = it->root,
                                    .state = static_cast<wire::PersonaStanding>(it->state),
                                    .changed_at = it->changed_at};
  }
  return out.count > 0;
}

void Outbox::make_marks() {
  for (const auto& [account, marks] : std::exchange(marks_, {})) {
    const AccountId& peer = account;
    tell_of(marks.read, [&](const wire::MessageIds& ids) { return wire::ReadMarks{peer, ids}; });
    tell_of(marks.sent,
            [&](const wire::MessageIds& ids) { return wire::StateMarks{peer, wire::SentState::sent, ids}; });
    tell_of(marks.failed,
            [&](const wire::MessageIds& ids) { return wire::StateMarks{peer, wire::SentState::failed, ids}; });
  }
}

void Outbox::give_history(DeviceNumber device, Time since) {
  const std::vector<AddContact> known = core_.staging.contacts();
  for (std::size_t i = 0; i < known.size(); i += wire::kMaxContacts) {
    wire::Contacts some;
    std::array<AccountKeyHash, wire::kMaxContacts> keys;
    some.count = std::min(wire::kMaxContacts, known.size() - i);
    for (std::size_t k = 0; k < some.count; ++k) {
      const AddContact& contact = known[i + k];
      some.contacts[k] = Peers::contact_of(peers_.get(contact.account), contact.handle, contact.active_at, keys[k]);
    }
    tell({some}, device);
  }
  const std::vector<PersonaState> personas = core_.staging.personas();
  for (std::size_t i = 0; i < personas.size(); i += wire::kMaxPersonas) {
    Bytes businesses;
    for (std::size_t k = i; k < std::min(personas.size(), i + wire::kMaxPersonas); ++k)
      append(businesses, personas[k].business.view());
    tell_personas(businesses, device);
  }
  const auto pages = core_.staging.history_pages(since);
  const auto parts = static_cast<std::uint32_t>(std::max<std::size_t>(pages.size(), 1));
  Peer& own = peers_.get(core_.address.account);
  for (std::uint32_t index = 0; index < parts; ++index) {
    // Without any, one part that is empty says so.
    const EndpointStore::HistoryPage page =
        pages.empty() ? EndpointStore::HistoryPage{.first = 1, .last = 0} : pages[index];
    Bytes body;
    Writer(body).u32(index).u32(parts).u64(page.first).u64(page.last);
    enqueue(own, add(own.account, device, ContentKind::history_part, std::move(body), core_.random.id<MessageId>(),
                     core_.sent_time()));
  }
}

std::optional<SecretBytes> Outbox::sync_content(const PeerDevice& device, const MessageRecord& record,
                                                const wire::Content& head) {
  wire::Content content = head;
  std::optional<TextForDevice> text;
  std::vector<PersonaState> known;
  SecretBytes page;
  Reader body(record.body);
  if (record.kind == ContentKind::sync) {
    const auto stored = wire::decode_content(record.body);
    if (!stored) {
      core_.found_corrupt();
      return std::nullopt;
    }
    content.body = stored->body;
  } else if (record.kind == ContentKind::sent_copy) {
    const AccountId peer(body.array<AccountId::kSize>());
    const MessageId id(body.array<MessageId::kSize>());
    auto found = core_.staging.outgoing(id);
    if (!found) return std::nullopt;
    text.emplace(std::move(*found), device.address);
    content.body = wire::Sync{wire::SentCopy{peer, id, record.sent_at, text->view({})}};
  } else if (record.kind == ContentKind::personas) {
    known = core_.staging.personas();
    wire::Personas personas;
    if (!fill_personas(personas, record.body, known)) return std::nullopt;
    content.body = wire::Sync{personas};
  } else {
    OPALINE_ASSERT(record.body.size() == kHistoryBodyBytes);
    wire::HistoryPart part;
    part.index = body.u32();
    part.parts = body.u32();
    const std::uint64_t first = body.u64();
    const std::uint64_t last = body.u64();
    if (first <= last) page = core_.staging.history_page({first, last});
    part.entries = page;
    content.body = wire::Sync{part};
  }
  SecretBytes out;
  const auto encoded = wire::encode(out, content);
  OPALINE_ASSERT(encoded.has_value());  // limits were kept when it was queued; pages keep theirs (EndpointStore)
  return out;
}

void Outbox::written_elsewhere(const AccountId& peer, const MessageId& id, Time sent_at, DeviceNumber author) {
  Entry& entry = add(peer, author, ContentKind::written_elsewhere, {}, id, sent_at);
  entry.settled = true;
  core_.staging.put(Table::message_index, id.view(), to_secret_bytes(number_key(entry.record.sequence)));
  for (const EarlyState& early : kEarlyStates)
    if (core_.forget(early.kind, message_key(peer, id))) set_state(entry, early.state, Reason::none);
}

void Outbox::give_up_authors() {
  std::vector<std::uint64_t> orphaned;
  const auto look = [&](const MessageRecord& record) {
    if (record.kind == ContentKind::written_elsewhere && record.state == MessageState::queued &&
        record.only != DeviceNumber{0} && core_.own_list.find(record.only) == nullptr)
      orphaned.push_back(record.sequence);
  };
  for (const auto& [sequence, entry] : entries_)
    if (!entry.gone) look(entry.record);
  core_.staging.for_each(Table::sent, {}, {}, [&](ByteView, ByteView value) {
    MessageRecord record;
    if (decode(value, record)) look(record);
    return true;
  });
  for (const std::uint64_t sequence : orphaned)
    if (Entry* const entry = open(sequence)) set_state(*entry, MessageState::failed, Reason::not_confirmed);
}

void Outbox::remember_state(const AccountId& peer, const MessageId& id, MessageState state) {
  // It may be in the history all the same: a page of another device's brought it, or its record is gone.
  core_.staging.history(RaiseOutgoingState{peer, id, state, core_.now()});
  if (!core_.has_others()) return;
  const auto early = std::ranges::find(kEarlyStates, state, &EarlyState::state);
  OPALINE_ASSERT(early != kEarlyStates.end());
  const Bytes key = message_key(peer, id);
  if (core_.seen(early->kind, key)) return;
  // Anybody can say things of texts that there never were.
  const auto [count, first] = peers_.get(peer).early_states.try_emplace(early->kind, kMaxEarlyStates);
  if (count->second >= kMaxEarlyStates) count->second = core_.keep_few(early->kind, peer.view(), kMaxEarlyStates);
  ++count->second;
  core_.remember(early->kind, key, core_.now() + kSeenFor);
}

void Outbox::state_elsewhere(const AccountId& peer, const MessageId& id, MessageState state) {
  Entry* const entry = open_by_message(id);
  if (entry == nullptr) return remember_state(peer, id, state);
  if (entry->record.peer != peer || entry->record.kind != ContentKind::written_elsewhere) return;
  set_state(*entry, state, Reason::none);
}

}  // namespace opaline::endpoint::internal
