// Handles: one text each. The directory's rows: written back as they were. Renewal tokens: a changed one is none.
#include "base/random.hpp"
#include "fuzz/targets.hpp"
#include "identity/handle.hpp"
#include "identity/internal/records.hpp"
#include "identity/internal/renewal_token.hpp"

namespace opaline::fuzz {
namespace {

namespace rows = opaline::identity::internal;

void handle(ByteView text) {
  const auto read = opaline::identity::normalize_handle(as_text(text));
  if (!read) return;
  OPALINE_ASSERT(!read->text().empty() && read->text().size() <= opaline::identity::kMaxHandleBytes);
  OPALINE_ASSERT(opaline::identity::normalize_handle(read->text()) == read);
  OPALINE_ASSERT(opaline::identity::Handle::from_stored(read->text()) == *read);
  for (const char c : read->text()) OPALINE_ASSERT(c > ' ' && c < 0x7f);
}

template <class Record>
void row(ByteView bytes) {
  const auto record = rows::decode<Record>(bytes);
  if (!record) return;
  // What an earlier version wrote is read, and written in the newest form; that form is canonical.
  const Bytes written = rows::encode(*record);
  OPALINE_ASSERT(rows::decode<Record>(written) == record);
  if (written[0] == bytes[0]) OPALINE_ASSERT(equal(written, bytes));
}

void token(ByteView edits) {
  SeededRandom random(1);
  rows::RenewalTokenKey key;
  random.fill(key.fill());
  const auto asker = random.id<AccountId>(), account = random.id<AccountId>();
  constexpr Time kNow = from_unix_millis(1'800'000'000'000);
  constexpr std::string_view kHandle = "bob@example.org";
  const auto right = rows::make_renewal_token(key, asker, kHandle, account, kNow + seconds(100));
  const Bytes changed = edited(right, edits);
  const bool by_handle = rows::renews_handle(key, changed, asker, kHandle, kNow);
  const bool by_account = rows::renews_account(key, changed, asker, account, kNow);
  OPALINE_ASSERT((by_handle && by_account) == equal(right, changed));
  const ByteView head = ByteView(changed).first(5);
  if (!equal(head, ByteView(right).first(5))) OPALINE_ASSERT(!by_handle && !by_account);
  if (edits.size() != right.size()) OPALINE_ASSERT(!rows::renews_handle(key, edits, asker, kHandle, kNow));
}

}  // namespace

void identity(ByteView input) {
  const auto [what, rest] = choose(input, 9);
  switch (what) {
    case 0:
      return handle(rest);
    case 1:
      return row<rows::AccountRecord>(rest);
    case 2:
      return row<rows::DeviceRecord>(rest);
    case 3:
      return row<rows::PrekeyRecord>(rest);
    case 4:
      return row<rows::OneTimeCursor>(rest);
    case 5:
      return row<rows::ListRecord>(rest);
    case 6:
      return row<rows::LookupLevel>(rest);
    case 7:
      return row<rows::MomentRecord>(rest);
    default:
      return token(rest);
  }
}

}  // namespace opaline::fuzz
