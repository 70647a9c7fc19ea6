#pragma once
// The exchanges by which new devices and accounts find each other (docs/device-api.md, "One's own devices"). In RAM
// alone: they last ten minutes, and a restart means linking again. What the messages say is none of the server's
// business.
#include <span>
#include <unordered_map>

#include "base/random.hpp"
#include "credentials/identity.hpp"
#include "crypto/hash.hpp"
#include "identity/failure.hpp"
#include "identity/limits.hpp"

namespace opaline::identity::internal {

using ExchangeId = ByteId<struct ExchangeIdTag, 16>;

/// What one side has sent, and whether it has ended the exchange.
struct LinkSide {
  std::vector<std::string> sent;
  std::size_t given = 0;  ///< of `sent`, how many were in an answer to the other side
  bool ended = false;
};

struct LinkExchange {
  std::uint32_t number = 0;  ///< below 10^kLinkNumberDigits
  MailboxId mailbox;         ///< the new device's to be
  Instant expires;
  std::optional<credentials::DeviceAddress> joiner;  ///< the device that has it
  LinkSide new_device, account;
  std::size_t bytes = 0;  ///< of all messages
};

class LinkExchanges {
 public:
  explicit LinkExchanges(RandomSource& random) : random_(random) { random_.fill(key_.fill()); }

  struct Opened {
    ExchangeId id;
    ByteArray<kLinkSecretBytes> secret;
    std::string number;  ///< kLinkNumberDigits digits
  };
  using Messages = std::span<const std::string* const>;
  /// BAD_REQUEST: messages beyond the limits; UNAVAILABLE: too many exchanges, or too much in them.
  [[nodiscard]] Answer<Opened> open(Messages first, Instant now);

  struct Found {
    ExchangeId id;
    LinkExchange* exchange = nullptr;  ///< null: none. Until the next call that is not const
  };
  /// By the id if it has 16 bytes, else by the number. Only the first device that joins finds it, from then on too.
  [[nodiscard]] Found join(ByteView id, std::uint32_t number, const credentials::DeviceAddress& device, Instant now);
  [[nodiscard]] Found find_by_secret(ByteView id, ByteView secret, Instant now);
  [[nodiscard]] Found find_joined(ByteView id, const credentials::DeviceAddress& device, Instant now);

  struct Turn {
    std::uint32_t received = 0, sent = 0;
    Messages send;
    bool end = false;
  };
  /// One side's turn. What is refused changes nothing. BAD_REQUEST: counts that cannot be, or beyond the limits;
  /// CONFLICT: a message that was sent before with other bytes, or after the end; UNAVAILABLE. Forgets the exchange
  /// once it is over and everything was given.
  [[nodiscard]] Answer<calls::LinkTurnReply> turn(const Found& found, LinkSide LinkExchange::* side, const Turn& turn);
  /// Messages of the new device for who has just joined, as many as fit.
  [[nodiscard]] static std::vector<std::string> first_messages(LinkExchange& exchange);

  void drop_expired(Instant now);
  [[nodiscard]] std::size_t size() const { return exchanges_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  [[nodiscard]] ByteArray<kLinkSecretBytes> secret(ByteView id) const;
  [[nodiscard]] Found find(ByteView id, Instant now);
  [[nodiscard]] bool has_room(std::size_t bytes, bool joined) const;
  void forget(const ExchangeId& id);

  RandomSource& random_;
  Secret<struct LinkKeyTag, 32> key_;  ///< of this process
  std::unordered_map<ExchangeId, LinkExchange> exchanges_;
  std::unordered_map<std::uint32_t, ExchangeId> numbers_;
  std::size_t bytes_ = 0;           ///< of all messages
  std::size_t unjoined_bytes_ = 0;  ///< of those that nobody has joined
};

}  // namespace opaline::identity::internal
