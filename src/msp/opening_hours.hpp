#pragma once
// When somebody is in: a weekly table in the time of a place, summer time and all.
#include <array>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace opaline::msp {

inline constexpr std::size_t kMaxOpeningLines = 28;

class OpeningHours {
 public:
  /// `zone`: a name of the IANA time zone database, as "Europe/Berlin"; the machine's copy of it counts. `open`: at
  /// most kMaxOpeningLines as "Mon-Fri 09:00-17:30" or "Sat 10:00-14:00", in 24 hours; "24:00" is the end of a day, and
  /// what goes past it is two lines. None: never open. The error is the end of a sentence about the table.
  [[nodiscard]] static Result<OpeningHours, std::string> parse(std::string_view zone,
                                                               std::span<const std::string> open);
  /// From the first minute to before the last, by that place's clock; an hour that comes twice in autumn counts twice.
  [[nodiscard]] bool open_at(Time moment) const;

 private:
  struct Span {
    std::uint16_t from = 0, to = 0;  ///< minutes since midnight
  };
  std::string zone_;
  std::array<std::vector<Span>, 7> days_;  ///< from Sunday
};

}  // namespace opaline::msp
