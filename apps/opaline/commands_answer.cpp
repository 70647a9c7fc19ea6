// Answering what a business asks, and giving it personal data.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apps/opaline/agent.hpp"
#include "apps/opaline/business.hpp"
#include "apps/opaline/call.hpp"
#include "apps/opaline/devices.hpp"
#include "apps/opaline/prompt.hpp"
#include "apps/opaline/question.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Entry;
using client::EntryKind;
using client::Failure;
using client::PersonaHome;
using namespace std::chrono_literals;

constexpr auto kConnectWithin = 15s;
constexpr auto kWithin = 30s;
constexpr std::size_t kLookBack = 200;  // messages; who asked before that is named by --message

struct Found {
  Entry entry;
  msp::Interactive asked;
};

Failure nothing_open(const std::string& name) {
  return {ClientError::unknown_peer, name + " has asked nothing that waits for an answer"};
}

/// The newest question without an answer, or the one with this id.
Result<Found, Failure> find_question(Context& context, const PersonaHome& home, const std::string& message) {
  const std::string name = label(business_name(home));
  auto entries = client::History(home.store()).entries({}, kLookBack);
  if (!entries) return fail(history_failure(context, entries.error()));
  std::set<MessageId> answered;
  for (const Entry& entry : *entries) {
    const auto part = wire::decode_business_part(entry.part);
    if (part && part->answers && entry.kind == EntryKind::outgoing && entry.state != endpoint::MessageState::failed)
      answered.insert(*part->answers);
  }
  const auto uploads = client::Transfers(home.store(), context.random()).uploads();
  if (!uploads) return fail(history_failure(context, uploads.error()));
  for (const client::Upload& upload : *uploads)
    if (upload.answers && !is_final(upload.reason)) answered.insert(*upload.answers);
  for (auto entry = entries->rbegin(); entry != entries->rend(); ++entry) {
    const bool named = !message.empty() && entry->message.hex().starts_with(message);
    if (message.empty() ? answered.contains(entry->message) : !named) continue;
    if (entry->kind == EntryKind::incoming && wants_part_file(*entry, home)) fetch_part(context, *entry, home);
    auto asked = question_of(*entry, home);
    if (asked) return Found{std::move(*entry), std::move(*asked)};
    if (named) return fail(Failure{ClientError::unknown_peer, "this message asks nothing that can be answered here"});
  }
  if (!message.empty())
    return fail(Failure{ClientError::unknown_peer, "no message of " + name + " has an id that begins with " + message});
  return fail(nothing_open(name));
}

Result<PersonaHome*, Failure> known_home(Context& context, const AccountId& business) {
  OPALINE_TRY(PersonaHome* const home, context.personas().home(business));
  if (home == nullptr) return fail(client::never_written());
  return home;
}

/// Sends, and reports as `send` does.
Exit send_message(Context& context, const AccountId& business, client::BusinessMessage message) {
  auto kept = std::make_shared<client::BusinessMessage>(std::move(message));
  const auto id =
      await<MessageId>(context, kWithin, [&](auto done) { context.personas().send(business, std::move(*kept), done); });
  if (!id) {
    context.finish(1s);
    return failed(context, id.error());
  }
  SendArguments send;
  send.to = client::business_urn(business);
  return report_message(context, *id, send, context.client().online());
}

bool gives_answer(const AnswerArguments& arguments) {
  return !arguments.choices.empty() || !arguments.code.empty() || arguments.cancel;
}

}  // namespace

Exit run_answer(Context& context, const AnswerArguments& arguments) {
  const auto link = parse_business(arguments.business);
  if (!link) return failed(context, link.error());
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  (void)context.connect(kConnectWithin);
  const AccountId business = business_of(*link);
  const auto home = known_home(context, business);
  if (!home) return failed(context, home.error());
  const auto found = find_question(context, **home, arguments.message);
  if (!found) return failed(context, found.error());
  if (!gives_answer(arguments)) context.output().hint(business_entry_text(found->entry, **home));
  const auto choice = gives_answer(arguments)
                          ? choice_of(found->asked, {arguments.choices, arguments.code, arguments.cancel})
                          : ask_choice(found->asked);
  if (!choice) {
    context.finish(1s);
    return failed(context, choice.error());
  }
  auto reply = msp::make_reply(found->asked, *choice);
  if (!reply) {
    context.finish(1s);
    return failed(context, choice_failure(reply.error()));
  }
  if (reply->json.size() > wire::kMaxPartJsonBytes)
    return send_large_answer(context, business, found->entry.message, words_of_answer(reply->json), reply->json);
  client::BusinessMessage message;
  message.text = to_secret_bytes(as_view(reply->body.view()));
  message.kind = wire::PartKind::interactive;
  message.json = std::move(reply->json);
  message.answers = found->entry.message;
  return send_message(context, business, std::move(message));
}

// ---- sharing

namespace {

struct Field {
  std::string name, title, value;
};

/// A name of the person's own is short and plain: the business's software reads it.
Result<Field, Failure> field_of(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    return fail(Failure{ClientError::bad_text, "'" + text + "' is not FIELD=VALUE, as email=anna@example.org"});
  Field out{text.substr(0, equals), {}, text.substr(equals + 1)};
  constexpr std::size_t kLongestName = 32;
  const bool plain = out.name.size() <= kLongestName && std::ranges::all_of(out.name, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' ||
                              c == '-' || c == '_';
                     });
  if (!plain)
    return fail(Failure{ClientError::bad_text, "a field's name has at most 32 letters, digits, blanks, - and _"});
  if (!msp::is_plain_text(out.value))
    return fail(Failure{ClientError::bad_text, "the value of " + out.name + " has characters that hide what it says"});
  constexpr std::pair<std::string_view, std::string_view> kTitles[] = {
      {"name", "Name"}, {"email", "E-mail"}, {"phone", "Phone"}, {"address", "Address"}};
  const auto known = std::ranges::find(kTitles, out.name, &std::pair<std::string_view, std::string_view>::first);
  out.title = known == std::end(kTitles) ? out.name : std::string(known->second);
  return out;
}

}  // namespace

Exit run_share(Context& context, const ShareArguments& arguments) {
  const auto link = parse_business(arguments.business);
  if (!link) return failed(context, link.error());
  std::string text, names;
  for (const std::string& each : arguments.fields) {
    const auto field = field_of(each);
    if (!field) return failed(context, field.error());
    text += fmt::format("{}{}: {}", text.empty() ? "" : "\n", field->title, field->value);
    names += fmt::format("{}{}", names.empty() ? "" : ",", field->name);
  }
  if (names.size() > wire::kMaxSharedBytes)
    return failed(context, {ClientError::bad_text, "these are too many fields for one message; nothing was sent"});
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  const AccountId business = business_of(*link);
  const auto home = known_home(context, business);
  if (!home) return failed(context, home.error());
  if (!arguments.yes) {
    context.output().hint(fmt::format("To {} goes:\n{}", label(business_name(**home)), printable(as_view(text))));
    if (!agrees("Share this? It cannot be taken back. (yes/no) ")) {
      context.finish(1s);
      return failed(context, {ClientError::refused, "nothing was shared"});
    }
  }
  (void)context.connect(kConnectWithin);
  client::BusinessMessage message;
  message.text = to_secret_bytes(as_view(text));
  message.shared = names;
  return send_message(context, business, std::move(message));
}

Exit run_shared(Context& context, const std::string& wanted) {
  std::optional<AccountId> only;
  if (!wanted.empty()) {
    const auto link = parse_business(wanted);
    if (!link) return failed(context, link.error());
    only = business_of(*link);
  }
  if (const auto opened = context.open_to_read(); !opened) return failed(context, opened.error());
  bool any = false;
  for (const auto& home : business_homes(context)) {
    if (only && home->business() != *only) continue;
    const auto shared = home->shared();
    if (!shared) return failed(context, client::persona_store_failure(shared.error()));
    const std::string name = business_name(*home);
    for (const client::SharedData& one : *shared) {
      boost::json::array fields;
      for (std::string_view rest = one.names; !rest.empty();) {
        const auto comma = rest.find(',');
        fields.push_back(boost::json::value(rest.substr(0, comma)));
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
      }
      boost::json::object object{{"event", "shared"},
                                 {"business", client::business_urn(home->business())},
                                 {"name", name},
                                 {"id", one.message.hex()},
                                 {"at", rfc3339_millis(one.at)},
                                 {"fields", std::move(fields)},
                                 {"text", as_text(one.text)}};
      std::string text = printable(one.text);
      for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 7) text.insert(at + 1, 6, ' ');
      context.output().line(object, fmt::format("{}  {}\n      {}", local_time(one.at), label(name), text));
      any = true;
    }
  }
  if (!any) context.output().hint("nothing was shared");
  return Exit::ok;
}

}  // namespace opaline::cli
