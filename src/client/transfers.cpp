#include "client/transfers.hpp"

#include "base/codec.hpp"
#include "client/history_codec.hpp"

namespace opaline::client {
namespace {

using endpoint::Attachment;
using endpoint::BlobId;

constexpr std::uint8_t kVersion = 1;
/// Of an upload that is an answer: the message's id follows. Others stay as an older opaline can read them.
constexpr std::uint8_t kAnswerVersion = 2;

Bytes place(std::string_view table, ByteView key) {
  Bytes out;
  Writer(out).bytes(as_view(table)).bytes(key);
  return out;
}

ByteArray<17> errand_key(const StoreKey& key, const Errand& errand) {
  ByteArray<17> out{};
  out[0] = static_cast<std::byte>(errand.kind);
  const auto blind = key.blind(errand.blob.view());
  std::ranges::copy(blind, out.begin() + 1);
  return out;
}

// ---- layouts: u8 version, then the fields in order; secrets and texts with their length in front

SecretBytes secret(Bytes& out) {
  SecretBytes kept = to_secret_bytes(out);
  wipe(out.data(), out.size());
  return kept;
}

void write(Writer& w, const Attachment& a) {
  w.bytes32(encode_attachments({a}));
}
bool read(Reader& r, Attachment& a) {
  auto one = decode_attachments(r.bytes32());
  if (!one || one->size() != 1) return false;
  a = std::move(one->front());
  return true;
}
std::string text(Reader& r) {
  return to_string(r.bytes16());
}

SecretBytes encode(const Upload& upload) {
  Bytes out;
  out.reserve(64 * 1024);  // it does not grow and leave copies: texts and descriptors are far below
  Writer w(out);
  w.u8(upload.answers ? kAnswerVersion : kVersion);
  w.bytes(upload.peer.view()).bytes16(as_view(upload.to)).bytes32(upload.text);
  w.u64(static_cast<std::uint64_t>(unix_millis(upload.at))).u8(static_cast<std::uint8_t>(upload.reason));
  w.u8(static_cast<std::uint8_t>(upload.files.size()));
  for (const UploadFile& file : upload.files) {
    write(w, file.attachment);
    w.bytes16(as_view(file.spool)).bytes16(file.upload_token).u8(file.up ? 1 : 0);
    w.u16(static_cast<std::uint16_t>(file.devices.size()));
    for (const auto& device : file.devices)
      w.bytes(device.account.view()).u32(static_cast<std::uint32_t>(device.device));
  }
  if (upload.answers) w.bytes(upload.answers->view());
  return secret(out);
}

bool read(Reader& r, UploadFile& file) {
  if (!read(r, file.attachment)) return false;
  file.spool = text(r);
  file.upload_token = to_secret_bytes(r.bytes16());
  file.up = r.u8() != 0;
  const std::size_t devices = r.u16();
  for (std::size_t i = 0; i < devices && !r.failed(); ++i) {
    const auto account = r.array<16>();
    file.devices.push_back({AccountId(account), DeviceNumber(r.u32())});
  }
  return file.spool.find('/') == std::string::npos;
}

std::optional<Upload> decode_upload(const UploadId& id, ByteView bytes) {
  Reader r(bytes);
  const std::uint8_t version = r.u8();
  if (version != kVersion && version != kAnswerVersion) return std::nullopt;
  Upload out;
  out.id = id;
  out.peer = AccountId(r.array<16>());
  out.to = text(r);
  out.text = to_secret_bytes(r.bytes32());
  out.at = from_unix_millis(static_cast<std::int64_t>(r.u64()));
  out.reason = UploadReason(r.u8());
  const std::size_t files = r.u8();
  for (std::size_t i = 0; i < files && !r.failed(); ++i)
    if (!read(r, out.files.emplace_back())) return std::nullopt;
  if (version == kAnswerVersion) out.answers = MessageId(r.array<16>());
  if (!r.finished()) return std::nullopt;
  return out;
}

SecretBytes encode(const Download& download) {
  Bytes out;
  out.reserve(16 * 1024);
  Writer w(out);
  w.u8(kVersion);
  write(w, download.attachment);
  w.bytes16(as_view(download.folder)).bytes16(as_view(download.temporary)).bytes16(as_view(download.target));
  return secret(out);
}

std::optional<Download> decode_download(ByteView bytes) {
  Reader r(bytes);
  if (r.u8() != kVersion) return std::nullopt;
  Download out;
  if (!read(r, out.attachment)) return std::nullopt;
  out.folder = text(r);
  out.temporary = text(r);
  out.target = text(r);
  const bool plain = out.temporary.find('/') == std::string::npos && out.target.find('/') == std::string::npos;
  if (!r.finished() || !plain) return std::nullopt;
  return out;
}

template <class T>
Result<T, ClientError> translated(Result<T, DatabaseError> result) {
  if (!result) return fail(client_error(result.error()));
  if constexpr (!std::is_void_v<T>) {
    return std::move(*result);
  } else {
    return {};
  }
}

}  // namespace

std::uint64_t Upload::size_bytes() const {
  std::uint64_t out = 0;
  for (const UploadFile& file : files) out += file.attachment.size_bytes;
  return out;
}

// ---- uploads

Result<void, ClientError> Transfers::add(const Upload& upload) const {
  const Bytes sealed = store_.key().seal(place("upload", upload.id.view()), encode(upload), random_);
  auto statement = store_.database().prepare("INSERT INTO upload(name, value) VALUES(?, ?)");
  return translated(statement.bind(1, upload.id.view()).bind(2, sealed).run());
}

Result<std::vector<Upload>, ClientError> Transfers::uploads() const {
  auto statement = store_.database().prepare("SELECT name, value FROM upload ORDER BY id");
  std::vector<Upload> out;
  for (;;) {
    OPALINE_TRY(const bool found, translated(statement.step()));
    if (!found) return out;
    const auto id = UploadId::from(statement.bytes(0));
    if (!id) return fail(ClientError::store_damaged);
    const auto value = store_.key().open_value(place("upload", id->view()), statement.bytes(1));
    auto upload = value ? decode_upload(*id, *value) : std::nullopt;
    if (!upload) return fail(ClientError::store_damaged);
    out.push_back(std::move(*upload));
  }
}

Result<std::optional<Upload>, ClientError> Transfers::upload(const UploadId& id) const {
  OPALINE_TRY(auto all, uploads());  // a handful
  for (Upload& each : all)
    if (each.id == id) return std::optional<Upload>(std::move(each));
  return std::optional<Upload>();
}

Result<bool, ClientError> Transfers::save(const Upload& upload) const {
  const Bytes sealed = store_.key().seal(place("upload", upload.id.view()), encode(upload), random_);
  auto statement = store_.database().prepare("UPDATE upload SET value = ?2 WHERE name = ?1");
  OPALINE_CHECK(translated(statement.bind(1, upload.id.view()).bind(2, sealed).run()));
  return store_.database().changes() == 1;
}

Result<bool, DatabaseError> Transfers::erase(const Database& database, const UploadId& id) {
  auto statement = database.prepare("DELETE FROM upload WHERE name = ?");
  OPALINE_CHECK(statement.bind(1, id.view()).run());
  return database.changes() == 1;
}

Result<bool, ClientError> Transfers::cancel(const UploadId& id) const {
  // Read inside of the transaction: where its files are at the service may have been written a moment ago.
  OPALINE_TRY(auto transaction, translated(Transaction::begin(store_.database())));
  OPALINE_TRY(const auto found, upload(id));
  OPALINE_TRY(const bool there, translated(erase(store_.database(), id)));
  if (!there || !found) return false;
  for (const UploadFile& file : found->files) {
    if (file.attachment.blob.is_zero()) continue;
    OPALINE_CHECK(translated(put(Errand{ErrandKind::remove, file.attachment.blob, file.upload_token})));
  }
  OPALINE_CHECK(translated(transaction.commit()));
  return true;
}

// ---- downloads

std::string Transfers::blind_name(const BlobId& blob) const {
  return to_hex(store_.key().blind(blob.view()));
}

Result<std::vector<Download>, ClientError> Transfers::downloads() const {
  auto statement = store_.database().prepare("SELECT blind, value FROM download ORDER BY id");
  std::vector<Download> out;
  for (;;) {
    OPALINE_TRY(const bool found, translated(statement.step()));
    if (!found) return out;
    const auto value = store_.key().open_value(place("download", statement.bytes(0)), statement.bytes(1));
    auto download = value ? decode_download(*value) : std::nullopt;
    if (!download) return fail(ClientError::store_damaged);
    out.push_back(std::move(*download));
  }
}

Result<std::optional<Download>, ClientError> Transfers::download(const BlobId& blob) const {
  OPALINE_TRY(auto all, downloads());
  for (Download& each : all)
    if (each.attachment.blob == blob) return std::optional<Download>(std::move(each));
  return std::optional<Download>();
}

Result<void, ClientError> Transfers::save(const Download& download) const {
  const auto blind = store_.key().blind(download.attachment.blob.view());
  const Bytes sealed = store_.key().seal(place("download", blind), encode(download), random_);
  auto statement = store_.database().prepare(
      "INSERT INTO download(blind, value) VALUES(?1, ?2) ON CONFLICT(blind) DO UPDATE SET value = excluded.value");
  return translated(statement.bind(1, ByteView(blind)).bind(2, sealed).run());
}

Result<void, ClientError> Transfers::finish(const Download& download) const {
  OPALINE_TRY(auto transaction, translated(Transaction::begin(store_.database())));
  OPALINE_CHECK(forget(download));
  // Of a message from another device's history there is no token: it is for that device to release.
  if (!download.attachment.release.empty())
    OPALINE_CHECK(translated(put(Errand{ErrandKind::release, download.attachment.blob, download.attachment.release})));
  return translated(transaction.commit());
}

Result<void, ClientError> Transfers::forget(const Download& download) const {
  const auto blind = store_.key().blind(download.attachment.blob.view());
  auto statement = store_.database().prepare("DELETE FROM download WHERE blind = ?");
  return translated(statement.bind(1, ByteView(blind)).run());
}

// ---- errands

Result<void, DatabaseError> Transfers::put(const Errand& errand) const {
  Bytes value;
  value.reserve(256);
  Writer(value).u8(static_cast<std::uint8_t>(errand.kind)).bytes(errand.blob.view()).bytes16(errand.secret);
  const auto key = errand_key(store_.key(), errand);
  const Bytes sealed = store_.key().seal(place("errand", key), secret(value), random_);
  auto statement = store_.database().prepare("INSERT INTO errand VALUES(?1, ?2) ON CONFLICT DO NOTHING");
  return statement.bind(1, ByteView(key)).bind(2, sealed).run();
}

Result<std::vector<Errand>, ClientError> Transfers::errands() const {
  auto statement = store_.database().prepare("SELECT blind, value FROM errand");
  std::vector<Errand> out;
  for (;;) {
    OPALINE_TRY(const bool found, translated(statement.step()));
    if (!found) return out;
    const auto value = store_.key().open_value(place("errand", statement.bytes(0)), statement.bytes(1));
    if (!value) return fail(ClientError::store_damaged);
    Reader r(*value);
    Errand errand;
    errand.kind = ErrandKind(r.u8());
    errand.blob = BlobId(r.array<32>());
    errand.secret = to_secret_bytes(r.bytes16());
    if (!r.finished()) return fail(ClientError::store_damaged);
    out.push_back(std::move(errand));
  }
}

Result<void, ClientError> Transfers::done(const Errand& errand) const {
  const auto key = errand_key(store_.key(), errand);
  auto statement = store_.database().prepare("DELETE FROM errand WHERE blind = ?");
  return translated(statement.bind(1, ByteView(key)).run());
}

}  // namespace opaline::client
