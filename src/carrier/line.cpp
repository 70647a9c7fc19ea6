#include "carrier/line.hpp"

#include <algorithm>
#include <charconv>

#include "base/utf8.hpp"

namespace opaline::carrier {
namespace {

constexpr std::int64_t kLongestLater = 86'400;  // budgets are of a day
constexpr Fate kFates[] = {Fate::delivered, Fate::failed, Fate::unknown, Fate::too_long, Fate::over_budget};

bool is_text(ByteView text) {
  return every_code_point(text, [](char32_t c) { return c != 0; });
}

void add(SecretBytes& out, std::string_view text) {
  const ByteView bytes = as_view(text);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

/// What stands before the first `end`, which is taken off with it; nullopt: there is none.
std::optional<std::string_view> before(std::string_view& rest, char end) {
  const auto at = rest.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view out = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return out;
}

/// Lower-case hexadecimal alone: one spelling of one id.
std::optional<MessageId> parse_id(std::string_view text) {
  if (std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'F'; })) return std::nullopt;
  return MessageId::from_hex(text);
}

std::optional<seconds> parse_later(std::string_view text) {
  constexpr std::string_view kName = "later=";
  if (!text.starts_with(kName)) return std::nullopt;
  text.remove_prefix(kName.size());
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.starts_with('0') || value < 1 ||
      value > kLongestLater)
    return std::nullopt;
  return seconds(value);
}

std::optional<Report> parse_report(std::string_view number, std::string_view rest) {
  const auto word = before(rest, ' ');
  if (!word) return std::nullopt;
  const auto* const fate = std::ranges::find(kFates, *word, [](Fate each) { return name(each); });
  if (fate == std::end(kFates)) return std::nullopt;
  Report out{.number = std::string(number), .fate = *fate, .message = {}, .later = {}};
  if (out.fate == Fate::over_budget) {
    const auto id = before(rest, ' ');
    if (!id) return std::nullopt;
    const auto later = parse_later(rest);
    if (!later) return std::nullopt;
    out.later = *later;
    rest = *id;
  }
  const auto id = parse_id(rest);
  if (!id) return std::nullopt;
  out.message = *id;
  return out;
}

void check(const Report& report) {
  OPALINE_ASSERT(is_number(report.number));
  const auto later = report.later.count();
  OPALINE_ASSERT(report.fate == Fate::over_budget ? later >= 1 && later <= kLongestLater : later == 0);
}

}  // namespace

bool is_number(std::string_view text) {
  return text.size() >= 8 && text.size() <= 16 && text[0] == '+' && text[1] != '0' &&
         std::ranges::all_of(text.substr(1), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view name(Fate fate) {
  switch (fate) {
    case Fate::delivered:
      return "delivered";
    case Fate::failed:
      return "failed";
    case Fate::unknown:
      return "unknown";
    case Fate::too_long:
      return "too_long";
    case Fate::over_budget:
      return "over_budget";
  }
  return "unknown";
}

SecretBytes write(const ToCarrier& message) {
  OPALINE_ASSERT(is_number(message.number) && !message.text.empty() && is_text(message.text));
  SecretBytes out;
  out.reserve(message.number.size() + 1 + message.text.size());
  add(out, message.number);
  add(out, "\n");
  out.insert(out.end(), message.text.begin(), message.text.end());
  return out;
}

std::optional<ToCarrier> parse_to_carrier(ByteView text) {
  std::string_view rest = as_text(text);
  const auto number = before(rest, '\n');
  if (!number || !is_number(*number) || rest.empty() || !is_text(as_view(rest))) return std::nullopt;
  return ToCarrier{.number = std::string(*number), .text = to_secret_bytes(as_view(rest))};
}

SecretBytes write(const FromCarrier& message) {
  SecretBytes out;
  if (const auto* reply = std::get_if<Reply>(&message)) {
    OPALINE_ASSERT(is_number(reply->number) && is_text(reply->text));
    out.reserve(reply->number.size() + 7 + reply->text.size());
    add(out, reply->number);
    add(out, " reply\n");
    out.insert(out.end(), reply->text.begin(), reply->text.end());
    return out;
  }
  const auto& report = std::get<Report>(message);
  check(report);
  add(out, report.number);
  add(out, " ");
  add(out, name(report.fate));
  add(out, " ");
  add(out, report.message.hex());
  if (report.fate == Fate::over_budget) add(out, " later=" + std::to_string(report.later.count()));
  return out;
}

std::optional<FromCarrier> parse_from_carrier(ByteView text) {
  std::string_view rest = as_text(text);
  const auto number = before(rest, ' ');
  if (!number || !is_number(*number)) return std::nullopt;
  constexpr std::string_view kReply = "reply\n";
  if (rest.starts_with(kReply)) {
    rest.remove_prefix(kReply.size());
    if (!is_text(as_view(rest))) return std::nullopt;
    return Reply{.number = std::string(*number), .text = to_secret_bytes(as_view(rest))};
  }
  auto report = parse_report(*number, rest);
  if (!report) return std::nullopt;
  return FromCarrier(std::move(*report));
}

SecretBytes sms_link(std::string_view number, ByteView text) {
  OPALINE_ASSERT(is_number(number));
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  SecretBytes out;
  out.reserve(number.size() + 10 + 3 * text.size());
  add(out, "sms:");
  add(out, number);
  if (text.empty()) return out;
  add(out, "?body=");
  for (const std::byte b : text) {
    const auto c = static_cast<unsigned char>(b);
    // RFC 3986 section 2.3: what needs no encoding anywhere.
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out.push_back(b);
    } else {
      const char encoded[] = {'%', kDigits[c >> 4], kDigits[c & 15]};
      add(out, std::string_view(encoded, sizeof encoded));
    }
  }
  return out;
}

}  // namespace opaline::carrier
