#pragma once
// Short messages as a person sees them: the conversation with the carrier (docs/sms.md, "The lines"), number by number
// and with another mark.
#include "apps/opaline/output.hpp"
#include "client/persona_home.hpp"

namespace opaline::cli {

/// A telephone number as people write it (+49 (151) 123-456): '+' and digits. nullopt: something else.
[[nodiscard]] std::optional<std::string> sms_number_of(std::string_view text);
/// Whether what is written to this business becomes short messages, as the service says.
[[nodiscard]] bool is_carrier(const client::PersonaHome& home);

/// The number that an entry is about; nullopt: it is no line between a person and the carrier.
[[nodiscard]] std::optional<std::string> sms_number(const client::Entry& entry, const client::PersonaHome& home);
/// The entry as a short message, a reply or a report; nullopt: it is none of them.
[[nodiscard]] std::optional<boost::json::object> sms_entry_json(const client::Entry& entry,
                                                                const client::PersonaHome& home);
[[nodiscard]] std::optional<std::string> sms_entry_text(const client::Entry& entry, const client::PersonaHome& home);
/// How `send` says what became of one.
[[nodiscard]] std::string sms_sent_text(const client::Entry& entry, const std::string& number);

}  // namespace opaline::cli
