#pragma once
// What Personas keeps of one business while it runs; for personas*.cpp alone.
#include "client/personas.hpp"

namespace opaline::client {

struct Personas::One {
  One(net::EventLoop& loop, std::unique_ptr<PersonaHome> at)
      : home(std::move(at)), closing_timer(loop), key_timer(loop) {}
  [[nodiscard]] const AccountId& business() const { return home->business(); }

  std::unique_ptr<PersonaHome> home;
  std::unique_ptr<Client> client;
  bool drained = false;
  bool unreachable = false;  ///< its last connection ended, and none has come up since
  std::unique_ptr<PersonaOpening> opening;
  std::unique_ptr<PersonaRenewal> renewal;
  bool looks_why = false;                    ///< its key has changed: the profile is asked for
  bool set_back = false;                     ///< the service has an older root than this device
  std::vector<Done<std::monostate>> opened;  ///< who waits for it
  bool closing = false;                      ///< a step of it is under way
  std::optional<MessageId> close_message;    ///< what tells the business, on its way
  net::Timer closing_timer, key_timer;
  std::vector<Done<bool>> closed;  ///< who waits for it
};

[[nodiscard]] inline Failure blocked_business() {
  return {ClientError::blocked, "you have blocked this business; lift it first: opaline business unblock BUSINESS"};
}

/// Everybody who waits is answered, once.
template <class T>
void tell_all(std::vector<Done<T>>& waiting, const Result<T, Failure>& result) {
  for (const auto& done : std::exchange(waiting, {})) done(result);
}

}  // namespace opaline::client
