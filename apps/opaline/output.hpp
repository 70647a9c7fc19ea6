#pragma once
// What the commands print: lines for people, or one JSON object a line (docs/cli.md).
#include <boost/json.hpp>
#include <string>

#include "base/rfc3339.hpp"
#include "client/history.hpp"

namespace opaline::cli {

class Output {
 public:
  explicit Output(bool json) : json_(json) {}
  [[nodiscard]] bool json() const { return json_; }

  /// Prints `object` with --json, else `text` (not at all if empty). Flushed.
  void line(const boost::json::object& object, const std::string& text) const;
  /// A hint on standard error, for people alone.
  void hint(const std::string& text) const;
  /// An error: standard error for people, a JSON line on standard output with --json.
  void error(const client::Failure& failure) const;
  /// An error that another process has described already.
  void refused(const boost::json::object& object, const std::string& message) const;

  /// No line for people has been printed (they always have a text).
  [[nodiscard]] bool silent() const { return silent_; }

 private:
  mutable bool silent_ = true;
  bool json_;
};

/// One entry of the history, as JSON and for people. `peer` is the name to show, `device` that of the person's other
/// device which wrote it.
[[nodiscard]] boost::json::object entry_json(const client::Entry& entry, const std::string& peer,
                                             const std::string& device = {});
[[nodiscard]] std::string entry_text(const client::Entry& entry, const std::string& peer,
                                     const std::string& device = {});

/// How `send` says what became of a message.
[[nodiscard]] std::string sent_text(endpoint::MessageState state, endpoint::Reason reason, const std::string& to);
/// An error as an object (docs/cli.md).
[[nodiscard]] boost::json::object failure_json(const client::Failure& failure);
/// "2 h 24 min", rounded up.
[[nodiscard]] std::string duration(std::uint32_t seconds);

/// Text from others made safe for a terminal: control characters (but line feed and tab) become U+FFFD.
[[nodiscard]] std::string printable(ByteView utf8);
/// 2026-11-21 22:46, and 2026-11-21, where the person is.
[[nodiscard]] std::string local_time(Time time);
[[nodiscard]] std::string local_day(Time time);
/// Stable names of states and reasons (docs/cli.md).
[[nodiscard]] std::string_view name(endpoint::MessageState state);
[[nodiscard]] std::string_view name(endpoint::Reason reason);
[[nodiscard]] std::string_view name(endpoint::NoticeKind kind);
/// What a person should know of it; empty for `none`.
[[nodiscard]] std::string_view explain(endpoint::Reason reason);
[[nodiscard]] std::string explain(endpoint::NoticeKind kind, const std::string& peer);

}  // namespace opaline::cli
