// The other side of the socket: what commands ask of the `receive --follow` that has the home.
#include <fmt/format.h>

#include <limits>

#include "apps/opaline/agent.hpp"
#include "apps/opaline/devices.hpp"
#include "apps/opaline/sms.hpp"
#include "net/http_client.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using endpoint::MessageState;
using namespace std::chrono_literals;

constexpr auto kBorrowWithin = 15s;  ///< for which a command waits for the home
constexpr auto kLendWithin = 10s;    ///< `receive --follow` says goodbye to the server first
constexpr auto kHereWithin = 5s;     ///< it answers at once, also while the home is lent
constexpr auto kLookAgain = 20ms;

constexpr auto kSayWaiting = 2s;  ///< a wait for so long is worth a line

/// The reason by its name in docs/cli.md; none where it is another.
endpoint::Reason reason_by_name(std::string_view wanted) {
  // All that the type can hold: no list of reasons to be forgotten, and name() knows every one of them.
  for (unsigned value = 0; value <= std::numeric_limits<std::underlying_type_t<endpoint::Reason>>::max(); ++value)
    if (const auto reason = endpoint::Reason(value); name(reason) == wanted) return reason;
  return endpoint::Reason::none;
}

}  // namespace

Failure home_is_lent() {
  return {ClientError::locked,
          "another opaline command has the home for now (does it ask something?); try again when it has ended"};
}

Failure process_ended() {
  return {ClientError::locked,
          "the opaline process that was to send it has ended; `opaline history` shows whether it took the message"};
}

namespace {

/// What the process that holds the home answers.
struct AgentAnswer {
  unsigned status = 0;
  boost::json::object object;
  [[nodiscard]] std::string field(const char* key) const {
    const auto* found = object.if_contains(key);
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
  }
};

Result<AgentAnswer, Failure> ask_agent(Context& context, const char* target, const std::string& body, seconds within) {
  net::HttpClientOptions options;
  options.unix_path = context.home().socket_file().string();
  options.origin.tls = false;
  options.origin.host = "localhost";
  net::HttpClient http(context.loop(), std::move(options));
  net::HttpClientRequest request;
  request.method = "POST";
  request.target = target;
  request.body = to_bytes(body);
  request.deadline = within;
  std::optional<Result<net::HttpResponse, net::NetError>> answer;
  http.request(std::move(request),
               [&answer](Result<net::HttpResponse, net::NetError> a) { answer.emplace(std::move(a)); });
  context.wait(within + 1s, [&answer] { return answer.has_value(); });
  if (answer && !*answer && (answer->error() == net::NetError::closed || answer->error() == net::NetError::timed_out))
    return fail(process_ended());
  if (!answer || !*answer)
    return fail(Failure{ClientError::locked, "another opaline process uses " + context.options().home +
                                                 "; wait until it has ended, or stop it"});
  boost::system::error_code error;
  const auto value = boost::json::parse(boost::json::string_view(as_text((*answer)->body)), error);
  if (error || !value.is_object())
    return fail(Failure{ClientError::protocol, "the other opaline process answered nonsense"});
  return AgentAnswer{(*answer)->status, value.as_object()};
}

}  // namespace

namespace {

/// Another command has the home: a moment, until it is worth another look. False if it was long enough.
class WaitForHome {
 public:
  explicit WaitForHome(Context& context) : context_(context), begun_(context.clock().monotonic()) {}
  [[nodiscard]] bool once() {
    const auto waited = context_.clock().monotonic() - begun_;
    if (context_.interrupted() || waited > kBorrowWithin) return false;
    if (waited > kSayWaiting && !std::exchange(told_, true))
      context_.output().hint("another opaline command has the home; waiting until it has ended");
    context_.wait(kLookAgain, [] { return false; });
    return true;
  }

 private:
  Context& context_;
  Instant begun_;
  bool told_ = false;
};

}  // namespace

Result<void, Failure> open_or_borrow(Context& context) {
  auto opened = context.open();
  if (opened || opened.error().error != ClientError::locked) return opened;
  OPALINE_CHECK(context.open_to_read());  // who cannot open the home does not get it
  WaitForHome wait(context);
  do {
    const auto answer = ask_agent(context, "/lend", "{}", kLendWithin);
    if (answer && answer->status == 400)  // an older version
      return fail(Failure{ClientError::locked, "stop `opaline receive --follow` first: it does not know how to lend " +
                                                   context.options().home});
    opened = context.take();
    if (opened || opened.error().error != ClientError::locked) return opened;
  } while (wait.once());
  return fail(home_is_lent());
}

Result<Opened, Failure> open_or_find_agent(Context& context) {
  WaitForHome wait(context);
  do {
    auto opened = context.open();
    if (opened) return Opened::here;
    if (opened.error().error != ClientError::locked) return fail(std::move(opened.error()));
    const auto answer = ask_agent(context, "/here", "{}", kHereWithin);
    if (answer && answer->status != 503) return Opened::followed;  // 503: it is about to end
  } while (wait.once());
  return fail(home_is_lent());
}

Result<AccountId, Failure> resolve_through_agent(Context& context, const std::string& to) {
  OPALINE_TRY(const AgentAnswer answer,
              ask_agent(context, "/resolve", boost::json::serialize(boost::json::object{{"to", to}}), 30s));
  const auto account = AccountId::from_hex(answer.field("account"));
  if (answer.status == 200 && account) return *account;
  Failure why{client::error_by_name(answer.field("error")).value_or(ClientError::refused), answer.field("message")};
  return fail(why);
}

Exit send_through_agent(Context& context, const AgentSend& send) {
  // Files take as long as they move; the process that moves them knows when to give up.
  const auto within = send.upload.empty() ? send.wait + 30s : seconds(24h * 30);
  const auto answer = ask_agent(context, "/send", send_request(send), within);
  if (!answer && !send.upload.empty()) {
    context.output().hint(answer.error().message);
    if (const auto upload = client::UploadId::from_hex(send.upload)) return report_upload(context, *upload);
  }
  if (!answer) return failed(context, answer.error());
  if (answer->status != 200) {
    context.output().refused(answer->object, answer->field("message"));
    if (answer->field("error") == client::name(ClientError::no_such_handle) && sms_number_of(send.to))
      context.output().hint(fmt::format("as a short message, which is not encrypted: opaline send --sms {} TEXT",
                                        printable(as_view(send.to))));
    return Exit::failed;
  }
  if (answer->field("event") == "upload") return report_upload(context, *client::UploadId::from_hex(send.upload));
  const auto state = state_by_name(answer->field("state")).value_or(MessageState::failed);
  context.output().line(answer->object, sent_text(state, reason_by_name(answer->field("reason")), send.to));
  return state == MessageState::failed ? Exit::failed : state == MessageState::queued ? Exit::queued : Exit::ok;
}

void report_event(Context& context, const endpoint::Event& event) {
  if (const auto* changed = std::get_if<endpoint::MessageStateChanged>(&event)) {
    const std::string peer = context.client().display_name(changed->peer);
    boost::json::object object{
        {"event", "state"}, {"id", changed->id.hex()}, {"to", peer}, {"state", name(changed->state)}};
    if (changed->reason != endpoint::Reason::none) object["reason"] = name(changed->reason);
    context.output().line(object,
                          fmt::format("  -- your message to {}: {}", printable(as_view(peer)), name(changed->state)));
  } else if (const auto* typing = std::get_if<endpoint::TypingChanged>(&event)) {
    const std::string peer = context.client().display_name(typing->sender.account);
    context.output().line({{"event", "typing"}, {"from", peer}, {"active", typing->active}}, "");
  } else if (std::holds_alternative<endpoint::MessagesMissed>(event)) {
    context.output().line({{"event", "missed"}}, "  -- some messages were lost: the mailbox was full, or they expired");
  } else if (const auto* dropped = std::get_if<endpoint::StrangersDropped>(&event)) {
    context.output().line(
        {{"event", "strangers_dropped"}, {"count", dropped->count}},
        fmt::format("  -- {} messages of unknown senders were dropped: who they are could not be confirmed",
                    dropped->count));
  } else if (std::holds_alternative<endpoint::OwnDevicesChanged>(event)) {
    context.output().line({{"event", "own_devices_changed"}}, "  -- your devices changed (opaline devices)");
  } else if (std::holds_alternative<endpoint::DeviceChangeRefused>(event)) {
    context.output().line({{"event", "device_change_refused"}},
                          "  -- the server did not take the last change of your devices; nothing has changed");
  } else if (std::holds_alternative<endpoint::ThisDeviceRemoved>(event)) {
    context.output().line(
        {{"event", "this_device_removed"}},
        "  -- this device was removed from your account; to use it again: opaline link in a new --home");
  } else if (const auto* part = std::get_if<endpoint::HistoryArrived>(&event)) {
    report_history(context, *part);
  } else if (const auto* talk = std::get_if<endpoint::ConversationChanged>(&event)) {
    context.output().line({{"event", "conversation_changed"}, {"peer", context.client().display_name(talk->peer)}}, "");
  }
}

}  // namespace opaline::cli
