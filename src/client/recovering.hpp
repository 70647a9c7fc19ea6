#pragma once
// A new primary device from a recovery file (session/recovery.hpp; docs/device-api.md, "Recovery"). Each step may be
// repeated after a crash.
#include "client/linking.hpp"
#include "session/recovery.hpp"

namespace opaline::client {

/// What an error of the session room about a recovery file means to a person.
[[nodiscard]] Failure recovery_failure(session::Error error);

/// Makes the device of this home, which has none, the account's primary one.
class Recovering {
 public:
  explicit Recovering(const NewDeviceLinking::Parts& parts) : parts_(parts) {}

  /// Whether a recovery was begun in this home and not finished.
  [[nodiscard]] static Result<bool, ClientError> unfinished(const LocalStore& store, RandomSource& random);
  /// Everything that belongs to it is done.
  [[nodiscard]] static Result<void, ClientError> finish(const LocalStore& store, RandomSource& random);

  /// Ends an earlier attempt: true if it had come through (and is confirmed now), false if it came to nothing.
  [[nodiscard]] Result<bool, Failure> resume();
  /// All of it. Afterwards the device is registered in the store. bad_recovery_file (not this account's list any more,
  /// or the server shows another one), refused, list_full, what the service says.
  [[nodiscard]] Result<void, Failure> run(const session::Recovery& recovery);

 private:
  [[nodiscard]] Result<session::VerifiedDeviceList, Failure> followed(const session::Recovery& recovery,
                                                                      const std::vector<Bytes>& history,
                                                                      ByteView stored) const;
  /// With the keys that are in the store.
  [[nodiscard]] Result<void, Failure> complete(ByteView ticket);
  NewDeviceLinking::Parts parts_;
};

}  // namespace opaline::client
