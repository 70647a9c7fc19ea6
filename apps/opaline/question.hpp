#pragma once
// What a business asks, on a terminal: shown with numbers, and answered by them.
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "client/error.hpp"
#include "msp/reply.hpp"

namespace opaline::cli {

/// A text of a business for one line of a terminal: what hides, reorders or moves becomes U+FFFD, line feeds and tabs
/// blanks.
[[nodiscard]] std::string label(std::string_view utf8);
[[nodiscard]] inline std::string label(const msp::Text& text) {
  return label(text.view());
}

/// "list", "time", "quick", "form", "authentication", "custom".
[[nodiscard]] std::string_view name_of_kind(const msp::Interactive& asked);
/// Lines for people, and how to answer; `business` is its urn.
[[nodiscard]] std::string question_text(const msp::Interactive& asked, const std::string& business);
/// The same as data (docs/cli.md).
[[nodiscard]] boost::json::object question_json(const msp::Interactive& asked);

/// One page of a form, with what is wanted on it.
[[nodiscard]] std::string page_text(const msp::FormPage& page);

/// What `opaline answer` was given.
struct GivenAnswer {
  std::vector<std::string> words;  ///< 1.2, 3, PAGE=VALUE
  std::string code;                ///< of an authentication
  bool cancel = false;             ///< the same
};
/// bad_text, with a sentence that says what can be chosen.
[[nodiscard]] Result<msp::Choice, client::Failure> choice_of(const msp::Interactive& asked, const GivenAnswer& given);
/// Asks at the terminal, or takes lines of standard input. bad_text; refused: standard input has ended.
[[nodiscard]] Result<msp::Choice, client::Failure> ask_choice(const msp::Interactive& asked);
/// Why make_reply did not take a choice.
[[nodiscard]] client::Failure choice_failure(msp::Error error);

}  // namespace opaline::cli
