#include "endpoint/internal/records.hpp"

#include "base/codec.hpp"

namespace opaline::endpoint::internal {
namespace {

// Writer and Reader with the vocabulary of these rows.
class Out {
 public:
  Out() : writer_(bytes_) { writer_.u8(kRecordVersion); }
  Out& flag(bool value) { return u8(value ? 1 : 0); }
  Out& u8(std::uint8_t value) {
    writer_.u8(value);
    return *this;
  }
  Out& u32(std::uint32_t value) {
    writer_.u32(value);
    return *this;
  }
  Out& u64(std::uint64_t value) {
    writer_.u64(value);
    return *this;
  }
  Out& time(Time value) { return u64(static_cast<std::uint64_t>(unix_millis(value))); }
  Out& raw(ByteView value) {
    writer_.bytes(value);
    return *this;
  }
  Out& text(ByteView value) {
    writer_.bytes32(value);
    return *this;
  }
  Out& count(std::size_t value) { return u32(static_cast<std::uint32_t>(value)); }
  [[nodiscard]] SecretBytes take() { return to_secret_bytes(bytes_); }

 private:
  Bytes bytes_;
  Writer writer_;
};

class In {
 public:
  explicit In(ByteView bytes) : reader_(bytes) {
    version_ = reader_.u8();
    good_ = version_ >= 1 && version_ <= kRecordVersion;
  }
  [[nodiscard]] std::uint8_t version() const { return version_; }
  void flag(bool& out) {
    const std::uint8_t value = reader_.u8();
    good_ = good_ && value <= 1;
    out = value == 1;
  }
  void u8(std::uint8_t& out) { out = reader_.u8(); }
  template <class Enum>
  void small_enum(Enum& out, Enum last) {
    const std::uint8_t value = reader_.u8();
    good_ = good_ && value <= static_cast<std::uint8_t>(last);
    out = static_cast<Enum>(value);
  }
  template <class Number>
  void u32(Number& out) {
    out = static_cast<Number>(reader_.u32());
  }
  void u64(std::uint64_t& out) { out = reader_.u64(); }
  void time(Time& out) { out = from_unix_millis(static_cast<std::int64_t>(reader_.u64())); }
  template <class Id>
  void id(Id& out) {
    out = Id(reader_.array<Id::kSize>());
  }
  template <std::size_t N>
  void array(ByteArray<N>& out) {
    out = reader_.array<N>();
  }
  void text(Bytes& out) { out = to_bytes(reader_.bytes32()); }
  /// How many items of at least `item_bytes` follow; never more than the rest can hold.
  std::size_t count(std::size_t item_bytes) {
    const std::size_t value = reader_.u32();
    if (value > reader_.left() / item_bytes) {
      good_ = false;
      return 0;
    }
    return value;
  }
  ByteView rest() { return reader_.rest(); }
  [[nodiscard]] bool finished() const { return good_ && reader_.finished(); }

 private:
  Reader reader_;
  std::uint8_t version_ = 0;
  bool good_ = true;
};

}  // namespace

SecretBytes encode(const OwnRecord& r) {
  return Out()
      .raw(r.enrolment.account.view())
      .u32(static_cast<std::uint32_t>(r.enrolment.device))
      .raw(r.enrolment.mailbox.view())
      .flag(r.registered)
      .text(r.signed_list)
      .take();
}
bool decode(ByteView bytes, OwnRecord& r) {
  In in(bytes);
  in.id(r.enrolment.account);
  in.u32(r.enrolment.device);
  in.id(r.enrolment.mailbox);
  in.flag(r.registered);
  in.text(r.signed_list);
  return in.finished();
}

SecretBytes encode(const LedgerRecord& r) {
  return Out()
      .u64(r.next_sequence)
      .u64(r.next_parked)
      .u64(r.next_use)
      .time(r.last_sent_at)
      .time(r.next_probe)
      .flag(r.receipts)
      .text(r.handle)
      .text(r.name)
      .time(r.told_at)
      .time(r.caught_up_at)
      .u8(static_cast<std::uint8_t>(r.history_wanted))
      .time(r.heard_at)
      .flag(r.missed_again)
      .time(r.missed_since)
      .take();
}
bool decode(ByteView bytes, LedgerRecord& r) {
  In in(bytes);
  in.u64(r.next_sequence);
  in.u64(r.next_parked);
  in.u64(r.next_use);
  in.time(r.last_sent_at);
  in.time(r.next_probe);
  in.flag(r.receipts);
  in.text(r.handle);
  if (in.version() >= 2) {
    in.text(r.name);
    in.time(r.told_at);
    in.time(r.caught_up_at);
    in.small_enum(r.history_wanted, HistoryWanted::all);
    in.time(r.heard_at);
  }
  if (in.version() >= 3) in.flag(r.missed_again);
  if (in.version() >= 4) in.time(r.missed_since);
  return in.finished();
}

SecretBytes encode(const PrekeyRecord& r) {
  return Out()
      .u32(static_cast<std::uint32_t>(r.id))
      .time(r.created)
      .time(r.offered_until)
      .flag(r.uploaded)
      .text(r.signed_set)
      .text(r.one_time_batch)
      .take();
}
bool decode(ByteView bytes, PrekeyRecord& r) {
  In in(bytes);
  in.u32(r.id);
  in.time(r.created);
  in.time(r.offered_until);
  in.flag(r.uploaded);
  in.text(r.signed_set);
  in.text(r.one_time_batch);
  return in.finished();
}

SecretBytes encode(const OrphanRecord& r) {
  Out out;
  out.count(r.orphans.size());
  for (const Orphan& o : r.orphans) out.raw(o.tag.view()).raw(o.envelope.view()).time(o.received_at).u8(o.asked);
  return out.take();
}
bool decode(ByteView bytes, OrphanRecord& r) {
  In in(bytes);
  r.orphans.resize(in.count(session::SessionTag::kSize + EnvelopeId::kSize + 8 + 1));
  for (Orphan& o : r.orphans) {
    in.id(o.tag);
    in.id(o.envelope);
    in.time(o.received_at);
    in.u8(o.asked);
  }
  return in.finished();
}

SecretBytes encode(const NextListRecord& r) {
  return Out().text(r.signed_list).text(r.exchange).text(r.signed_set).text(r.one_time_batch).take();
}
bool decode(ByteView bytes, NextListRecord& r) {
  In in(bytes);
  in.text(r.signed_list);
  in.text(r.exchange);
  in.text(r.signed_set);
  in.text(r.one_time_batch);
  return in.finished();
}

SecretBytes encode(const OwnDeviceRecord& r) {
  return Out().text(r.name).flag(r.primary).time(r.last_seen).time(r.history_at).take();
}
bool decode(ByteView bytes, OwnDeviceRecord& r) {
  In in(bytes);
  in.text(r.name);
  in.flag(r.primary);
  in.time(r.last_seen);
  in.time(r.history_at);
  return in.finished();
}

SecretBytes encode(const PeerRecord& r) {
  return Out()
      .text(r.pinned)
      .text(r.candidate)
      .flag(r.verified)
      .flag(r.verify_again)
      .flag(r.met)
      .text(r.renewal_token)
      .raw(r.noticed.view())
      .flag(r.blocked)
      .time(r.changed_at)
      .u32(static_cast<std::uint32_t>(r.told_list))
      .raw(r.told_key.view())
      .raw(r.accepted_key.view())
      .take();
}
bool decode(ByteView bytes, PeerRecord& r) {
  In in(bytes);
  in.text(r.pinned);
  in.text(r.candidate);
  in.flag(r.verified);
  in.flag(r.verify_again);
  in.flag(r.met);
  in.text(r.renewal_token);
  in.id(r.noticed);
  if (in.version() >= 2) {
    in.flag(r.blocked);
    in.time(r.changed_at);
    in.u32(r.told_list);
    in.id(r.told_key);
    in.id(r.accepted_key);
  }
  return in.finished();
}

SecretBytes encode(const DeviceRecord& r) {
  Out out;
  out.raw(r.token).time(r.token_at).raw(r.sending.view()).flag(r.open_new).time(r.newer_list_at).time(r.last_use);
  out.time(r.newest_sent_at);
  out.count(r.sessions.size());
  for (const SessionReference& s : r.sessions)
    out.raw(s.hash.view()).time(s.answer_by).u64(s.last_use).time(s.unanswered_since).flag(s.failed);
  out.count(r.heals.size());
  for (const Time t : r.heals) out.time(t);
  out.time(r.owed_since);
  out.count(r.lost.size());
  for (const LostMessage& m : r.lost)
    out.raw(m.tag.view()).raw(m.envelope.view()).time(m.received_at).time(m.asked_at).u8(m.asked);
  out.raw(r.slow.view());
  return out.take();
}
bool decode(ByteView bytes, DeviceRecord& r) {
  In in(bytes);
  in.array(r.token);
  in.time(r.token_at);
  in.id(r.sending);
  in.flag(r.open_new);
  in.time(r.newer_list_at);
  in.time(r.last_use);
  in.time(r.newest_sent_at);
  r.sessions.resize(in.count(session::HandshakeHash::kSize + 8 + 8 + 8 + 1));
  for (SessionReference& s : r.sessions) {
    in.id(s.hash);
    in.time(s.answer_by);
    in.u64(s.last_use);
    in.time(s.unanswered_since);
    in.flag(s.failed);
  }
  r.heals.resize(in.count(8));
  for (Time& t : r.heals) in.time(t);
  if (in.version() >= 2) in.time(r.owed_since);
  if (in.version() >= 3) {
    r.lost.resize(in.count(session::SessionTag::kSize + EnvelopeId::kSize + 8 + 8 + 1));
    for (LostMessage& m : r.lost) {
      in.id(m.tag);
      in.id(m.envelope);
      in.time(m.received_at);
      in.time(m.asked_at);
      in.u8(m.asked);
    }
    in.id(r.slow);
  }
  return in.finished();
}

SecretBytes encode(const SessionRow& r) {
  Out out;
  out.count(r.tags.size());
  for (const session::SessionTag& tag : r.tags) out.raw(tag.view());
  // The state itself is secret: it never goes through a buffer that is not wiped.
  SecretBytes row = out.take();
  row.insert(row.end(), r.state.begin(), r.state.end());
  return row;
}
bool decode(ByteView bytes, SessionRow& r) {
  In in(bytes);
  r.tags.resize(in.count(session::SessionTag::kSize));
  for (session::SessionTag& tag : r.tags) in.id(tag);
  r.state = in.rest();
  return in.finished();
}

SecretBytes encode(const MessageRecord& r) {
  Out out;
  out.u64(r.sequence)
      .raw(r.id.view())
      .raw(r.peer.view())
      .u8(static_cast<std::uint8_t>(r.kind))
      .time(r.sent_at)
      .time(r.queued_at);
  out.u32(static_cast<std::uint32_t>(r.list_number)).u32(static_cast<std::uint32_t>(r.only));
  out.u8(static_cast<std::uint8_t>(r.state)).u8(static_cast<std::uint8_t>(r.reason)).text(r.body);
  out.count(r.deliveries.size());
  for (const Delivery& d : r.deliveries) {
    out.u32(static_cast<std::uint32_t>(d.device)).u8(static_cast<std::uint8_t>(d.state)).u8(d.resends);
    out.flag(d.delivered).flag(d.full).raw(d.identity.view()).raw(d.session.view()).count(d.envelopes.size());
    for (const EnvelopeId& id : d.envelopes) out.raw(id.view());
  }
  return out.take();
}
bool decode(ByteView bytes, MessageRecord& r) {
  In in(bytes);
  in.u64(r.sequence);
  in.id(r.id);
  in.id(r.peer);
  in.small_enum(r.kind, ContentKind::personas);
  in.time(r.sent_at);
  in.time(r.queued_at);
  in.u32(r.list_number);
  in.u32(r.only);
  in.small_enum(r.state, MessageState::failed);
  in.small_enum(r.reason, Reason::closed);
  in.text(r.body);
  r.deliveries.resize(in.count(4 + 1 + 1 + 1 + 1 + session::IdentityHash::kSize + session::HandshakeHash::kSize + 4));
  for (Delivery& d : r.deliveries) {
    in.u32(d.device);
    in.small_enum(d.state, DeliveryState::gone);
    in.u8(d.resends);
    in.flag(d.delivered);
    in.flag(d.full);
    in.id(d.identity);
    in.id(d.session);
    d.envelopes.resize(in.count(EnvelopeId::kSize));
    for (EnvelopeId& id : d.envelopes) in.id(id);
  }
  return in.finished();
}

SecretBytes encode(const ParkedRecord& r) {
  return Out().raw(r.claimed.view()).raw(r.envelope.view()).time(r.received_at).text(r.ciphertext).take();
}
bool decode(ByteView bytes, ParkedRecord& r) {
  In in(bytes);
  in.id(r.claimed);
  in.id(r.envelope);
  in.time(r.received_at);
  in.text(r.ciphertext);
  return in.finished();
}

Bytes number_key(std::uint64_t number) {
  Bytes key;
  Writer(key).u64(number);
  return key;
}
Bytes set_key(session::PrekeySetId id) {
  Bytes key;
  Writer(key).u32(static_cast<std::uint32_t>(id));
  return key;
}
Bytes one_time_key(session::PrekeySetId id, session::OneTimeIndex index) {
  Bytes key;
  Writer(key).u32(static_cast<std::uint32_t>(id)).u16(static_cast<std::uint16_t>(index));
  return key;
}
Bytes earlier_list_key(std::uint32_t number) {
  Bytes key = to_bytes(as_view(kEarlierListKey));
  Writer(key).u32(number);
  return key;
}
Bytes own_device_key(DeviceNumber number) {
  Bytes key;
  Writer(key).u32(static_cast<std::uint32_t>(number));
  return key;
}

Bytes message_key(const AccountId& peer, const MessageId& id) {
  Bytes key = to_bytes(peer.view());
  append(key, id.view());
  return key;
}
Bytes device_key(const session::DeviceAddress& device) {
  Bytes key;
  Writer(key).bytes(device.account.view()).u32(static_cast<std::uint32_t>(device.device));
  return key;
}

}  // namespace opaline::endpoint::internal
