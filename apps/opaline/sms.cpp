#include "apps/opaline/sms.hpp"

#include <fmt/format.h>

#include "apps/opaline/business.hpp"
#include "carrier/line.hpp"

namespace opaline::cli {
namespace {

using carrier::Fate;
using client::Entry;
using client::EntryKind;
using endpoint::MessageState;
namespace json = boost::json;

constexpr std::string_view kMark = "SMS, not encrypted";

/// What an entry says, as the carrier and the person write it.
using Said = std::variant<carrier::ToCarrier, carrier::Report, carrier::Reply>;

std::optional<Said> read(const Entry& entry, const client::PersonaHome& home) {
  if (!is_carrier(home) || !entry.attachments.empty()) return std::nullopt;
  if (entry.kind == EntryKind::outgoing) {
    auto text = carrier::parse_to_carrier(entry.text);
    if (!text) return std::nullopt;
    return Said(std::move(*text));
  }
  if (entry.kind != EntryKind::incoming) return std::nullopt;
  auto said = carrier::parse_from_carrier(entry.text);
  if (!said) return std::nullopt;
  if (auto* report = std::get_if<carrier::Report>(&*said)) return Said(std::move(*report));
  return Said(std::move(std::get<carrier::Reply>(*said)));
}

const std::string& number_in(const Said& said) {
  return std::visit([](const auto& each) -> const std::string& { return each.number; }, said);
}

/// `sent`: the carrier's software has it. What the telephone has, reports say.
MessageState shown(MessageState state) {
  return state == MessageState::delivered || state == MessageState::read ? MessageState::sent : state;
}

std::string explain(const carrier::Report& report) {
  switch (report.fate) {
    case Fate::delivered:
      return "delivered, says the carrier";
    case Fate::failed:
      return "not sent, or not delivered, says the carrier";
    case Fate::unknown:
      return "perhaps sent: nobody can say; it is not tried again";
    case Fate::too_long:
      return "not sent: it is too long";
    case Fate::over_budget:
      return fmt::format("not sent: so many were sent today; try again in {}",
                         duration(static_cast<std::uint32_t>(report.later.count())));
  }
  return {};
}

/// The entry with what is for people in it.
Entry plain(const Entry& entry, const SecretBytes& text) {
  Entry out = entry;
  out.text = text;
  out.state = shown(entry.state);
  out.part.clear();
  return out;
}

}  // namespace

std::optional<std::string> sms_number_of(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool between = c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/';
    if (!between) out += c;
  }
  if (!carrier::is_number(out)) return std::nullopt;
  return out;
}

bool is_carrier(const client::PersonaHome& home) {
  return profile_of(home).carrier;
}

std::optional<std::string> sms_number(const Entry& entry, const client::PersonaHome& home) {
  const auto said = read(entry, home);
  if (!said) return std::nullopt;
  return number_in(*said);
}

std::optional<json::object> sms_entry_json(const Entry& entry, const client::PersonaHome& home) {
  const auto said = read(entry, home);
  if (!said) return std::nullopt;
  json::object out;
  if (const auto* report = std::get_if<carrier::Report>(&*said)) {
    out = {{"event", "sms_report"},
           {"id", entry.message.hex()},
           {"from", report->number},
           {"message", report->message.hex()},
           {"report", carrier::name(report->fate)},
           {"received_at", rfc3339_millis(entry.at)}};
    if (report->fate == Fate::over_budget) out["retry_after_seconds"] = report->later.count();
  } else {
    const auto* reply = std::get_if<carrier::Reply>(&*said);
    out = entry_json(plain(entry, reply != nullptr ? reply->text : std::get<carrier::ToCarrier>(*said).text),
                     number_in(*said), "another device");
  }
  out["via"] = "sms";
  out["encrypted"] = false;
  out["business"] = client::business_urn(entry.peer);
  return out;
}

std::optional<std::string> sms_entry_text(const Entry& entry, const client::PersonaHome& home) {
  const auto said = read(entry, home);
  if (!said) return std::nullopt;
  if (const auto* report = std::get_if<carrier::Report>(&*said))
    return fmt::format("  -- your short message to {}: {}", report->number, explain(*report));
  const auto* reply = std::get_if<carrier::Reply>(&*said);
  return entry_text(plain(entry, reply != nullptr ? reply->text : std::get<carrier::ToCarrier>(*said).text),
                    fmt::format("{} ({})", number_in(*said), kMark), "another device");
}

std::string sms_sent_text(const Entry& entry, const std::string& number) {
  const std::string to = fmt::format("{} ({})", number, kMark);
  const std::string text = sent_text(shown(entry.state), entry.reason, to);
  if (shown(entry.state) != MessageState::sent) return text;
  return text + ": the carrier's software has it; what became of it comes by itself (opaline receive)";
}

}  // namespace opaline::cli
