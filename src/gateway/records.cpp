#include "gateway/records.hpp"

#include "base/codec.hpp"
#include "wire/contents.hpp"

namespace opaline::gateway {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kPersonVersion = 2;  // 1 had no away_told

/// Writes into memory that is wiped; a Writer's buffer is not.
class Out {
 public:
  explicit Out(SecretBytes& out) : out_(out) {}
  Out& number(std::uint64_t value, std::size_t size) {
    for (std::size_t i = size; i-- > 0;) out_.push_back(static_cast<std::byte>(value >> (8 * i)));
    return *this;
  }
  Out& bytes(ByteView value) {
    out_.insert(out_.end(), value.begin(), value.end());
    return *this;
  }
  Out& sized(ByteView value) { return number(value.size(), 4).bytes(value); }
  Out& sized(std::string_view value) { return sized(as_view(value)); }

 private:
  SecretBytes& out_;
};

bool is_status(Received::Kind kind) {
  return kind == Received::Kind::delivered || kind == Received::Kind::read;
}

void put(Out& out, const std::vector<endpoint::Attachment>& files) {
  OPALINE_ASSERT(files.size() <= wire::kMaxAttachments);
  out.number(files.size(), 1);
  for (const endpoint::Attachment& one : files) {
    out.bytes(one.blob.view()).sized(one.key).bytes(one.sha256).number(one.size_bytes, 8);
    out.sized(one.name).sized(one.type).sized(one.release);
  }
}

std::vector<endpoint::Attachment> read_files(Reader& in) {
  std::vector<endpoint::Attachment> out;
  const std::size_t count = in.u8();
  if (count > wire::kMaxAttachments) (void)in.bytes(in.left() + 1);  // fails
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    endpoint::Attachment one;
    one.blob = endpoint::BlobId(in.array<endpoint::BlobId::kSize>());
    one.key = to_secret_bytes(in.bytes32());
    one.sha256 = in.array<32>();
    one.size_bytes = in.u64();
    one.name = to_string(in.bytes32());
    one.type = to_string(in.bytes32());
    one.release = to_secret_bytes(in.bytes32());
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

SecretBytes encode(const WaitingRecord& record) {
  SecretBytes bytes;
  Out out(bytes);
  const Received& message = record.message;
  out.number(kVersion, 1).number(static_cast<std::uint64_t>(unix_millis(record.received_at)), 8);
  out.number(static_cast<std::uint64_t>(message.kind), 1).bytes(message.id.view()).sized(message.opaque_id);
  out.sized(message.text).sized(message.part);
  put(out, message.attachments);
  if (is_status(message.kind)) out.bytes(message.about.view());
  return bytes;
}

std::optional<WaitingRecord> decode_waiting(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kVersion) return std::nullopt;
  WaitingRecord out;
  out.received_at = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  const std::uint8_t kind = in.u8();
  if (kind < 1 || kind > static_cast<std::uint8_t>(Received::Kind::read)) return std::nullopt;
  out.message.kind = Received::Kind(kind);
  out.message.id = msp::Uuid(in.array<msp::Uuid::kSize>());
  out.message.opaque_id = to_string(in.bytes32());
  out.message.text = to_secret_bytes(in.bytes32());
  out.message.part = to_secret_bytes(in.bytes32());
  out.message.attachments = read_files(in);
  if (is_status(out.message.kind)) out.message.about = msp::Uuid(in.array<msp::Uuid::kSize>());
  if (!in.finished()) return std::nullopt;
  return out;
}

SecretBytes encode(const endpoint::MessageBody& body) {
  SecretBytes bytes;
  Out out(bytes);
  out.number(kVersion, 1).sized(body.text).sized(body.part);
  put(out, body.attachments);
  return bytes;
}

std::optional<endpoint::MessageBody> decode_body(ByteView bytes) {
  Reader in(bytes);
  if (in.u8() != kVersion) return std::nullopt;
  endpoint::MessageBody out;
  out.text = to_secret_bytes(in.bytes32());
  out.part = to_secret_bytes(in.bytes32());
  out.attachments = read_files(in);
  if (!in.finished()) return std::nullopt;
  return out;
}

Bytes encode(const PersonRecord& record) {
  Bytes out;
  Writer(out).u8(kPersonVersion).u8(record.closed ? 1 : 0).bytes(record.id.bytes());
  Writer(out).u64(static_cast<std::uint64_t>(unix_millis(record.away_told)));
  return out;
}

std::optional<PersonRecord> decode_person(ByteView bytes) {
  Reader in(bytes);
  const std::uint8_t version = in.u8();
  if (version != kVersion && version != kPersonVersion) return std::nullopt;
  const std::uint8_t closed = in.u8();
  PersonRecord out{credentials::OpaqueId(in.array<credentials::kOpaqueIdBytes>()), closed == 1};
  if (version == kPersonVersion) out.away_told = from_unix_millis(static_cast<std::int64_t>(in.u64()));
  if (!in.finished() || closed > 1) return std::nullopt;
  return out;
}

}  // namespace opaline::gateway
