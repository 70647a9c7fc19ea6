#pragma once
// An EndpointStore in memory, for tests and the simulator. What is committed survives `crash` of an Endpoint (which is:
// destroying the Endpoint and loading another from the same store); failures are injected; copies of the whole store
// play a backup that is restored.
#include <algorithm>
#include <map>
#include <set>

#include "base/codec.hpp"
#include "endpoint/endpoint_store.hpp"

namespace opaline::endpoint {

class MemoryEndpointStore final : public EndpointStore {
 public:
  struct Outgoing {
    OutgoingMessage message;
    MessageState state = MessageState::queued;
    Reason reason = Reason::none;
  };
  struct History {
    std::vector<Outgoing> outgoing;         ///< in the order of sending
    std::vector<IncomingMessage> incoming;  ///< in the order of delivery
    std::vector<AddNotice> notices;
    std::vector<AddContact> contacts;            ///< that other devices told of, or a test put here
    std::map<AccountId, PersonaState> personas;  ///< by business
    // What AddHistory does not bring back.
    std::set<std::pair<AccountId, MessageId>> deleted;
    std::map<AccountId, Time> deleted_through;
    [[nodiscard]] const Outgoing* find(const MessageId& id) const {
      const auto it =
          std::find_if(outgoing.begin(), outgoing.end(), [&](const Outgoing& o) { return o.message.id == id; });
      return it == outgoing.end() ? nullptr : &*it;
    }
  };
  /// Everything that a backup holds.
  struct Contents {
    std::map<std::pair<Table, Bytes>, SecretBytes> rows;
    History history;
  };

  [[nodiscard]] Result<std::optional<SecretBytes>, StoreError> get(Table table, ByteView key) override {
    if (fail_reads) return fail(StoreError::failed);
    const auto it = contents_.rows.find({table, to_bytes(key)});
    if (it == contents_.rows.end()) return std::nullopt;
    return it->second;
  }

  [[nodiscard]] Result<std::vector<Row>, StoreError> scan(Table table, ByteView prefix, ByteView after,
                                                          std::size_t limit) override {
    if (fail_reads) return fail(StoreError::failed);
    std::vector<Row> out;
    const Bytes begin = std::max(to_bytes(prefix), to_bytes(after));
    for (auto it = contents_.rows.lower_bound({table, begin}); it != contents_.rows.end() && out.size() < limit; ++it) {
      const Bytes& key = it->first.second;
      if (it->first.first != table) break;
      if (key.size() < prefix.size() || !equal(ByteView(key).first(prefix.size()), prefix)) break;
      if (!after.empty() && equal(key, after)) continue;
      out.push_back({key, it->second});
    }
    return out;
  }

  [[nodiscard]] Result<std::optional<MessageBody>, StoreError> outgoing(const MessageId& id) override {
    if (fail_reads) return fail(StoreError::failed);
    const Outgoing* const found = contents_.history.find(id);
    if (found == nullptr || deleted.contains(id)) return std::nullopt;
    return found->message.body;
  }

  // A page is one message: outgoing ones first, then incoming ones.
  [[nodiscard]] Result<std::vector<HistoryPage>, StoreError> history_pages(Time since) override {
    if (fail_reads) return fail(StoreError::failed);
    std::vector<HistoryPage> out;
    const auto& h = contents_.history;
    for (std::uint64_t i = 0; i < h.outgoing.size() + h.incoming.size(); ++i) {
      const Time at =
          i < h.outgoing.size() ? h.outgoing[i].message.sent_at : h.incoming[i - h.outgoing.size()].received_at;
      if (at >= since) out.push_back({i, i});
    }
    return out;
  }
  [[nodiscard]] Result<SecretBytes, StoreError> history_page(const HistoryPage& page) override {
    if (fail_reads) return fail(StoreError::failed);
    const auto& h = contents_.history;
    Bytes out;
    Writer to(out);
    if (page.first < h.outgoing.size()) {
      const Outgoing& o = h.outgoing[page.first];
      to.u8(2).u8(static_cast<std::uint8_t>(o.state)).bytes(o.message.peer.view()).bytes(o.message.id.view()).u32(0);
      to.u64(static_cast<std::uint64_t>(unix_millis(o.message.sent_at)))
          .bytes32(o.message.body.text)
          .bytes32(o.message.body.part);
    } else if (page.first < h.outgoing.size() + h.incoming.size()) {
      const IncomingMessage& m = h.incoming[page.first - h.outgoing.size()];
      to.u8(1).u8(0).bytes(m.sender.account.view()).bytes(m.id.view()).u32(static_cast<std::uint32_t>(m.sender.device));
      to.u64(static_cast<std::uint64_t>(unix_millis(m.sent_at))).bytes32(m.body.text).bytes32(m.body.part);
    }
    return to_secret_bytes(out);
  }
  [[nodiscard]] Result<std::vector<AddContact>, StoreError> contacts() override {
    if (fail_reads) return fail(StoreError::failed);
    std::map<AccountId, AddContact> out;
    for (const AddContact& c : contents_.history.contacts) out[c.account] = c;
    for (const Outgoing& o : contents_.history.outgoing) out[o.message.peer].account = o.message.peer;
    for (const IncomingMessage& m : contents_.history.incoming) out[m.sender.account].account = m.sender.account;
    std::vector<AddContact> list;
    for (const auto& [account, contact] : out) list.push_back(contact);
    return list;
  }

  [[nodiscard]] Result<std::vector<PersonaState>, StoreError> personas() override {
    if (fail_reads) return fail(StoreError::failed);
    std::vector<PersonaState> out;
    for (const auto& [business, persona] : contents_.history.personas) out.push_back(persona);
    return out;
  }

  [[nodiscard]] Result<void, StoreError> commit(Batch batch) override {
    ++commits;
    const bool fails = fail_commits > 0;
    if (fails) {
      --fail_commits;
      if (!apply_failed) return fail(failure);
    }
    for (RowChange& change : batch.rows) {
      if (change.value) {
        contents_.rows[{change.table, std::move(change.key)}] = std::move(*change.value);
      } else {
        contents_.rows.erase({change.table, change.key});
      }
    }
    for (HistoryChange& change : batch.history) std::visit([this](auto& c) { apply(c); }, change);
    if (fails) return fail(failure);
    return {};
  }

  [[nodiscard]] const Contents& contents() const { return contents_; }
  [[nodiscard]] const History& history() const { return contents_.history; }
  /// As a lookup of the application would.
  void know(AddContact contact) { contents_.history.contacts.push_back(std::move(contact)); }
  /// What a backup program would write, and what restoring it brings.
  [[nodiscard]] Contents backup() const { return contents_; }
  void restore(Contents contents) { contents_ = std::move(contents); }
  [[nodiscard]] std::size_t rows(Table table) const {
    return static_cast<std::size_t>(std::count_if(contents_.rows.begin(), contents_.rows.end(),
                                                  [&](const auto& row) { return row.first.first == table; }));
  }

  bool fail_reads = false;
  std::size_t fail_commits = 0;  ///< so many of the next commits fail ...
  StoreError failure = StoreError::failed;
  bool apply_failed = false;  ///< ... but their batch is there all the same, as after a crash between write and answer
  std::size_t commits = 0;
  std::set<MessageId> deleted;  ///< texts that the person deleted

 private:
  void apply(AddOutgoing& change) {
    // One of another device may be here already, in a page of the history.
    const bool known = change.message.device != DeviceNumber{} && contents_.history.find(change.message.id) != nullptr;
    if (!known) contents_.history.outgoing.push_back({std::move(change.message)});
  }
  void apply(const SetOutgoingState& change) {
    for (Outgoing& outgoing : contents_.history.outgoing) {
      if (outgoing.message.id != change.id) continue;
      outgoing.state = change.state;
      outgoing.reason = change.reason;
    }
  }
  void apply(const RaiseOutgoingState& change) {
    for (Outgoing& outgoing : contents_.history.outgoing) {
      if (outgoing.message.id != change.id || outgoing.message.peer != change.peer) continue;
      const bool receipt = change.state == MessageState::delivered || change.state == MessageState::read;
      const bool failed = outgoing.state == MessageState::failed;
      const bool rises = receipt ? failed || outgoing.state < change.state : outgoing.state == MessageState::queued;
      if (!rises) continue;
      outgoing.state = change.state;
      outgoing.reason = Reason::none;
    }
  }
  void apply(AddIncoming& change) {
    if (!has(change.message.sender.account, change.message.id))
      contents_.history.incoming.push_back(std::move(change.message));
  }
  void apply(const AddNotice& change) { contents_.history.notices.push_back(change); }
  void apply(const MarkRead& change) {
    for (IncomingMessage& m : contents_.history.incoming)
      if (m.sender.account == change.peer && among(change.ids, m.id)) m.read = true;
  }
  void apply(const DeleteMessages& change) {
    auto& h = contents_.history;
    for (const MessageId& id : change.ids) h.deleted.insert({change.peer, id});
    std::erase_if(h.incoming,
                  [&](const auto& m) { return m.sender.account == change.peer && among(change.ids, m.id); });
    std::erase_if(h.outgoing,
                  [&](const auto& o) { return o.message.peer == change.peer && among(change.ids, o.message.id); });
  }
  void apply(const DeleteConversation& change) {
    auto& h = contents_.history;
    Time& through = h.deleted_through[change.peer];
    through = std::max(through, change.through);
    std::erase_if(h.incoming,
                  [&](const auto& m) { return m.sender.account == change.peer && m.sent_at <= change.through; });
    std::erase_if(h.outgoing,
                  [&](const auto& o) { return o.message.peer == change.peer && o.message.sent_at <= change.through; });
  }
  void apply(const AddPersona& change) {
    const auto [known, fresh] = contents_.history.personas.try_emplace(change.persona.business, change.persona);
    if (!fresh && is_later(change.persona, known->second)) known->second = change.persona;
  }
  void apply(const AddContact& change) { contents_.history.contacts.push_back(change); }
  void apply(const AddHistory& change) {
    if (change.entries.empty()) return;
    Reader in(change.entries);
    const bool is_outgoing = in.u8() == 2;
    const MessageState state{in.u8()};
    const AccountId peer(in.array<AccountId::kSize>());
    const MessageId id(in.array<MessageId::kSize>());
    const DeviceNumber device{in.u32()};
    const Time at = from_unix_millis(static_cast<std::int64_t>(in.u64()));
    const SecretBytes text = to_secret_bytes(in.bytes32());
    const SecretBytes part = to_secret_bytes(in.bytes32());
    auto& h = contents_.history;
    const auto through = h.deleted_through.find(peer);
    if (h.deleted.contains({peer, id}) || (through != h.deleted_through.end() && at <= through->second)) return;
    if (is_outgoing && h.find(id) == nullptr) h.outgoing.push_back({{id, peer, {text, {}, part}, at}, state});
    if (!is_outgoing && !has(peer, id))
      h.incoming.push_back({.id = id,
                            .sender = {peer, device},
                            .sent_at = at,
                            .received_at = at,
                            .body = {text, {}, part},
                            .sender_handle = {},
                            .late = true});
  }
  [[nodiscard]] bool has(const AccountId& peer, const MessageId& id) const {
    const auto& all = contents_.history.incoming;
    return std::any_of(all.begin(), all.end(), [&](const auto& m) { return m.sender.account == peer && m.id == id; });
  }
  static bool among(const std::vector<MessageId>& ids, const MessageId& id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  }

  Contents contents_;
};

}  // namespace opaline::endpoint
