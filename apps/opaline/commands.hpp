#pragma once
// The commands of `opaline`. Each opens what it needs, does its work, prints, and returns the exit code.
#include <string>
#include <vector>

#include "apps/opaline/context.hpp"
#include "client/transfers.hpp"

namespace opaline::cli {

struct RegisterArguments {
  std::string handle;
  std::string code;  ///< empty: ask
  std::string pin;
  bool passphrase = false;
};
[[nodiscard]] Exit run_register(Context& context, const RegisterArguments& arguments);

struct SendArguments {
  std::string to;
  std::string text;  ///< "-": standard input
  std::string until = "sent";
  unsigned wait_seconds = 15;
  std::vector<std::string> files;
  bool sms = false;  ///< the person's word: to a number that is not here, as a short message
};
/// As a short message, on the person's word; with the home open. `text`: what was read of it.
[[nodiscard]] Exit run_sms(Context& context, const SendArguments& arguments, const std::string& text);
/// Whoever is written to is not here: says what a short message would be, and asks at a terminal.
[[nodiscard]] Exit offer_sms(Context& context, const SendArguments& arguments, const std::string& text,
                             const client::Failure& why);
/// `text`: what was read of it.
[[nodiscard]] Exit run_send_files(Context& context, const SendArguments& arguments, const std::string& text);
/// Waits until a message is as far as it is to be, says so, and ends the connection.
[[nodiscard]] Exit report_message(Context& context, const MessageId& id, const SendArguments& arguments, bool reached);
[[nodiscard]] Exit run_send(Context& context, const SendArguments& arguments);

struct LookupArguments {
  std::vector<std::string> handles;
  bool again = false;
};
[[nodiscard]] Exit run_lookup(Context& context, const LookupArguments& arguments);
[[nodiscard]] Exit run_my_lookups(Context& context);
[[nodiscard]] Exit run_notices(Context& context);
/// Asks the service at most once a day, and prints what this device has not shown yet. Connected.
void show_new_notices(Context& context);

struct ReceiveArguments {
  bool follow = false;
  std::string folder;  ///< where files are saved; empty: they are not
  unsigned wait_seconds = 15;
};
[[nodiscard]] Exit run_receive(Context& context, const ReceiveArguments& arguments);

struct SaveArguments {
  std::string message;  ///< the beginning of its id
  std::string folder;   ///< empty: the current one
  std::string from;
  std::size_t file = 0;  ///< from 1 on; 0: all
};
[[nodiscard]] Exit run_save(Context& context, const SaveArguments& arguments);
/// What is to be said of a message whose files are not up.
[[nodiscard]] Exit report_upload(Context& context, const client::UploadId& id);
[[nodiscard]] Exit run_cancel(Context& context, const std::string& upload);

struct HistoryArguments {
  std::string peer;
  std::size_t limit = 50;
};
[[nodiscard]] Exit run_history(Context& context, const HistoryArguments& arguments);

struct VerifyArguments {
  std::string peer;
  bool confirm = false;
  bool undo = false;
};
[[nodiscard]] Exit run_verify(Context& context, const VerifyArguments& arguments);
[[nodiscard]] Exit run_accept(Context& context, const std::string& peer);

struct LinkArguments {
  std::string name;  ///< empty: the machine's
  bool with_history = false;
  bool passphrase = false;
};
[[nodiscard]] Exit run_link(Context& context, const LinkArguments& arguments);
[[nodiscard]] Exit run_devices(Context& context);
/// `code`: what the new device shows, code or number.
[[nodiscard]] Exit run_devices_add(Context& context, const std::string& code, bool yes);
[[nodiscard]] Exit run_devices_remove(Context& context, std::uint32_t number, bool yes);
[[nodiscard]] Exit run_devices_rename(Context& context, const std::string& name);

struct RecoveryArguments {
  std::string file;
  std::string passphrase_file;
  bool force = false;
  bool passphrase = false;  ///< of the home that is made
};
[[nodiscard]] Exit run_recovery_export(Context& context, const RecoveryArguments& arguments);
[[nodiscard]] Exit run_recovery_import(Context& context, const RecoveryArguments& arguments);

[[nodiscard]] Exit run_block(Context& context, const std::string& peer, bool blocked);
[[nodiscard]] Exit run_blocked(Context& context);
[[nodiscard]] Exit run_conversations(Context& context);
struct DeleteArguments {
  std::string peer;
  std::vector<std::string> messages;  ///< ids; empty: all
  bool yes = false;
};
[[nodiscard]] Exit run_delete(Context& context, const DeleteArguments& arguments);

[[nodiscard]] Exit run_account(Context& context);
[[nodiscard]] Exit run_account_delete(Context& context, bool yes);
struct HandleArguments {
  std::string handle;
  std::string code;
  std::string pin;
};
[[nodiscard]] Exit run_handle_add(Context& context, const HandleArguments& arguments);
[[nodiscard]] Exit run_handle_remove(Context& context, const std::string& handle);
[[nodiscard]] Exit run_pin(Context& context, const std::string& pin, bool remove);
[[nodiscard]] Exit run_receipts(Context& context, bool on);

/// What a person is told when the history cannot be read.
/// Whether it may be the id of a message or an upload, or the first digits of one: 4 to 32 of them, lower case.
[[nodiscard]] bool is_id_begin(std::string_view text);
[[nodiscard]] client::Failure history_failure(const Context& context, client::ClientError error);
/// Prints the failure and gives the exit code for it.
[[nodiscard]] Exit failed(Context& context, const client::Failure& failure);
/// Waits for a callback's answer.
template <class T>
[[nodiscard]] Result<T, client::Failure> await(Context& context, std::chrono::milliseconds within,
                                               const std::function<void(client::Done<T>)>& start) {
  auto answer = std::make_shared<std::optional<Result<T, client::Failure>>>();
  start([answer](Result<T, client::Failure> result) { answer->emplace(std::move(result)); });
  context.wait(within, [&answer] { return answer->has_value(); });
  if (*answer) return std::move(**answer);
  if (context.fatal()) return fail(*context.fatal());
  return fail(client::Failure{client::ClientError::timed_out, "the server did not answer in time"});
}

}  // namespace opaline::cli
