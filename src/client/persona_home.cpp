#include "client/persona_home.hpp"

#include <algorithm>

#include "base/codec.hpp"
#include "client/history.hpp"
#include "endpoint/endpoint.hpp"
#include "msp/uuid.hpp"

namespace opaline::client {
namespace {

using endpoint::MessageState;
using endpoint::PersonaStanding;
using endpoint::Reason;

constexpr std::string_view kFolder = "businesses";
// Names of what is remembered.
constexpr std::string_view kProfile = "profile", kTags = "tags", kFingerprint = "fingerprint", kOpening = "opening",
                           kClosing = "closing", kJoin = "join", kRenewal = "renewal",
                           kRootMadeAfter = "root made after", kNewest = "newest list", kMoved = "moved";

std::string uuid_text(const AccountId& business) {
  return msp::to_text(msp::Uuid(business.view()));
}

Unlock unlock(const PersonaHome::Outer& outer, const AccountId& business) {
  Bytes name = to_bytes("business ");
  append(name, business.view());
  return {std::nullopt, {}, outer.store.key().inner(name)};
}

void put_time(Writer out, Time at) {
  out.u64(static_cast<std::uint64_t>(unix_millis(at)));
}

Time read_time(Reader& in) {
  return from_unix_millis(static_cast<std::int64_t>(in.u64()));
}

msp::Text read_text(Reader& in) {
  const std::uint16_t size = in.u16();
  return msp::Text(as_text(in.bytes(size)));
}

}  // namespace

std::string business_urn(const AccountId& business) {
  return "urn:biz:" + uuid_text(business);
}

PersonaHome::PersonaHome(const AccountId& business, Home home, LocalStore store, RandomSource& random)
    : business_(business), home_(std::move(home)), store_(std::move(store)), random_(random), rows_(store_, random_) {}

Result<std::unique_ptr<PersonaHome>, ClientError> PersonaHome::open(const Outer& outer, const AccountId& business) {
  const auto folder = outer.home.directory() / kFolder;
  OPALINE_CHECK(Home::at(folder));  // closed to others, whatever the umask
  OPALINE_TRY(Home home, Home::at(folder / uuid_text(business)));
  const Unlock key = unlock(outer, business);
  auto store = LocalStore::open(home, key);
  if (!store && store.error() == ClientError::not_registered) store = LocalStore::create(home, key, {}, outer.random);
  if (!store) return fail(store.error());
  return std::unique_ptr<PersonaHome>(new PersonaHome(business, std::move(home), std::move(*store), outer.random));
}

Result<std::unique_ptr<PersonaHome>, ClientError> PersonaHome::find(const Outer& outer, const AccountId& business) {
  std::error_code ignored;
  if (!std::filesystem::exists(outer.home.directory() / kFolder / uuid_text(business) / "opaline.db", ignored))
    return std::unique_ptr<PersonaHome>();
  return open(outer, business);
}

std::vector<AccountId> PersonaHome::all(const Home& outer) {
  std::vector<AccountId> out;
  std::error_code error;
  for (std::filesystem::directory_iterator it(outer.directory() / kFolder, error), end; !error && it != end;
       it.increment(error))
    if (const auto uuid = msp::parse_uuid(it->path().filename().string())) out.emplace_back(uuid->view());
  std::ranges::sort(out);
  return out;
}

// ---- what is remembered

Result<void, ClientError> PersonaHome::put(std::string_view name, ByteView value) const {
  return progress().put(name, value);
}

Result<Bytes, ClientError> PersonaHome::profile() const {
  OPALINE_TRY(const auto kept, progress().get(kProfile));
  return kept ? to_bytes(*kept) : Bytes();
}

Result<void, ClientError> PersonaHome::set_profile(ByteView profile) const {
  return put(kProfile, profile);
}

Result<Bytes, ClientError> PersonaHome::fingerprint() const {
  OPALINE_TRY(const auto kept, progress().get(kFingerprint));
  return kept ? to_bytes(*kept) : Bytes();
}

Result<void, ClientError> PersonaHome::set_fingerprint(ByteView fingerprint) const {
  return fingerprint.empty() ? progress().erase(kFingerprint) : put(kFingerprint, fingerprint);
}

Result<std::optional<bool>, ClientError> PersonaHome::moved_to_own() const {
  OPALINE_TRY(const auto kept, progress().get(kMoved));
  if (!kept) return std::nullopt;
  return Reader(*kept).u8() != 0;
}

Result<void, ClientError> PersonaHome::set_moved_to_own(std::optional<bool> own) const {
  if (!own) return progress().erase(kMoved);
  return put(kMoved, Bytes{std::byte{*own}});
}

Result<std::optional<EntryTags>, ClientError> PersonaHome::tags() const {
  OPALINE_TRY(const auto kept, progress().get(kTags));
  if (!kept) return std::nullopt;
  Reader in(*kept);
  EntryTags out;
  out.since = read_time(in);
  out.intent = read_text(in);
  out.group = read_text(in);
  if (in.failed() || in.left() > 0) return fail(ClientError::store_damaged);
  return out;
}

Result<void, ClientError> PersonaHome::set_tags(const std::optional<EntryTags>& tags) const {
  if (!tags) return progress().erase(kTags);
  Bytes out;
  put_time(Writer(out), tags->since);
  for (const msp::Text* text : {&tags->intent, &tags->group})
    Writer(out).u16(static_cast<std::uint16_t>(text->view().size())).bytes(as_view(text->view()));
  return put(kTags, out);
}

Result<std::optional<OpeningPlan>, ClientError> PersonaHome::opening() const {
  OPALINE_TRY(const auto kept, progress().get(kOpening));
  if (!kept) return std::nullopt;
  Reader in(*kept);
  OpeningPlan out{read_time(in), std::nullopt};
  if (in.left() > 0) out.left.emplace(in.array<credentials::kOpaqueIdBytes>());
  if (in.failed() || in.left() > 0) return fail(ClientError::store_damaged);
  return out;
}

Result<void, ClientError> PersonaHome::set_opening(const std::optional<OpeningPlan>& plan) const {
  if (!plan) return progress().erase(kOpening);
  Bytes out;
  put_time(Writer(out), plan->since);
  if (plan->left) Writer(out).bytes(plan->left->bytes());
  return put(kOpening, out);
}

Result<std::optional<ClosingPlan>, ClientError> PersonaHome::closing() const {
  OPALINE_TRY(const auto kept, progress().get(kClosing));
  if (!kept) return std::nullopt;
  Reader in(*kept);
  ClosingPlan out;
  out.since = read_time(in);
  out.standing = PersonaStanding(in.u8());
  out.told = in.u8() != 0;
  const bool known = out.standing == PersonaStanding::closed || out.standing == PersonaStanding::blocked;
  if (in.failed() || in.left() > 0 || !known) return fail(ClientError::store_damaged);
  return out;
}

Result<void, ClientError> PersonaHome::set_closing(const std::optional<ClosingPlan>& plan) const {
  if (!plan) return progress().erase(kClosing);
  Bytes out;
  put_time(Writer(out), plan->since);
  Writer(out).u8(static_cast<std::uint8_t>(plan->standing)).u8(plan->told ? 1 : 0);
  return put(kClosing, out);
}

Result<std::optional<Time>, ClientError> PersonaHome::join_at() const {
  OPALINE_TRY(const auto kept, progress().get(kJoin));
  if (!kept) return std::nullopt;
  Reader in(*kept);
  const Time out = read_time(in);
  if (in.failed() || in.left() > 0) return fail(ClientError::store_damaged);
  return out;
}

Result<void, ClientError> PersonaHome::set_join_at(const std::optional<Time>& at) const {
  if (!at) return progress().erase(kJoin);
  Bytes out;
  put_time(Writer(out), *at);
  return put(kJoin, out);
}

Result<std::optional<RenewalPlan>, ClientError> PersonaHome::renewal() const {
  OPALINE_TRY(const auto kept, progress().get(kRenewal));
  if (!kept) return std::optional<RenewalPlan>();
  Reader in(*kept);
  RenewalPlan out;
  const std::uint32_t size = in.u32();
  out.list = to_bytes(in.bytes(size));
  out.root = to_secret_bytes(in.rest());
  if (in.failed()) return fail(ClientError::store_damaged);
  return std::optional<RenewalPlan>(std::move(out));
}

Result<void, ClientError> PersonaHome::set_renewal(const std::optional<RenewalPlan>& plan) const {
  if (!plan) return progress().erase(kRenewal);
  Bytes list;
  Writer(list).u32(static_cast<std::uint32_t>(plan->list.size())).bytes(plan->list);
  SecretBytes out = to_secret_bytes(list);
  out.insert(out.end(), plan->root.begin(), plan->root.end());
  return put(kRenewal, out);
}

Result<std::optional<std::uint32_t>, ClientError> PersonaHome::root_made_after() const {
  OPALINE_TRY(const auto kept, progress().get(kRootMadeAfter));
  if (!kept) return std::nullopt;
  Reader in(*kept);
  const std::uint32_t out = in.u32();
  if (in.failed() || in.left() > 0) return fail(ClientError::store_damaged);
  return out;
}

Result<void, ClientError> PersonaHome::set_root_made_after(std::uint32_t devices_lost) const {
  Bytes out;
  Writer(out).u32(devices_lost);
  return put(kRootMadeAfter, out);
}

namespace {

/// The one number that a statement gives; 0: it gives none.
Result<std::int64_t, ClientError> number(Statement statement) {
  const auto found = statement.step();
  if (!found) return fail(client_error(found.error()));
  return *found && !statement.is_null(0) ? statement.integer(0) : 0;
}

}  // namespace

Result<bool, ClientError> PersonaHome::answered_since(Time since) const {
  auto statement = store_.database().prepare("SELECT 1 FROM entry WHERE kind = 1 AND at >= ? LIMIT 1");
  statement.bind(1, unix_millis(since));
  OPALINE_TRY(const std::int64_t found, number(std::move(statement)));
  return found != 0;
}

Result<Time, ClientError> PersonaHome::active_at() const {
  OPALINE_TRY(const std::int64_t at,
              number(store_.database().prepare("SELECT max(placed) FROM entry WHERE kind IN (1, 2)")));
  return from_unix_millis(at);
}

Result<std::vector<SharedData>, ClientError> PersonaHome::shared() const {
  auto statement = store_.database().prepare("SELECT message, at, value FROM shared ORDER BY at, message");
  std::vector<SharedData> out;
  for (;;) {
    const auto found = statement.step();
    if (!found) return fail(client_error(found.error()));
    if (!*found) return out;
    const auto message = MessageId::from(statement.bytes(0));
    if (!message) return fail(ClientError::store_damaged);
    const auto value = store_.key().open_value(shared_place(*message), statement.bytes(2));
    if (!value) return fail(ClientError::store_damaged);
    Reader in(*value);
    const std::uint8_t size = in.u8();
    SharedData one{*message, from_unix_millis(statement.integer(1)), to_string(in.bytes(size)), {}};
    one.text = to_secret_bytes(in.rest());
    if (in.failed()) return fail(ClientError::store_damaged);
    out.push_back(std::move(one));
  }
}

namespace {

Bytes part_file_place(const MessageId& message) {
  Bytes out = to_bytes("part file");
  append(out, message.view());
  return out;
}

}  // namespace

Result<std::optional<SecretBytes>, ClientError> PersonaHome::part_file(const MessageId& message) const {
  auto statement = store_.database().prepare("SELECT value FROM part_file WHERE message = ?");
  const auto found = statement.bind(1, message.view()).step();
  if (!found) return fail(client_error(found.error()));
  if (!*found) return std::optional<SecretBytes>();
  auto value = store_.key().open_value(part_file_place(message), statement.bytes(0));
  if (!value) return fail(ClientError::store_damaged);
  return value;
}

Result<void, ClientError> PersonaHome::set_part_file(const MessageId& message, ByteView content) const {
  const Bytes sealed = store_.key().seal(part_file_place(message), content, random_);
  auto statement = store_.database().prepare(
      "INSERT INTO part_file VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value");
  if (const auto done = statement.bind(1, message.view()).bind(2, sealed).run(); !done)
    return fail(client_error(done.error()));
  return {};
}

// ---- the persona's device

Result<std::optional<AccountId>, ClientError> PersonaHome::device_of() {
  const SystemClock clock;  // for what loading does not look at
  const auto device = endpoint::Endpoint::load(rows_, random_, clock);
  if (device) return (*device)->address().account;
  if (device.error() == endpoint::Error::not_registered) return std::nullopt;
  return fail(device.error() == endpoint::Error::corrupt_state ? ClientError::store_damaged
                                                               : ClientError::store_failed);
}

Result<std::optional<credentials::VerifiedDeviceList>, ClientError> PersonaHome::newest_list() {
  const SystemClock clock;  // as above
  if (const auto device = endpoint::Endpoint::load(rows_, random_, clock)) {
    auto list = (*device)->own_list();
    if (!list) return fail(ClientError::store_failed);
    return std::move(*list);
  }
  OPALINE_TRY(const auto kept, progress().get(kNewest));
  if (!kept) return std::nullopt;
  auto list = credentials::load_device_list(*kept);
  if (!list) return fail(ClientError::store_damaged);
  return std::move(*list);
}

namespace {

Result<void, DatabaseError> drop(const Database& database) {
  OPALINE_TRY(auto transaction, Transaction::begin(database));
  OPALINE_CHECK(database.execute("DELETE FROM row"));
  auto failed = database.prepare("UPDATE entry SET state = ?1, reason = ?2 WHERE kind = 2 AND state = ?3");
  failed.bind(1, static_cast<std::int64_t>(MessageState::failed)).bind(2, static_cast<std::int64_t>(Reason::closed));
  OPALINE_CHECK(failed.bind(3, static_cast<std::int64_t>(MessageState::queued)).run());
  return transaction.commit();
}

}  // namespace

Result<void, ClientError> PersonaHome::drop_device() {
  // If the service is set back, it is to hear of a list after this one.
  OPALINE_TRY(const auto newest, newest_list());
  if (newest) OPALINE_CHECK(put(kNewest, newest->bytes()));
  if (const auto done = drop(store_.database()); !done) return fail(client_error(done.error()));
  return {};
}

Result<void, ClientError> PersonaHome::delete_conversation(Time through) {
  endpoint::Batch batch;
  batch.history.emplace_back(endpoint::DeleteConversation{business_, through});
  if (const auto done = rows_.commit(std::move(batch)); !done) return fail(ClientError::store_failed);
  return set_tags(std::nullopt);
}

}  // namespace opaline::client
