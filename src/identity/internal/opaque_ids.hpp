#pragma once
// Makes and opens opaque ids (docs/adr/0015-personas.md): AES-256-GCM-SIV with a zero nonce over (account, generation),
// the business as associated data. So it is the same each time, another one for each business, needs no table, and
// opens for nobody without the key. RFC 8452 section 6: with one nonce for all, an id tells only whether two ids of one
// business are of the same account and generation, which is what they are for.
#include <span>
#include <vector>

#include "base/secret.hpp"
#include "credentials/opaque_id.hpp"

namespace opaline::identity::internal {

using OpaqueIdKey = Secret<struct OpaqueIdKeyTag, 32>;

/// Rises only when the person asks to be new to the business.
enum class Generation : std::uint32_t {};

class OpaqueIds {
 public:
  struct Opened {
    AccountId account;
    Generation generation{};
    friend bool operator==(const Opened&, const Opened&) = default;
  };
  static constexpr std::size_t kMaxKeys = 255;

  /// Version 1 first; the last one makes new ids. 1 to kMaxKeys (asserted).
  explicit OpaqueIds(std::vector<OpaqueIdKey> keys);
  [[nodiscard]] std::uint8_t newest() const { return static_cast<std::uint8_t>(keys_.size()); }
  /// Who is known to a business already keeps the version of that id. 1 to newest() (asserted).
  [[nodiscard]] credentials::OpaqueId make(std::uint8_t version, const AccountId& account, Generation generation,
                                           const AccountId& business) const;
  /// nullopt: not of this business, of a key that we do not have, or never made by us. All take the same work, save for
  /// the version, which is no secret.
  [[nodiscard]] std::optional<Opened> open(const credentials::OpaqueId& id, const AccountId& business) const;

 private:
  std::vector<OpaqueIdKey> keys_;
};

}  // namespace opaline::identity::internal
