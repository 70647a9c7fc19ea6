#pragma once
// What the commands about businesses share: how one is named, and how it is shown.
#include "apps/opaline/commands.hpp"
#include "client/business_profile.hpp"
#include "client/personas.hpp"
#include "msp/entry_link.hpp"
#include "msp/interactive.hpp"
#include "proto/device.pb.h"

namespace opaline::cli {

/// `urn:biz:...` or a link that has it: not a person.
[[nodiscard]] bool names_business(std::string_view text);
/// A link, an urn, or a bare UUID. bad_text.
[[nodiscard]] Result<msp::EntryLink, client::Failure> parse_business(std::string_view text);
[[nodiscard]] AccountId business_of(const msp::EntryLink& link);

/// What the service says of a business, as far as it was asked.
[[nodiscard]] client::BusinessProfile profile_of(const client::PersonaHome& home);
/// Its profile's name; its urn if there is none yet. One line, and nothing hidden in it.
[[nodiscard]] std::string business_name(const client::PersonaHome& home);
/// Where its gateway is: "hosted", "own_said", "own_checked" (its key is the one that a link named), "changed" (a link
/// named another key than the service shows), or "none" (nobody answers yet).
[[nodiscard]] std::string_view gateway_placement(const client::PersonaHome& home);
/// The same for people.
[[nodiscard]] std::string_view explain_placement(std::string_view placement);

/// "to_own", "to_hosted": the gateway has moved there, and the person has not agreed to its key yet. Empty: no.
[[nodiscard]] std::string_view gateway_move(const client::PersonaHome& home);
/// The same for people.
[[nodiscard]] std::string explain_move(std::string_view move, const client::PersonaHome& home);

/// An entry of a conversation with a business, as JSON and for people (business_entry.cpp).
[[nodiscard]] boost::json::object business_entry_json(const client::Entry& entry, const client::PersonaHome& home);
[[nodiscard]] std::string business_entry_text(const client::Entry& entry, const client::PersonaHome& home);
/// What a message asks; nullopt: nothing, or what asks is not here, or makes no sense.
[[nodiscard]] std::optional<msp::Interactive> question_of(const client::Entry& entry, const client::PersonaHome& home);
/// How an answer (interactiveData) reads for people; empty: it does not say.
[[nodiscard]] std::string words_of_answer(ByteView json);
/// How many of its attachments are files for the person: the first so many.
[[nodiscard]] std::size_t saved_files(const client::Entry& entry);
/// True if a part of the message lies in a file that was not fetched yet.
[[nodiscard]] bool wants_part_file(const client::Entry& entry, const client::PersonaHome& home);
/// Fetches it, and waits; what is wrong is told as an error.
void fetch_part(Context& context, const client::Entry& entry, const client::PersonaHome& home);

/// The businesses of which the opened home has something, without a client. Those that cannot be read are told as
/// errors.
[[nodiscard]] std::vector<std::unique_ptr<client::PersonaHome>> business_homes(Context& context);
/// The message to a person or a business, as it is by now.
[[nodiscard]] Result<std::optional<client::Entry>, client::ClientError> find_outgoing(Context& context,
                                                                                      const std::string& to,
                                                                                      const MessageId& id);
/// Client::send, or Personas::send.
void send_to(Context& context, const std::string& to, std::string_view text, client::Done<MessageId> done);

/// As report_event, of a business.
void report_business_event(Context& context, const AccountId& business, const endpoint::Event& event);
/// Opens what has to be opened, so that messages can be written; connected. As Personas::open.
[[nodiscard]] Result<client::PersonaHome*, client::Failure> ready_for(Context& context, const std::string& text);
/// Queues a text for a business with the home open, and reports it as `send` does.
[[nodiscard]] Exit send_to_business(Context& context, const SendArguments& arguments, std::string_view text);

// ---- commands
[[nodiscard]] Exit run_business_open(Context& context, const std::string& text);
[[nodiscard]] Exit run_business_check(Context& context, const std::string& text, const std::string& authority_file,
                                      bool yes);
[[nodiscard]] Exit run_business_list(Context& context);
[[nodiscard]] Exit run_business_close(Context& context, const std::string& text, bool block);
[[nodiscard]] Exit run_business_unblock(Context& context, const std::string& text);
[[nodiscard]] Exit run_business_new(Context& context, const std::string& text);
[[nodiscard]] Exit run_business_accept(Context& context, const std::string& text);
[[nodiscard]] Exit run_business_delete(Context& context, const std::string& text, bool yes);
struct AnswerArguments {
  std::string business, message;
  std::vector<std::string> choices;
  std::string code;
  bool cancel = false;
};
[[nodiscard]] Exit run_answer(Context& context, const AnswerArguments& arguments);
/// An answer that no message has room for goes as a file, and is reported as `send` reports. `title`: its words for
/// people; `json`: interactiveData of at most msp::kMaxPayloadBytes.
[[nodiscard]] Exit send_large_answer(Context& context, const AccountId& business, const MessageId& question,
                                     std::string_view title, ByteView json);
struct ShareArguments {
  std::string business;
  std::vector<std::string> fields;  ///< FIELD=VALUE
  bool yes = false;
};
[[nodiscard]] Exit run_share(Context& context, const ShareArguments& arguments);
/// `business` empty: all.
[[nodiscard]] Exit run_shared(Context& context, const std::string& business);

}  // namespace opaline::cli
