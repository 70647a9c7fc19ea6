// `opaline notices`: what the service's records officers tell the person of legal requests. `receive` asks once a day.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "apps/opaline/call.hpp"
#include "apps/opaline/commands.hpp"
#include "client/progress.hpp"
#include "wire/limits.hpp"

namespace opaline::cli {
namespace {

using client::Failure;
using client::Progress;
using Notice = wire::v1::MyNoticesReply::Notice;

constexpr std::string_view kProgress = "notices";
constexpr std::chrono::hours kAskEvery{24};

/// What this device remembers: when it asked, and which notices it has shown.
struct Seen {
  Time asked_at{};
  std::vector<std::string> ids;
};

/// A line each: milliseconds since 1970, then ids. What cannot be read is asked for again.
Seen read_seen(Context& context) {
  Seen out;
  const auto kept = Progress(context.store(), context.random()).get(kProgress);
  if (!kept || !*kept) return out;
  const std::string text = to_string(**kept);
  std::string_view left = text;
  for (bool first = true; !left.empty(); first = false) {
    const auto line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(line.size() + 1, left.size()));
    std::int64_t ms = 0;
    if (!first)
      out.ids.emplace_back(line);
    else if (std::from_chars(line.data(), line.data() + line.size(), ms).ec == std::errc())
      out.asked_at = from_unix_millis(ms);
  }
  return out;
}

void remember(Context& context, const std::vector<Notice>& notices) {
  std::string text = std::to_string(unix_millis(context.clock().now()));
  for (const Notice& notice : notices) text += "\n" + notice.id();
  // Where it cannot be written, a notice is shown once more.
  (void)Progress(context.store(), context.random()).put(kProgress, as_view(text));
}

bool makes_sense(const Notice& notice) {
  const auto in_range = [](std::uint64_t ms) { return ms < 253'402'300'800'000; };  // before the year 10000
  return !notice.id().empty() && notice.id().size() <= wire::kMaxLegalNoticeIdBytes &&
         std::ranges::all_of(notice.id(), [](char c) { return c > ' ' && c < 0x7f; }) && !notice.words().empty() &&
         notice.words().size() <= wire::kMaxLegalNoticeWordsBytes && in_range(notice.from_ms()) &&
         in_range(notice.to_ms()) && in_range(notice.at_ms());
}

Result<std::vector<Notice>, Failure> ask(Context& context) {
  const auto reply = call<wire::v1::MyNoticesReply>(context, wire::v1::METHOD_MY_NOTICES, wire::v1::Empty());
  if (!reply) return fail(reply.error());
  if (static_cast<std::size_t>(reply->notices_size()) > wire::kMaxLegalNotices ||
      !std::ranges::all_of(reply->notices(), makes_sense))
    return fail(Failure{client::ClientError::protocol, "the server's answer makes no sense"});
  return std::vector<Notice>(reply->notices().begin(), reply->notices().end());
}

void show(Context& context, const Notice& notice) {
  const auto time = [](std::uint64_t ms) { return from_unix_millis(static_cast<std::int64_t>(ms)); };
  const boost::json::object object{{"event", "legal_notice"},
                                   {"id", notice.id()},
                                   {"handle", notice.handle()},
                                   {"from", rfc3339_millis(time(notice.from_ms()))},
                                   {"to", rfc3339_millis(time(notice.to_ms()))},
                                   {"at", rfc3339_millis(time(notice.at_ms()))},
                                   {"words", notice.words()}};
  context.output().line(
      object, fmt::format("A legal request (case {}) named {}, about lookups from {} to {}. The service says: {}",
                          notice.id().substr(0, notice.id().find('.')), printable(as_view(notice.handle())),
                          local_time(time(notice.from_ms())), local_time(time(notice.to_ms())),
                          printable(as_view(notice.words()))));
}

}  // namespace

Exit run_notices(Context& context) {
  if (const auto connected = open_and_connect(context); !connected) return failed(context, connected.error());
  const auto notices = ask(context);
  if (!notices) return failed(context, notices.error());
  for (const Notice& notice : *notices) show(context, notice);
  remember(context, *notices);
  if (notices->empty())
    context.output().hint("none: the service tells of no legal request that named a handle of yours");
  context.finish(std::chrono::seconds(2));
  return Exit::ok;
}

void show_new_notices(Context& context) {
  const Seen seen = read_seen(context);
  const Time now = context.clock().now();
  if (now >= seen.asked_at && now < seen.asked_at + kAskEvery) return;
  const auto notices = ask(context);
  if (!notices) return;  // asked again by the next
  for (const Notice& notice : *notices)
    if (std::ranges::find(seen.ids, notice.id()) == seen.ids.end()) show(context, notice);
  remember(context, *notices);
}

}  // namespace opaline::cli
