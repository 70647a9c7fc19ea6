#pragma once
// Making an account: handle, code, keys (docs/device-api.md, "Registration"). Each step may be repeated after a crash.
#include "base/random.hpp"
#include "client/service.hpp"
#include "client/sqlite_endpoint_store.hpp"
#include "endpoint/endpoint.hpp"

namespace opaline::client {

class Registration {
 public:
  Registration(Service& service, endpoint::EndpointStore& rows, RandomSource& random, const Clock& clock)
      : service_(service), rows_(rows), random_(random), clock_(clock) {}

  struct Started {
    std::string handle;  ///< normalised
    seconds valid{};
  };
  /// Asks for a code to be sent.
  [[nodiscard]] Result<Started, Failure> start(std::string_view handle);
  struct Checked {
    bool pin_required = false;
  };
  /// refused with `tries_left` for a wrong code. Then makes this device's keys and commits them.
  [[nodiscard]] Result<Checked, Failure> check(std::string_view code);
  /// Tells the service this device's public keys; afterwards the account exists. Returns the handle.
  [[nodiscard]] Result<std::string, Failure> complete(std::string_view pin);

 private:
  Service& service_;
  endpoint::EndpointStore& rows_;
  RandomSource& random_;
  const Clock& clock_;
  Bytes verification_, ticket_;
  std::string handle_;
};

/// What an error of the endpoint room means to a person.
[[nodiscard]] Failure failure_of(endpoint::Error error);

}  // namespace opaline::client
