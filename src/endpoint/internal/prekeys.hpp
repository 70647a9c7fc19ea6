#pragma once
// Prekey upkeep: what this device leaves with the directory, and the private halves of it.
#include "endpoint/internal/link.hpp"
#include "endpoint/internal/requests.hpp"

namespace opaline::endpoint::internal {

/// A set as create() and upkeep make it: rows staged, record to be kept.
[[nodiscard]] PrekeyRecord make_prekeys(Staging& staging, const session::DeviceIdentity& identity,
                                        const session::DeviceAddress& owner, session::PrekeySetId previous, Time now,
                                        RandomSource& random);

class Prekeys final : public session::PrekeySource {
 public:
  Prekeys(Core& core, Link& link, Requests& requests) : core_(core), link_(link), requests_(requests) {}
  void load();

  [[nodiscard]] const session::PrekeySecrets* find_set(session::PrekeySetId id) override;
  [[nodiscard]] std::optional<crypto::X25519PrivateKey> find_one_time(session::PrekeySetId id,
                                                                      session::OneTimeIndex index) override;
  void use_up(session::PrekeySetId id, session::OneTimeIndex index);

  void connected() { ask_status_ = true; }
  void disconnected() { ask_status_ = false; }
  /// Makes and uploads what is due.
  void upkeep();
  /// Destroys what may no longer be used.
  void wipe();
  void uploaded(session::PrekeySetId id);
  void left(std::uint32_t one_time, std::optional<Time> signed_until);
  void request_failed(seconds retry_after);
  /// Somebody used prekeys that we do not have: the directory offers another set than ours.
  void suspect();
  [[nodiscard]] std::optional<Time> next_deadline() const;

 private:
  void renew();
  /// Sets that were made within a day; no more are counted than matter.
  [[nodiscard]] std::size_t made_today();

  Core& core_;
  Link& link_;
  Requests& requests_;
  PrekeyRecord current_;
  std::map<session::PrekeySetId, session::PrekeySecrets> cache_;
  bool ask_status_ = false;
  Instant not_before_{};
  std::optional<Instant> suspected_at_;
  std::uint32_t failures_ = 0;
};

}  // namespace opaline::endpoint::internal
