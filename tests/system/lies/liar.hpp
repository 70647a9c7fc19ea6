#pragma once
// The lies that lying_server tells on one device connection: frames that an honest server has taken apart and made,
// changed on their way. Which lies are told to whom is read from the file OPALINE_LIES before each batch, one lie a
// line:
//
//   drop DEVICE             what is sent to it is answered `accepted`, and lost
//   replay DEVICE           before DRAINED it gets everything again that was ever sent to it
//   deliver FROM TO         before DRAINED, TO gets everything that was ever sent to FROM
//   reverse DEVICE          what is pushed at once comes in the opposite order
//   list ASKER TARGET FILE  BUNDLES and SEND_TOKENS say that this is TARGET's list (ASKER may be *)
//   add ASKER TARGET own|account   a device more in TARGET's list, made by the liar: the list names the liar's account
//   key, or
//                           TARGET's, which has not signed it
//   swap TARGET keys|mailboxes     the answers about TARGET's first two devices have each other's bundle, or mailbox
//   and send token forget ACCOUNT          UPDATE_DEVICES is answered with OK, and nothing has happened silent ACCOUNT
//   no NOTICE join NUMBER             LINK_JOIN leads to this exchange, whatever was asked for flip one bit of each
//   message of linking that goes to the old device
//
// ACCOUNT, ASKER, TARGET: 32 hex digits. DEVICE, FROM, TO: ACCOUNT/number. Each list that the server is given or gives
// is left beside the file as `list-<account>-<number>`, the first of each number.
#include <map>
#include <string>
#include <vector>

#include "wire/frames.hpp"

namespace opaline::lies {

/// One line of the file, in words.
using Lie = std::vector<std::string>;

class Liar {
 public:
  /// What the server is to think that the device has sent.
  [[nodiscard]] Bytes from_device(ByteView batch);
  /// What the device gets in the place of what the server says: batches, each within the limits.
  [[nodiscard]] std::vector<Bytes> from_server(ByteView batch);

 private:
  struct Asked {
    std::uint16_t method = 0;
    std::string about;  ///< account, hex
  };

  [[nodiscard]] bool told(std::string_view lie, std::string_view first) const;
  void change(wire::Submit& submit);
  void change_call(Bytes& out, wire::Call call);
  void push(std::vector<Bytes>& out, wire::Push push, bool of_server);
  void push_captured(std::vector<Bytes>& out);
  [[nodiscard]] std::string changed(const Asked& asked, std::string body) const;
  template <class Reply>
  void change_devices(Reply& reply, const std::string& about) const;

  std::vector<Lie> lies_;
  std::string account_, device_;  // hex; ACCOUNT/number
  std::map<std::uint16_t, MailboxId> routes_;
  std::map<std::uint32_t, Asked> calls_;
  std::vector<std::uint32_t>
      server_number_;  // of each push that the device has: the server's number, or that of the one before
  std::uint32_t pushed_by_server_ = 0;
};

}  // namespace opaline::lies
