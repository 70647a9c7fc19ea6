#pragma once
// Bodies of every kind at their smallest and largest, for the tests of contents.
#include <algorithm>
#include <deque>

#include "base/random.hpp"
#include "second/content.pb.h"
#include "wire/contents.hpp"

namespace opaline::wire::testing {

namespace second = opaline::content::v1;  // libprotobuf's reading of the same proto file
using Body = decltype(Content::body);

/// Owns what views of its bodies borrow.
class Bodies {
 public:
  explicit Bodies(std::uint64_t seed) : random_(seed) {}

  Content content(Body body) {
    return {.message = random_.id<MessageId>(),
            .list_number = ListNumber(3),
            .own_list_number = ListNumber(9),
            .sent_at = from_unix_millis(1'800'000'000'123),
            .body = std::move(body)};
  }
  Content sync(decltype(Sync::what) what) { return content(Sync{std::move(what)}); }

  /// `size` bytes of anything.
  ByteView bytes(std::size_t size) {
    Bytes& out = kept_.emplace_back(size);
    random_.fill(out);
    return out;
  }
  /// `size` bytes of UTF-8 and of a file name.
  ByteView text(std::size_t size) { return kept_.emplace_back(size, std::byte{'x'}); }
  ByteView text(std::string_view from) { return kept_.emplace_back(to_bytes(from)); }

  Attachment attachment(bool largest) {
    return {.blob = bytes(32),
            .key = bytes(32),
            .sha256 = bytes(32),
            .size_bytes = largest ? kMaxAttachmentBytes : 1,
            .name = text(largest ? kMaxFileNameBytes : 1),
            .type = text(largest ? kMaxMediaTypeBytes : 0),
            .release = bytes(32)};
  }
  Text largest_text() {
    Text out{text(kMaxTextBytes), text(kMaxHandleBytes)};
    for (auto& a : out.attachments) a = attachment(true);
    out.attachment_count = kMaxAttachments;
    return out;
  }
  MessageIds ids(std::size_t count) {
    MessageIds out{.ids = {}, .count = count};
    for (std::size_t i = 0; i < std::min(count, out.ids.size()); ++i) out.ids[i] = random_.id<MessageId>();
    return out;
  }
  AccountId account() { return random_.id<AccountId>(); }
  MessageId message() { return random_.id<MessageId>(); }
  Contact contact(bool largest) {
    if (!largest) return {.account = account(), .handle = {}, .account_key_hash = {}};
    return {.account = account(),
            .handle = text(kMaxHandleBytes),
            .account_key_hash = bytes(32),
            .verified = true,
            .blocked = true,
            .changed_at = latest(),
            .active_at = latest()};
  }
  PersonaState persona(bool largest) {
    return {.business = account(),
            .opaque_id = bytes(kOpaqueIdBytes),
            .root = bytes(kPersonaRootBytes),
            .state = largest ? PersonaStanding::blocked : PersonaStanding::open,
            .changed_at = largest ? latest() : Time{}};
  }
  /// The most that stands beside and in a text.
  Text largest_beside_part() {
    Text out = largest_text();
    out.utf8 = text(kMaxTextAndPartBytes - kMaxPartBytes);
    out.part = bytes(kMaxPartBytes);
    return out;
  }
  static Time latest() { return from_unix_millis(INT64_MAX); }

  std::vector<Content> smallest() {
    Text file{};
    file.attachments[0] = attachment(false);
    file.attachment_count = 1;
    Contacts contacts{.contacts = {}, .count = 1};
    contacts.contacts[0] = contact(false);
    Personas personas{.personas = {}, .count = 1};
    personas.personas[0] = persona(false);
    return {content(UnknownBody{}),
            content(Text{text(1), {}}),
            content(file),
            content(Text{.utf8 = {}, .sender_handle = {}, .part = bytes(1)}),
            content(Receipt{.kind = ReceiptKind::delivered, .ids = ids(1).ids, .count = 1}),
            content(Retry{random_.id<EnvelopeId>(), {}, 0}),
            content(NewerList{bytes(1)}),
            content(Typing{false}),
            content(SessionHello{}),
            sync(UnknownBody{}),
            sync(SentCopy{account(), message(), {}, Text{text(1), {}}}),
            sync(StateMarks{account(), SentState::sent, ids(1)}),
            sync(ReadMarks{account(), ids(1)}),
            sync(Deletion{.peer = account(), .messages = {}}),
            sync(contacts),
            sync(DeviceInfo{}),
            sync(HistoryRequest{}),
            sync(HistoryPart{.index = 0, .parts = 1, .entries = {}}),
            sync(personas)};
  }
  std::vector<Content> largest() {
    Contacts contacts{.contacts = {}, .count = kMaxContacts};
    for (auto& c : contacts.contacts) c = contact(true);
    Personas personas{.personas = {}, .count = kMaxPersonas};
    for (auto& p : personas.personas) p = persona(true);
    return {content(largest_text()),
            content(largest_beside_part()),
            content(Receipt{.kind = ReceiptKind::read, .ids = ids(kMaxReceiptIds).ids, .count = kMaxReceiptIds}),
            content(Retry{random_.id<EnvelopeId>(), latest(), 0xffff'ffff}),
            content(NewerList{bytes(kMaxContentListBytes)}),
            content(Typing{true}),
            sync(SentCopy{account(), message(), latest(), largest_text()}),
            sync(StateMarks{account(), SentState::failed, ids(kMaxSyncIds)}),
            sync(ReadMarks{account(), ids(kMaxSyncIds)}),
            sync(Deletion{account(), ids(kMaxSyncIds), latest()}),
            sync(contacts),
            sync(DeviceInfo{text(kMaxDeviceNameBytes), true}),
            sync(HistoryRequest{latest()}),
            sync(SentCopy{account(), message(), latest(), largest_beside_part()}),
            sync(HistoryPart{UINT32_MAX - 1, UINT32_MAX, bytes(kMaxHistoryPartBytes)}),
            sync(personas)};
  }

 private:
  SeededRandom random_;
  std::deque<Bytes> kept_;
};

/// The body's alternative, and for a Sync that of its own.
inline std::pair<std::size_t, std::size_t> kind(const Content& content) {
  const auto* sync = std::get_if<Sync>(&content.body);
  return {content.body.index(), sync ? sync->what.index() : 0};
}

}  // namespace opaline::wire::testing
