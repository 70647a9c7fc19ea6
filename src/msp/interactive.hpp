#pragma once
// Interactive messages: what a business asks, typed for showing, and as canonical JSON for carrying. The gateway and
// the person's client read them with the same parser.
#include <variant>

#include "base/time.hpp"
#include "msp/error.hpp"
#include "msp/limits.hpp"
#include "msp/text.hpp"
#include "msp/uuid.hpp"

namespace opaline::msp {

/// The extension that shows the kinds of this page; a custom app has another one.
inline constexpr std::string_view kBusinessExtension =
    "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:"
    "com.apple.icloud.apps.messages.business.extension";

/// receivedMessage and replyMessage: the bubble before and after the answer.
struct Bubble {
  Text title, subtitle, style, image_identifier, image_title, image_subtitle, secondary_subtitle, tertiary_subtitle,
      alternate_title;
};
struct Image {
  Text identifier, description;
  SecretBytes data;  ///< 1 .. kMaxImageBytes; of whatever format, for its reader to check
};

struct ListItem {
  Text identifier, title, subtitle, style, image_identifier;
  std::int64_t order = 0;
};
struct ListSection {
  Text title;
  std::int64_t order = 0;
  bool multiple_selection = false;
  std::vector<ListItem> items;  ///< 1 .. kMaxSectionItems, in the order of the message
};
struct ListPicker {
  std::vector<ListSection> sections;  ///< 1 .. kMaxSections
};

struct Location {
  double latitude = 0, longitude = 0, radius = 0;  ///< degrees, degrees, metres; finite
  Text title;
};
struct TimeSlot {
  Text identifier;
  Text start_time;  ///< as sent
  Time start;       ///< the same
  seconds duration{};
};
struct TimePicker {
  Text identifier, title;
  std::optional<std::chrono::minutes> timezone_offset;  ///< of the place; none: show in the reader's own
  std::optional<Location> location;
  std::vector<TimeSlot> slots;  ///< 1 .. kMaxTimeSlots
};

struct QuickReplyItem {
  Text identifier, title;
};
struct QuickReply {
  Text summary;
  std::vector<QuickReplyItem> items;  ///< kMinQuickReplies .. kMaxQuickReplies
};

enum class FormPageType : std::uint8_t { splash, input, select, date_picker, wheel_picker };
struct FormItem {
  Text identifier, title, value, image_identifier, next_page;
};
struct FormPage {
  Text identifier, title, subtitle;
  FormPageType type{};
  Text next_page;       ///< empty: none
  bool submit = false;  ///< the form ends here
  bool required = false;
  bool multiple_selection = false;
  bool multiline = false;
  std::size_t max_characters = 0;             ///< of an answer; 1 .. kMaxFormAnswerCharacters
  Text placeholder, keyboard, content, hint;  ///< of an input; `content` is textContentType
  std::vector<FormItem> items;                ///< of a select or a wheel picker: 1 .. kMaxFormItems
};
struct Form {
  Text start_page;  ///< one of the pages; every page that is named exists
  bool show_summary = false;
  std::vector<FormPage> pages;  ///< 1 .. kMaxFormPages; identifiers are unique
};

struct Authentication {
  Text response_type, state, redirect_uri;
  std::vector<Text> scope;
};

struct CustomApp {
  Text app_id, app_name, url;
};

using InteractiveKind = std::variant<ListPicker, TimePicker, QuickReply, Form, Authentication, CustomApp>;

struct Interactive {
  Text bid;
  Text request_identifier;  ///< empty in a custom app alone
  Text session_identifier;  ///< never empty
  std::optional<Bubble> received, reply;
  std::vector<Image> images;  ///< images that a field names need not be there
  bool live_layout = false;
  InteractiveKind kind;
  /// interactiveData in canonical form (docs/business-api.md, "Payloads"), unknown members included, with
  /// sessionIdentifier.
  SecretBytes json;
};

/// From the bytes of an interactiveData object. A missing sessionIdentifier becomes `session`; a retry has the same.
/// Pointers of problems begin with `at`.
[[nodiscard]] Result<Interactive, Problem> parse_interactive(ByteView json, const Uuid& session,
                                                             std::string_view at = {});

}  // namespace opaline::msp
