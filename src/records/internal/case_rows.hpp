#pragma once
// The bytes of the rows of cases.
#include "records/cases.hpp"

namespace opaline::records::internal {

/// Events of no case (an officer's key) are of this.
inline constexpr CaseId kNoCase{};

[[nodiscard]] Bytes key_of(const CaseId& id);
[[nodiscard]] Bytes key_of(const CaseId& id, std::uint32_t event);
[[nodiscard]] Bytes key_of(const CaseId& id, std::uint32_t production, std::uint32_t piece);
[[nodiscard]] std::optional<CaseId> case_of_key(ByteView key);

[[nodiscard]] std::string encode(const Case& one);
[[nodiscard]] std::optional<Case> decode_case(ByteView bytes);
[[nodiscard]] std::string encode(const Event& event);
[[nodiscard]] std::optional<Event> decode_event(std::uint32_t number, ByteView bytes);
[[nodiscard]] std::string encode(const Officer& officer);
[[nodiscard]] std::optional<Officer> decode_officer(ByteView bytes);

/// Visits all rows under `prefix`; false: the store failed, or `visit` said so.
[[nodiscard]] bool each_row(store::SealedRows& rows, std::string_view table, ByteView prefix,
                            const std::function<bool(const store::SealedRows::Row&)>& visit);

}  // namespace opaline::records::internal
