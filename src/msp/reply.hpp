#pragma once
// A person's answer to an interactive message: typed by the client, checked against what was asked, written as the
// interactiveData that the business gets.
#include "msp/interactive.hpp"

namespace opaline::msp {

struct ListChoice {
  struct Item {
    std::size_t section = 0, item = 0;  ///< indexes into the question: identifiers need not be unique
    friend auto operator<=>(const Item&, const Item&) = default;
  };
  std::vector<Item> items;  ///< at least one; at most one of a section without multiple selection
};
struct TimeChoice {
  std::size_t slot = 0;
};
struct QuickChoice {
  std::size_t item = 0;
};
struct FormAnswer {
  Text page;                       ///< its identifier
  Text text;                       ///< of an input or a date (YYYY-MM-DD)
  std::vector<std::size_t> items;  ///< of a select or a wheel
};
/// The pages as they were gone through, from the start page to the one that submits.
struct FormChoice {
  std::vector<FormAnswer> answers;
};
enum class AuthenticationStatus : std::uint8_t { authenticated, failed, cancelled };
struct AuthenticationChoice {
  AuthenticationStatus status{};
  Text token;  ///< of `authenticated` alone: the authorisation code
};
using Choice = std::variant<ListChoice, TimeChoice, QuickChoice, FormChoice, AuthenticationChoice>;

struct Reply {
  Text body;         ///< of a quick reply alone: the chosen title
  SecretBytes json;  ///< interactiveData, canonical
};

/// not_offered: a choice of another kind than the question, an index or page that is not in it, one twice, several
/// where one may be chosen; custom apps have no answer here. incomplete: none where one must be, a required page left
/// empty, a form that was not gone through to its end. oversized: a text is longer than the question or limits.hpp
/// allows. malformed: a text is not is_text(), or no date.
[[nodiscard]] Result<Reply, Error> make_reply(const Interactive& asked, const Choice& chosen);
/// What make_reply made, as it arrives at the gateway from a person's device: canonical JSON with a `bid` and a `data`
/// object of one known kind, within kMaxPayloadBytes. A hostile device can answer what was not asked; it cannot make a
/// business's parser meet anything but this form.
[[nodiscard]] Result<SecretBytes, Problem> check_reply(ByteView json);

}  // namespace opaline::msp
