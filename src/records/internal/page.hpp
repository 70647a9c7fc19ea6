#pragma once
// A page of HTML that is put together from our own markup and anybody's text.
#include <string_view>

#include "base/html.hpp"
#include "base/secret.hpp"

namespace opaline::records::internal {

class Page {
 public:
  /// Ours, as it is.
  Page& html(std::string_view text) {
    const auto bytes = as_view(text);
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  /// Anybody's, escaped.
  Page& text(std::string_view text) {
    for (const char c : text) {
      const auto entity = html_entity(c);
      html(entity.empty() ? std::string_view(&c, 1) : entity);
    }
    return *this;
  }
  /// Of a table.
  Page& row(std::string_view what, std::string_view value) {
    return html("<tr><th>").text(what).html("</th><td>").text(value).html("</td></tr>\n");
  }
  Page& point(std::string_view ours) { return html("<li>").html(ours).html("</li>\n"); }
  SecretBytes take() { return std::move(out_); }

 private:
  SecretBytes out_;
};

}  // namespace opaline::records::internal
