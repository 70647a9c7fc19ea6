// What the person chose, from arguments or at the terminal.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "apps/opaline/prompt.hpp"
#include "apps/opaline/question.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using msp::FormPage;
using msp::FormPageType;

Failure wrong(std::string message) {
  return {ClientError::bad_text, std::move(message)};
}
Failure input_ended() {
  return {ClientError::refused, "nothing was answered"};
}

/// A number from 1 to `count`, as an index.
std::optional<std::size_t> index_of(std::string_view text, std::size_t count) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > count) return std::nullopt;
  return number - 1;
}

std::vector<std::string> pieces(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (const std::string& word : words) {
    std::string piece;
    for (const char c : word + ",") {
      if (c != ',' && c != ' ') {
        piece += c;
      } else if (!piece.empty()) {
        out.push_back(std::exchange(piece, {}));
      }
    }
  }
  return out;
}

Result<msp::Choice, Failure> choose(const msp::ListPicker& asked, const std::vector<std::string>& words) {
  msp::ListChoice out;
  for (const std::string& piece : pieces(words)) {
    const auto dot = piece.find('.');
    const auto section = dot == std::string::npos
                             ? std::optional<std::size_t>(asked.sections.size() == 1 ? 0 : asked.sections.size())
                             : index_of(std::string_view(piece).substr(0, dot), asked.sections.size());
    const auto item_text = dot == std::string::npos ? std::string_view(piece) : std::string_view(piece).substr(dot + 1);
    const auto item = section && *section < asked.sections.size()
                          ? index_of(item_text, asked.sections[*section].items.size())
                          : std::nullopt;
    if (!item) return fail(wrong(fmt::format("'{}' is not on the list; choose as 1.2: section and item", piece)));
    out.items.push_back({*section, *item});
  }
  return msp::Choice(std::move(out));
}

Result<std::size_t, Failure> one_of(std::size_t count, const std::vector<std::string>& words) {
  const auto all = pieces(words);
  const auto index = all.size() == 1 ? index_of(all.front(), count) : std::nullopt;
  if (!index) return fail(wrong(fmt::format("choose one, by its number from 1 to {}", count)));
  return *index;
}

/// What was typed for a page, as an answer.
Result<msp::FormAnswer, Failure> page_answer(const FormPage& page, const std::string& typed) {
  msp::FormAnswer out{page.identifier, {}, {}};
  if (page.type == FormPageType::splash) return out;
  if (page.type == FormPageType::input || page.type == FormPageType::date_picker) {
    out.text = msp::Text(typed);
    return out;
  }
  const auto title = std::ranges::find(page.items, std::string_view(typed),
                                       [](const msp::FormItem& item) { return item.title.view(); });
  if (title != page.items.end()) {
    out.items.push_back(static_cast<std::size_t>(title - page.items.begin()));
    return out;
  }
  for (const std::string& piece : pieces({typed})) {
    const auto index = index_of(piece, page.items.size());
    if (!index)
      return fail(wrong(fmt::format("'{}' is no choice on the page {}: numbers from 1 to {}", piece,
                                    label(page.identifier), page.items.size())));
    out.items.push_back(*index);
  }
  return out;
}

/// From the first page to the last; `typed` gives what the person enters on one.
Result<msp::Choice, Failure> walk(const msp::Form& form,
                                  const std::function<Result<msp::FormAnswer, Failure>(const FormPage&)>& typed) {
  msp::FormChoice out;
  const msp::Text* at = &form.start_page;
  while (!at->empty()) {
    const auto page = std::ranges::find(form.pages, *at, &FormPage::identifier);
    const bool again =
        page == form.pages.end() || std::ranges::find(out.answers, *at, &msp::FormAnswer::page) != out.answers.end();
    if (again) return fail(wrong("this form leads in a circle; it cannot be answered"));
    OPALINE_TRY(msp::FormAnswer answer, typed(*page));
    const bool leads = answer.items.size() == 1 && !page->items[answer.items[0]].next_page.empty();
    at = leads ? &page->items[answer.items[0]].next_page : &page->next_page;
    out.answers.push_back(std::move(answer));
    if (page->submit) break;
  }
  return msp::Choice(std::move(out));
}

Result<msp::Choice, Failure> choose(const msp::Form& form, const std::vector<std::string>& words) {
  std::vector<std::pair<std::string, std::string>> given;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) return fail(wrong("a form is answered by PAGE=VALUE for each page"));
    given.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  std::size_t used = 0;
  auto out = walk(form, [&](const FormPage& page) -> Result<msp::FormAnswer, Failure> {
    const auto found = std::ranges::find(given, page.identifier.view(), &std::pair<std::string, std::string>::first);
    if (found == given.end()) {
      if (page.type == FormPageType::splash || !page.required) return page_answer(page, "");
      return fail(
          wrong(fmt::format("the page {} must be answered: {}=VALUE", label(page.identifier), label(page.identifier))));
    }
    ++used;
    return page_answer(page, found->second);
  });
  if (out && used < given.size())
    return fail(wrong("a page was named that is not on the way through the form, or twice"));
  return out;
}

msp::Choice authentication(const std::string& code) {
  if (code.empty()) return msp::AuthenticationChoice{msp::AuthenticationStatus::cancelled, {}};
  return msp::AuthenticationChoice{msp::AuthenticationStatus::authenticated, msp::Text(code)};
}

}  // namespace

Result<msp::Choice, Failure> choice_of(const msp::Interactive& asked, const GivenAnswer& given) {
  if (std::holds_alternative<msp::Authentication>(asked.kind)) {
    if (given.code.empty() && !given.cancel) return fail(wrong("give the code with --code CODE, or --cancel"));
    return authentication(given.code);
  }
  if (!given.code.empty() || given.cancel) return fail(wrong("--code and --cancel are for signing in"));
  if (const auto* list = std::get_if<msp::ListPicker>(&asked.kind)) return choose(*list, given.words);
  if (const auto* form = std::get_if<msp::Form>(&asked.kind)) return choose(*form, given.words);
  if (const auto* time = std::get_if<msp::TimePicker>(&asked.kind)) {
    OPALINE_TRY(const std::size_t slot, one_of(time->slots.size(), given.words));
    return msp::Choice(msp::TimeChoice{slot});
  }
  if (const auto* quick = std::get_if<msp::QuickReply>(&asked.kind)) {
    OPALINE_TRY(const std::size_t item, one_of(quick->items.size(), given.words));
    return msp::Choice(msp::QuickChoice{item});
  }
  return fail(wrong("this is for an app that is not here: it cannot be answered"));
}

Result<msp::Choice, Failure> ask_choice(const msp::Interactive& asked) {
  if (const auto* form = std::get_if<msp::Form>(&asked.kind)) {
    return walk(*form, [](const FormPage& page) -> Result<msp::FormAnswer, Failure> {
      std::string shown = fmt::format("{}\n", page_text(page));
      if (page.type == FormPageType::splash) {
        const auto line = ask(shown + "(Enter) ");
        if (!line) return fail(input_ended());
        return page_answer(page, "");
      }
      const auto line = ask(shown + "> ");
      if (!line) return fail(input_ended());
      return page_answer(page, *line);
    });
  }
  if (std::holds_alternative<msp::CustomApp>(asked.kind)) return choice_of(asked, {});
  if (std::holds_alternative<msp::Authentication>(asked.kind)) {
    const auto code = ask("The code that the business's page gave you (empty: do not sign in): ");
    if (!code) return fail(input_ended());
    return authentication(*code);
  }
  const auto line = ask("Your choice: ");
  if (!line || line->empty()) return fail(input_ended());
  return choice_of(asked, {{*line}, {}, false});
}

Failure choice_failure(msp::Error error) {
  switch (error) {
    case msp::Error::incomplete:
      return wrong("something that has to be answered was left out; nothing was sent");
    case msp::Error::oversized:
      return wrong("an answer is longer than it may be; nothing was sent");
    case msp::Error::malformed:
      return wrong("an answer is no date, or no text; nothing was sent");
    default:
      return wrong("this was not offered, or only one may be chosen; nothing was sent");
  }
}

}  // namespace opaline::cli
