#pragma once
// Every row that a gateway stores: what, why, and for how long. docs/what-we-hold.md says the same; a test compares.
// All values are sealed by store::SealedRows, and what a person or a business wrote under the key of its day besides,
// so that it ends with that key. Keys begin with the business's id (16 bytes, public).
#include <array>
#include <span>
#include <string_view>

#include "store/held_field.hpp"

namespace opaline::gateway {

namespace tables {

/// key: business || u8 endpoint::Table || row key
inline constexpr std::string_view kEndpoint = "gateway_endpoint";
/// key: business || persona || u64 number
inline constexpr std::string_view kInbox = "gateway_inbox";
/// key: business || message id
inline constexpr std::string_view kOutbox = "gateway_outbox";
/// key: u32 day || business || message id, hashed together under a vault key (16 bytes)
inline constexpr std::string_view kOutcomes = "gateway_outcomes";
/// key: business || persona
inline constexpr std::string_view kPeople = "gateway_people";
/// key: business || u64 milliseconds || message id
inline constexpr std::string_view kDeadLetters = "gateway_dead_letters";
/// store::JournaledRows': not of a business.
inline constexpr std::string_view kJournal = "gateway_journal";
/// One row, store::ExpiryGuard's: not of a business, not sealed.
inline constexpr std::string_view kClock = "gateway_clock";
inline constexpr std::string_view kSealCheck = "gateway_seal_check";

}  // namespace tables

inline constexpr std::array<std::string_view, 9> kTables = {tables::kEndpoint, tables::kInbox,   tables::kOutbox,
                                                            tables::kOutcomes, tables::kPeople,  tables::kDeadLetters,
                                                            tables::kClock,    tables::kJournal, tables::kSealCheck};
/// Of these every change goes through the journal.
inline constexpr std::span<const std::string_view> kJournaledTables = std::span(kTables).first<6>();

/// A field that is not here may not be stored.
inline constexpr auto kHeldFields = std::to_array<store::HeldField>({
    {tables::kEndpoint, "the gateway's own keys, sessions with personas' devices, and their device lists",
     "to decrypt what people write and encrypt what the business answers", "as docs/endpoint.md, \"Limits\", says"},
    {tables::kInbox, "a person's message, sealed under the key of its day",
     "the business's software has not taken it yet",
     "until its webhook answers 200 or refuses it, the person closes the conversation, or 30 days"},
    {tables::kOutbox, "a business's message, sealed under the key of its day",
     "not every device of the person has been reached yet", "until it is sent, or 30 days"},
    {tables::kOutcomes, "business and message id (as a keyed hash), and what became of the message",
     "an id that comes again sends nothing, and the business may ask", "7 days"},
    {tables::kPeople,
     "opaque id of a persona, whether it has closed the conversation, and when it last got the text out of hours",
     "webhooks name it also where the message does not; nobody gets that text twice a day",
     "as long as the business is served here, and a day"},
    {tables::kJournal,
     "the last changes of the rows above, together: what was sealed under the key of its day is so here, too",
     "one write makes many changes durable", "some seconds: until each row is in its place"},
    {tables::kClock, "the last time that the gateway saw", "a clock that jumps must not destroy anything by mistake",
     "overwritten every hour"},
    {tables::kDeadLetters, "message id, persona, place in its queue, reason, number of attempts and time",
     "for the operator: what the business's software refused",
     "until it is retried, the person closes the conversation, or 30 days"},
    {tables::kDeadLetters, "the message itself, sealed under the key of its day",
     "the operator may have it tried again once the business's software is well",
     "as long as the row, at most 30 days since it came"},
});

/// Longest time for which outcomes are remembered.
inline constexpr int kOutcomeDays = 7;

}  // namespace opaline::gateway
