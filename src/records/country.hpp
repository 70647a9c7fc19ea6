#pragma once
#include <string_view>

namespace opaline::records {

/// The English short name of an ISO 3166-1 code ("DE": "Germany"); the code itself where it is none.
[[nodiscard]] std::string_view country_name(std::string_view code);

}  // namespace opaline::records
