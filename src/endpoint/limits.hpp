#pragma once
// Every limit of a device's own behaviour, with its reason (docs/endpoint.md, "Limits").
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace opaline::endpoint {

/// A message that has not gone out after this has failed: the relay would not keep it longer either.
inline constexpr std::chrono::days kMessageLife{30};
/// How long a `retry` is answered, and so how long records of sent messages and, in the history, their texts are used.
inline constexpr std::chrono::days kResendFor{30};
/// How often one message is sent again to one device that asks.
inline constexpr std::uint8_t kMaxResends = 2;
/// Messages that one `retry` brings again: it names the first one lost, those after it went the same way.
inline constexpr std::size_t kMaxResendTail = 256;
/// Records of sent messages that are looked through for them.
inline constexpr std::size_t kMaxResendScan = 4096;

/// Envelope ids and message ids are remembered this long: 30 days at the relay, 30 days of retries, slack.
inline constexpr std::chrono::days kSeenFor{62};

/// Messages that wait on this device. Beyond it, send answers outbox_full.
inline constexpr std::size_t kMaxOutboxMessages = 10'000;
/// A business's gateway (Options::serves_strangers) holds so many times kMaxOutboxMessages, kMaxParked and
/// kMaxParkedBytes: it talks to many. What one account may leave stays as it is.
inline constexpr std::size_t kServingFactor = 10;
/// What waits for one of this account's other devices; what comes beyond it, that device gets as history, once the rest
/// has gone out.
inline constexpr std::size_t kMaxSyncPerDevice = 5'000;
/// What was not even given to the devices' queues, for want of a connection; beyond it nothing more is told.
inline constexpr std::size_t kMaxSyncWaiting = 20'000;
/// A device says once in this time that it is there, and how it is called.
inline constexpr std::chrono::hours kTellEvery{24};
/// When a device was last heard of is kept this coarse.
inline constexpr std::chrono::minutes kLastSeenGrain{1};
/// The history is asked for again (after a loss) not more often than this, and given to one device not more often ...
inline constexpr std::chrono::hours kCatchUpEvery{1};
/// ... than this.
inline constexpr std::chrono::minutes kHistoryEvery{10};
/// After a loss, what came since this long before the last text that this device knows of is asked for ...
inline constexpr std::chrono::hours kCatchUpOverlap{1};
/// ... but never what is older than this: it was delivered, or has expired.
inline constexpr std::chrono::days kCatchUpFor{60};
/// What the person decided on another device counts if its time is not later than this: who says "in a thousand years"
/// would have the last word for ever.
inline constexpr std::chrono::hours kMaxClockAhead{24};
/// Times that tell when a device last heard something are this coarse.
inline constexpr std::chrono::minutes kHeardGrain{1};
/// Bundles asked for in one request: with a list of ten devices more do not fit into the answer.
inline constexpr std::size_t kMaxBundlesAtOnce = 5;
/// Envelopes on their way to one device that the server has not answered.
inline constexpr std::size_t kMaxInFlightPerDevice = 32;

/// Sessions kept with one device; the least recently used beyond that go.
inline constexpr std::size_t kMaxSessionsPerDevice = 5;
/// In an established session that was silent for so long although we wrote, a fresh one is opened: a peer that lost its
/// state, and with it all knowledge of us, cannot ask for it.
inline constexpr std::chrono::days kSilentSessionLife{2};
/// An initiator whose session was never answered opens another after this, or 10 days after its prekeys were first
/// offered: their private halves live for 40, and a message may wait for 30.
inline constexpr std::chrono::days kUnansweredSessionLife{7};

/// Fresh handshakes of our own accord (healing) with one device in kHealWindow. What cannot be opened beyond that is
/// dropped, so that two broken peers come to rest.
inline constexpr std::size_t kMaxHealsPerWindow = 3;
inline constexpr std::chrono::hours kHealWindow{24};
/// Questions to one device for what its sessions passed over, in kGapWindow.
inline constexpr std::size_t kMaxGapsPerWindow = 8;
inline constexpr std::chrono::hours kGapWindow{1};
/// What still fails in a session this long after its sender was asked comes from somebody who did not get the question
/// (two homes with the keys of one device): it is asked again, over another fresh session.
inline constexpr std::chrono::seconds kAskAgainAfter{10};
/// Messages of one device that could not be opened (one for each sending chain) are remembered ...
inline constexpr std::size_t kMaxLost = 16;
/// ... and asked for so often at most, when that device opens a session.
inline constexpr std::uint8_t kMaxLostAsked = 8;
/// A ciphertext that belongs to no session names no sender: the devices that we last wrote with are asked ...
inline constexpr std::size_t kMaxProbedDevices = 16;
/// ... about so many such ciphertexts (one for each tag) ...
inline constexpr std::size_t kMaxOrphans = 64;
/// ... each of so many devices at most (also those that open a session with us later) ...
inline constexpr std::uint8_t kMaxOrphanAsked = 64;
/// ... once in this time, and this long after the first one came, so that one round does for all of them.
inline constexpr std::chrono::hours kProbeEvery{24};
inline constexpr std::chrono::seconds kProbeDelay{5};

/// First messages that wait until their sender's device list is here: as many as the relay lets one sender leave in a
/// mailbox (a quarter of it), and all senders together; beyond it they are dropped, with an event.
inline constexpr std::size_t kMaxParkedPerAccount = 2'500;
inline constexpr std::size_t kMaxParkedBytesPerAccount = 16 << 20;
/// ... or until its account's devices show a list that the directory does not show: only their word says that there is
/// one, and nothing may ever come of it.
inline constexpr std::size_t kMaxParkedHidden = 64;
inline constexpr std::size_t kMaxParked = 5'000;
inline constexpr std::size_t kMaxParkedBytes = 64 << 20;

/// A new prekey set is made when the last one is this old (it is offered for credentials::kPrekeyOffered) ...
inline constexpr std::chrono::days kPrekeyRenewal{6};
/// ... or when fewer one-time prekeys than this are left, but not more often than kPrekeyRefill.
inline constexpr std::uint32_t kOneTimeLow = 20;
inline constexpr std::chrono::hours kPrekeyRefill{6};

/// Waiting between attempts, doubled each time: for a full mailbox, a directory that is out, a peer without prekeys.
inline constexpr std::chrono::seconds kFirstBackOff{30};
inline constexpr std::chrono::hours kLastBackOff{4};
/// The same for `retry`, `refresh` and `refused`.
inline constexpr std::chrono::seconds kFirstRetryDelay{1};
/// A send token is asked for again this long before its seven days are over.
inline constexpr std::chrono::days kTokenRefresh{6};
/// "You go by an old list" is said to a device once in this time.
inline constexpr std::chrono::hours kNewerListEvery{1};
/// A list that a message says is newer is fetched once in this time for one account.
inline constexpr std::chrono::minutes kListFetchEvery{1};

/// A persona's root is renewed by another device of the person: that comes by the account's own connection. If its list
/// is still under a root that is not known after this time, that is an alarm.
inline constexpr std::chrono::hours kNewRootWithin{1};

/// Earlier lists of an account that the service keeps (docs/device-api.md): who missed more cannot follow step by step.
inline constexpr std::uint32_t kListsKept = 64;
/// Contacts' words that our own device list is forged: so many are told to the person in this time, one of each
/// contact.
inline constexpr std::size_t kMaxForgedClaims = 8;
inline constexpr std::chrono::hours kForgedClaimWindow{24};
/// That the directory shows a list which is not signed is told to the person once in this time of one account, and of
/// so many: a directory that is out of order shows nothing else.
inline constexpr std::chrono::hours kUnsignedListEvery{24};
inline constexpr std::size_t kMaxUnsignedLists = 64;
/// The same for an account whose devices write by another list than the pinned one with its number.
inline constexpr std::chrono::hours kForkedListEvery{24};
inline constexpr std::size_t kMaxForkedLists = 1024;
/// States (of each kind) that one peer says of texts that are not known here: a copy may be late. Beyond it, that
/// peer's oldest are forgotten.
inline constexpr std::size_t kMaxEarlyStates = 1024;

/// Longest renewal token that is kept.
inline constexpr std::size_t kMaxRenewalTokenBytes = 256;
/// Lists that are fetched because a stranger wrote, in kStrangerWindow: they are charged to us, so that strangers must
/// not use up our lookups. It is what the service gives back in a day.
inline constexpr std::size_t kMaxStrangerFetches = 100;
inline constexpr std::chrono::hours kStrangerWindow{24};
/// Requests that wait for an answer: below wire::kMaxOpenCalls, so that the application has some left.
inline constexpr std::size_t kMaxOpenRequests = 8;
/// Peers and sessions kept decoded in memory between rounds.
inline constexpr std::size_t kMaxCachedPeers = 1024;
inline constexpr std::size_t kMaxCachedSessions = 2048;

}  // namespace opaline::endpoint
