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
  /// What the person has to know of a recovery that came through.
  struct Outcome {
    bool set_back = false;           ///< the service had an older list than the file
    std::vector<DeviceNumber> lost;  ///< devices of the file's list that the service did not know: no longer on it
  };

  explicit Recovering(const NewDeviceLinking::Parts& parts) : parts_(parts) {}

  /// Whether a recovery was begun in this home and not finished.
  [[nodiscard]] static Result<bool, ClientError> unfinished(const LocalStore& store, RandomSource& random);
  /// Everything that belongs to it is done.
  [[nodiscard]] static Result<void, ClientError> finish(const LocalStore& store, RandomSource& random);

  /// Ends an earlier attempt: true if it had come through (and is confirmed now), false if it came to nothing.
  [[nodiscard]] Result<bool, Failure> resume();
  /// All of it. Afterwards the device is registered in the store. A service that was set back and shows the list right
  /// before the file's is given the file's. bad_recovery_file (not this account's list any more, or the server shows
  /// another one), refused, list_full, what the service says.
  [[nodiscard]] Result<Outcome, Failure> run(const session::Recovery& recovery);

 private:
  /// What the next list is made from.
  struct Base {
    session::VerifiedDeviceList list;
    std::optional<Bytes> between;  ///< the list itself, where the service has the one before it
    std::vector<DeviceNumber> lost;
  };
  [[nodiscard]] static Result<Base, Failure> followed(const session::Recovery& recovery,
                                                      const std::vector<Bytes>& history, ByteView stored);
  /// With the keys that are in the store. `progress`: ticket, then the list that goes in between, if there is one.
  [[nodiscard]] Result<void, Failure> complete(ByteView progress);
  NewDeviceLinking::Parts parts_;
};

}  // namespace opaline::client
