#pragma once
// What the service knows about a business (docs/adr/0015-personas.md).
#include <string>

#include "base/ids.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "identity/limits.hpp"

namespace opaline::identity {

/// What people see of a business (BUSINESS_PROFILE).
struct BusinessDetails {
  std::string name;          ///< 1 to kMaxBusinessNameCharacters of UTF-8, no control characters
  Bytes logo;                ///< PNG or JPEG, at most kMaxLogoBytes; may be empty
  std::string logo_type;     ///< "image/png" or "image/jpeg"; empty without a logo
  bool own_gateway = false;  ///< a gateway in the business's own house
  std::string website;       ///< a domain name; may be empty
  std::string away_text;     ///< at most kMaxAwayTextBytes of UTF-8; may be empty
  friend bool operator==(const BusinessDetails&, const BusinessDetails&) = default;
};

/// A business whose gateway is to be at the other place once another one has put itself in there.
struct BusinessMove {
  bool own_gateway = false;
  SecretBytes settings;  ///< Business::settings from then on
};

struct Business {
  AccountId id;  ///< the 16 bytes of its UUID
  BusinessDetails details;
  /// What its hosted gateway needs, with its secrets. The identity service stores it sealed and does not look inside.
  SecretBytes settings;                ///< at most kMaxBusinessSettingsBytes
  bool enrolled = false;               ///< a gateway has put its keys in
  ByteArray<8> version{};              ///< changes with details and settings
  std::optional<BusinessMove> move{};  ///< one that is under way; in RAM, as the enrolment that ends it
};

/// Lets a gateway put itself in as the business's device: POST /v1/registration/complete takes the ticket.
struct BusinessEnrolment {
  ByteArray<kTicketBytes> ticket{};  ///< a secret; in RAM, good for kEnrolmentLifetime and one use
  AccountId business;                ///< its account id
  MailboxId mailbox;                 ///< of device 1
};

/// What an operator keeps and a gateway reads: "opaline-enrol-" and base64url of ticket || business || mailbox. A copy
/// of a secret that is not wiped: for the one answer that shows it.
[[nodiscard]] std::string reveal_text(const BusinessEnrolment& enrolment);

}  // namespace opaline::identity
