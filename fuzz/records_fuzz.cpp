// What somebody hands to an officer or to `verify`: productions, manifests, bundles, keys, facts; and rows of cases.
#include "fuzz/targets.hpp"
#include "ledger/ledger.hpp"
#include "operators/test_support/memory_rows.hpp"
#include "records/canonical.hpp"
#include "records/internal/case_rows.hpp"
#include "records/officer_client.hpp"
#include "records/verify.hpp"
#include "store/drivers/memory_key_vault.hpp"

namespace opaline::fuzz {
namespace {

using namespace opaline::records;

/// A production that is good.
struct Good {
  SeededRandom random{3};
  OfficerKey ada = OfficerKey::generate(random), bob = OfficerKey::generate(random);
  std::string service;
  std::vector<File> files;
  Bundle bundle;

  Good() {
    const ManualClock clock{from_unix_millis(1'795'000'000'000)};
    operators::MemoryRows rows;
    store::MemoryKeyVault vault{random};
    store::SealedRows sealed{rows, store::VaultKey{}, store::VaultKey{}, random};
    auto ledger = ledger::Ledger::open(sealed, vault, clock, random);
    OPALINE_ASSERT(ledger.has_value());
    service = ledger::fingerprint(ledger->public_key());
    ProductionInput in;
    in.service = service;
    in.service_name = "chat.example.org";
    in.id = {2026, 1};
    in.revision = 1;
    in.facts = {.authority = "A",
                .instrument = Instrument::warrant,
                .reference = "R",
                .jurisdiction = "DE",
                .handles = {"+4915112345678"},
                .from = clock.now() - seconds(1000),
                .to = clock.now(),
                .served = {},
                .due = {},
                .opens = {}};
    in.from = in.facts.from;
    in.to = in.facts.to;
    in.made = clock.now();
    in.rows = {{"+4915112345678",
                Direction::by,
                {.time = clock.now() - seconds(5),
                 .source_handle = "+4915112345678",
                 .source = {},
                 .looked_up_handle = "a@example.org",
                 .capable_devices = 1}}};
    in.counts = count(in.facts.handles, in.rows);
    const auto text = signed_text({service, in.id, 1, digest(in.id, 1, in.facts), in.counts});
    for (const auto& [name, key] : {std::pair{"ada", &ada}, {"bob", &bob}})
      in.approvals.push_back(
          {name, clock.now(), key->public_key().signing, key->sign(kApprovalLabel, as_view(text), random), in.counts});
    auto production = render(in, *ledger);
    const auto event =
        canonical_own(boost::json::object{{"case", "2026-0001"}, {"core_sha256", to_hex(production.core_sha256)}});
    const auto done = ledger->append(3, as_view(event), [](const auto&, auto&) {});
    OPALINE_ASSERT(done.has_value());
    bundle = *seal_bundle(production.files, {ada.public_key(), bob.public_key()}, random);
    const LedgerPart part{{{event, done->salt, 0, ledger->leaf(0)->time, 3, *ledger->inclusion(0, 1)}}, done->head};
    files = *complete(std::move(production.files), part);
    OPALINE_ASSERT(verify(files, service).good());
  }
};
const Good& good() {
  static const Good one;
  return one;
}

void tampered(ByteView edits) {
  if (edits.empty()) return;
  auto files = good().files;
  auto& file = files[std::to_integer<std::size_t>(edits[0]) % files.size()];
  const auto changed = edited(file.content, edits.subspan(1));
  const bool same = equal(changed, file.content);
  file.content = to_secret_bytes(changed);
  OPALINE_ASSERT(verify(files, good().service).good() == same);
}

void manifest(ByteView text) {
  auto files = good().files;
  files.back().content = to_secret_bytes(text);
  OPALINE_ASSERT(!verify(files, good().service).good() || equal(text, good().files.back().content));
}

void bundle(ByteView edits) {
  if (edits.empty()) return;
  auto pieces = good().bundle.pieces;
  auto& piece = pieces[std::to_integer<std::size_t>(edits[0]) % pieces.size()];
  const auto changed = edited(piece, edits.subspan(1));
  const bool same = changed == piece;
  piece = changed;
  OPALINE_ASSERT(open_bundle(pieces, good().ada).has_value() == same);
}

void texts(ByteView input) {
  const auto text = as_text(input);
  if (const auto value = parse_canonical(text)) {
    OPALINE_ASSERT(canonical(*value) == text);
    if (const auto* object = value->if_object()) {
      if (auto facts = facts_from(*object)) {
        const auto again = checked(*facts, from_unix_millis(1'795'000'000'000));
        if (again) OPALINE_ASSERT(facts_from(to_json(*again)) == *again);
      }
      if (const auto part = ledger_part_from(*object)) OPALINE_ASSERT(canonical(to_json(*part)) == text);
    }
  }
  if (const auto time = time_millis_from(text)) OPALINE_ASSERT(to_text_millis(*time) == text);
  if (const auto time = time_from(text)) OPALINE_ASSERT(to_text(*time) == text);
  if (const auto id = case_id_from(text)) OPALINE_ASSERT(to_text(*id) == text);
  std::ignore = rows_from({2026, 1}, 1, input);
  std::ignore = preview_from(text, {2026, 1}, good().service);
  std::ignore = offered_from(text);
}

void stored(ByteView input) {
  if (const auto one = internal::decode_case(input))
    OPALINE_ASSERT(internal::decode_case(as_view(internal::encode(*one))) == *one);
  std::ignore = internal::decode_event(1, input);
  std::ignore = internal::decode_officer(input);
  std::ignore = internal::case_of_key(input);
  std::ignore = officer_public_key_from(input);
}

}  // namespace

void records(ByteView input) {
  const auto [what, rest] = choose(input, 5);
  switch (what) {
    case 0:
      return tampered(rest);
    case 1:
      return manifest(rest);
    case 2:
      return bundle(rest);
    case 3:
      return texts(rest);
    default:
      return stored(rest);
  }
}

}  // namespace opaline::fuzz
