#pragma once
// While `receive --follow` holds a home, other opaline processes of the same user talk to it over the socket
// HOME/opaline.sock (HTTP, JSON). `send` gives it messages: POST /send {"to","text","until","wait_seconds","upload"} ->
// the lines of `send --json`; POST /resolve {"to"} -> {"account"}; POST /here is refused with 400: somebody is there.
// All other commands that need the device borrow the home: POST /lend -> 200 once the lock is free. They open it
// themselves (with its passphrase, if it has one), and `receive --follow` takes it back when their lock is gone,
// however they ended.
#include <memory>

#include "apps/opaline/agent_request.hpp"
#include "apps/opaline/commands.hpp"
#include "apps/opaline/context.hpp"
#include "apps/opaline/files.hpp"
#include "net/http_server.hpp"

namespace opaline::cli {

class Agent {
 public:
  /// nullptr if the socket cannot be made (a hint is printed): receiving works all the same.
  [[nodiscard]] static std::unique_ptr<Agent> start(Context& context, Files& files);
  ~Agent();
  /// Something happened: those who wait for a message's state are answered if it is so far.
  void look();
  /// Before the process ends: everybody who waits is answered, and nothing is taken any more.
  void end();

  /// True if somebody wants to borrow the home.
  [[nodiscard]] bool asked_to_lend() const { return !borrowers_.empty(); }
  /// The device is about to go: neither it nor the files are touched until `resume`. Messages to send wait for that.
  void suspend();
  /// The lock is free: whoever asked for it is told.
  void lent();
  /// The device is back.
  void resume(Files& files);

 private:
  class Waiting;
  Agent(Context& context, Files& files) : context_(context), files_(&files) {}
  void resolve(const std::string& to, net::HttpResponder responder);
  void handle(const net::HttpRequest& request, net::HttpResponder responder);
  Context& context_;
  Files* files_;  ///< nullptr while the home is lent
  bool lent_ = false;
  std::vector<std::shared_ptr<Waiting>> waiting_;
  std::vector<net::HttpResponder> borrowers_;
  std::vector<std::pair<std::string, net::HttpResponder>> unresolved_;  ///< asked for while the home is lent
  std::unique_ptr<net::HttpServer> server_;
  bool ended_ = false;
};

/// Why what another process is asked for does not happen.
[[nodiscard]] client::Failure home_is_lent();
[[nodiscard]] client::Failure process_ended();

/// Context::open; where another process has the home, borrows it from `receive --follow`, or waits some seconds for a
/// command that ends by itself. locked: it is held for longer, or by something that does not lend it.
[[nodiscard]] Result<void, client::Failure> open_or_borrow(Context& context);
enum class Opened : std::uint8_t { here, followed };
/// here: Context::open. followed: `receive --follow` has the home, and takes messages. A command that has it is waited
/// for some seconds; locked: it holds it for longer.
[[nodiscard]] Result<Opened, client::Failure> open_or_find_agent(Context& context);
/// Asks the process that holds the home to send.
[[nodiscard]] Result<AccountId, client::Failure> resolve_through_agent(Context& context, const std::string& to);
[[nodiscard]] Exit send_through_agent(Context& context, const AgentSend& send);
/// Prints an event that is not in the history: states, typing, warnings.
void report_event(Context& context, const endpoint::Event& event);

}  // namespace opaline::cli
