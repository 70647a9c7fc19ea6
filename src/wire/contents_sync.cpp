// What the devices of one account tell each other.
#include "wire/internal/content_fields.hpp"

namespace opaline::wire::internal {
namespace {

// ---- message ids

bool encode_ids(pb_ostream_t* stream, const pb_field_t* field, void* const* arg) {
  const auto& messages = *static_cast<const MessageIds*>(*arg);
  for (std::size_t i = 0; i < messages.count; ++i) {
    const auto id = messages.ids[i].view();
    if (!pb_encode_tag_for_field(stream, field)) return false;
    if (!pb_encode_string(stream, reinterpret_cast<const pb_byte_t*>(id.data()), id.size())) return false;
  }
  return true;
}
pb_callback_t ids_encoder(const MessageIds& messages) {
  return {.funcs = {.encode = encode_ids}, .arg = const_cast<MessageIds*>(&messages)};
}
auto ids_reader(ByteView input, MessageIds& out) {
  return Each{input, [&out](ByteView element) {
                const auto id = MessageId::from(element);
                if (!id || out.count == kMaxSyncIds) return false;
                out.ids[out.count++] = *id;
                return true;
              }};
}

// ---- encoding: one a body

void fill_sent(opaline_content_v1_Sent& out, const SentCopy& body) {
  put(out.peer, body.peer.view());
  put(out.message_id, body.message.view());
  out.sent_at_ms = to_wire(body.sent_at);
  out.text = part_encoder<fill_text>(body.text);
}
void fill_states(opaline_content_v1_States& out, const StateMarks& body) {
  put(out.peer, body.peer.view());
  out.state = static_cast<opaline_content_v1_States_State>(body.state);
  out.message_ids = ids_encoder(body.messages);
}
void fill_reads(opaline_content_v1_Reads& out, const ReadMarks& body) {
  put(out.peer, body.peer.view());
  out.message_ids = ids_encoder(body.messages);
}
void fill_deleted(opaline_content_v1_Deleted& out, const Deletion& body) {
  put(out.peer, body.peer.view());
  out.message_ids = ids_encoder(body.messages);
  out.through_ms = to_wire(body.through);
}
void fill_contact(opaline_content_v1_Contact& out, const Contact& contact) {
  put(out.account, contact.account.view());
  out.handle = encoder(contact.handle);
  out.account_key_hash = encoder(contact.account_key_hash);
  out.verified = contact.verified;
  out.blocked = contact.blocked;
  out.accepted = contact.accepted;
  out.changed_at_ms = to_wire(contact.changed_at);
  out.active_at_ms = to_wire(contact.active_at);
}
bool encode_contacts(pb_ostream_t* stream, const pb_field_t* field, void* const* arg) {
  const auto& body = *static_cast<const Contacts*>(*arg);
  for (std::size_t i = 0; i < body.count; ++i) {
    if (!encode_part<fill_contact>(stream, field, body.contacts[i])) return false;
  }
  return true;
}
void fill_contacts(opaline_content_v1_Contacts& out, const Contacts& body) {
  out.contacts = {.funcs = {.encode = encode_contacts}, .arg = const_cast<Contacts*>(&body)};
}
void fill_device(opaline_content_v1_DeviceInfo& out, const DeviceInfo& body) {
  out.name = encoder(body.name);
  out.primary = body.primary;
}
void fill_history_request(opaline_content_v1_HistoryRequest& out, const HistoryRequest& body) {
  out.since_ms = to_wire(body.since);
}
void fill_history_part(opaline_content_v1_HistoryPart& out, const HistoryPart& body) {
  out.index = body.index;
  out.parts = body.parts;
  out.entries = encoder(body.entries);
}

void fill_persona(opaline_content_v1_Persona& out, const PersonaState& persona) {
  put(out.business, persona.business.view());
  out.opaque_id = encoder(persona.opaque_id);
  out.root = encoder(persona.root);
  out.state = static_cast<opaline_content_v1_Persona_State>(persona.state);
  out.changed_at_ms = to_wire(persona.changed_at);
}
bool encode_personas(pb_ostream_t* stream, const pb_field_t* field, void* const* arg) {
  const auto& body = *static_cast<const Personas*>(*arg);
  for (std::size_t i = 0; i < body.count; ++i) {
    if (!encode_part<fill_persona>(stream, field, body.personas[i])) return false;
  }
  return true;
}
void fill_personas(opaline_content_v1_Personas& out, const Personas& body) {
  out.personas = {.funcs = {.encode = encode_personas}, .arg = const_cast<Personas*>(&body)};
}

// ---- decoding: one a body; structure alone

Result<SentCopy, ContentError> read_sent(ByteView bytes) {
  Borrowed text{bytes};
  opaline_content_v1_Sent m{};
  m.text = decoder(text);
  if (!decode(bytes, m) || text.times != 1) return fail(ContentError::malformed);
  SentCopy out{
      .peer = read_id<AccountId>(m.peer), .message = read_id<MessageId>(m.message_id), .sent_at = {}, .text = {}};
  OPALINE_TRY(out.sent_at, read_time(m.sent_at_ms));
  OPALINE_TRY(out.text, read_text(text.view));
  return out;
}

Result<StateMarks, ContentError> read_states(ByteView bytes) {
  StateMarks out;
  auto ids = ids_reader(bytes, out.messages);
  opaline_content_v1_States m{};
  m.message_ids = decoder(ids);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  const std::uint32_t state = number_of(m.state);
  if (state != opaline_content_v1_States_State_SENT && state != opaline_content_v1_States_State_FAILED)
    return fail(ContentError::malformed);
  out.peer = read_id<AccountId>(m.peer);
  out.state = SentState(state);
  return out;
}

Result<ReadMarks, ContentError> read_reads(ByteView bytes) {
  ReadMarks out;
  auto ids = ids_reader(bytes, out.messages);
  opaline_content_v1_Reads m{};
  m.message_ids = decoder(ids);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  out.peer = read_id<AccountId>(m.peer);
  return out;
}

Result<Deletion, ContentError> read_deletion(ByteView bytes) {
  Deletion out;
  auto ids = ids_reader(bytes, out.messages);
  opaline_content_v1_Deleted m{};
  m.message_ids = decoder(ids);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  out.peer = read_id<AccountId>(m.peer);
  OPALINE_TRY(out.through, read_time(m.through_ms));
  return out;
}

Result<Contact, ContentError> read_contact(ByteView bytes) {
  Borrowed handle{bytes}, hash{bytes};
  opaline_content_v1_Contact m{};
  m.handle = decoder(handle);
  m.account_key_hash = decoder(hash);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  Contact out{.account = read_id<AccountId>(m.account),
              .handle = handle.view,
              .account_key_hash = hash.view,
              .verified = m.verified,
              .blocked = m.blocked};
  OPALINE_TRY(out.changed_at, read_time(m.changed_at_ms));
  OPALINE_TRY(out.active_at, read_time(m.active_at_ms));
  out.accepted = m.accepted;
  return out;
}

Result<Contacts, ContentError> read_contacts(ByteView bytes) {
  Contacts out;
  Each contacts{bytes, [&out](ByteView element) {
                  if (out.count == kMaxContacts) return false;
                  const auto contact = read_contact(element);
                  if (!contact) return false;
                  out.contacts[out.count++] = *contact;
                  return true;
                }};
  opaline_content_v1_Contacts m{};
  m.contacts = decoder(contacts);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  return out;
}

Result<DeviceInfo, ContentError> read_device(ByteView bytes) {
  Borrowed name{bytes};
  opaline_content_v1_DeviceInfo m{};
  m.name = decoder(name);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  return DeviceInfo{.name = name.view, .primary = m.primary};
}

Result<HistoryRequest, ContentError> read_history_request(ByteView bytes) {
  opaline_content_v1_HistoryRequest m{};
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  OPALINE_TRY(const Time since, read_time(m.since_ms));
  return HistoryRequest{since};
}

Result<HistoryPart, ContentError> read_history_part(ByteView bytes) {
  Borrowed entries{bytes};
  opaline_content_v1_HistoryPart m{};
  m.entries = decoder(entries);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  return HistoryPart{.index = m.index, .parts = m.parts, .entries = entries.view};
}

Result<PersonaState, ContentError> read_persona(ByteView bytes) {
  Borrowed opaque_id{bytes}, root{bytes};
  opaline_content_v1_Persona m{};
  m.opaque_id = decoder(opaque_id);
  m.root = decoder(root);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  const std::uint32_t state = number_of(m.state);
  if (state < opaline_content_v1_Persona_State_OPEN || state > opaline_content_v1_Persona_State_BLOCKED)
    return fail(ContentError::malformed);
  PersonaState out{.business = read_id<AccountId>(m.business),
                   .opaque_id = opaque_id.view,
                   .root = root.view,
                   .state = PersonaStanding(state)};
  OPALINE_TRY(out.changed_at, read_time(m.changed_at_ms));
  return out;
}

Result<Personas, ContentError> read_personas(ByteView bytes) {
  Personas out;
  Each personas{bytes, [&out](ByteView element) {
                  if (out.count == kMaxPersonas) return false;
                  const auto persona = read_persona(element);
                  if (!persona) return false;
                  out.personas[out.count++] = *persona;
                  return true;
                }};
  opaline_content_v1_Personas m{};
  m.personas = decoder(personas);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  return out;
}

template <class Body>
Result<void, ContentError> read(Sync& out, const Borrowed& field, Result<Body, ContentError> (*read_body)(ByteView)) {
  if (field.times == 0) return {};
  OPALINE_TRY(out.what, read_body(field.view));
  return {};
}

// ---- the rules

Result<void, ContentError> check_id(bool zero) {
  if (zero) return fail(ContentError::malformed);
  return {};
}
Result<void, ContentError> check_ids(const MessageIds& messages, std::size_t at_least) {
  if (messages.count < at_least) return fail(ContentError::malformed);
  if (messages.count > kMaxSyncIds) return fail(ContentError::oversized);
  for (std::size_t i = 0; i < messages.count; ++i) OPALINE_CHECK(check_id(messages.ids[i].is_zero()));
  return {};
}

struct Check {
  using Outcome = Result<void, ContentError>;

  Outcome operator()(const UnknownBody&) const { return {}; }
  Outcome operator()(const SentCopy& body) const {
    OPALINE_CHECK(check_id(body.peer.is_zero() || body.message.is_zero()));
    OPALINE_CHECK(check(body.sent_at));
    return check(body.text);
  }
  Outcome operator()(const StateMarks& body) const {
    OPALINE_CHECK(check_id(body.peer.is_zero()));
    if (body.state != SentState::sent && body.state != SentState::failed) return fail(ContentError::malformed);
    return check_ids(body.messages, 1);
  }
  Outcome operator()(const ReadMarks& body) const {
    OPALINE_CHECK(check_id(body.peer.is_zero()));
    return check_ids(body.messages, 1);
  }
  Outcome operator()(const Deletion& body) const {
    OPALINE_CHECK(check_id(body.peer.is_zero()));
    OPALINE_CHECK(check(body.through));
    return check_ids(body.messages, 0);
  }
  Outcome operator()(const Contact& contact) const {
    OPALINE_CHECK(check_id(contact.account.is_zero()));
    OPALINE_CHECK(check_utf8(contact.handle, kMaxHandleBytes));
    if (!contact.account_key_hash.empty() && contact.account_key_hash.size() != kAttachmentPartBytes)
      return fail(ContentError::malformed);
    OPALINE_CHECK(check(contact.changed_at));
    return check(contact.active_at);
  }
  Outcome operator()(const Contacts& body) const {
    if (body.count == 0) return fail(ContentError::malformed);
    if (body.count > kMaxContacts) return fail(ContentError::oversized);
    for (std::size_t i = 0; i < body.count; ++i) OPALINE_CHECK((*this)(body.contacts[i]));
    return {};
  }
  Outcome operator()(const DeviceInfo& body) const { return check_utf8(body.name, kMaxDeviceNameBytes); }
  Outcome operator()(const HistoryRequest& body) const { return check(body.since); }
  Outcome operator()(const HistoryPart& body) const {
    if (body.index >= body.parts) return fail(ContentError::malformed);
    if (body.entries.size() > kMaxHistoryPartBytes) return fail(ContentError::oversized);
    return {};
  }
  Outcome operator()(const PersonaState& persona) const {
    OPALINE_CHECK(check_id(persona.business.is_zero()));
    if (persona.opaque_id.size() != kOpaqueIdBytes || persona.root.size() != kPersonaRootBytes)
      return fail(ContentError::malformed);
    if (persona.state < PersonaStanding::open || persona.state > PersonaStanding::blocked)
      return fail(ContentError::malformed);
    return check(persona.changed_at);
  }
  Outcome operator()(const Personas& body) const {
    if (body.count == 0) return fail(ContentError::malformed);
    if (body.count > kMaxPersonas) return fail(ContentError::oversized);
    for (std::size_t i = 0; i < body.count; ++i) OPALINE_CHECK((*this)(body.personas[i]));
    return {};
  }
};

}  // namespace

void fill_sync(opaline_content_v1_Sync& out, const Sync& sync) {
  struct Visitor {
    opaline_content_v1_Sync& m;
    void operator()(const UnknownBody&) const {}
    void operator()(const SentCopy& body) const { m.sent = part_encoder<fill_sent>(body); }
    void operator()(const StateMarks& body) const { m.states = part_encoder<fill_states>(body); }
    void operator()(const ReadMarks& body) const { m.reads = part_encoder<fill_reads>(body); }
    void operator()(const Deletion& body) const { m.deleted = part_encoder<fill_deleted>(body); }
    void operator()(const Contacts& body) const { m.contacts = part_encoder<fill_contacts>(body); }
    void operator()(const DeviceInfo& body) const { m.device = part_encoder<fill_device>(body); }
    void operator()(const HistoryRequest& body) const { m.history_request = part_encoder<fill_history_request>(body); }
    void operator()(const HistoryPart& body) const { m.history_part = part_encoder<fill_history_part>(body); }
    void operator()(const Personas& body) const { m.personas = part_encoder<fill_personas>(body); }
  };
  std::visit(Visitor{out}, sync.what);
}

Result<Sync, ContentError> read_sync(ByteView bytes) {
  Borrowed sent{bytes}, states{bytes}, reads{bytes}, deleted{bytes}, contacts{bytes}, device{bytes}, request{bytes},
      part{bytes}, personas{bytes};
  opaline_content_v1_Sync m{};
  m.sent = decoder(sent);
  m.states = decoder(states);
  m.reads = decoder(reads);
  m.deleted = decoder(deleted);
  m.contacts = decoder(contacts);
  m.device = decoder(device);
  m.history_request = decoder(request);
  m.history_part = decoder(part);
  m.personas = decoder(personas);
  if (!decode(bytes, m)) return fail(ContentError::malformed);
  const std::size_t bodies = sent.times + states.times + reads.times + deleted.times + contacts.times + device.times +
                             request.times + part.times + personas.times;
  if (bodies > 1) return fail(ContentError::malformed);
  Sync out;
  OPALINE_CHECK(read(out, sent, read_sent));
  OPALINE_CHECK(read(out, states, read_states));
  OPALINE_CHECK(read(out, reads, read_reads));
  OPALINE_CHECK(read(out, deleted, read_deletion));
  OPALINE_CHECK(read(out, contacts, read_contacts));
  OPALINE_CHECK(read(out, device, read_device));
  OPALINE_CHECK(read(out, request, read_history_request));
  OPALINE_CHECK(read(out, part, read_history_part));
  OPALINE_CHECK(read(out, personas, read_personas));
  return out;
}

Result<void, ContentError> check(const Sync& sync) {
  return std::visit(Check{}, sync.what);
}

}  // namespace opaline::wire::internal
