#include "gateway/internal/leftovers.hpp"

#include "gateway/internal/outcomes.hpp"
#include "gateway/tables.hpp"

namespace opaline::gateway::internal {

Result<std::vector<msp::Uuid>, endpoint::StoreError> Leftovers::over(const std::set<msp::Uuid>& served) {
  std::map<msp::Uuid, Instant> since;
  std::vector<msp::Uuid> out;
  // Keys begin with the business: one look for each.
  for (Bytes after;;) {
    const auto rows = rows_.scan(tables::kEndpoint, {}, after, 1);
    if (!rows) return fail(error_of(rows.error()));
    if (rows->empty()) break;
    const msp::Uuid business(ByteView(rows->front().key).first<msp::Uuid::kSize>());
    after = to_bytes(business.view());
    after.resize(after.size() + 256, std::byte{0xff});  // longer than any key
    if (served.contains(business)) continue;
    const auto known = since_.find(business);
    const Instant first = known == since_.end() ? clock_.monotonic() : known->second;
    since.emplace(business, first);
    if (clock_.monotonic() - first >= kLeftoversKept) out.push_back(business);
  }
  since_ = std::move(since);
  return out;
}

}  // namespace opaline::gateway::internal
