#pragma once
// What can go wrong on the way to a carrier.
#include <cstdint>
#include <string_view>

namespace opaline::sms {

enum class Error : std::uint8_t {
  invalid,      ///< no text that a carrier takes, or no telephone number
  over_budget,  ///< so many messages were not meant to be paid for today
  refused,      ///< Kannel said no: its configuration, the number, or our name and password
  unavailable,  ///< Kannel was not reached or cannot take it now; or our own store failed
  unknown,      ///< Kannel did not answer in time: it may have taken the message. Never repeated by us
};
[[nodiscard]] std::string_view name(Error error);

}  // namespace opaline::sms
