#include "apps/opaline/question.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "apps/opaline/output.hpp"
#include "client/business_profile.hpp"

namespace opaline::cli {

using msp::FormPage;
using msp::FormPageType;

std::string label(std::string_view utf8) {
  return client::one_line(utf8, utf8.size());
}

std::string_view name_of_kind(const msp::Interactive& asked) {
  constexpr std::string_view kNames[] = {"list", "time", "quick", "form", "authentication", "custom"};
  static_assert(std::size(kNames) == std::variant_size_v<msp::InteractiveKind>);
  return kNames[asked.kind.index()];
}

namespace {

/// A time of the place where it is to be; the reader's own where none is named.
std::string slot_time(const msp::TimePicker& picker, const msp::TimeSlot& slot) {
  std::string out;
  if (!picker.timezone_offset) {
    out = local_time(slot.start);
  } else {
    out = rfc3339_millis(slot.start + *picker.timezone_offset).substr(0, 16);
    out[10] = ' ';
    const auto minutes = picker.timezone_offset->count();
    out += fmt::format(" (UTC{}{:02}:{:02})", minutes < 0 ? '-' : '+', std::abs(minutes) / 60, std::abs(minutes) % 60);
  }
  if (slot.duration.count() > 0) out += fmt::format(", {} min", (slot.duration.count() + 59) / 60);
  return out;
}

std::string with_subtitle(const msp::Text& title, const msp::Text& subtitle) {
  return subtitle.empty() ? label(title) : fmt::format("{} - {}", label(title), label(subtitle));
}

std::string lines_of(const msp::ListPicker& picker) {
  std::string out;
  for (std::size_t s = 0; s < picker.sections.size(); ++s) {
    const auto& section = picker.sections[s];
    out += fmt::format("\n      {} {}", label(section.title), section.multiple_selection ? "(one or more)" : "(one)");
    for (std::size_t i = 0; i < section.items.size(); ++i)
      out += fmt::format("\n        {}.{}  {}", s + 1, i + 1,
                         with_subtitle(section.items[i].title, section.items[i].subtitle));
  }
  return out;
}
std::string lines_of(const msp::TimePicker& picker) {
  std::string out;
  if (!picker.title.empty()) out += fmt::format("\n      {}", label(picker.title));
  if (picker.location && !picker.location->title.empty())
    out += fmt::format("\n      at {}", label(picker.location->title));
  for (std::size_t i = 0; i < picker.slots.size(); ++i)
    out += fmt::format("\n        {}  {}", i + 1, slot_time(picker, picker.slots[i]));
  return out;
}
std::string lines_of(const msp::QuickReply& quick) {
  std::string out;
  for (std::size_t i = 0; i < quick.items.size(); ++i)
    out += fmt::format("\n        {}  {}", i + 1, label(quick.items[i].title));
  return out;
}

std::string_view wanted_on(const FormPage& page) {
  switch (page.type) {
    case FormPageType::splash:
      return "";
    case FormPageType::input:
      return page.required ? "a text" : "a text, or nothing";
    case FormPageType::date_picker:
      return page.required ? "a date, YYYY-MM-DD" : "a date, YYYY-MM-DD, or nothing";
    case FormPageType::select:
    case FormPageType::wheel_picker:
      return page.multiple_selection ? "one or more of these, with commas" : "one of these";
  }
  return "";
}

std::string lines_of_page(const FormPage& page, std::string_view indent) {
  std::string out = fmt::format("{}{}", indent, with_subtitle(page.title, page.subtitle));
  if (const auto wanted = wanted_on(page); !wanted.empty()) out += fmt::format(" ({})", wanted);
  if (!page.hint.empty()) out += fmt::format("\n{}  {}", indent, label(page.hint));
  for (std::size_t i = 0; i < page.items.size(); ++i)
    out += fmt::format("\n{}  {}  {}", indent, i + 1, label(page.items[i].title));
  return out;
}
std::string lines_of(const msp::Form& form) {
  std::string out;
  for (const FormPage& page : form.pages)
    out += fmt::format("\n      {}= {}", label(page.identifier), lines_of_page(page, "        ").substr(8));
  return out;
}
std::string lines_of(const msp::Authentication& asked) {
  std::string out;
  if (!asked.redirect_uri.empty()) out += fmt::format("\n      the code comes to {}", label(asked.redirect_uri));
  for (const auto& scope : asked.scope) out += fmt::format("\n      it asks for: {}", label(scope));
  return out;
}
std::string lines_of(const msp::CustomApp& app) {
  return fmt::format("\n      for the app {}, which is not here: it cannot be answered", label(app.app_name));
}

std::string_view what(const msp::Interactive& asked) {
  const auto kind = name_of_kind(asked);
  if (kind == "list") return "choose from a list";
  if (kind == "time") return "choose a time";
  if (kind == "quick") return "a question";
  if (kind == "form") return "a form";
  if (kind == "authentication") return "asks you to sign in with the business";
  return "something";
}

std::string how_to_answer(const msp::Interactive& asked, const std::string& business) {
  const auto kind = name_of_kind(asked);
  const std::string command = fmt::format("\n      answer: opaline answer {}", business);
  if (kind == "custom") return {};
  if (kind == "list") return command + " 1.1";
  if (kind == "form") return command + " (asks page by page), or with PAGE=VALUE for each";
  if (kind == "authentication") return command + " --code CODE, or --cancel";
  return command + " 1";
}

}  // namespace

std::string question_text(const msp::Interactive& asked, const std::string& business) {
  std::string title;
  if (asked.received && !asked.received->title.empty())
    title = with_subtitle(asked.received->title, asked.received->subtitle);
  if (const auto* quick = std::get_if<msp::QuickReply>(&asked.kind)) title = label(quick->summary);
  std::string out = fmt::format("[{}]", what(asked));
  if (!title.empty()) out += " " + title;
  out += std::visit([](const auto& kind) { return lines_of(kind); }, asked.kind);
  return out + how_to_answer(asked, business);
}

std::string page_text(const FormPage& page) {
  return lines_of_page(page, "");
}

// ---- as data

namespace {

namespace json = boost::json;

std::string text(const msp::Text& text) {
  return std::string(text.view());
}

void put(json::object& out, const msp::ListPicker& picker) {
  json::array sections;
  for (const auto& section : picker.sections) {
    json::array items;
    for (const auto& item : section.items)
      items.push_back({{"title", text(item.title)}, {"subtitle", text(item.subtitle)}});
    sections.push_back(
        {{"title", text(section.title)}, {"several", section.multiple_selection}, {"items", std::move(items)}});
  }
  out["sections"] = std::move(sections);
}
void put(json::object& out, const msp::TimePicker& picker) {
  json::array slots;
  for (const auto& slot : picker.slots)
    slots.push_back({{"start", rfc3339_millis(slot.start)}, {"seconds", slot.duration.count()}});
  out["slots"] = std::move(slots);
  if (picker.timezone_offset) out["utc_offset_minutes"] = picker.timezone_offset->count();
  if (picker.location) out["place"] = text(picker.location->title);
}
void put(json::object& out, const msp::QuickReply& quick) {
  json::array items;
  for (const auto& item : quick.items) items.push_back(json::value(text(item.title)));
  out["items"] = std::move(items);
}
void put(json::object& out, const msp::Form& form) {
  constexpr std::string_view kTypes[] = {"splash", "input", "select", "date", "wheel"};
  json::array pages;
  for (const FormPage& page : form.pages) {
    json::array items;
    for (const auto& item : page.items) items.push_back(json::value(text(item.title)));
    pages.push_back({{"page", text(page.identifier)},
                     {"title", text(page.title)},
                     {"type", kTypes[static_cast<std::size_t>(page.type)]},
                     {"required", page.required},
                     {"several", page.multiple_selection},
                     {"items", std::move(items)}});
  }
  out["pages"] = std::move(pages);
}
void put(json::object& out, const msp::Authentication& asked) {
  out["redirect_uri"] = text(asked.redirect_uri);
  json::array scopes;
  for (const auto& scope : asked.scope) scopes.push_back(json::value(text(scope)));
  out["scope"] = std::move(scopes);
}
void put(json::object& out, const msp::CustomApp& app) {
  out["app"] = text(app.app_name);
}

}  // namespace

json::object question_json(const msp::Interactive& asked) {
  json::object out{{"kind", name_of_kind(asked)}};
  if (asked.received) {
    out["title"] = text(asked.received->title);
    out["subtitle"] = text(asked.received->subtitle);
  }
  if (const auto* quick = std::get_if<msp::QuickReply>(&asked.kind)) out["title"] = text(quick->summary);
  std::visit([&out](const auto& kind) { put(out, kind); }, asked.kind);
  return out;
}

}  // namespace opaline::cli
