#pragma once
// What became of a message: as the business's software hears it, and as it is remembered.
#include <string_view>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace opaline::gateway {

/// Numbers are stored: never change one.
enum class Outcome : std::uint8_t {
  pending = 1,    ///< on its way: nothing is known yet
  accepted = 2,   ///< promise 1: 200
  unknown = 3,    ///< nobody of this id, another business's, or a person without a device: 404
  closed = 4,     ///< the person has closed the conversation: 410
  expired = 5,    ///< could not be given out for 30 days: 500
  delivered = 6,  ///< a device of the person says so
  read = 7,
};

/// Towards the business's software: what is a dead letter.
enum class Refusal : std::uint8_t {
  bad_request = 1,  ///< its webhook answered 400
  not_found = 2,    ///< 404
  gone = 3,         ///< 410
  too_large = 4,    ///< 413
  expired = 5,      ///< 30 days of trying
  unwritable = 6,   ///< a device broke the rules of the API: nothing was sent
};
/// "bad_request", ...: stable, for programs and operators.
[[nodiscard]] std::string_view name(Outcome outcome);
[[nodiscard]] std::string_view name(Refusal refusal);

/// A message of a person that the business's software did not take, or that could not be written.
struct DeadLetter {
  ByteArray<16> message{};
  Refusal refusal{};
  Time at;
  std::uint32_t attempts = 0;  ///< since the gateway started, or the message was last retried
  AccountId persona;
  std::uint64_t number = 0;  ///< its place in the persona's queue
  bool kept = false;         ///< whether the message itself is there, sealed under the key of its day
};

}  // namespace opaline::gateway
