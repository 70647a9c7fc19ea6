#pragma once
// What the MSP API asks of a business at work; business.hpp has the real one.
#include <functional>

#include "credentials/opaque_id.hpp"
#include "endpoint/endpoint_store.hpp"
#include "gateway/config.hpp"
#include "gateway/outcome.hpp"
#include "uplink/connection.hpp"

namespace opaline::gateway {

/// A business's message as the session carries it (translate.hpp makes it of what the MSP sent).
struct Prepared {
  msp::Uuid id;  ///< becomes the message's own id
  credentials::OpaqueId to;
  SecretBytes text;
  std::vector<endpoint::Attachment> attachments;
  SecretBytes part;  ///< a wire::BusinessPart, encoded; empty: none
};

class BusinessPort {
 public:
  virtual ~BusinessPort() = default;
  [[nodiscard]] virtual const BusinessConfig& config() const = 0;
  /// Calls back once, perhaps from inside: when the outcome is known, or `pending` after `within`. An id that came
  /// before within 7 days sends nothing: the outcome is that one's.
  virtual void send(Prepared message, std::chrono::nanoseconds within, std::function<void(Outcome)> done) = 0;
  /// Not stored; `closed`, `unknown`, else `accepted`.
  [[nodiscard]] virtual Outcome typing(const credentials::OpaqueId& to, bool active) = 0;
  /// What became of a message of the last 7 days; nullopt: not known (any more).
  [[nodiscard]] virtual std::optional<Outcome> status(const msp::Uuid& message) = 0;
  /// A method of proto/device.proto on the business's own connection; as uplink::Connection::call, UNAVAILABLE while
  /// offline.
  virtual void call(std::uint16_t method, ByteView body, uplink::CallDone done) = 0;
};

/// Those of this gateway.
class Businesses {
 public:
  virtual ~Businesses() = default;
  /// nullptr: no such business here.
  [[nodiscard]] virtual BusinessPort* find(const msp::Uuid& id) = 0;
  /// Those of an MSP id: for calls that do not name the business. None: nobody's.
  [[nodiscard]] virtual std::vector<BusinessPort*> of_msp(std::string_view msp_id) = 0;
};

}  // namespace opaline::gateway
