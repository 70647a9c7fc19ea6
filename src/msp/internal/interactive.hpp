#pragma once
// The parts of an interactive message's reader.
#include "msp/interactive.hpp"
#include "msp/internal/reading.hpp"

namespace opaline::msp::internal {

/// All but `json` and a missing session_identifier.
[[nodiscard]] Interactive read_interactive(const Field& interactive_data);
/// `data.dynamic`.
[[nodiscard]] Form read_form(const Field& dynamic);
/// YYYY-MM-DDThh:mm, seconds (with a fraction or not) or none, then Z, +hhmm or +hh:mm; from 1970 to 9999.
[[nodiscard]] std::optional<Time> parse_start_time(std::string_view text);
/// YYYY-MM-DD, a day that exists.
[[nodiscard]] bool is_date(std::string_view text);
/// Gives `read` its session identifier, which is then also in `interactive_data`, and its canonical JSON. `read` has
/// been read from there without problems.
void seal_interactive(Interactive& read, json::value& interactive_data, const Uuid& session);

}  // namespace opaline::msp::internal
