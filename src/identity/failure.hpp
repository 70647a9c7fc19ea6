#pragma once
// What a call answers when it does not succeed. The closed set of reasons is the wire's CallStatus.
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "proto/device.pb.h"

namespace opaline::identity {

namespace calls = opaline::wire::v1;

/// Whatever is returned, nothing has changed but counters of tries and quotas.
struct CallFailure {
  calls::CallStatus status = calls::CALL_STATUS_UNAVAILABLE;  ///< never OK
  std::string message;           ///< for people; holds nothing that the caller did not send
  seconds retry_after{0};        ///< with QUOTA and UNAVAILABLE
  std::uint32_t tries_left = 0;  ///< with WRONG_CODE and WRONG_PIN
  friend bool operator==(const CallFailure&, const CallFailure&) = default;

  [[nodiscard]] calls::Failure to_message() const;
};

template <class T>
using Answer = Result<T, CallFailure>;

}  // namespace opaline::identity
