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
  MessageId message;  ///< zero for notices
  Time sent_at;       ///< incoming: the sender's clock
  Time at;            ///< when it came here, or when its state last changed
  endpoint::MessageState state{};
  endpoint::Reason reason{};
  endpoint::NoticeKind notice{};
  endpoint::IncomingKind incoming{};
  bool late = false;
  bool shown = false;
  SecretBytes text;
};

/// The place that binds a sealed text: u8 kind, peer, message.
[[nodiscard]] Bytes text_place(EntryKind kind, const AccountId& peer, const MessageId& message);

class History {
 public:
  explicit History(const LocalStore& store) : store_(store) {}

  struct Filter {
    std::vector<AccountId> peers;  ///< empty: all
    bool unshown_only = false;
    std::int64_t after = 0;  ///< entries with a higher id alone
  };
  /// Oldest first; the newest `limit` of what matches, or with `after` or `unshown_only` the oldest. store_damaged if a
  /// text does not open.
  [[nodiscard]] Result<std::vector<Entry>, ClientError> entries(const Filter& filter, std::size_t limit) const;
  [[nodiscard]] Result<std::optional<Entry>, ClientError> outgoing(const MessageId& message) const;
  [[nodiscard]] Result<void, ClientError> mark_shown(std::span<const std::int64_t> ids) const;

 private:
  const LocalStore& store_;
};

}  // namespace opaline::client
