#include <algorithm>
#include <array>

#include "msp/internal/json.hpp"

namespace opaline::msp::internal {

bool is_known_name(std::string_view name) {
  // clang-format off
  static constexpr auto kNames = std::to_array<std::string_view>({
      "URL", "alg", "alternateTitle", "appIcon", "appId", "appName", "assets", "attachments", "aud", "authenticate",
      "bid", "body", "crit", "data", "dataRefSig", "decryption-key", "description", "destinationId", "duration",
      "dynamic", "event", "exp", "file-size", "group", "hintText", "iat", "id", "identifier", "image",
      "imageIdentifier", "imageSubtitle", "imageTitle", "images", "inputType", "intent", "interactiveData",
      "interactiveDataRef", "iss", "items", "key", "keyboardType", "latitude", "link", "listPicker", "locale",
      "location", "longitude", "maximumCharacterCount", "mime-type", "mimeType", "mmcs-owner", "mmcs-signature-hex",
      "mmcs-url", "mspVersion", "multipleSelection", "name", "nbf", "nextPageIdentifier", "oauth2", "options",
      "order", "owner", "pageIdentifier", "pages", "payment", "placeholder", "quick-reply", "radius",
      "receivedMessage", "redirectURI", "replyMessage", "requestIdentifier", "required", "responseEncryptionKey",
      "responseType", "richLinkData", "scope", "secondarySubtitle", "sections", "selectedIdentifier", "selectedIndex",
      "selections", "sessionIdentifier", "showSummary", "signature", "signature-base64", "size", "sourceId",
      "startPageIdentifier", "startTime", "state", "status", "storeRegion", "style", "submitForm", "subtitle",
      "summaryText", "template", "tertiarySubtitle", "textContentType", "timeslots", "timezoneOffset", "title",
      "token", "type", "url", "useLiveLayout", "v", "value", "version", "video"});
  // clang-format on
  static_assert(std::ranges::is_sorted(kNames));
  return std::ranges::binary_search(kNames, name);
}

void append_name(std::string& pointer, std::string_view name) {
  pointer += '/';
  pointer += is_known_name(name) ? name : "?";
}

}  // namespace opaline::msp::internal
