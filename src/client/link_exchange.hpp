#pragma once
// One side of a link exchange at the service (docs/device-api.md, "One's own devices"): takes turns, counts messages,
// repeats what was not answered. The other side is the session room's LinkNewDevice or LinkPrimary.
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "base/secret.hpp"
#include "client/error.hpp"
#include "session/link_code.hpp"

namespace opaline::client {

/// Sends a serialised LinkTurnRequest and gives the LinkTurnReply: over HTTPS, or as a call.
using LinkTransport = std::function<Result<Bytes, Failure>(ByteView request)>;

class LinkExchange {
 public:
  /// `secret` is empty at the device that joined. `received`: messages that came with the joining.
  LinkExchange(const session::LinkExchangeId& id, SecretBytes secret, LinkTransport transport,
               std::uint32_t received = 0, std::uint32_t sent = 0)
      : id_(id), secret_(std::move(secret)), transport_(std::move(transport)), received_(received), sent_(sent) {}

  struct Turn {
    std::vector<Bytes> messages;  ///< of the other side, each once
    bool joined = false;
    bool ended = false;  ///< by the other side: nothing comes after `messages`
  };
  /// Sends `messages` and gives what has come. After a failure the next turn sends what is left of them, and gives what
  /// had come. What the transport says; protocol.
  [[nodiscard]] Result<Turn, Failure> turn(std::vector<Bytes> messages = {}, bool end = false);

  [[nodiscard]] const session::LinkExchangeId& id() const { return id_; }

 private:
  [[nodiscard]] Result<void, Failure> once(bool end);
  session::LinkExchangeId id_;
  SecretBytes secret_;
  LinkTransport transport_;
  std::uint32_t received_, sent_;
  std::deque<Bytes> to_send_;
  Turn arrived_;
};

/// What an error of the session room's linking means to a person.
[[nodiscard]] Failure link_failure(session::Error error);

}  // namespace opaline::client
