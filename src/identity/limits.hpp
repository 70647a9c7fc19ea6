#pragma once
// Every limit of the identity service, with its reason.
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace opaline::identity {

/// A code lives long enough for slow mail and no longer; its tries keep guessing below 1 in 200,000.
inline constexpr std::chrono::minutes kCodeLifetime{10};
inline constexpr std::uint32_t kCodeTries = 5;
inline constexpr std::size_t kCodeDigits = 6;
inline constexpr std::size_t kVerificationBytes = 16;
/// Time to make keys on a slow phone and to ask for a PIN.
inline constexpr std::chrono::minutes kTicketLifetime{10};
inline constexpr std::size_t kTicketBytes = 32;
/// Attempts to complete one ticket: each may cost two hybrid verifications.
inline constexpr std::uint32_t kTicketAttempts = 20;
/// In RAM at once; 20 MB. Beyond it `start` answers UNAVAILABLE.
inline constexpr std::size_t kMaxVerifications = 50'000;
/// Buckets of one kind in RAM at once; beyond it the oldest is forgotten.
inline constexpr std::size_t kMaxBuckets = 200'000;

/// Handles of one account: a person's numbers and addresses.
inline constexpr std::size_t kMaxHandles = 16;
inline constexpr std::size_t kMaxManagedByBytes = 128;

inline constexpr std::size_t kMinPinBytes = 4;
inline constexpr std::size_t kMaxPinBytes = 64;
/// Wrong PINs for one account, then one more try for each day.
inline constexpr std::uint32_t kPinTries = 5;
/// A PIN lapses when no device of its account has connected for this long (and up to kPinSeenDays more, see
/// tables.hpp): the number may belong to somebody else by then, and all that waited for the account has expired.
inline constexpr std::uint32_t kPinLapseDays = 30;
inline constexpr std::uint32_t kPinSeenDays = 7;
/// OWASP's second choice for Argon2id: about 30 ms of the service thread. The pepper in the vault is what protects
/// short PINs.
inline constexpr std::uint32_t kPinMemoryKib = 19 * 1024;
inline constexpr std::uint32_t kPinPasses = 2;

inline constexpr std::size_t kMaxLookupItems = 100;
/// Entries in a page of MY_LOOKUPS: of the largest, a frame holds as many.
inline constexpr std::size_t kMaxOwnLookups = 100;
inline constexpr std::size_t kMaxBundleDevices = 32;
/// A renewal token pays for lookups of its handle and fetches of its account for this long; each use gives a fresh one.
inline constexpr std::chrono::days kRenewalTokenLifetime{60};
inline constexpr std::chrono::hours kPositiveExpires{7 * 24};
inline constexpr std::chrono::hours kPositiveRefresh{24};
inline constexpr std::chrono::hours kNegativeExpires{1};

/// Body of an answer with device lists: a REPLY frame takes 65,526 bytes, and the rest is room for tokens and tags.
inline constexpr std::size_t kMaxListReplyBytes = 56 * 1024;
/// Earlier device lists of an account: a contact that missed more than this many sees an alarm.
inline constexpr std::uint32_t kMaxListHistory = 64;

/// A link exchange: time to read a code from one screen and type it at another.
inline constexpr std::chrono::minutes kLinkLifetime{10};
inline constexpr std::size_t kLinkSecretBytes = 32;
inline constexpr std::uint32_t kLinkNumberDigits = 9;
/// Messages of one side, and the bytes of one: as an envelope's, so that each fits a CALL and a REPLY.
inline constexpr std::size_t kMaxLinkMessages = 8;
inline constexpr std::size_t kMaxLinkMessageBytes = 49'152;
/// Of all messages that one answer holds together; the first always fits.
inline constexpr std::size_t kMaxLinkReplyBytes = 56 * 1024;
/// In RAM at once; beyond either UNAVAILABLE. What nobody has joined may take half of the bytes, so that strangers who
/// open exchanges do not stop those that are under way.
inline constexpr std::size_t kMaxLinkExchanges = 4'096;
inline constexpr std::size_t kMaxLinkBytes = std::size_t{256} << 20;

/// A recovery's challenge, and then its ticket.
inline constexpr std::chrono::minutes kRecoveryLifetime{10};
inline constexpr std::size_t kRecoveryChallengeBytes = 32;
/// Accounts in recovery at once; beyond it UNAVAILABLE.
inline constexpr std::size_t kMaxRecoveries = 10'000;

/// Businesses that one account is known to.
inline constexpr std::size_t kMaxRelationships = 1'000;
/// Businesses of one deployment: their ids are in RAM, and what ends an account asks about each.
inline constexpr std::size_t kMaxBusinesses = 20'000;
inline constexpr std::size_t kMaxBusinessNameCharacters = 100;
/// A profile with its logo fits a REPLY.
inline constexpr std::size_t kMaxLogoBytes = 49'152;
inline constexpr std::size_t kMaxWebsiteBytes = 253;
inline constexpr std::size_t kMaxAwayTextBytes = 2'048;
inline constexpr std::size_t kMaxBusinessSettingsBytes = 16'384;
/// An operator hands it to a business, which sets its gateway up.
inline constexpr std::chrono::hours kEnrolmentLifetime{24};
/// Rows of relationships that one tick looks at after businesses were removed.
inline constexpr std::size_t kSweepRows = 500;
/// In calls, of Config::persona_opens: `be_new` costs that many.
inline constexpr std::uint32_t kBeNewCost = 20;

/// The device is told once when its one-time prekeys fall to this many.
inline constexpr std::uint32_t kPrekeysLow = 16;

}  // namespace opaline::identity
