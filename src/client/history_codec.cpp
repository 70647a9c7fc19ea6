#include "client/history_codec.hpp"

#include "base/codec.hpp"
#include "base/utf8.hpp"
#include "wire/contents.hpp"

namespace opaline::client {
namespace {

using endpoint::Attachment;

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kPart = wire::kAttachmentPartBytes;
constexpr std::uint8_t kLate = 1, kShown = 2, kNewerVersion = 4, kPartFollows = 8;
/// Times beyond this (the year 9999) are damage.
constexpr std::uint64_t kLastMillis = 253'402'300'799'999;
constexpr std::size_t kEntryFixedBytes = 1 + AccountId::kSize + MessageId::kSize + 4 + 8 + 8 + 8 + 1 + 1 + 1 + 4 + 4;

/// base/codec.hpp's Writer for memory that is wiped.
class Out {
 public:
  explicit Out(SecretBytes& out) : out_(out) {}
  Out& raw(ByteView bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Out& integer(std::uint64_t value, std::size_t size) {
    for (std::size_t i = size; i-- > 0;) out_.push_back(static_cast<std::byte>(value >> (8 * i) & 255));
    return *this;
  }
  Out& u8(std::size_t value) { return integer(value, 1); }
  Out& text8(ByteView bytes) { return u8(bytes.size()).raw(bytes); }
  Out& text32(ByteView bytes) { return integer(bytes.size(), 4).raw(bytes); }
  Out& time(Time time) { return integer(static_cast<std::uint64_t>(std::max<std::int64_t>(unix_millis(time), 0)), 8); }

 private:
  SecretBytes& out_;
};

ByteView text8(Reader& in) {
  return in.bytes(in.u8());
}

std::optional<Time> time(Reader& in) {
  const std::uint64_t millis = in.u64();
  if (millis > kLastMillis) return std::nullopt;
  return from_unix_millis(static_cast<std::int64_t>(millis));
}

void put(Out& out, const Attachment& a, bool with_release) {
  out.raw(a.blob.view()).raw(a.key).raw(a.sha256).integer(a.size_bytes, 8);
  out.text8(as_view(a.name)).text8(as_view(a.type));
  out.text8(with_release ? ByteView(a.release) : ByteView());
}

void put_all(Out& out, const std::vector<Attachment>& attachments, bool with_release) {
  out.u8(kVersion).u8(attachments.size());
  for (const Attachment& a : attachments) put(out, a, with_release);
}

std::optional<Attachment> read_attachment(Reader& in) {
  Attachment a;
  a.blob = endpoint::BlobId(in.array<kPart>());
  a.key = to_secret_bytes(in.bytes(kPart));
  a.sha256 = in.array<kPart>();
  a.size_bytes = in.u64();
  const ByteView name = text8(in), type = text8(in), release = text8(in);
  const bool good = !in.failed() && a.size_bytes >= 1 && a.size_bytes <= wire::kMaxAttachmentBytes &&
                    wire::is_file_name(name) && wire::is_media_type(type) &&
                    (release.empty() || release.size() == kPart);
  if (!good) return std::nullopt;
  a.name = to_string(name);
  a.type = to_string(type);
  a.release = to_secret_bytes(release);
  return a;
}

/// The numbers of an entry make sense together.
bool sensible(const Entry& e, std::uint8_t state, std::uint8_t reason, std::uint8_t flags) {
  if (e.peer.is_zero() || e.message.is_zero() || e.device == DeviceNumber{}) return false;
  if (flags > (kLate | kShown | kNewerVersion | kPartFollows)) return false;
  if (e.kind == EntryKind::incoming) return state == 0 && reason == 0;
  return e.kind == EntryKind::outgoing && state >= 1 &&
         state <= static_cast<std::uint8_t>(endpoint::MessageState::failed) &&
         reason <= static_cast<std::uint8_t>(endpoint::Reason::closed) && (flags & (kLate | kNewerVersion)) == 0;
}

std::optional<Entry> read_entry(Reader& in) {
  Entry e;
  e.kind = EntryKind(in.u8());
  e.peer = AccountId(in.array<AccountId::kSize>());
  e.message = MessageId(in.array<MessageId::kSize>());
  e.device = DeviceNumber(in.u32());
  const auto sent_at = time(in), placed = time(in), at = time(in);
  const std::uint8_t state = in.u8(), reason = in.u8(), flags = in.u8();
  const ByteView text = in.bytes32();
  auto attachments = decode_attachments(in.bytes32());
  const ByteView part = (flags & kPartFollows) != 0 ? in.bytes32() : ByteView();
  if (in.failed() || !sent_at || !placed || !at || !attachments || !sensible(e, state, reason, flags))
    return std::nullopt;
  const bool newer = (flags & kNewerVersion) != 0;
  if (text.size() > wire::kMaxTextBytes || !is_utf8(text)) return std::nullopt;
  if (part.empty() != ((flags & kPartFollows) == 0) || part.size() > wire::kMaxPartBytes ||
      text.size() + part.size() > wire::kMaxTextAndPartBytes)
    return std::nullopt;
  const bool nothing = text.empty() && attachments->empty() && part.empty();
  if (newer != nothing) return std::nullopt;
  e.sent_at = *sent_at;
  e.placed = *placed;
  e.at = *at;
  e.state = endpoint::MessageState(state);
  e.reason = endpoint::Reason(reason);
  e.incoming = newer ? endpoint::IncomingKind::newer_version : endpoint::IncomingKind::text;
  e.late = (flags & kLate) != 0;
  e.shown = (flags & kShown) != 0;
  e.text = to_secret_bytes(text);
  e.attachments = std::move(*attachments);
  e.part = to_secret_bytes(part);
  return e;
}

}  // namespace

SecretBytes encode_attachments(const std::vector<Attachment>& attachments) {
  OPALINE_ASSERT(attachments.size() <= wire::kMaxAttachments);
  SecretBytes bytes;
  Out out(bytes);
  put_all(out, attachments, true);
  return bytes;
}

std::optional<std::vector<Attachment>> decode_attachments(ByteView bytes) {
  Reader in(bytes);
  const std::uint8_t version = in.u8(), count = in.u8();
  if (in.failed() || version != kVersion || count > wire::kMaxAttachments) return std::nullopt;
  std::vector<Attachment> out;
  for (std::uint8_t i = 0; i < count; ++i) {
    auto one = read_attachment(in);
    if (!one) return std::nullopt;
    out.push_back(std::move(*one));
  }
  if (!in.finished()) return std::nullopt;
  return out;
}

std::size_t page_entry_bytes(std::size_t text_bytes, std::size_t attachments_bytes, std::size_t part_bytes) {
  // Without attachments nothing is stored of them, and two bytes say so in a page.
  return kEntryFixedBytes + text_bytes + std::max<std::size_t>(attachments_bytes, 2) +
         (part_bytes == 0 ? 0 : 4 + part_bytes);
}

PageWriter::PageWriter() {
  Out(out_).u8(kVersion);
}

void PageWriter::add(const Entry& e, DeviceNumber own) {
  OPALINE_ASSERT(e.kind == EntryKind::incoming || e.kind == EntryKind::outgoing);
  const DeviceNumber device = e.kind == EntryKind::outgoing && e.device == DeviceNumber{} ? own : e.device;
  const bool newer = e.kind == EntryKind::incoming && e.incoming == endpoint::IncomingKind::newer_version;
  Out out(out_);
  out.u8(static_cast<std::uint8_t>(e.kind)).raw(e.peer.view()).raw(e.message.view());
  out.integer(static_cast<std::uint32_t>(device), 4).time(e.sent_at).time(e.placed).time(e.at);
  out.u8(static_cast<std::uint8_t>(e.state)).u8(static_cast<std::uint8_t>(e.reason));
  out.u8((e.late ? kLate : 0U) | (e.shown ? kShown : 0U) | (newer ? kNewerVersion : 0U) |
         (e.part.empty() ? 0U : kPartFollows));
  out.text32(e.text);
  SecretBytes files;
  Out files_out(files);
  put_all(files_out, e.attachments, false);
  out.text32(files);
  if (!e.part.empty()) out.text32(e.part);
}

SecretBytes PageWriter::take() {
  if (out_.size() == kPageHeadBytes) out_.clear();
  return std::move(out_);
}

std::optional<std::vector<Entry>> decode_page(ByteView page) {
  if (page.size() > wire::kMaxHistoryPartBytes) return std::nullopt;
  Reader in(page);
  if (in.u8() != kVersion) return std::nullopt;
  std::vector<Entry> out;
  while (in.left() > 0) {
    auto entry = read_entry(in);
    if (!entry) return std::nullopt;
    out.push_back(std::move(*entry));
  }
  if (out.empty() || !in.finished()) return std::nullopt;
  return out;
}

}  // namespace opaline::client
