#include "msp/interactive.hpp"

#include <algorithm>

#include "msp/internal/interactive.hpp"

namespace opaline::msp {
namespace internal {
namespace {

constexpr std::string_view kBidPrefix = "com.apple.messages.MSMessageExtensionBalloonPlugin:";
constexpr seconds kMaxSlotDuration = std::chrono::days(31);

/// The bid, and whether it names a custom app.
struct Bid {
  Text text;
  bool custom = false;
};
Bid read_bid(const Field& field) {
  Bid out{.text = field.text(kMaxBidBytes, Need::required)};
  if (out.text.empty() || out.text == kBusinessExtension) return out;
  // <team-id>:<extension-id>
  const std::string_view text = out.text.view();
  const std::string_view name = text.starts_with(kBidPrefix) ? text.substr(kBidPrefix.size()) : std::string_view{};
  const std::size_t colon = name.find(':');
  const bool printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  if (colon == name.npos || colon == 0 || colon + 1 == name.size() || !printable) {
    field.problem(Error::malformed, "it must be the business extension's bid, or end in <team-id>:<extension-id>");
  }
  out.custom = true;
  return out;
}

std::optional<Bubble> read_bubble(const Field& field) {
  if (!field.present()) return std::nullopt;
  Bubble out{.title = field["title"].label(),
             .subtitle = field["subtitle"].label(),
             .style = field["style"].label(),
             .image_identifier = field["imageIdentifier"].identifier(),
             .image_title = field["imageTitle"].label(),
             .image_subtitle = field["imageSubtitle"].label(),
             .secondary_subtitle = field["secondarySubtitle"].label(),
             .tertiary_subtitle = field["tertiarySubtitle"].label(),
             .alternate_title = field["alternateTitle"].label()};
  if (!out.style.empty() && !(out.style == "icon") && !(out.style == "small") && !(out.style == "large")) {
    field["style"].problem(Error::malformed, "it must be icon, small or large");
  }
  return out;
}

std::vector<Image> read_images(const Field& data) {
  std::vector<Image> out;
  for (const Field& image : data["images"].elements(0, kMaxImages, "there are at most 64 images")) {
    if (!image.value()->is_object()) {
      if (!image.value()->is_null()) image.require_object();
      continue;
    }
    out.push_back({.identifier = image["identifier"].identifier(Need::required),
                   .description = image["description"].label(),
                   .data = image["data"].base64(kMaxImageBytes, Need::required, "an image has at most 64 KiB")});
  }
  return out;
}

constexpr std::int64_t kMaxOrder = 1'000'000;

ListSection read_section(const Field& section, bool multiple) {
  section.require_object();
  ListSection out{.title = section["title"].label(),
                  .order = section["order"].integer(-kMaxOrder, kMaxOrder, 0),
                  .multiple_selection = section["multipleSelection"].boolean(multiple),
                  .items = {}};
  for (const Field& item : section["items"].elements(1, kMaxSectionItems, "a section has 1 to 20 items")) {
    item.require_object();
    out.items.push_back({.identifier = item["identifier"].identifier(Need::required),
                         .title = item["title"].label(Need::required),
                         .subtitle = item["subtitle"].label(),
                         .style = item["style"].label(),
                         .image_identifier = item["imageIdentifier"].identifier(),
                         .order = item["order"].integer(-kMaxOrder, kMaxOrder, 0)});
  }
  return out;
}

ListPicker read_list_picker(const Field& picker) {
  ListPicker out;
  const bool multiple = picker["multipleSelection"].boolean();  // the older dialect's: for all sections
  for (const Field& section : picker["sections"].elements(1, kMaxSections, "a list picker has 1 to 20 sections")) {
    out.sections.push_back(read_section(section, multiple));
  }
  return out;
}

TimePicker read_time_picker(const Field& event) {
  constexpr std::int64_t kMaxOffset = 24 * 60;
  TimePicker out;
  out.identifier = event["identifier"].identifier();
  out.title = event["title"].label();
  if (const Field offset = event["timezoneOffset"]; offset.present()) {
    out.timezone_offset = std::chrono::minutes(offset.integer(-kMaxOffset, kMaxOffset, 0));
  }
  if (const Field location = event["location"]; location.present()) {
    constexpr double kMaxRadius = 50'000'000;  // more than the earth is round
    out.location = {.latitude = location["latitude"].number(-90, 90, Need::optional),
                    .longitude = location["longitude"].number(-180, 180, Need::optional),
                    .radius = location["radius"].number(0, kMaxRadius, Need::optional),
                    .title = location["title"].label()};
  }
  for (const Field& slot : event["timeslots"].elements(1, kMaxTimeSlots, "a time picker has 1 to 10 slots")) {
    slot.require_object();
    const Field start_time = slot["startTime"];
    TimeSlot one{.identifier = slot["identifier"].identifier(Need::required),
                 .start_time = start_time.label(Need::required),
                 .start = {},
                 .duration = seconds(slot["duration"].integer(0, kMaxSlotDuration.count(), 0))};
    if (const auto start = parse_start_time(one.start_time.view())) {
      one.start = *start;
    } else {
      start_time.problem(Error::malformed, "it must be a time such as 2026-11-22T09:30+0000");
    }
    out.slots.push_back(std::move(one));
  }
  return out;
}

QuickReply read_quick_reply(const Field& reply) {
  QuickReply out{.summary = reply["summaryText"].label(), .items = {}};
  for (const Field& item :
       reply["items"].elements(kMinQuickReplies, kMaxQuickReplies, "a quick reply has 2 to 5 items")) {
    item.require_object();
    out.items.push_back(
        {.identifier = item["identifier"].identifier(Need::required), .title = item["title"].label(Need::required)});
  }
  return out;
}

Authentication read_authentication(const Field& authenticate) {
  const Field oauth2 = authenticate["oauth2"];
  oauth2.require_object();
  if (const Field older = oauth2["responseEncryptionKey"]; older.present()) {
    older.problem(Error::unsupported, "this is the older AUTH; send AUTH2, without this field");
  }
  Authentication out{.response_type = oauth2["responseType"].label(Need::required),
                     .state = oauth2["state"].text(kMaxUrlBytes, Need::required),
                     .redirect_uri = oauth2["redirectURI"].text(kMaxUrlBytes, Need::required),
                     .scope = {}};
  if (!(out.response_type == "code")) {
    oauth2["responseType"].problem(Error::unsupported, "the only responseType is code");
  }
  if (!out.redirect_uri.view().starts_with("https://") || !is_plain_text(out.redirect_uri.view())) {
    oauth2["redirectURI"].problem(Error::malformed, "it must be an https:// URL");
  }
  for (const Field& scope : oauth2["scope"].elements(0, kMaxScopes, "there are at most 32 scopes")) {
    out.scope.push_back(scope.label(Need::required));
  }
  return out;
}

CustomApp read_custom_app(const Field& root) {
  if (const Field data = root["data"]; data.present()) {
    data.problem(Error::unsupported, "a custom app has URL, and no data");
  }
  static_cast<void>(root["appIcon"].base64(kMaxImageBytes, Need::optional, "an icon has at most 64 KiB"));
  return {.app_id = root["appId"].identifier(),
          .app_name = root["appName"].label(Need::required),
          .url = root["URL"].text(kMaxCustomUrlBytes, Need::required)};
}

InteractiveKind read_kind(const Field& data) {
  data.require_object();
  if (const Field payment = data["payment"]; payment.present()) {
    payment.problem(Error::unsupported, "Apple Pay exists at Apple alone; send a link to a payment page instead");
    return {};
  }
  constexpr std::string_view kKinds[] = {"listPicker", "event", "quick-reply", "dynamic", "authenticate"};
  std::optional<Field> found;
  std::size_t kind = 0;
  for (std::size_t i = 0; i < std::size(kKinds); ++i) {
    const Field one = data[kKinds[i]];
    if (!one.present()) continue;
    if (found) one.problem(Error::malformed, "there is another kind beside it; send one message for each");
    found = one;
    kind = i;
  }
  if (!found) {
    data.problem(Error::missing, "one of listPicker, event, quick-reply, dynamic, authenticate is required");
    return {};
  }
  found->require_object();
  switch (kind) {
    case 0:
      return read_list_picker(*found);
    case 1:
      return read_time_picker(*found);
    case 2:
      return read_quick_reply(*found);
    case 3:
      return read_form(*found);
    default:
      return read_authentication(*found);
  }
}

void check_version(const Field& version) {
  if (!version.present()) return;
  const bool one = version.is_string() ? version.raw_string() == "1.0" : version.number(1, 1, Need::required) == 1;
  if (!one) version.problem(Error::unsupported, "the only version is \"1.0\"");
}

}  // namespace

Interactive read_interactive(const Field& root) {
  root.require_object();
  Interactive out;
  Bid bid = read_bid(root["bid"]);
  out.bid = std::move(bid.text);
  out.session_identifier = root["sessionIdentifier"].identifier();
  out.live_layout = root["useLiveLayout"].boolean();
  const Field received = root["receivedMessage"];
  out.received = read_bubble(received);
  out.reply = read_bubble(root["replyMessage"]);
  if (bid.custom) {
    out.kind = read_custom_app(root);
  } else {
    const Field data = root["data"];
    out.kind = read_kind(data);
    out.request_identifier = data["requestIdentifier"].identifier(Need::required);
    check_version(data["version"]);
    check_version(data["mspVersion"]);
    out.images = read_images(data);
  }
  if (!std::holds_alternative<QuickReply>(out.kind)) received.require_object();
  return out;
}

void seal_interactive(Interactive& read, json::value& interactive_data, const Uuid& session) {
  if (read.session_identifier.empty()) {
    read.session_identifier = Text(to_text(session));
    interactive_data.get_object()["sessionIdentifier"] = read.session_identifier.view();
  }
  read.json = canonical(interactive_data);
}

}  // namespace internal

Result<Interactive, Problem> parse_interactive(ByteView json, const Uuid& session, std::string_view at) {
  OPALINE_TRY(auto value, internal::read_json(json, {.bytes = kMaxPayloadBytes}, at));
  internal::Findings findings(at);
  Interactive out = internal::read_interactive(internal::Field(findings, value));
  if (!findings.good()) return fail(findings.take());
  internal::seal_interactive(out, value, session);
  return out;
}

}  // namespace opaline::msp
