#pragma once
// A persona's root is renewed: because a device that knew it was removed from the account, or because the service was
// set back to a time before the root that there is (docs/adr/0015-personas.md, "A new root"). Every step may be done
// again, by a program that was started anew too: the new root is in the persona's home before the service hears of it.
#include "client/persona_opening.hpp"

namespace opaline::client {

class PersonaRenewal {
 public:
  /// nullopt: there is nothing to renew, the conversation is closed or another one. Else the root that the service has.
  PersonaRenewal(const PersonaOpening::Parts& parts, Done<std::optional<SecretBytes>> done)
      : parts_(parts), done_(std::move(done)) {}
  PersonaRenewal(const PersonaRenewal&) = delete;
  PersonaRenewal& operator=(const PersonaRenewal&) = delete;

  /// `done` is called once, perhaps at once; it may destroy this. connect_failed, no_such_business, refused, quota,
  /// protocol, store_*.
  void start() { ask(); }

 private:
  void ask();
  void answered(const Result<Bytes, Failure>& body);
  [[nodiscard]] Result<void, Failure> plan(const session::VerifiedDeviceList& list,
                                           const wire::v1::PersonaOpenReply& reply);
  void join();
  void joined(const Result<Bytes, Failure>& body);
  void end(Result<std::optional<SecretBytes>, Failure> result);

  PersonaOpening::Parts parts_;
  Done<std::optional<SecretBytes>> done_;
  std::optional<RenewalPlan> plan_;
  int conflicts_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace opaline::client
