// What a person hears of a legal request that named one of their handles.
#include <algorithm>
#include <tuple>

#include "records/canonical.hpp"
#include "records/cases.hpp"

namespace opaline::records {
namespace {

static_assert(kMaxWordsBytes <= identity::kMaxLegalNoticeWordsBytes, "what an officer may say must arrive");

/// The handle of `held` by which the person is concerned.
const identity::HeldHandle* concerned(const Facts& facts, std::span<const identity::HeldHandle> held) {
  const auto at = std::ranges::find_if(held, [&](const identity::HeldHandle& one) {
    return one.since < facts.to && std::ranges::binary_search(facts.handles, one.handle);
  });
  return at == held.end() ? nullptr : &*at;
}

/// nullopt: it tells nobody anything, or not now.
std::optional<identity::LegalNotice> read(const Event& event, Time now) {
  boost::system::error_code wrong;
  const auto value = boost::json::parse(event.text, wrong);
  if (wrong || !value.is_object() || text_of(value.get_object(), "event") != name(EventKind::noticed)) return {};
  const auto at = time_millis_from(text_of(value.get_object(), "not_before").value_or(""));
  auto words = text_of(value.get_object(), "words");
  if (!at || !words || now < *at || now >= *at + kNoticeShown) return {};
  return identity::LegalNotice{.id = {}, .handle = {}, .from = {}, .to = {}, .at = *at, .words = std::move(*words)};
}

}  // namespace

Result<std::vector<identity::LegalNotice>, Error> Cases::notices(std::span<const identity::HeldHandle> held) {
  if (stale_ && !load()) return fail(Error::unavailable);
  const Time now = ports_.clock.now();
  std::vector<identity::LegalNotice> out;
  for (const auto& [id, one] : cases_) {
    const auto* handle = one.notice_at ? concerned(one.facts, held) : nullptr;
    if (handle == nullptr) continue;
    OPALINE_TRY(const auto events, this->events(id));
    for (const Event& event : events) {
      auto notice = read(event, now);
      if (!notice) continue;
      notice->id = to_text(id) + "." + std::to_string(event.number);
      notice->handle = handle->handle;
      notice->from = one.facts.from;
      notice->to = one.facts.to;
      out.push_back(std::move(*notice));
    }
  }
  std::ranges::sort(out, std::ranges::greater(),
                    [](const identity::LegalNotice& one) { return std::tie(one.at, one.id); });
  if (out.size() > identity::kMaxLegalNotices) out.resize(identity::kMaxLegalNotices);
  return out;
}

}  // namespace opaline::records
