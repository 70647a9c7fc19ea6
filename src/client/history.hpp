#pragma once
// The conversation as the person sees it: messages both ways and the lines between them.
#include <vector>

#include "client/home.hpp"
#include "endpoint/endpoint_store.hpp"

namespace opaline::client {

enum class EntryKind : std::uint8_t { incoming = 1, outgoing = 2, notice = 3 };

struct Entry {
  std::int64_t id = 0;  ///< rises in the order of arrival on this device
  EntryKind kind{};
  AccountId peer;
  MessageId message;      ///< zero for notices
  DeviceNumber device{};  ///< incoming: the sender's; outgoing: the person's other device that wrote it, 0 for this one
  Time sent_at;           ///< incoming: the sender's clock
  Time at;                ///< when it came here, or when its state last changed
  Time placed;  ///< where it belongs: its arrival, here or on the device that gave it; never before its forerunner's
  endpoint::MessageState state{};
  endpoint::Reason reason{};
  endpoint::NoticeKind notice{};
  endpoint::IncomingKind incoming{};
  bool late = false;
  bool shown = false;
  SecretBytes text;
  std::vector<endpoint::Attachment> attachments;
  SecretBytes part;  ///< an encoded wire::BusinessPart; empty between persons
};

/// The place that binds a sealed text: u8 kind, peer, message.
[[nodiscard]] Bytes text_place(EntryKind kind, const AccountId& peer, const MessageId& message);
/// The same for the attachments of a message.
[[nodiscard]] Bytes files_place(EntryKind kind, const AccountId& peer, const MessageId& message);

/// And for what stands beside the words.
[[nodiscard]] Bytes part_place(EntryKind kind, const AccountId& peer, const MessageId& message);

/// And for what the person shared in it.
[[nodiscard]] Bytes shared_place(const MessageId& message);

class History {
 public:
  explicit History(const LocalStore& store) : store_(store) {}

  struct Filter {
    std::vector<AccountId> peers = {};  ///< empty: all
    bool unshown_only = false;
    std::int64_t after = 0;  ///< entries with a higher id alone
  };
  /// In the order of `placed`; the newest `limit` of what matches, or with `after` or `unshown_only` the oldest.
  /// store_damaged if a text does not open.
  [[nodiscard]] Result<std::vector<Entry>, ClientError> entries(const Filter& filter, std::size_t limit) const;
  [[nodiscard]] Result<std::optional<Entry>, ClientError> outgoing(const MessageId& message) const;
  /// Messages with attachments whose id begins with these hexadecimal digits (lower case), newest first.
  [[nodiscard]] Result<std::vector<Entry>, ClientError> with_files(std::string_view begin) const;
  /// The messages (no lines) with an id from `first` to `last`.
  [[nodiscard]] Result<std::vector<Entry>, ClientError> messages(std::int64_t first, std::int64_t last) const;
  /// The latest `sent_at` of what is there with these people, their clocks or ours; nullopt: nothing is there.
  [[nodiscard]] Result<std::optional<Time>, ClientError> latest(std::span<const AccountId> peers) const;
  /// Messages with one of these people whose id begins with these hexadecimal digits (lower case): at most two, since
  /// two are as good as more.
  [[nodiscard]] Result<std::vector<MessageId>, ClientError> beginning(std::span<const AccountId> peers,
                                                                      std::string_view begin) const;
  [[nodiscard]] Result<void, ClientError> mark_shown(std::span<const std::int64_t> ids) const;

  struct Conversation {
    AccountId peer;
    Time active_at;  ///< of the newest message
    std::size_t messages = 0, unread = 0;
  };
  /// Newest first.
  [[nodiscard]] Result<std::vector<Conversation>, ClientError> conversations() const;

 private:
  const LocalStore& store_;
};

}  // namespace opaline::client
