#include "msp/internal/interactive.hpp"
#include "msp/reply.hpp"

namespace opaline::msp {
namespace {

using internal::Field;
using internal::Findings;
using internal::Need;

void check_list(const Field& picker) {
  for (const Field& section : picker["sections"].elements(1, kMaxSections, "an answer has 1 to 20 sections")) {
    section.require_object();
    for (const Field& item : section["items"].elements(1, kMaxSectionItems, "a section has 1 to 20 items")) {
      item.require_object();
      static_cast<void>(item["identifier"].identifier(Need::required));
      static_cast<void>(item["title"].label(Need::required));
    }
  }
}

void check_event(const Field& event) {
  for (const Field& slot : event["timeslots"].elements(1, 1, "an answer has one slot")) {
    slot.require_object();
    static_cast<void>(slot["identifier"].identifier(Need::required));
    const Field start_time = slot["startTime"];
    if (!internal::parse_start_time(start_time.label(Need::required).view())) {
      start_time.problem(Error::malformed, "it must be a time such as 2026-11-22T09:30+0000");
    }
    static_cast<void>(slot["duration"].integer(0, INT32_MAX, 0));
  }
}

void check_quick_reply(const Field& reply) {
  static_cast<void>(reply["selectedIdentifier"].identifier(Need::required));
  const Field index = reply["selectedIndex"];
  if (!index.present()) index.problem(Error::missing, "it is required");
  static_cast<void>(index.integer(0, kMaxQuickReplies - 1, 0));
}

void check_form(const Field& dynamic) {
  for (const Field& one : dynamic["selections"].elements(0, kMaxFormPages, "a form has at most 50 pages")) {
    one.require_object();
    static_cast<void>(one["pageIdentifier"].identifier(Need::required));
    for (const Field& item : one["items"].elements(0, kMaxFormItems, "a page has at most 100 items")) {
      item.require_object();
      static_cast<void>(item["value"].text(kMaxFormAnswerCharacters, Need::optional));
    }
  }
  if (!dynamic["selections"].present()) dynamic["selections"].problem(Error::missing, "it is required");
}

void check_authentication(const Field& authenticate) {
  const Field status = authenticate["status"];
  const Text word = status.label(Need::required);
  if (word == "authenticated") {
    static_cast<void>(authenticate["token"].text(kMaxUrlBytes, Need::required));
  } else if (!(word == "failed") && !(word == "cancelled")) {
    status.problem(Error::malformed, "it must be authenticated, failed or cancelled");
  }
}

constexpr struct {
  std::string_view name;
  void (*check)(const Field&);
} kAnswers[] = {{"listPicker", check_list},
                {"event", check_event},
                {"quick-reply", check_quick_reply},
                {"dynamic", check_form},
                {"authenticate", check_authentication}};

void check_data(const Field& data) {
  data.require_object();
  static_cast<void>(data["requestIdentifier"].identifier(Need::required));
  std::size_t found = 0;
  for (const auto& known : kAnswers) {
    const Field one = data[known.name];
    if (!one.present()) continue;
    if (++found > 1) one.problem(Error::malformed, "there is another answer beside it");
    one.require_object();
    known.check(one);
  }
  if (found == 0)
    data.problem(Error::missing, "one of listPicker, event, quick-reply, dynamic, authenticate is required");
  // Strict connectors read data.replyMessage.title of whatever they get.
  const Field bubble = data["replyMessage"];
  const bool quick = data["quick-reply"].present();
  if (bubble.present() || !quick) {
    bubble.require_object();
    static_cast<void>(bubble["title"].label());
    if (!bubble["title"].present()) bubble["title"].problem(Error::missing, "it is required");
  }
}

}  // namespace

Result<SecretBytes, Problem> check_reply(ByteView json) {
  OPALINE_TRY(const auto value, internal::read_json(json, {.bytes = kMaxPayloadBytes}));
  Findings findings;
  const Field root(findings, value);
  root.require_object();
  static_cast<void>(root["bid"].text(kMaxBidBytes, Need::required));
  static_cast<void>(root["sessionIdentifier"].identifier());
  check_data(root["data"]);
  if (!findings.good()) return fail(findings.take());
  return internal::canonical(value);
}

}  // namespace opaline::msp
