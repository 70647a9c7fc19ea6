// Conversations with businesses, as they are shown.
#include <fmt/format.h>

#include "apps/opaline/business.hpp"
#include "apps/opaline/files.hpp"
#include "apps/opaline/question.hpp"
#include "apps/opaline/sms.hpp"
#include "client/part_file.hpp"

namespace opaline::cli {
namespace {

using client::Entry;
using client::EntryKind;
using client::PersonaHome;
using wire::PartKind;
namespace json = boost::json;

constexpr auto kFetchWithin = std::chrono::seconds(60);

std::optional<wire::BusinessPart> part_of(const Entry& entry) {
  if (entry.part.empty()) return std::nullopt;
  auto part = wire::decode_business_part(entry.part);
  if (!part) return std::nullopt;
  return *part;
}

/// What stands in the part or in its file; empty: it is not here.
SecretBytes content_of(const Entry& entry, const wire::BusinessPart& part, const PersonaHome& home) {
  if (!part.in_file) return to_secret_bytes(part.json);
  auto kept = home.part_file(entry.message);
  return kept && *kept ? std::move(**kept) : SecretBytes();
}

/// The text at a path of a document of others; empty: it has none there.
std::string text_at(ByteView document, std::initializer_list<const char*> path) {
  boost::system::error_code error;
  const auto root = json::parse(json::string_view(as_text(document)), error);
  const json::value* at = error ? nullptr : &root;
  for (const char* key : path) at = at != nullptr && at->is_object() ? at->as_object().if_contains(key) : nullptr;
  return at != nullptr && at->is_string() ? std::string(at->as_string()) : std::string();
}

/// The entry as any other is shown: with its text from the file, and without that file.
Entry without_file(const Entry& entry, const wire::BusinessPart& part, const PersonaHome& home) {
  Entry out = entry;
  if (!part.in_file) return out;
  if (!out.attachments.empty()) out.attachments.pop_back();
  if (part.kind == PartKind::words) out.text = content_of(entry, part, home);
  return out;
}

/// What the person chose, by the words of the answer.
std::string answer_words(const Entry& entry, const wire::BusinessPart& part, const PersonaHome& home) {
  std::string words = words_of_answer(content_of(entry, part, home));
  if (words.empty()) words = std::string(as_text(entry.text));
  return words;
}

std::string body_text(const Entry& entry, const wire::BusinessPart& part, const PersonaHome& home) {
  const SecretBytes content = content_of(entry, part, home);
  if (part.kind == PartKind::interactive && entry.kind == EntryKind::outgoing)
    return fmt::format("[your answer] {}", label(answer_words(entry, part, home)));
  if (part.in_file && content.empty()) return "(the rest of this message was not fetched yet: opaline receive)";
  if (part.kind == PartKind::rich_link) {
    const std::string title = text_at(content, {"title"}), url = text_at(content, {"url"});
    return fmt::format("[a link] {}\n      {}", label(title), label(url));
  }
  if (part.kind == PartKind::interactive) {
    const auto asked = question_of(entry, home);
    return asked ? question_text(*asked, client::business_urn(entry.peer))
                 : "(a question that this version of opaline does not know; update it)";
  }
  if (part.kind == PartKind::unknown && entry.text.empty())
    return "(something that this version of opaline does not know; update it)";
  return {};
}

/// Lines about keys, in the words of businesses; empty: nothing that the person is to know.
std::string notice_text(const Entry& entry, const PersonaHome& home) {
  const std::string name = label(business_name(home));
  using endpoint::NoticeKind;
  switch (entry.notice) {
    case NoticeKind::first_contact:
    case NoticeKind::device_list_changed:
    case NoticeKind::own_device_added:
    case NoticeKind::own_device_removed:
      return {};
    case NoticeKind::identity_changed:
      if (const auto move = gateway_move(home); !move.empty())
        return fmt::format("  -- WARNING: {}: {}. Nothing is sent until then.", name, explain_move(move, home));
      return fmt::format(
          "  -- WARNING: the gateway of {0} has another key: it was set up anew, has moved, or somebody is in between. "
          "Nothing is sent until you agree: opaline accept {1}",
          name, client::business_urn(entry.peer));
    default:
      return fmt::format("  -- {}", explain(entry.notice, name));
  }
}

}  // namespace

std::optional<msp::Interactive> question_of(const Entry& entry, const PersonaHome& home) {
  const auto part = part_of(entry);
  if (!part || part->kind != PartKind::interactive || entry.kind != EntryKind::incoming) return std::nullopt;
  const SecretBytes content = content_of(entry, *part, home);
  if (content.empty()) return std::nullopt;
  auto asked = msp::parse_interactive(content, msp::Uuid(entry.message.view()));
  if (!asked) return std::nullopt;
  return std::move(*asked);
}

std::string words_of_answer(ByteView json) {
  const std::string words = text_at(json, {"data", "replyMessage", "alternateTitle"});
  return words.empty() ? text_at(json, {"data", "replyMessage", "title"}) : words;
}

std::size_t saved_files(const Entry& entry) {
  const auto part = part_of(entry);
  return entry.attachments.size() - (part && part->in_file && !entry.attachments.empty() ? 1 : 0);
}

bool wants_part_file(const Entry& entry, const PersonaHome& home) {
  const auto part = part_of(entry);
  if (!part || !part->in_file) return false;
  const auto kept = home.part_file(entry.message);
  return kept && !*kept;
}

void fetch_part(Context& context, const Entry& entry, const PersonaHome& home) {
  client::BlobService blobs(context.loop(), context.service());
  auto answer = std::make_shared<std::optional<Result<void, client::Failure>>>();
  client::fetch_part_file(blobs, home, entry, [answer](Result<void, client::Failure> done) { answer->emplace(done); });
  context.wait(kFetchWithin, [&answer] { return answer->has_value(); });
  if (!*answer) context.output().error({client::ClientError::timed_out, "a part of a message could not be fetched"});
  if (*answer && !**answer) context.output().error((*answer)->error());
}

json::object business_entry_json(const Entry& entry, const PersonaHome& home) {
  if (auto sms = sms_entry_json(entry, home)) return std::move(*sms);
  const std::string name = business_name(home);
  const auto part = part_of(entry);
  auto out = part ? entry_json(without_file(entry, *part, home), name, "another device")
                  : entry_json(entry, name, "another device");
  out["business"] = client::business_urn(entry.peer);
  if (entry.kind == EntryKind::notice && entry.notice == endpoint::NoticeKind::identity_changed &&
      !gateway_move(home).empty())
    out["moved"] = gateway_move(home);
  if (!part) return out;
  if (part->automatic) out["automatic"] = true;
  if (part->answers) out["answers"] = part->answers->hex();
  if (!part->shared.empty()) out["shared"] = as_text(part->shared);
  if (part->kind == PartKind::close) out["closes"] = true;
  if (const auto asked = question_of(entry, home)) out["question"] = question_json(*asked);
  if (part->kind == PartKind::interactive && entry.kind == EntryKind::outgoing)
    out["answer"] = answer_words(entry, *part, home);
  if (part->kind == PartKind::rich_link) {
    const SecretBytes content = content_of(entry, *part, home);
    out["link"] = {{"title", text_at(content, {"title"})}, {"url", text_at(content, {"url"})}};
  }
  return out;
}

std::string business_entry_text(const Entry& entry, const PersonaHome& home) {
  if (auto sms = sms_entry_text(entry, home)) return std::move(*sms);
  const std::string name = business_name(home);
  if (entry.kind == EntryKind::notice) return notice_text(entry, home);
  const auto part = part_of(entry);
  std::string shown = label(name) + " (business)";
  if (!part) return entry_text(entry, shown, "another device");
  if (part->kind == PartKind::close && entry.kind == EntryKind::outgoing)
    return fmt::format("{}  -- you closed the conversation with {}", local_time(entry.sent_at), label(name));
  if (part->automatic) shown += " (a bot)";
  Entry plain = without_file(entry, *part, home);
  const std::string body = body_text(entry, *part, home);
  if (!body.empty()) plain.text = to_secret_bytes(as_view(body));
  std::string out = entry_text(plain, shown, "another device");
  if (part->kind == PartKind::interactive && entry.kind == EntryKind::incoming)
    out += fmt::format("\n      message {}", entry.message.hex().substr(0, kShortIdDigits));
  return out;
}

}  // namespace opaline::cli
