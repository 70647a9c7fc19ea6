#pragma once
// How a simulated person stands with one business: a device of its own there, opened, closed and opened again by calls
// of the account's device, in the steps of src/client/persona_opening.cpp and personas_closing.cpp.
#include "credentials/opaque_id.hpp"
#include "proto/device.pb.h"
#include "tests/sim/world.hpp"
#include "wire/business_part.hpp"

namespace opaline::sim {

class Persona {
 public:
  /// `account`: the person's device. All but the business's id outlive this.
  Persona(World& world, Device& account, const AccountId& business, const std::string& name);

  /// Opens first where that has to be.
  void write(const std::string& text);
  /// Nothing happens where nothing was ever written, or a step is just under way.
  void close();
  /// The next step of what is planned, if the service can be reached.
  void go_on();

  [[nodiscard]] bool settled() const { return !opening_ && !closing_; }
  [[nodiscard]] bool is_open() const { return word_ == Word::open && settled(); }
  [[nodiscard]] bool is_closed() const { return word_ == Word::closed && settled(); }
  [[nodiscard]] const std::optional<credentials::OpaqueId>& opaque_id() const { return opaque_id_; }

  Device device;
  struct Written {
    MessageId id;
    std::string text;
    std::uint64_t era = 0;
  };
  /// What is in the history, in order.
  std::vector<Written> written;
  /// Rises with each step of a closing: only what was written in the present era, by either side, must arrive.
  std::uint64_t era = 0;
  std::uint64_t openings = 0;   ///< begun so far
  std::vector<MailboxId> left;  ///< of devices that closing took away

 private:
  enum class Word : std::uint8_t { none, open, closed };
  using Reply = const uplink::CallResult*;
  /// True: `reply` says OK. Else the step ends here, and comes again.
  bool is_ok(Reply reply);
  void ask();
  void answered(const wire::v1::PersonaOpenReply& reply);
  [[nodiscard]] bool is_in(const session::VerifiedDeviceList& list);
  [[nodiscard]] bool make(const wire::v1::PersonaOpenReply& reply,
                          const std::optional<session::VerifiedDeviceList>& list);
  void join();
  void confirm();
  [[nodiscard]] bool is_told();
  void close_at_service();
  void drop_device();
  [[nodiscard]] std::optional<MessageId> queue(const std::string& text, wire::PartKind kind);

  World& world_;
  Device& account_;
  const AccountId business_;
  // What the account's store keeps.
  Word word_ = Word::none;
  bool opening_ = false, closing_ = false, told_ = false;
  std::optional<credentials::OpaqueId> opaque_id_;
  std::optional<session::AccountKey> root_;
  // What the process keeps.
  bool busy_ = false;
  std::vector<std::string> drafts_;
  std::optional<MessageId> close_message_;
  Time told_by_;
};

}  // namespace opaline::sim
