#include "apps/opaline/output.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>

#include "apps/opaline/files.hpp"

namespace opaline::cli {
namespace {

using endpoint::MessageState;
using endpoint::NoticeKind;
using endpoint::Reason;

std::tm local(Time time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm out{};
  localtime_r(&seconds, &out);
  return out;
}

}  // namespace

std::string local_time(Time time) {
  return fmt::format("{:%Y-%m-%d %H:%M}", local(time));
}

std::string local_day(Time time) {
  return fmt::format("{:%Y-%m-%d}", local(time));
}

void Output::line(const boost::json::object& object, const std::string& text) const {
  if (json_) {
    const std::string serialized = boost::json::serialize(object);
    std::fwrite(serialized.data(), 1, serialized.size(), stdout);
  } else {
    if (text.empty()) return;
    silent_ = false;
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void Output::hint(const std::string& text) const {
  if (!json_) fmt::print(stderr, "{}\n", text);
}

void Output::error(const client::Failure& failure) const {
  if (json_) return line(failure_json(failure), "");
  fmt::print(stderr, "opaline: {}\n", printable(as_view(failure.message)));
  if (failure.retry_after_seconds > 0)
    fmt::print(stderr, "         try again in {}\n", duration(failure.retry_after_seconds));
  if (failure.tries_left > 0)
    fmt::print(stderr, "         {} {} left\n", failure.tries_left, failure.tries_left == 1 ? "try" : "tries");
}

void Output::refused(const boost::json::object& object, const std::string& message) const {
  if (json_) return line(object, "");
  fmt::print(stderr, "opaline: {}\n", printable(as_view(message)));
}

boost::json::object failure_json(const client::Failure& failure) {
  boost::json::object object{{"event", "error"}, {"error", client::name(failure.error)}, {"message", failure.message}};
  if (failure.retry_after_seconds > 0) object["retry_after_seconds"] = failure.retry_after_seconds;
  if (failure.tries_left > 0) object["tries_left"] = failure.tries_left;
  return object;
}

std::string duration(std::uint32_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  const std::uint32_t minutes = (seconds + 59) / 60;
  if (minutes < 120) return fmt::format("{} min", minutes);
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

std::string sent_text(MessageState state, Reason reason, const std::string& to) {
  std::string text = fmt::format("{} to {}", name(state), printable(as_view(to)));
  if (const auto why = explain(reason); !why.empty()) return fmt::format("{}: {}", text, why);
  if (state == MessageState::queued) text += ": it goes out when the server is reached (opaline receive)";
  return text;
}

std::string printable(ByteView utf8) {
  constexpr std::string_view replacement = "\xef\xbf\xbd";
  const std::string_view text = as_text(utf8);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // C1 controls are U+0080 to U+009F: c2 80 to c2 9f. Direction overrides are U+202A-202E and U+2066-2069.
    const bool c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    const std::string_view three = text.substr(i, 3);
    const bool direction =
        (three >= "\xe2\x80\xaa" && three <= "\xe2\x80\xae") || (three >= "\xe2\x81\xa6" && three <= "\xe2\x81\xa9");
    if (direction) {
      out += replacement;
      i += 2;
    } else if (c1) {
      out += replacement;
      ++i;
    } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
      out += replacement;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string_view name(MessageState state) {
  switch (state) {
    case MessageState::queued:
      return "queued";
    case MessageState::sent:
      return "sent";
    case MessageState::delivered:
      return "delivered";
    case MessageState::read:
      return "read";
    case MessageState::failed:
      return "failed";
  }
  return "unknown";
}

std::string_view name(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "none";
    case Reason::mailbox_full:
      return "mailbox_full";
    case Reason::identity_changed:
      return "identity_changed";
    case Reason::no_prekeys:
      return "no_prekeys";
    case Reason::directory_unavailable:
      return "directory_unavailable";
    case Reason::no_such_account:
      return "no_such_account";
    case Reason::no_device:
      return "no_device";
    case Reason::expired:
      return "expired";
    case Reason::text_missing:
      return "text_missing";
    case Reason::not_confirmed:
      return "not_confirmed";
    case Reason::closed:
      return "closed";
  }
  return "unknown";
}

std::string_view explain(Reason reason) {
  switch (reason) {
    case Reason::none:
      return "";
    case Reason::mailbox_full:
      return "their mailbox is full; it is tried again";
    case Reason::identity_changed:
      return "their identity changed; compare safety numbers, then: opaline accept";
    case Reason::no_prekeys:
      return "their device was away for too long; it is tried again";
    case Reason::directory_unavailable:
      return "the directory does not answer; it is tried again";
    case Reason::no_such_account:
      return "the account is gone";
    case Reason::no_device:
      return "none of their devices is there any more";
    case Reason::expired:
      return "it could not be handed over within 30 days";
    case Reason::text_missing:
      return "its text is no longer on this device";
    case Reason::not_confirmed:
      return "your device that wrote it has not said what became of it";
    case Reason::closed:
      return "the conversation was closed";
  }
  return "";
}

std::string_view name(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::first_contact:
      return "first_contact";
    case NoticeKind::session_healed:
      return "session_healed";
    case NoticeKind::messages_expired:
      return "messages_expired";
    case NoticeKind::identity_changed:
      return "identity_changed";
    case NoticeKind::list_rolled_back:
      return "list_rolled_back";
    case NoticeKind::list_forked:
      return "list_forked";
    case NoticeKind::verify_again:
      return "verify_again";
    case NoticeKind::device_list_changed:
      return "device_list_changed";
    case NoticeKind::own_device_added:
      return "own_device_added";
    case NoticeKind::own_device_removed:
      return "own_device_removed";
    case NoticeKind::list_gap:
      return "list_gap";
    case NoticeKind::own_list_forged:
      return "own_list_forged";
    case NoticeKind::list_unsigned:
      return "list_unsigned";
  }
  return "unknown";
}

std::string explain(NoticeKind kind, const std::string& peer) {
  switch (kind) {
    case NoticeKind::first_contact:
      return fmt::format("first contact with {0}: to be sure of who it is, compare safety numbers (opaline verify {0})",
                         peer);
    case NoticeKind::session_healed:
      return fmt::format("the session with {} was renewed by itself", peer);
    case NoticeKind::messages_expired:
      return fmt::format("some messages from {} expired and are gone", peer);
    case NoticeKind::identity_changed:
      return fmt::format(
          "WARNING: the identity of {0} changed. Nothing is sent until you agree: compare safety numbers (opaline "
          "verify {0}), then: opaline accept {0}",
          peer);
    case NoticeKind::list_rolled_back:
      return fmt::format("WARNING: the server shows an older device list of {} than before", peer);
    case NoticeKind::list_forked:
      return fmt::format("WARNING: the server shows two different device lists of {}", peer);
    case NoticeKind::verify_again:
      return fmt::format("you had verified {0}; verify again (opaline verify {0})", peer);
    case NoticeKind::device_list_changed:
      return fmt::format("the devices of {} changed", peer);
    case NoticeKind::own_device_added:
      return "a device was added to your account; if that was not you: opaline devices, opaline devices remove N";
    case NoticeKind::own_device_removed:
      return "a device was removed from your account (opaline devices)";
    case NoticeKind::list_gap:
      return fmt::format(
          "the devices of {0} changed more often than can be followed back; if you do not expect that, ask {0} (by "
          "voice) which devices are theirs",
          peer);
    case NoticeKind::own_list_forged:
      return fmt::format(
          "WARNING: a device list of yours that is not the one you made was shown to {} (what is right: opaline "
          "devices)",
          peer);
    case NoticeKind::list_unsigned:
      return fmt::format("WARNING: the server shows a device list of {} that is not signed; it is not used", peer);
  }
  return "";
}

boost::json::object entry_json(const client::Entry& entry, const std::string& peer, const std::string& device) {
  if (entry.kind == client::EntryKind::notice)
    return {{"event", "notice"},
            {"notice", name(entry.notice)},
            {"peer", peer},
            {"account", entry.peer.hex()},
            {"at", rfc3339_millis(entry.at)}};
  const bool in = entry.kind == client::EntryKind::incoming;
  boost::json::object out{{"event", "message"},          {"direction", in ? "in" : "out"},
                          {"id", entry.message.hex()},   {in ? "from" : "to", peer},
                          {"account", entry.peer.hex()}, {"sent_at", rfc3339_millis(entry.sent_at)},
                          {"text", as_text(entry.text)}};
  if (!entry.attachments.empty()) out["files"] = files_json(entry);
  if (in) {
    out["received_at"] = rfc3339_millis(entry.at);
    if (entry.late) out["late"] = true;
    if (entry.incoming == endpoint::IncomingKind::newer_version) out["newer_version"] = true;
  } else {
    out["state"] = name(entry.state);
    out["state_at"] = rfc3339_millis(entry.at);
    if (entry.reason != Reason::none) out["reason"] = name(entry.reason);
    if (entry.device != DeviceNumber{}) out["written_on"] = device;
  }
  return out;
}

std::string entry_text(const client::Entry& entry, const std::string& peer, const std::string& device) {
  const std::string shown_peer = printable(as_view(peer));
  if (entry.kind == client::EntryKind::notice) return fmt::format("  -- {}", explain(entry.notice, shown_peer));
  if (entry.kind == client::EntryKind::incoming) {
    const std::string text = entry.incoming == endpoint::IncomingKind::newer_version
                                 ? "(something that this version of opaline does not know; update it)"
                                 : printable(entry.text);
    return fmt::format("{}  {}: {}{}{}", local_time(entry.sent_at), shown_peer, text, entry.late ? "  (came late)" : "",
                       files_text(entry));
  }
  std::string state(name(entry.state));
  if (const auto why = explain(entry.reason); !why.empty()) state += fmt::format(": {}", why);
  if (entry.device != DeviceNumber{})
    return fmt::format("{}  you, on {}, to {}: {}  [{}]{}", local_time(entry.sent_at), printable(as_view(device)),
                       shown_peer, printable(entry.text), state, files_text(entry));
  return fmt::format("{}  to {}: {}  [{}]{}", local_time(entry.sent_at), shown_peer, printable(entry.text), state,
                     files_text(entry));
}

}  // namespace opaline::cli
