// Was it changed? Events against the ledger, cases against their events.
#include "records/canonical.hpp"
#include "records/cases.hpp"
#include "records/internal/case_rows.hpp"

namespace opaline::records {

namespace json = boost::json;

Cases::Audit Cases::verify_ledger(const std::optional<ledger::SignedHead>& known) {
  Audit out;
  out.ledger = ports_.ledger.verify(known);
  const auto because = [&](std::string why) {
    out.why = std::move(why);
    return out;
  };
  if (!out.ledger.intact) return because("the ledger's rows do not fit each other");
  if (!out.ledger.known_head_fits) return because("this ledger does not go on from the head that you kept");
  struct Last {
    std::uint64_t index = 0;
    std::string sha256;
  };
  std::map<std::string, Last> last;
  std::set<std::uint64_t> leaves;
  std::string broken;
  const auto note = [&](const json::object& of, std::uint64_t index) {
    auto& at = last[text_of(of, "case").value_or("")];
    if (at.sha256.empty() || at.index <= index) at = {index, text_of(of, "case_sha256").value_or("")};
  };
  const bool read = internal::each_row(ports_.rows, tables::kEvents, {}, [&](const auto& row) {
    const auto event = internal::decode_event(0, row.value);
    const auto leaf = event ? ports_.ledger.leaf(event->index) : fail(ledger::Error::damaged);
    const auto value = event ? parse_canonical(event->text) : std::nullopt;
    if (!leaf || !value || !value->is_object() || !leaves.insert(event->index).second ||
        leaf->commitment != ledger::commitment(event->salt, as_view(event->text))) {
      broken = "an event of case " +
               (row.key.size() >= 8 ? to_text(*internal::case_of_key(ByteView(row.key).first(8))) : std::string("?")) +
               " is not the one that was recorded";
      return false;
    }
    const auto& object = value->get_object();
    if (object.contains("case")) note(object, event->index);
    if (const auto* also = object_of(object, "also")) note(*also, event->index);
    return true;
  });
  if (!broken.empty()) return because(broken);
  if (!read) return because("the events cannot be read");
  if (leaves.size() != out.ledger.leaves) return because("the ledger has events that are not recorded any more");
  std::size_t seen = 0;
  const bool fits = internal::each_row(ports_.rows, tables::kCases, {}, [&](const auto& row) {
    const auto id = internal::case_of_key(row.key);
    const auto at = id ? last.find(to_text(*id)) : last.end();
    if (at == last.end() || at->second.sha256 != sha256_hex(row.value)) {
      broken = id ? "case " + to_text(*id) + " is not as its last event left it" : std::string("a case has no number");
      return false;
    }
    return ++seen > 0;
  });
  if (!broken.empty()) return because(broken);
  if (!fits) return because("the cases cannot be read");
  if (seen != last.size()) return because("a case was removed");
  out.intact = true;
  return out;
}

}  // namespace opaline::records
