#pragma once
// What uploads.cpp and upload_pieces.cpp share.
#include "base/back_off.hpp"
#include "client/uploads.hpp"

namespace opaline::client {

/// When to try again if the service did not say.
inline constexpr std::uint32_t kQuotaSeconds = 600, kBusySeconds = 30, kRefusedSeconds = 3600;
inline constexpr std::chrono::milliseconds kFirstBackOff{250}, kLastBackOff{15'000};

/// The upload that is being worked on.
struct Uploads::Current {
  explicit Current(Upload u) : upload(std::move(u)) {}
  Upload upload;
  OpenFile spool;                       ///< of file `open`
  std::optional<std::size_t> open;      ///< which file's ciphertext is open
  std::optional<std::uint64_t> offset;  ///< of it, what the service has; nullopt: it is to be asked
  std::uint64_t sent = 0;               ///< up to here, in `under_way` pieces without an answer
  std::size_t under_way = 0;
  bool fast = false;        ///< a second piece under way is worth it
  std::uint64_t round = 0;  ///< answers to what was sent in an earlier one do not count
  std::uint64_t high = 0;   ///< the furthest that it ever was
  std::uint64_t piece = kMaxPieceUpBytes;
  BackOff back_off{kFirstBackOff, kLastBackOff};
  int wasted = 0, forgotten = 0;
  std::optional<Instant> asked_for_devices;

  /// What is on its way does not count: the service is at `at`, or is to be asked.
  void starts_at(std::optional<std::uint64_t> at) {
    offset = at;
    sent = at.value_or(0);
    under_way = 0;
    fast = false;
    ++round;
  }
};

/// A callback that comes to nothing when this is gone or works on something else.
template <class T>
std::function<void(Result<T, BlobFailure>)> Uploads::when(std::function<void(Result<T, BlobFailure>)> then) {
  return [this, alive = std::weak_ptr(alive_), at = current_.get(),
          then = std::move(then)](Result<T, BlobFailure> answer) {
    if (!alive.expired() && current_.get() == at) then(std::move(answer));
  };
}

}  // namespace opaline::client
