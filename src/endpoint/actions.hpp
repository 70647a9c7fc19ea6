#pragma once
// What an Endpoint asks of its surroundings (actions) and tells the application (events). Values; no I/O.
#include <variant>
#include <vector>

#include "endpoint/endpoint_store.hpp"
#include "wire/frames.hpp"
#include "wire/send_token.hpp"

namespace opaline::endpoint {

// ---- frames: one for one, in this order, on the connection that connected() told of (docs/device-api.md)

/// ROUTE
struct OpenRoute {
  std::uint16_t route = 0;
  MailboxId mailbox;
  wire::SendToken token{};
};
/// SUBMIT. The Endpoint counts them as the server does: the first of a connection is number 1.
struct SubmitEnvelope {
  std::uint16_t route = 0;
  wire::EnvelopeClass envelope_class{};
  EnvelopeId id;
  Bytes ciphertext;
};
/// CLEAR
struct ClearRoute {
  std::uint16_t route = 0;
};
/// ACK: everything up to push `number` is committed. `envelopes` and `bytes` are what it newly covers: to be given back
/// as CREDIT.
struct AcknowledgePushes {
  std::uint32_t number = 0;
  std::uint32_t envelopes = 0;
  std::uint32_t bytes = 0;
};

// ---- requests to the service (proto/device.proto). Each is answered once, by on_devices, on_prekeys_left,
// on_devices_updated or on_request_failed with its id; requests of an ended connection are forgotten, their late
// answers ignored.

enum class RequestId : std::uint32_t {};
/// BUNDLES
struct FetchBundles {
  AccountId account;
  Bytes renewal_token;                ///< may be empty
  std::vector<DeviceNumber> devices;  ///< only these; empty: all
  ListNumber known{};                 ///< the pinned list: later ones are wanted too; 0: none
};
/// SEND_TOKENS
struct FetchSendTokens {
  AccountId account;
  Bytes renewal_token;  ///< may be empty
  ListNumber known{};   ///< as in FetchBundles
};
/// UPLOAD_PREKEYS
struct UploadPrekeys {
  Bytes signed_set;
  Bytes one_time_batch;
};
/// PREKEY_STATUS
struct FetchPrekeyStatus {};
/// UPDATE_DEVICES
struct UpdateDevices {
  Bytes signed_list;
  Bytes exchange;                   ///< by which a device is added; empty: none is
  UploadPrekeys prekeys;            ///< of that device
  std::vector<Bytes> between = {};  ///< lists that lead to it from the one that the service has, in order
};
struct Request {
  RequestId id{};
  std::variant<FetchBundles, FetchSendTokens, UploadPrekeys, FetchPrekeyStatus, UpdateDevices> body;
};

/// The answer to FetchBundles and FetchSendTokens.
struct DevicesReply {
  struct Device {
    DeviceNumber device{};
    MailboxId mailbox;
    wire::SendToken token{};
    Bytes bundle;  ///< empty if there is none, or none was asked for
  };
  Bytes signed_list;
  std::vector<Bytes> history;  ///< the lists between the pinned one and `signed_list`, oldest first
  std::vector<Device> devices;
  Bytes renewal_token;
};

enum class RequestFailure : std::uint8_t {
  not_found,    ///< no such account, or none that we may write to
  quota,        ///< retry after what the service said
  unavailable,  ///< trouble that passes: tried again with back-off
  refused,      ///< for good: the same request would be refused again
  closed,       ///< a persona whose person has closed the conversation with us, a business; writing may open it again
};

// ---- events: what is in the history already when the application hears of it, and what never gets there

struct MessageReceived {
  MessageId id;
  session::DeviceAddress sender;
  IncomingKind kind{};
  bool late = false;
};
struct MessageStateChanged {
  MessageId id;
  AccountId peer;
  MessageState state{};
  Reason reason = Reason::none;
};
struct NoticeAdded {
  AccountId peer;
  NoticeKind kind{};
};
struct TypingChanged {
  session::DeviceAddress sender;
  bool active = false;
};
/// The relay refused or expired envelopes for this device before the one that just came: nobody knows whose.
struct MessagesMissed {};
/// First messages of unknown senders were dropped: their identity could not be confirmed, or too many came at once.
struct StrangersDropped {
  std::uint32_t count = 0;
};
/// Somebody shows others another device list of ours than the one we made.
struct OwnListForged {
  AccountId claimed_by;  ///< who says that they see it: anybody can say so, and is believed seldom; zero: we saw it
};
/// A message that another device of this account wrote is in the history.
struct MessageCopied {
  MessageId id;
  AccountId peer;
};
/// On another device the person read, deleted, blocked, or learned somebody's handle.
struct ConversationChanged {
  AccountId peer;
};
/// On another device the person opened, closed or blocked a business.
struct PersonasChanged {};
/// The account's device list is another now, or a device has another name.
struct OwnDevicesChanged {};
/// The service did not take our next device list: nothing has changed.
struct DeviceChangeRefused {};
/// This device is not on the account's list any more: it can only be linked anew.
struct ThisDeviceRemoved {};
/// Another device's history comes in: `part` of `parts` are here. 0 of 0: there is none.
struct HistoryArrived {
  std::uint32_t part = 0, parts = 0;
};
/// Of a persona: the service shows its list under a root that this device does not know (yet).
struct RootUnknown {
  bool set_back = false;  ///< an older list than this device's: the service was restored from a copy
};
/// Nothing is left to be done for now on the outbox: every message has gone out or waits for a time or a person.
struct OutboxIdle {};

using Event =
    std::variant<MessageReceived, MessageStateChanged, NoticeAdded, TypingChanged, MessagesMissed, StrangersDropped,
                 OwnListForged, MessageCopied, ConversationChanged, OwnDevicesChanged, DeviceChangeRefused,
                 ThisDeviceRemoved, HistoryArrived, PersonasChanged, RootUnknown, OutboxIdle>;
using Action = std::variant<OpenRoute, SubmitEnvelope, ClearRoute, AcknowledgePushes, Request, Event>;

}  // namespace opaline::endpoint
