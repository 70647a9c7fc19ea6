#include "msp/reply.hpp"

#include <algorithm>

#include "msp/internal/interactive.hpp"
#include "msp/internal/writing.hpp"

namespace opaline::msp {
namespace {

using internal::JsonWriter;

/// What a choice comes to: the members of `data` that are the answer, and how it reads.
struct Answer {
  SecretBytes members;  ///< `"listPicker":{...}`
  Text words;           ///< the chosen titles
  bool has_bubble = true;
};

/// Adds to a list for people, within the size of a label.
void add_words(Text& words, std::string_view more) {
  constexpr std::string_view kComma = ", ";
  const std::size_t used = count_characters(words.view()) + (words.empty() ? 0 : kComma.size());
  if (more.empty() || used + count_characters(more) > kMaxLabelCharacters) return;
  if (!words.empty()) words.append(kComma);
  words.append(more);
}

void write_list_item(JsonWriter& json, const ListItem& item) {
  json.begin_object().key("identifier").string(item.identifier.view()).key("title").string(item.title.view());
  json.member("subtitle", item.subtitle.view()).key("order").integer(item.order);
  json.member("style", item.style.view()).member("imageIdentifier", item.image_identifier.view()).end_object();
}

Result<Answer, Error> answer(const ListPicker& asked, const ListChoice& chosen) {
  auto items = chosen.items;
  if (items.empty()) return fail(Error::incomplete);
  std::ranges::sort(items);
  if (std::ranges::adjacent_find(items) != items.end()) return fail(Error::not_offered);
  Answer out;
  JsonWriter json(out.members);
  json.key("listPicker").begin_object().key("sections").begin_array();
  for (std::size_t i = 0; i < items.size();) {
    if (items[i].section >= asked.sections.size()) return fail(Error::not_offered);
    const std::size_t index = items[i].section;
    const ListSection& section = asked.sections[index];
    json.begin_object().member("title", section.title.view()).key("order").integer(section.order);
    json.key("multipleSelection").boolean(section.multiple_selection).key("items").begin_array();
    std::size_t count = 0;
    for (; i < items.size() && items[i].section == index; ++i) {
      if (items[i].item >= section.items.size()) return fail(Error::not_offered);
      if (++count > 1 && !section.multiple_selection) return fail(Error::not_offered);
      write_list_item(json, section.items[items[i].item]);
      add_words(out.words, section.items[items[i].item].title.view());
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return out;
}

Result<Answer, Error> answer(const TimePicker& asked, const TimeChoice& chosen) {
  if (chosen.slot >= asked.slots.size()) return fail(Error::not_offered);
  const TimeSlot& slot = asked.slots[chosen.slot];
  Answer out;
  JsonWriter json(out.members);
  json.key("event").begin_object().member("identifier", asked.identifier.view());
  json.member("title", asked.title.view());
  if (asked.timezone_offset) json.key("timezoneOffset").integer(asked.timezone_offset->count());
  if (asked.location) {
    json.key("location").begin_object().key("latitude").number(asked.location->latitude);
    json.key("longitude").number(asked.location->longitude).key("radius").number(asked.location->radius);
    json.member("title", asked.location->title.view()).end_object();
  }
  json.key("timeslots").begin_array().begin_object();
  json.key("identifier").string(slot.identifier.view()).key("startTime").string(slot.start_time.view());
  json.key("duration").integer(slot.duration.count()).end_object().end_array().end_object();
  add_words(out.words, slot.start_time.view());
  return out;
}

Result<Answer, Error> answer(const QuickReply& asked, const QuickChoice& chosen) {
  if (chosen.item >= asked.items.size()) return fail(Error::not_offered);
  Answer out{.members = {}, .words = asked.items[chosen.item].title, .has_bubble = false};
  JsonWriter json(out.members);
  json.key("quick-reply").begin_object().member("summaryText", asked.summary.view());
  json.key("selectedIdentifier").string(asked.items[chosen.item].identifier.view());
  json.key("selectedIndex").unsigned_integer(chosen.item).key("items").begin_array();
  for (const QuickReplyItem& item : asked.items) {
    json.begin_object().key("identifier").string(item.identifier.view());
    json.key("title").string(item.title.view()).end_object();
  }
  json.end_array().end_object();
  return out;
}

Result<void, Error> check_items(const FormPage& page, const FormAnswer& given) {
  if (!given.text.empty()) return fail(Error::not_offered);
  if (given.items.empty() && (page.required || !page.multiple_selection)) return fail(Error::incomplete);
  if (given.items.size() > 1 && !page.multiple_selection) return fail(Error::not_offered);
  auto items = given.items;
  std::ranges::sort(items);
  if (std::ranges::adjacent_find(items) != items.end()) return fail(Error::not_offered);
  if (!items.empty() && items.back() >= page.items.size()) return fail(Error::not_offered);
  return {};
}
Result<void, Error> check_form_answer(const FormPage& page, const FormAnswer& given) {
  const std::string_view text = given.text.view();
  switch (page.type) {
    case FormPageType::select:
    case FormPageType::wheel_picker:
      return check_items(page, given);
    case FormPageType::splash:
      if (!text.empty() || !given.items.empty()) return fail(Error::not_offered);
      return {};
    case FormPageType::input:
    case FormPageType::date_picker:
      break;
  }
  if (!given.items.empty()) return fail(Error::not_offered);
  if (text.empty()) return page.required ? Result<void, Error>(fail(Error::incomplete)) : Result<void, Error>();
  if (!is_text(text)) return fail(Error::malformed);
  if (count_characters(text) > page.max_characters) return fail(Error::oversized);
  if (page.type == FormPageType::date_picker && !internal::is_date(text)) return fail(Error::malformed);
  return {};
}

void write_form_answer(JsonWriter& json, const FormPage& page, const FormAnswer& given, Text& words) {
  json.begin_object().key("pageIdentifier").string(page.identifier.view());
  json.key("title").string(page.title.view()).member("subtitle", page.subtitle.view());
  json.key("items").begin_array();
  if (!given.text.empty()) {
    json.begin_object().key("title").string(given.text.view()).key("value").string(given.text.view()).end_object();
  }
  for (const std::size_t index : given.items) {
    const FormItem& item = page.items[index];
    const std::string_view value = item.value.empty() ? item.title.view() : item.value.view();
    json.begin_object().member("identifier", item.identifier.view()).key("title").string(item.title.view());
    json.key("value").string(value).end_object();
    add_words(words, item.title.view());
  }
  json.end_array().end_object();
}

/// Where the person goes after a page; empty: the form ends there.
const Text& page_after(const FormPage& page, const FormAnswer& given) {
  static const Text kEnd;
  if (page.submit) return kEnd;
  if (given.items.size() == 1 && !page.items[given.items[0]].next_page.empty()) {
    return page.items[given.items[0]].next_page;
  }
  return page.next_page;
}

Result<Answer, Error> answer(const Form& asked, const FormChoice& chosen) {
  Answer out;
  JsonWriter json(out.members);
  json.key("dynamic").begin_object().key("version").string("1.2").key("template").string("messageForms");
  json.key("selections").begin_array();
  const Text* at = &asked.start_page;
  std::vector<const FormPage*> seen;
  for (const FormAnswer& given : chosen.answers) {
    if (at->empty() || given.page != *at) return fail(Error::not_offered);
    const auto page = std::ranges::find(asked.pages, given.page, &FormPage::identifier);
    OPALINE_ASSERT(page != asked.pages.end());  // read_form has checked all names
    if (std::ranges::find(seen, &*page) != seen.end()) return fail(Error::not_offered);
    seen.push_back(&*page);
    OPALINE_CHECK(check_form_answer(*page, given));
    if (page->type != FormPageType::splash) write_form_answer(json, *page, given, out.words);
    at = &page_after(*page, given);
  }
  if (!at->empty()) return fail(Error::incomplete);
  json.end_array().end_object();
  return out;
}

Result<Answer, Error> answer(const Authentication& asked, const AuthenticationChoice& chosen) {
  const bool done = chosen.status == AuthenticationStatus::authenticated;
  if (done && chosen.token.empty()) return fail(Error::incomplete);
  if (!done && !chosen.token.empty()) return fail(Error::not_offered);
  if (!is_text(chosen.token.view())) return fail(Error::malformed);
  if (count_characters(chosen.token.view()) > kMaxUrlBytes) return fail(Error::oversized);
  const std::string_view status = done                                            ? "authenticated"
                                  : chosen.status == AuthenticationStatus::failed ? "failed"
                                                                                  : "cancelled";
  Answer out{.members = {}, .words = Text(status)};
  JsonWriter json(out.members);
  json.key("authenticate").begin_object().key("status").string(status);
  json.member("token", chosen.token.view()).member("state", asked.state.view()).end_object();
  return out;
}

Result<Answer, Error> answer(const CustomApp&, const auto&) {
  return fail(Error::not_offered);
}
/// A choice of another kind than the question.
Result<Answer, Error> answer(const auto&, const auto&) {
  return fail(Error::not_offered);
}

/// The bubble of the reply. Without a title of the business's own it has the words: some connectors read nothing else.
void write_bubble(JsonWriter& json, const std::optional<Bubble>& asked, const Text& words) {
  const Bubble none;
  const Bubble& bubble = asked ? *asked : none;
  json.begin_object().key("title").string(bubble.title.empty() ? words.view() : bubble.title.view());
  json.member("subtitle", bubble.subtitle.empty() && !bubble.title.empty() ? words.view() : bubble.subtitle.view());
  json.member("alternateTitle", bubble.alternate_title.empty() ? words.view() : bubble.alternate_title.view());
  json.member("style", bubble.style.view()).member("imageIdentifier", bubble.image_identifier.view());
  json.member("imageTitle", bubble.image_title.view()).member("imageSubtitle", bubble.image_subtitle.view());
  json.member("secondarySubtitle", bubble.secondary_subtitle.view());
  json.member("tertiarySubtitle", bubble.tertiary_subtitle.view()).end_object();
}

}  // namespace

Result<Reply, Error> make_reply(const Interactive& asked, const Choice& chosen) {
  OPALINE_TRY(const Answer answered,
              std::visit([](const auto& question,
                            const auto& choice) -> Result<Answer, Error> { return answer(question, choice); },
                         asked.kind, chosen));
  SecretBytes out;
  JsonWriter json(out);
  json.begin_object().key("bid").string(asked.bid.view()).key("data").begin_object().raw(answered.members);
  json.key("mspVersion").string("1.0").key("version").string("1.0");
  json.key("requestIdentifier").string(asked.request_identifier.view());
  if (answered.has_bubble) {
    json.key("replyMessage");
    // A form of typed texts has no words of its own: it is called by its question.
    write_bubble(json, asked.reply, answered.words.empty() && asked.received ? asked.received->title : answered.words);
  }
  json.end_object().key("sessionIdentifier").string(asked.session_identifier.view());
  json.key("useLiveLayout").boolean(asked.live_layout).end_object();
  if (out.size() > kMaxPayloadBytes) return fail(Error::oversized);
  return Reply{.body = answered.has_bubble ? Text{} : answered.words, .json = internal::canonical(out)};
}

}  // namespace opaline::msp
