#include <algorithm>

#include "msp/internal/interactive.hpp"

namespace opaline::msp::internal {
namespace {

constexpr struct {
  std::string_view name;
  FormPageType type;
} kPageTypes[] = {{"splash", FormPageType::splash},
                  {"input", FormPageType::input},
                  {"select", FormPageType::select},
                  {"datePicker", FormPageType::date_picker},
                  {"wheelPicker", FormPageType::wheel_picker},
                  {"pickerWheel", FormPageType::wheel_picker},
                  {"picker", FormPageType::wheel_picker}};

FormPageType read_type(const Field& field) {
  for (const auto& known : kPageTypes) {
    if (field.raw_string() == known.name) return known.type;
  }
  field.problem(field.present() ? Error::malformed : Error::missing,
                "it must be splash, input, select, datePicker or wheelPicker");
  return FormPageType::splash;
}

FormItem read_item(const Field& item) {
  item.require_object();
  return {.identifier = item["identifier"].identifier(),
          .title = item["title"].label(Need::required),
          .value = item["value"].text(kMaxLabelCharacters, Need::optional, true),
          .image_identifier = item["imageIdentifier"].identifier(),
          .next_page = item["nextPageIdentifier"].identifier()};
}

FormPage read_page(const Field& page) {
  page.require_object();
  const Field options = page["options"];
  FormPage out;
  out.identifier = page["pageIdentifier"].identifier(Need::required);
  out.type = read_type(page["type"]);
  out.title = page["title"].label();
  out.subtitle = page["subtitle"].label();
  out.next_page = page["nextPageIdentifier"].identifier();
  out.submit = page["submitForm"].boolean();
  out.multiple_selection = page["multipleSelection"].boolean();
  out.required = options["required"].boolean();
  const Text input_type = options["inputType"].label();
  if (!input_type.empty() && !(input_type == "singleline") && !(input_type == "multiline")) {
    options["inputType"].problem(Error::malformed, "it must be singleline or multiline");
  }
  out.multiline = input_type == "multiline";
  // Zero is what some send for "no limit".
  const auto most = options["maximumCharacterCount"].integer(0, INT64_MAX, 0);
  out.max_characters = most == 0 || most > static_cast<std::int64_t>(kMaxFormAnswerCharacters)
                           ? kMaxFormAnswerCharacters
                           : static_cast<std::size_t>(most);
  out.placeholder = options["placeholder"].label();
  out.keyboard = options["keyboardType"].label();
  out.content = options["textContentType"].label();
  out.hint = page["hintText"].label();
  const bool chooses = out.type == FormPageType::select || out.type == FormPageType::wheel_picker;
  for (const Field& item : page["items"].elements(chooses ? 1 : 0, kMaxFormItems, "a select has 1 to 100 items")) {
    out.items.push_back(read_item(item));
  }
  return out;
}

bool has_page(const Form& form, const Text& identifier) {
  return std::ranges::find(form.pages, identifier, &FormPage::identifier) != form.pages.end();
}

/// Every page that is named is there, and no two have one name.
void check_links(const Form& form, const Field& data, const std::vector<Field>& pages) {
  constexpr std::string_view kNoSuchPage = "there is no page of this pageIdentifier";
  if (!has_page(form, form.start_page)) data["startPageIdentifier"].problem(Error::mismatch, kNoSuchPage);
  for (std::size_t i = 0; i < form.pages.size(); ++i) {
    const FormPage& page = form.pages[i];
    if (std::ranges::count(form.pages, page.identifier, &FormPage::identifier) != 1) {
      pages[i]["pageIdentifier"].problem(Error::mismatch, "another page has this pageIdentifier");
    }
    if (!page.next_page.empty() && !has_page(form, page.next_page)) {
      pages[i]["nextPageIdentifier"].problem(Error::mismatch, kNoSuchPage);
    }
    for (const FormItem& item : page.items) {
      if (!item.next_page.empty() && !has_page(form, item.next_page)) {
        pages[i]["items"].problem(Error::mismatch, "an item's nextPageIdentifier names no page");
      }
    }
  }
}

}  // namespace

Form read_form(const Field& dynamic) {
  const Field version = dynamic["version"];
  if (version.present() && !version.label().view().starts_with("1.")) {
    version.problem(Error::unsupported, "this service knows forms of version 1.2");
  }
  const Field kind = dynamic["template"];
  if (kind.label(Need::required).view() != "messageForms") {
    kind.problem(Error::unsupported, "the only template is messageForms");
  }
  const Field data = dynamic["data"];
  data.require_object();
  Form out;
  out.start_page = data["startPageIdentifier"].identifier();
  if (out.start_page.empty()) out.start_page = Text("0");
  out.show_summary = data["showSummary"].boolean();
  const auto pages = data["pages"].elements(1, kMaxFormPages, "a form has 1 to 50 pages");
  for (const Field& page : pages) out.pages.push_back(read_page(page));
  check_links(out, data, pages);
  return out;
}

}  // namespace opaline::msp::internal
